"""How a write goes: checked and numbered at once, queued, committed together with its neighbours, then published.

Everything here runs on the event loop and nothing waits, so there are no locks: a write sees all writes before it,
because `newest` answers from the queue first. What was asked for in one turn of the loop goes to the backend as one
batch at the end of that turn; while a batch is on its way the next one collects (law 2). A lonely write therefore
starts at once, and a crowd shares one fsync.

One log carries many spaces (`space.py`). To make, fork or drop one is an entry of the same queue: a fork holds exactly
what was asked for before it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from wherry.storage.api import Compacted, Encoder, Event, Follower, FutureRevision, Record, SpaceExists, StorageError
from wherry.storage.index import Index, Keep
from wherry.storage.space import ROOT, Space

MAX_VALUE = 512 << 20  # far above any object; a larger one would fail the commit that it shares with others
# What a space that is not the first one keeps: there may be ten thousand of them.
KEEP = Keep(events=10_000, bytes=4 << 20, seconds=300.0, least=100)
_TRIM_STEPS = 64
_DROP_STEPS = 2_000  # records that one turn of the loop gives up


class Write:
    """One numbered write on its way to being durable; `space` is where. An `Act` is one too."""

    __slots__ = ("event", "space", "waiter")

    def __init__(self, space: Space, event: Event, waiter: asyncio.Future[Any]):
        self.space = space
        self.event = event
        self.waiter = waiter


class Act(Write):
    """A space that is made (from `source` as it stood at revision `at`, or empty) or dropped."""

    __slots__ = ("at", "drop", "index", "source")

    def __init__(self, space: Space, revision: int, waiter: asyncio.Future[Any], source: Space | None, at: int):
        super().__init__(space, Event(revision, "", None, None, None), waiter)
        self.source = source
        self.at = at
        self.index: Index | None = None  # of a fork of the past
        self.drop = False


class Log(Space):
    """What memory and sqlite share: the first space, and the log of all. A backend adds `_commit`."""

    def __init__(self, index: Index):
        super().__init__(self, ROOT, index)
        self.keep = KEEP if index.keep.seconds == KEEP.seconds else KEEP.lasting(index.keep.seconds)
        self._numbered = self._published = index.revision
        self._queue: list[Write] = []
        self._busy: list[Write] = []  # the batch that the backend has
        self.closed = ""  # why nothing can be written any more
        self._idle: asyncio.Future[None] | None = None  # resolved when nothing is queued or under way
        self._spaces: dict[str, Space] = {ROOT: self}
        self._coming: set[str] = set()  # names of spaces that are being made
        self._followers: tuple[Follower, ...] = ()
        self._aging: deque[Space] = deque()  # spaces with a history that time may trim
        self._dropped_at = index.revision if index.revision > 1 else 0  # the newest drop, as far as one knows

    # --- what a backend provides --------------------------------------------------------------------------------

    def _commit(self, batch: list[Write]) -> None:
        """Make the batch durable, then call `_done(batch, error)` on the loop; must not raise."""
        raise NotImplementedError

    def sweep(self) -> None:
        """Free now what the history needed no more, for there may be no further write."""

    def trimmed(self, space: Space, event: Event) -> None:
        """An event left a history: a backend may free what only it needed."""

    def unneeded(self, space: Space, records: Iterable[Record]) -> None:
        """A space was dropped that held these."""

    def outdated(self, space: Space, record: Record) -> bool:
        """Whether a record lies on disk otherwise than it would be written now."""
        return False

    # --- spaces -------------------------------------------------------------------------------------------------

    def space(self, name: str) -> Space | None:
        return self._spaces.get(name)

    def spaces(self) -> Sequence[str]:
        return tuple(self._spaces)

    async def make(self, name: str, *, source: str = "", revision: int = 0) -> Space:
        if self.closed:
            raise StorageError(self.closed)
        if name in self._spaces or name in self._coming:
            raise SpaceExists(name)
        origin: Space | None = None
        index = None
        if source:
            origin = self._spaces.get(source)
            if origin is None or origin.dropped:
                raise StorageError(f"there is no space {source!r} to fork")
            if revision > self.last():
                raise FutureRevision(revision, self.last())
            if revision and (revision < origin.revision or origin.pending):
                index = _past(origin, min(revision, origin.revision), self._numbered + 1, self.keep)
        elif revision:
            raise StorageError("an empty space has no past")
        self._numbered += 1
        number = self._numbered
        space = Space(self, name, Index(self.keep), origin, number)
        at = min(revision, origin.revision) if index is not None and origin is not None else number
        act = Act(space, number, asyncio.get_running_loop().create_future(), origin, at)
        act.index = index
        self._coming.add(name)
        try:
            await asyncio.shield(self._send(act))
        finally:
            self._coming.discard(name)
        return space

    async def drop(self, name: str) -> None:
        space = self._spaces.get(name)
        if space is None or space is self or space.dropped:
            raise StorageError(f"there is no space {name!r} to drop")
        if self.closed:
            raise StorageError(self.closed)
        self._numbered += 1
        act = Act(space, self._numbered, asyncio.get_running_loop().create_future(), None, 0)
        act.drop = True
        space.dropped = True
        await asyncio.shield(self._send(act))

    def follow(self, follower: Follower) -> Callable[[], None]:
        self._followers += (follower,)

        def leave() -> None:
            self._followers = tuple(f for f in self._followers if f is not follower)

        return leave

    def last(self) -> int:
        """The newest durable revision of all spaces."""
        return self._published

    def all_since(self, revision: int) -> list[tuple[Space, Event]]:
        if revision > self._published:
            raise FutureRevision(revision, self._published)
        if revision < self._dropped_at:  # what went with a space is not remembered
            raise Compacted(revision, self._dropped_at)
        found: list[tuple[int, Space, Event]] = []
        for space in self._spaces.values():
            if space.revision <= revision:
                continue
            since = revision
            if space.made > revision and space is not self:
                since = space.made
                if space.oldest > since:
                    raise Compacted(revision, space.oldest)
                found += [(since, space, event) for event in space.beginning()]
            found += [(event.revision, space, event) for event in space.events_since(since)]
        found.sort(key=lambda entry: entry[0])
        return [(space, event) for _, space, event in found]

    def _act(self, act: Act) -> None:
        space = act.space
        if act.drop:
            del self._spaces[space.name]
            self._dropped_at = act.event.revision
            for follower in self._followers:
                follower.dropped(space)
            self._give_up(space)
            return
        index = act.index
        if index is None:
            empty = Index(self.keep)
            empty.load({}, act.event.revision, act.event.revision)
            index = act.source.fork_index(act.event.revision, self.keep) if act.source is not None else empty
        space.take(index)
        if act.source is not None:
            act.source.children[space.name] = space
        self._spaces[space.name] = space
        for follower in self._followers:
            follower.made(space)

    def _give_up(self, space: Space) -> None:
        """Free what a dropped space held, in small steps: relatives may need a part of it."""
        records = list(space.records())
        records += [r for event in space.history() for r in (event.previous, event.final) if r is not None]
        space.take(Index(self.keep))
        space.silence()
        loop = asyncio.get_running_loop()

        def step() -> None:
            if self.closed:
                return
            self.unneeded(space, records[:_DROP_STEPS])
            del records[:_DROP_STEPS]
            if records:
                loop.call_soon(step)
            else:
                self.forsake(space)

        loop.call_soon(step)

    def forsake(self, space: Space) -> None:
        """Cut off a dropped space without heirs, and its dropped ancestors with it."""
        left: Space | None = space
        while left is not None and left.dropped and not left.children:
            self.forgotten_space(left)
            parent, left.parent = left.parent, None
            if parent is not None:
                parent.children.pop(left.name, None)
            left = parent

    def forgotten_space(self, space: Space) -> None:
        """Nothing needs this dropped space any more, not even its name."""

    # --- writes -------------------------------------------------------------------------------------------------

    def number(self, space: Space, key: str, encode: Encoder) -> Record:
        """The next revision and the bytes that embed it. No number is given out twice, even if its commit fails."""
        if self.closed:
            raise StorageError(self.closed)
        if space.dropped:
            raise StorageError(f"space {space.name!r} is gone")
        revision = self._numbered + 1
        value = encode(revision)
        if len(value) > MAX_VALUE or not (key.isascii() or _encodable(key)):
            raise StorageError(f"cannot store {len(value)} bytes under {key!r}")
        self._numbered = revision
        # A copy of exact size: JSON writers hand out the whole buffer that they wrote into, several times the text.
        return Record(key, b"%b" % value, revision, revision)

    def enqueue(self, space: Space, event: Event) -> asyncio.Future[Record]:
        loop = asyncio.get_running_loop()
        write = Write(space, event, loop.create_future())
        space.pending[event.key] = write
        if not self._queue and not self._busy:
            loop.call_soon(self._flush)
        self._queue.append(write)
        return write.waiter

    def _send(self, act: Act) -> asyncio.Future[Any]:
        if not self._queue and not self._busy:
            asyncio.get_running_loop().call_soon(self._flush)
        self._queue.append(act)
        return act.waiter

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
            for write in batch:
                write.space.pending.clear()
                if isinstance(write, Act) and write.drop:
                    write.space.dropped = False
                if not write.waiter.done():
                    write.waiter.set_exception(StorageError(*error.args))
        self._busy = []
        if self._queue:
            self._flush()
        elif self._idle is not None:
            self._idle.set_result(None)
            self._idle = None

    def _publish(self, batch: list[Write]) -> None:
        """In runs of one space each, so that the order over all of them is kept."""
        at, end = 0, len(batch)
        while at < end:
            first, start = batch[at], at
            space = first.space
            if isinstance(first, Act):
                self._act(first)
                at += 1
                continue
            while at < end and batch[at].space is space and type(batch[at]) is Write:
                at += 1
            self._publish_run(space, batch[start:at] if at - start < end else batch, alone=at - start == end)
        self._published = batch[-1].event.revision
        for write in batch:
            if not write.waiter.done():  # cancelled: the write stands, nobody waits for it
                write.waiter.set_result(write.event.record or write.event.final)
        if self._aging:
            self._trim_one()

    def _publish_run(self, space: Space, run: list[Write], *, alone: bool) -> None:
        if space.dropped and space.name not in self._spaces:
            return  # written in the turn in which its space went
        events = [write.event for write in run]
        if space is not self and not space.has_history:
            self._aging.append(space)
        space.apply(events)
        if alone and not self._queue:
            space.pending.clear()
        else:
            for write in run:
                space.settle(write)
        space.tell(events)
        for follower in self._followers:
            follower.events(space, events)

    def _trim_one(self) -> None:
        space = self._aging.popleft()
        if not space.dropped and space.trim(_TRIM_STEPS):
            self._aging.append(space)

    # --- the rest -----------------------------------------------------------------------------------------------

    async def _settled(self) -> None:
        """Wait until every write that was asked for has its answer."""
        while self._queue or self._busy:
            if self._idle is None:
                self._idle = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._idle)

    async def close(self) -> None:
        self.closed = self.closed or "the storage is closed"
        await self._settled()
        for space in tuple(self._spaces.values()):
            await space.forgotten()


def _past(origin: Space, revision: int, made: int, keep: Keep) -> Index:
    """An index, begun at revision `made`, of how a space stood at an earlier one; raises Compacted."""
    page = origin.range("/", revision=revision)
    index = Index(keep)
    index.load({record.key: record for record in page.records}, made, made)
    return index


def _encodable(key: str) -> bool:
    try:
        key.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return False
    return True
