"""One priority level: so many seats, given to flows so that none can take them all, and queues for those who wait.

Seats are shared by a dynamic threshold (Choudhury and Hahne, 1998): a flow may hold as many as are left free. One flow
alone gets half of a level, two get a third each, so that whoever comes next finds a seat at once, however greedy the
others are. Queues are those of upstream: a flow is dealt a hand of them and joins the shortest; they are served in the
order of what each has been given so far (start-time fair queueing), so that a long queue does not delay a short one.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]
MAX_WIDTH = 10  # seats of a request; upstream's bound for lists
_SHARE = 0.15  # of a level that one request may take


class Full(Exception):
    """No seat and no place to wait; the reason is upstream's word for it."""

    def __init__(self, reason: str):
        super().__init__(reason)
        self.reason = reason


class _Waiting:
    """A request in a queue."""

    __slots__ = ("flow", "future", "timer", "width")

    def __init__(self, flow: str, width: int, future: asyncio.Future[None]):
        self.flow = flow
        self.width = width
        self.future = future
        self.timer: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class _Queue:
    waiting: deque[_Waiting] = field(default_factory=deque)
    given: float = 0.0  # seats, so far, since the level was idle


class Level:
    """A PriorityLevelConfiguration at work. Everything runs on the event loop."""

    def __init__(self, name: str, spec: Obj, seats: int):
        self.name = name
        self.exempt = spec.get("type") == "Exempt"
        self.limit = 0
        self.executing = 0  # requests
        self.inqueue = 0
        self.seats = 0  # in use
        self._held: dict[str, int] = {}  # seats by flow
        self._queues: list[_Queue] = []
        self._hand = self._longest = 0
        self._given = 0.0
        self.configure(spec, seats)

    def configure(self, spec: Obj, seats: int) -> None:
        """The object has changed; what waits goes on waiting."""
        self.exempt = spec.get("type") == "Exempt"
        self.limit = max(seats, 1)
        self.width = min(MAX_WIDTH, max(1, round(self.limit * _SHARE)))  # of a request at most
        response = (spec.get("limited") or {}).get("limitResponse") or {}
        queuing = response.get("queuing") or {}
        count = int(queuing.get("queues", 64)) if response.get("type") == "Queue" else 0
        self._longest = int(queuing.get("queueLengthLimit", 50))
        self._hand = min(int(queuing.get("handSize", 8)), count)
        kept = [queue for queue in self._queues if queue.waiting]
        self._queues = kept + [_Queue() for _ in range(count - len(kept))]

    def enter(self, flow: str, width: int, patience: float) -> asyncio.Future[None] | None:
        """Take seats: None when that is done, else what to wait for. Raises Full; the future may be given Full too."""
        if self.exempt:
            self.executing += 1
            return None
        if not self.inqueue and self._fits(flow, width):
            self._seat(flow, width)
            return None
        return self._wait(flow, width, patience)

    def leave(self, flow: str, width: int) -> None:
        """Give seats back."""
        self.executing -= 1
        if self.exempt and not self._held:
            return
        held = self._held
        left = held.get(flow, 0) - width
        if left > 0:
            held[flow] = left
        else:
            held.pop(flow, None)
        self.seats = max(0, self.seats - width)
        if self.inqueue:
            self._dispatch()

    def _fits(self, flow: str, width: int) -> bool:
        free = self.limit - self.seats
        if not self.seats:
            return True
        return width <= free and self._held.get(flow, 0) + width <= free

    def _seat(self, flow: str, width: int) -> None:
        self.executing += 1
        self.seats += width
        self._held[flow] = self._held.get(flow, 0) + width

    # --- waiting -----------------------------------------------------------------------------------------------------
    def _wait(self, flow: str, width: int, patience: float) -> asyncio.Future[None] | None:
        if not self._hand:
            if self._fits(flow, width):  # the queues have gone, those who wait in them have not
                self._seat(flow, width)
                return None
            raise Full("concurrency-limit")
        queue = min((self._queues[number] for number in self._dealt(flow)), key=lambda q: len(q.waiting))
        if len(queue.waiting) >= self._longest:
            raise Full("queue-full")
        loop = asyncio.get_running_loop()
        one = _Waiting(flow, width, loop.create_future())
        one.timer = loop.call_later(patience, self._tire, queue, one)
        if not queue.waiting:
            queue.given = max(queue.given, self._given)
        queue.waiting.append(one)
        self.inqueue += 1
        self._dispatch()  # the seats may be there, and only others with a claim to them had to wait
        return one.future

    def _dealt(self, flow: str) -> list[int]:
        """The hand of a flow: the same queues each time, different ones from most other flows (shuffle sharding)."""
        from hashlib import blake2b

        number = int.from_bytes(blake2b(flow.encode(), digest_size=16).digest(), "big")
        deck = len(self._queues)
        hand: list[int] = []
        for dealt in range(self._hand):
            number, card = divmod(number, deck - dealt)
            for before in sorted(hand):
                if card >= before:
                    card += 1
            hand.append(card)
        return hand

    def _dispatch(self) -> None:
        """Seat whoever may sit, the least served queue first."""
        while self.inqueue:
            ready = [q for q in self._queues if q.waiting and self._fits(q.waiting[0].flow, q.waiting[0].width)]
            if not ready:
                return
            queue = min(ready, key=lambda q: q.given)
            one = queue.waiting.popleft()
            self.inqueue -= 1
            self._given = queue.given
            queue.given += one.width
            if one.timer is not None:
                one.timer.cancel()
            if one.future.cancelled():
                continue
            self._seat(one.flow, one.width)
            one.future.set_result(None)

    def _tire(self, queue: _Queue, one: _Waiting) -> None:
        if one in queue.waiting:
            queue.waiting.remove(one)
            self.inqueue -= 1
        if not one.future.done():
            one.future.set_exception(Full("time-out"))

    def forsake(self, one: asyncio.Future[None], flow: str, width: int) -> None:
        """Who waited has gone."""
        if one.done() and not one.cancelled() and one.exception() is None:
            self.leave(flow, width)  # seated meanwhile
        for queue in self._queues:
            for waiting in queue.waiting:
                if waiting.future is one:
                    if waiting.timer is not None:
                        waiting.timer.cancel()
                    queue.waiting.remove(waiting)
                    self.inqueue -= 1
                    return
