"""Watch: the stream of changes of a collection, each event encoded once for all who want it in the same form (law 1).

The hub hears every durable batch from storage and gives each event to the watchers of its collection. A watcher is a
bounded queue of finished lines; whoever serves it takes all that is there at once, so that a slow reader costs one
write for many events. A watcher that falls too far behind is ended, as kube-apiserver's cacher ends it: its client
watches again from the last revision that it saw.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Hashable, Sequence

import orjson

from wherry.storage.api import Event, Record, Storage

Match = Callable[[Record], bool]
# (type, record) -> the bytes of one line of the stream
Encode = Callable[[str, Record], bytes]

MAX_QUEUED = 20_000  # events
MAX_QUEUED_BYTES = 64 << 20


def line(kind: str, data: bytes) -> bytes:
    """One event in the wire form of meta/v1 WatchEvent, newline included."""
    return b'{"type":"' + kind.encode() + b'","object":' + data + b"}\n"


def framed(data: bytes) -> bytes:
    """A line as one chunk of an HTTP/1.1 body: done once per event for all who receive it over HTTP."""
    return b"%x\r\n%b\r\n" % (len(data), data)


class Watcher:
    """One reader, who pulls (`take`) or is pushed to (`attach`).

    `take()` waits for lines and returns them joined; None when the watch has ended. A reader that can be written to
    without waiting, a connection, attaches a sink instead and is handed framed chunks as soon as a batch is through;
    while it is `held` (its buffer is full) lines queue up here like for anyone else. While a reader is still shown what
    was there when it came, events wait in `behind`.
    """

    __slots__ = (
        "_size",
        "_waiter",
        "behind",
        "closed",
        "encode",
        "form",
        "held",
        "match",
        "on_close",
        "overrun",
        "prefix",
        "queue",
        "sink",
    )

    def __init__(self, prefix: str, match: Match | None, encode: Encode, form: Hashable):
        self.prefix = prefix
        self.match = match
        self.encode = encode
        self.form = form  # watchers with equal forms share encoded events
        self.queue: deque[bytes] = deque()
        self.behind: list[Event] | None = None
        self.closed = False
        self.overrun = False  # ended because its reader did not keep up
        self.sink: Callable[[bytes], None] | None = None
        self.on_close: Callable[[], None] | None = None
        self.held = False
        self._size = 0
        self._waiter: asyncio.Future[None] | None = None

    def offer(self, data: bytes) -> None:
        """Queue a line (a chunk when a sink is attached); ends the watch when the bound is reached."""
        self.queue.append(data)
        self._size += len(data)
        if len(self.queue) > MAX_QUEUED or self._size > MAX_QUEUED_BYTES:
            self._give_up()
        elif self._waiter is not None:
            self._wake()

    def start_with(self, data: bytes) -> None:
        """Queue what stands before all events, however long it is."""
        self.queue.append(framed(data) if self.sink is not None else data)
        self._wake()

    def put_behind(self, event: Event) -> None:
        """Keep an event until `caught_up`; ends the watch when the bound is reached."""
        assert self.behind is not None
        self.behind.append(event)
        if len(self.behind) > MAX_QUEUED:
            self._give_up()

    def caught_up(self) -> None:
        """All that was there has been queued: what has happened since follows."""
        events, self.behind = self.behind or (), None
        for event in events:
            _deliver(event, self, {})
        self.flush()

    def send(self, data: bytes) -> None:
        """Queue one raw line and let it go at once."""
        self.offer(framed(data) if self.sink is not None else data)
        self.flush()

    def attach(self, sink: Callable[[bytes], None], on_close: Callable[[], None]) -> None:
        """From now on push. What is queued goes out first."""
        waiting = [framed(data) for data in self.queue]
        self.queue.clear()
        self._size = 0
        self.sink, self.on_close = sink, on_close
        for chunk in waiting:
            self.offer(chunk)
        self.flush()
        if self.closed:
            on_close()

    def flush(self) -> None:
        """Hand what is queued to the sink, in one piece."""
        sink = self.sink
        if sink is None or self.held or not self.queue:
            return
        data = self.queue[0] if len(self.queue) == 1 else b"".join(self.queue)
        self.queue.clear()
        self._size = 0
        sink(data)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        self._waiter = None

    def _give_up(self) -> None:
        self.overrun = not self.closed
        self.close()

    def close(self) -> None:
        """End after what is queued; idempotent."""
        if self.closed:
            return
        self.closed = True
        self._wake()
        if self.on_close is not None:
            self.on_close()

    async def take(self) -> bytes | None:
        while not self.queue:
            if self.closed:
                return None
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        data = self.queue[0] if len(self.queue) == 1 else b"".join(self.queue)
        self.queue.clear()
        self._size = 0
        return data


class WatchHub:
    """All watchers of one storage."""

    def __init__(self, storage: Storage):
        self._storage = storage
        self._watchers: dict[str, list[Watcher]] = {}
        self._unsubscribe = storage.subscribe(self._on_events)

    def __len__(self) -> int:
        return sum(map(len, self._watchers.values()))

    def add(self, collection: str, watcher: Watcher, since: int | None) -> None:
        """Start delivering; with `since`, everything after that revision first. Raises Compacted, FutureRevision."""
        if since is not None:
            for event in self._storage.events_since(since, collection):
                _deliver(event, watcher, {})
        self._watchers.setdefault(collection, []).append(watcher)

    def remove(self, collection: str, watcher: Watcher) -> None:
        watcher.close()
        found = self._watchers.get(collection)
        if found is not None and watcher in found:
            found.remove(watcher)
            if not found:
                del self._watchers[collection]

    def close(self) -> None:
        """End every watch, for shutdown."""
        self._unsubscribe()
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.close()

    def end_collection(self, prefix: str) -> None:
        """End the watches below a prefix: their kind is no longer served."""
        for collection in [c for c in self._watchers if c.startswith(prefix)]:
            for watcher in self._watchers[collection]:
                watcher.close()

    def _on_events(self, events: Sequence[Event]) -> None:
        touched: dict[str, list[Watcher]] = {}
        for event in events:
            collection = collection_of(event.key)
            watchers = self._watchers.get(collection)
            if watchers:
                touched[collection] = watchers
                encoded: dict[tuple[Hashable, str, bool], bytes] = {}
                for watcher in watchers:
                    if not watcher.closed:
                        _deliver(event, watcher, encoded)
        for watchers in touched.values():
            for watcher in tuple(watchers):
                watcher.flush()


def collection_of(key: str) -> str:
    """`/root/apps/deployments/` of `/root/apps/deployments/ns/name`."""
    return key[: key.index("/", key.index("/", key.index("/", 1) + 1) + 1) + 1]


def _deliver(event: Event, watcher: Watcher, encoded: dict[tuple[Hashable, str, bool], bytes]) -> None:
    if not event.key.startswith(watcher.prefix):
        return
    if watcher.behind is not None:
        watcher.put_behind(event)
        return
    record, previous = event.record, event.previous
    match = watcher.match
    now = record is not None and (match is None or match(record))
    before = previous is not None and (match is None or match(previous))
    if now:
        kind, shown = ("MODIFIED" if before else "ADDED"), record
    elif before:
        kind, shown = "DELETED", event.final if record is None else left(previous, event.revision)
    else:
        return
    assert shown is not None
    chunked = watcher.sink is not None
    key = (watcher.form, kind, chunked)
    data = encoded.get(key)
    if data is None:
        data = watcher.encode(kind, shown)
        data = encoded[key] = framed(data) if chunked else data
    watcher.offer(data)


def left(previous: Record | None, revision: int) -> Record:
    """An object that left a selector: as it was, at the revision of the change (TRAPS 19)."""
    assert previous is not None
    obj = orjson.loads(previous.value)
    obj["metadata"]["resourceVersion"] = str(revision)
    return Record(previous.key, orjson.dumps(obj), revision, previous.created)
