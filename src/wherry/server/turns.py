"""Turns: long work on the event loop in slices, one slice per turn of the loop, flow after flow.

A list of ten thousand objects takes tens of milliseconds to write. Done at once it would hold up every other request
for as long; in slices of a fraction of a millisecond, each of which waits here for its turn, others wait for one slice
only. Flows (who asks, see `access/fairness`) take turns: a hundred lists of one caller are as one of another.
"""

from __future__ import annotations

import asyncio
from collections import deque
from time import perf_counter

LEAST, MOST = 16, 4096  # records of a slice
SHORT, LONG = 0.0002, 0.0005  # seconds that a slice should take
BYTES = 64 * 1024  # of a slice; more would keep TLS busy for long


class Turns:
    """Who may run the next slice."""

    __slots__ = ("_armed", "_flows", "taken")

    def __init__(self) -> None:
        self._flows: dict[str, deque[asyncio.Future[None]]] = {}  # in the order in which they are served
        self._armed = False
        self.taken = 0

    async def turn(self, flow: str) -> None:
        """Wait until it is this flow's turn; the loop has looked at everything else before."""
        loop = asyncio.get_running_loop()
        mine: asyncio.Future[None] = loop.create_future()
        self._flows.setdefault(flow, deque()).append(mine)
        if not self._armed:
            self._armed = True
            loop.call_soon(self._next)
        await mine

    def _next(self) -> None:
        """Wake the first of the first flow, which then goes to the end. Its slice runs in the next turn of the loop,
        and so does this: one slice between two looks at the sockets."""
        while self._flows:
            flow = next(iter(self._flows))
            waiting = self._flows.pop(flow)
            one = waiting.popleft()
            if waiting:
                self._flows[flow] = waiting
            if one.done():  # who waited has gone
                continue
            one.set_result(None)
            self.taken += 1
            break
        self._armed = bool(self._flows)
        if self._armed:
            asyncio.get_running_loop().call_soon(self._next)


class Pace:
    """How many records a slice takes, learned from how long the last ones took."""

    __slots__ = ("_began", "count")

    def __init__(self, count: int = 64):
        self.count = count
        self._began = 0.0

    def begin(self) -> None:
        self._began = perf_counter()

    def end(self, size: int = 0) -> None:
        """`size` in bytes of what came of it."""
        took = perf_counter() - self._began
        if took > LONG or size > BYTES:
            self.count = max(LEAST, self.count // 2)
        elif took < SHORT and 2 * size < BYTES:
            self.count = min(MOST, self.count * 2)
