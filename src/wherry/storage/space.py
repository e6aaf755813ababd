"""A space: one present and one history of its own, beside others in one log.

Every workspace lives in a space and cannot see past it: the keys inside all begin the same way (`/root/...`), so what
is above never has to know where it is, and a fork can share records with its source. Revisions are those of the log:
they rise over all spaces, and a space only shows its own.

Forks share what they began with. A record on disk may therefore be needed by a relative long after the space that wrote
it has replaced it; `held` answers that, and the space with the fewest questions to ask is asked first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from wherry.storage.api import Encoder, Event, Guard, Page, Record, RevisionConflict
from wherry.storage.index import Index, Keep

if TYPE_CHECKING:
    from wherry.storage.commit import Log, Write

ROOT = "root"
HERE = "/" + ROOT  # what every key begins with, inside of every space
FORGET_STEPS = 500  # events that one turn of the loop forgets; about a quarter of a millisecond
Subscriber = Callable[[Sequence[Event]], None]


class Space:
    """The `Storage` of one space."""

    get: Callable[[str], Record | None]

    def __init__(self, log: Log, name: str, index: Index, parent: Space | None = None, made: int = 1):
        self._log = log
        self.name = name
        self.made = made  # the revision at which it began; 1 for the first of all
        self.parent = parent  # what it was forked from
        self.children: dict[str, Space] = {}
        self.dropped = False
        self.guard: Guard | None = None
        self.pending: dict[str, Write] = {}  # the newest write of each key that is not durable yet
        self._subscribers: tuple[Subscriber, ...] = ()
        self._forgetting = False
        self._path = "" if name == ROOT else f"/{name}"
        self.take(index)

    def take(self, index: Index) -> None:
        """Show what this index holds."""
        self._index = index
        self.get = index.current.get  # no frame of our own: the most frequent call of all
        index.on_trimmed = self._trimmed

    def restore(self, current: dict[str, Record], revision: int, oldest: int, events: Iterable[Event]) -> None:
        """Show what was read from disk."""
        self._index.load(current, revision, oldest, events)
        self.take(self._index)

    def key(self, key: str) -> str:
        """A key of this space as the log knows it: `/<space>/<group>/...`."""
        return self._path + key[len(HERE) :] if self._path else key

    # --- reads --------------------------------------------------------------------------------------------------

    @property
    def revision(self) -> int:
        return self._index.revision

    @property
    def oldest(self) -> int:
        return self._index.oldest

    def newest(self, key: str) -> Record | None:
        write = self.pending.get(key)
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
        record = self._log.number(self, key, encode)
        if previous is not None:
            record.created = previous.created
        return await self._in_line(Event(record.revision, key, record, previous, None))

    async def delete(self, key: str, encode: Encoder, *, expect: int | None = None) -> Record:
        previous = self.newest(key)
        if previous is None or (expect is not None and expect != previous.revision):
            raise RevisionConflict(key, previous)
        final = self._log.number(self, key, encode)
        final.created = previous.created
        return await self._in_line(Event(final.revision, key, None, previous, final))

    def _in_line(self, event: Event) -> Awaitable[Record]:
        if self.guard is not None:
            self.guard(event)
        return self._log.enqueue(self, event)

    # --- what the log tells -------------------------------------------------------------------------------------

    @property
    def has_history(self) -> bool:
        return bool(self._index.log)

    def fork_index(self, revision: int, keep: Keep) -> Index:
        """The present, as the beginning of another space."""
        return self._index.fork(revision, keep)

    def apply(self, events: list[Event]) -> None:
        """Durable events of this space, in order: visible from now on."""
        self._index.apply(events)

    def tell(self, events: list[Event]) -> None:
        for subscriber in self._subscribers:
            try:
                subscriber(events)
            except Exception as error:  # a broken reader must not take the answers from the writers
                context = {"message": "a storage subscriber failed", "exception": error}
                asyncio.get_running_loop().call_exception_handler(context)

    def silence(self) -> None:
        """Nobody listens any more."""
        self._subscribers = ()

    def settle(self, write: Write) -> None:
        """A write is through: what stands in the index is the newest now, unless a younger one waits."""
        key = write.event.key
        if self.pending.get(key) is write:
            del self.pending[key]

    def trim(self, steps: int) -> bool:
        """Forget what is too old, for a space in which nothing is written; true while there is history left."""
        self._index.trim(steps)
        return bool(self._index.log)

    # --- the rest -----------------------------------------------------------------------------------------------

    def subscribe(self, on_events: Subscriber) -> Callable[[], None]:
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
        if self._log.closed:
            return
        if self._index.forget(0, FORGET_STEPS):
            self._forgetting = False
            self._log.sweep()
        else:
            asyncio.get_running_loop().call_soon(self._forget)

    async def forgotten(self) -> None:
        """A compaction that was asked for is finished."""
        while not self._index.forget(0, FORGET_STEPS):
            await asyncio.sleep(0)

    def stale(self, record: Record) -> bool:
        return self._log.outdated(self, record)

    async def close(self) -> None:
        """A space ends with its log; closing the first one closes the log."""

    # --- relatives ----------------------------------------------------------------------------------------------

    def _trimmed(self, event: Event) -> None:
        self._log.trimmed(self, event)

    def coming(self) -> Iterator[Event]:
        return (write.event for write in self.pending.values())

    def records(self) -> Iterator[Record]:
        """Everything that stands here now."""
        return iter(tuple(self._index.current.values()))

    def beginning(self) -> list[Event]:
        """What a fork began with, as additions at its beginning."""
        stood = {record.key: record for record in self.records() if record.revision <= self.made}
        for event in reversed(self.history()):
            if event.previous is not None and event.previous.revision <= self.made:
                stood[event.key] = event.previous
        return [Event(self.made, record.key, record, None, None) for record in stood.values()]

    def history(self) -> Sequence[Event]:
        """Everything that is remembered, oldest first."""
        return tuple(self._index.log)

    def held(self, record: Record) -> bool:
        """Whether a relative still shows this version, or remembers it, which this space does not need any more."""
        writer = self
        while record.revision <= writer.made and writer.parent is not None:
            writer = writer.parent
        if writer is not self and writer.needs(record):
            return True
        return any(space.needs(record) for space in writer.heirs(record.revision) if space is not self)

    def needs(self, record: Record) -> bool:
        """Whether this version is shown here, or was replaced so lately that the history tells of it."""
        return self.get(record.key) is record or self._index.remembers(record)

    def heirs(self, revision: int) -> Iterator[Space]:
        """The spaces that may have got a record of this revision from here, by a fork made after it."""
        for child in self.children.values():
            if child.made >= revision:
                yield child
                yield from child.heirs(revision)
