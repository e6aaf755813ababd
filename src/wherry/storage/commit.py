"""How a write goes: checked and numbered at once, queued, committed together with its neighbours, then published.

Everything here runs on the event loop and nothing waits, so there are no locks: a write sees all writes before it,
because `newest` answers from the queue first. What was asked for in one turn of the loop goes to the backend as one
batch at the end of that turn; while a batch is on its way the next one collects (law 2). A lonely write therefore
starts at once, and a crowd shares one fsync.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from wherry.storage.api import Encoder, Event, Page, Record, RevisionConflict, StorageError
from wherry.storage.index import Index

MAX_VALUE = 512 << 20  # far above any object; a larger one would fail the commit that it shares with others
FORGET_STEPS = 500  # events that one turn of the loop forgets; about a quarter of a millisecond


class Write:
    """One numbered write on its way to being durable."""

    __slots__ = ("event", "waiter")

    def __init__(self, event: Event, waiter: asyncio.Future[Record]):
        self.event = event
        self.waiter = waiter


class Committer:
    """The storage that memory and sqlite share; a backend adds `_commit`, which makes a batch durable."""

    get: Callable[[str], Record | None]

    def __init__(self, index: Index):
        self._index = index
        self.get = index.current.get  # no frame of our own: the most frequent call of all
        self._numbered = index.revision
        self._pending: dict[str, Write] = {}  # the newest write of each key that is not durable yet
        self._queue: list[Write] = []
        self._busy: list[Write] = []  # the batch that the backend has
        self._subscribers: tuple[Callable[[Sequence[Event]], None], ...] = ()
        self._closed = ""  # why nothing can be written any more
        self._idle: asyncio.Future[None] | None = None  # resolved when nothing is queued or under way
        self._forgetting = False

    # --- what a backend provides --------------------------------------------------------------------------------

    def _commit(self, batch: list[Write]) -> None:
        """Make the batch durable, then call `_done(batch, error)` on the loop; must not raise."""
        raise NotImplementedError

    def _sweep(self) -> None:
        """Free now what the history needed no more, for there may be no further write."""

    # --- reads --------------------------------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        return self._index.revision

    @property
    def oldest(self) -> int:
        return self._index.oldest

    def newest(self, key: str) -> Record | None:
        write = self._pending.get(key)
        return write.event.record if write is not None else self.get(key)

    def range(self, prefix: str, *, after: str = "", limit: int = 0, revision: int = 0) -> Page:
        return self._index.range(prefix, after=after, limit=limit, revision=revision)

    def count(self, prefix: str) -> int:
        return self._index.count(prefix)

    def events_since(self, revision: int, prefix: str = "") -> Sequence[Event]:
        return self._index.events_since(revision, prefix)

    # --- writes -------------------------------------------------------------------------------------------------

    async def put(self, key: str, encode: Encoder, *, expect: int | None = None) -> Record:
        previous = self.newest(key)
        if expect is not None and expect != (previous.revision if previous is not None else 0):
            raise RevisionConflict(key, previous)
        record = self._number(key, encode)
        if previous is not None:
            record.created = previous.created
        return await self._enqueue(Event(record.revision, key, record, previous, None))

    async def delete(self, key: str, encode: Encoder, *, expect: int | None = None) -> Record:
        previous = self.newest(key)
        if previous is None or (expect is not None and expect != previous.revision):
            raise RevisionConflict(key, previous)
        final = self._number(key, encode)
        final.created = previous.created
        return await self._enqueue(Event(final.revision, key, None, previous, final))

    def _number(self, key: str, encode: Encoder) -> Record:
        """The next revision and the bytes that embed it. No number is given out twice, even if its commit fails."""
        if self._closed:
            raise StorageError(self._closed)
        revision = self._numbered + 1
        value = encode(revision)
        if len(value) > MAX_VALUE or not (key.isascii() or _encodable(key)):
            raise StorageError(f"cannot store {len(value)} bytes under {key!r}")
        self._numbered = revision
        # A copy of exact size: JSON writers hand out the whole buffer that they wrote into, several times the text.
        return Record(key, b"%b" % value, revision, revision)

    def _enqueue(self, event: Event) -> asyncio.Future[Record]:
        loop = asyncio.get_running_loop()
        write = Write(event, loop.create_future())
        self._pending[event.key] = write
        if not self._queue and not self._busy:
            loop.call_soon(self._flush)
        self._queue.append(write)
        return write.waiter

    def _flush(self) -> None:
        batch = self._busy = self._queue
        self._queue = []
        self._commit(batch)

    def _done(self, batch: list[Write], error: StorageError | None) -> None:
        """The backend's answer: publish in order, or fail the batch and everything that was numbered after it."""
        if error is None:
            self._publish(batch)
        else:
            batch = batch + self._queue
            self._queue = []
            self._pending.clear()
            for write in batch:
                if not write.waiter.done():
                    write.waiter.set_exception(StorageError(*error.args))
        self._busy = []
        if self._queue:
            self._flush()
        elif self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    def _publish(self, batch: list[Write]) -> None:
        events = [write.event for write in batch]
        self._index.apply(events)
        pending = self._pending
        if not self._queue:
            pending.clear()
        else:
            for write in batch:
                key = write.event.key
                if pending.get(key) is write:
                    del pending[key]
        for subscriber in self._subscribers:
            try:
                subscriber(events)
            except Exception as error:  # a broken reader must not take the answers from the writers
                context = {"message": "a storage subscriber failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)
        for write in batch:
            if not write.waiter.done():  # cancelled: the write stands, nobody waits for it
                write.waiter.set_result(write.event.record or write.event.final)  # type: ignore[arg-type]

    # --- the rest -----------------------------------------------------------------------------------------------

    def subscribe(self, on_events: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        self._subscribers += (on_events,)

        def unsubscribe() -> None:
            self._subscribers = tuple(s for s in self._subscribers if s is not on_events)

        return unsubscribe

    async def barrier(self) -> int:
        """One process owns the data and publishes before it answers, so reads are always up to date."""
        return self.revision

    def compact(self, revision: int) -> None:
        self._index.forget(revision, 0)  # from now on such reads are refused; the clean-up follows
        if not self._forgetting:
            self._forgetting = True
            asyncio.get_running_loop().call_soon(self._forget)

    def _forget(self) -> None:
        if self._closed:
            return
        if self._index.forget(0, FORGET_STEPS):
            self._forgetting = False
            self._sweep()
        else:
            asyncio.get_running_loop().call_soon(self._forget)

    async def _settled(self) -> None:
        """Wait until every write that was asked for has its answer."""
        while self._queue or self._busy:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def close(self) -> None:
        self._closed = self._closed or "the storage is closed"
        await self._settled()
        while not self._index.forget(0, FORGET_STEPS):  # a compaction that was asked for is finished
            await asyncio.sleep(0)


def _encodable(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True
