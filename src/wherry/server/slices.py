"""Long lists, read and written in slices (`turns`): the body of an answer as a stream that makes itself as it is sent.

What a list holds is settled at its beginning, as records never change; only the writing is put off. The bytes are those
of a list in one piece.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from wherry.server.turns import Pace
from wherry.storage.api import Record

Render = Callable[[Sequence[Record]], bytes]
Turn = Callable[[], Awaitable[None]]

PLAIN = 500  # stored bytes as they are: so many records are written at once
MADE = 64  # what has to be made of each record first


class Sliced:
    """A list's body. An async iterator of parts; `whole` for those who want it in one piece. `on_end` is called once,
    when it has been written or given up."""

    __slots__ = ("_parts", "on_end")

    def __init__(self, parts: AsyncIterator[bytes]):
        self._parts = parts
        self.on_end: Callable[[], None] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._parts.__anext__()
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        close: Callable[[], Any] | None = getattr(self._parts, "aclose", None)
        if close is not None:
            await close()
        self._end()

    def _end(self) -> None:
        done, self.on_end = self.on_end, None
        if done is not None:
            done()

    def __del__(self) -> None:
        self._end()

    def through(self, make: Callable[[AsyncIterator[bytes]], AsyncIterator[bytes]]) -> None:
        """Change the parts on their way."""
        self._parts = make(self._parts)

    async def whole(self) -> bytes:
        return b"".join([part async for part in self])


async def parts(
    head: bytes, records: Sequence[Record], render: Render, tail: bytes, turn: Turn, pace: Pace | None = None
) -> AsyncIterator[bytes]:
    """A list between its head and its tail; `render` joins some records with commas."""
    pace = pace or Pace()
    before, at = head, 0
    while at < len(records):
        await turn()
        pace.begin()
        some = records[at : at + pace.count]
        at += len(some)
        data = before + render(some)
        pace.end(len(data))
        before = b","
        yield data
    yield tail if at else head + tail


async def matching(
    records: Sequence[Record], match: Callable[[Record], bool], limit: int, turn: Turn
) -> Callable[[Record], bool]:
    """The same predicate, asked beforehand in slices. Records are told by identity: what changes meanwhile is another
    record, and is asked then."""
    known: dict[int, bool] = {}
    pace, at, found = Pace(), 0, 0
    while at < len(records) and not (limit and found > limit):
        await turn()
        pace.begin()
        for record in records[at : at + pace.count]:
            known[id(record)] = fits = match(record)
            found += fits
        at += pace.count
        pace.end()
    kept = records  # as long as the answers are used: no other record may get one's identity

    def again(record: Record) -> bool:
        answer = known.get(id(record)) if kept is not None else None
        return match(record) if answer is None else answer

    return again


async def gzipped(stream: AsyncIterator[bytes], level: int) -> AsyncIterator[bytes]:
    """Compressed part by part, beside the loop."""
    import zlib

    packer = zlib.compressobj(level, zlib.DEFLATED, 31)  # 31: the gzip container
    async for part in stream:
        packed = await asyncio.to_thread(packer.compress, part)
        if packed:
            yield packed
    yield packer.flush()
