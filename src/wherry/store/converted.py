"""Watches of kinds that a webhook converts: every event is converted before it is shown.

The hub (`store.watch`) shows stored bytes the moment they are durable; here a task per watch stands in between. It
keeps the order, tells how far it has come (bookmarks must not promise more), and ends the watch with an ERROR event
when a conversion fails, as upstream's storage layer does when it cannot decode.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import orjson

from wherry.errors import StatusError
from wherry.storage.api import Event, Record, Storage
from wherry.store.conversion import BATCH
from wherry.store.definition import Definition
from wherry.store.watch import MAX_QUEUED, Match, Watcher, left, line

NOWHERE = "\0"  # a prefix below which there is nothing: the hub ends such a watcher but hands it no events


class Feed:
    """Feeds one watcher. The watcher is in the hub too, for its end, with the prefix NOWHERE."""

    def __init__(self, storage: Storage, d: Definition, watcher: Watcher):
        self._storage = storage
        self._d = d
        self._watcher = watcher
        self._prefix = watcher.prefix
        watcher.prefix = NOWHERE
        self._events: deque[Event] = deque()
        self._more = asyncio.Event()
        self._done = 0
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] = _nothing

    @property
    def revision(self) -> int:
        """Everything up to here has been shown."""
        return self._done

    def begin(self, initial: bool, since: int | None, bookmark: Callable[[int], bytes] | None) -> None:
        """Show what is there (`initial`, then the bookmark) or what came after `since`, then follow.

        Raises Compacted, FutureRevision."""
        records: Sequence[Record] = ()
        self._done = self._storage.revision
        if initial:
            page = self._storage.range(self._prefix)
            records, self._done = page.records, page.revision
        elif since is not None:
            self._events.extend(self._storage.events_since(since, self._prefix))
            self._done = since
        self._unsubscribe = self._storage.subscribe(self._on_events)
        end = bookmark(self._done) if bookmark is not None and initial else b""
        self._task = asyncio.get_running_loop().create_task(self._run(records, end))

    def stop(self) -> None:
        self._unsubscribe()
        if self._task is not None:
            self._task.cancel()

    def _on_events(self, events: Sequence[Event]) -> None:
        self._events.extend(events)  # those of other kinds too: they move the revision on
        if len(self._events) > MAX_QUEUED:
            self._watcher.close()
        self._more.set()

    async def _run(self, records: Sequence[Record], end: bytes) -> None:
        watcher = self._watcher
        try:
            for start in range(0, len(records), BATCH):
                batch = records[start : start + BATCH]
                await self._d.conversion.prepare(self._d, batch)
                for record in batch:
                    if watcher.match is None or watcher.match(record):
                        watcher.send(watcher.encode("ADDED", record))
            if end:
                watcher.send(end)
            while not watcher.closed:
                while self._events:
                    event = self._events.popleft()
                    if event.key.startswith(self._prefix):
                        await self._show(event, watcher.match)
                    self._done = event.revision
                self._more.clear()
                await self._more.wait()
        except StatusError as refused:
            watcher.send(line("ERROR", orjson.dumps(refused.to_status())))
            watcher.close()

    async def _show(self, event: Event, match: Match | None) -> None:
        prepare = self._d.conversion.prepare
        there = [r for r in (event.record, event.previous) if r is not None]
        await prepare(self._d, there)
        now = event.record is not None and (match is None or match(event.record))
        before = event.previous is not None and (match is None or match(event.previous))
        if now:
            kind, shown = ("MODIFIED" if before else "ADDED"), event.record
        elif before:
            kind, shown = "DELETED", event.final if event.record is None else left(event.previous, event.revision)
        else:
            return
        assert shown is not None
        await prepare(self._d, (shown,))
        self._watcher.send(self._watcher.encode(kind, shown))


def _nothing() -> None:
    pass
