"""Seats and queues of one priority level."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.access.fairness.levels import Full, Level

QUEUE = {"type": "Queue", "queuing": {"queues": 8, "handSize": 2, "queueLengthLimit": 3}}


def level(seats: int, response: dict[str, Any] | None = None) -> Level:
    return Level("l", {"type": "Limited", "limited": {"limitResponse": response or QUEUE}}, seats)


def in_loop(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_one_flow_leaves_seats_for_another() -> None:
    async def scenario() -> None:
        found = level(10)
        waiting = [found.enter("greedy", 1, 5) for _ in range(8)]
        assert [w is None for w in waiting] == [True] * 5 + [False] * 3
        assert found.enter("other", 1, 5) is not None  # behind those who wait, but seated at once
        assert found.seats == 6
        for _ in range(5):
            found.leave("greedy", 1)
        await asyncio.gather(*(w for w in waiting if w is not None))
        assert (found.inqueue, found.seats) == (0, 4)

    in_loop(scenario)


def test_a_full_queue_refuses_and_says_so() -> None:
    async def scenario() -> None:
        found = level(1)
        assert found.enter("a", 1, 5) is None
        for _ in range(6):  # two queues of three
            assert found.enter("a", 1, 5) is not None
        with pytest.raises(Full, match="queue-full"):
            found.enter("a", 1, 5)

    in_loop(scenario)


def test_without_queues_there_is_no_waiting() -> None:
    async def scenario() -> None:
        found = level(1, {"type": "Reject"})
        assert found.enter("a", 1, 5) is None
        with pytest.raises(Full, match="concurrency-limit"):
            found.enter("b", 1, 5)

    in_loop(scenario)


def test_patience_ends() -> None:
    async def scenario() -> None:
        found = level(1)
        found.enter("a", 1, 5)
        waiting = found.enter("b", 1, 0.001)
        assert waiting is not None
        with pytest.raises(Full, match="time-out"):
            await waiting
        assert found.inqueue == 0

    in_loop(scenario)


def test_who_waited_and_has_gone_holds_nothing() -> None:
    async def scenario() -> None:
        found = level(1)
        found.enter("a", 1, 5)
        waiting, seated = found.enter("b", 1, 5), found.enter("c", 1, 5)
        assert waiting is not None
        assert seated is not None
        waiting.cancel()
        found.forsake(waiting, "b", 1)
        found.leave("a", 1)
        await seated
        found.forsake(seated, "c", 1)
        assert (found.inqueue, found.seats, found.executing) == (0, 0, 0)

    in_loop(scenario)


def test_short_queues_are_not_behind_long_ones() -> None:
    async def scenario() -> None:
        found = level(2)
        found.enter("a", 1, 5)
        order: list[str] = []

        def wait(flow: str) -> None:
            waiting = found.enter(flow, 1, 5)
            assert waiting is not None
            waiting.add_done_callback(lambda _: order.append(flow))

        found.enter("x", 1, 5)
        for _ in range(4):
            wait("a")
        wait("b")
        for flow in ("a", "x"):
            found.leave(flow, 1)
        await asyncio.sleep(0)
        assert "b" in order[:2]

    in_loop(scenario)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4), st.booleans()), max_size=60), st.integers(1, 12))
def test_seats_add_up(steps: list[tuple[str, int, bool]], seats: int) -> None:
    async def scenario() -> None:
        found = level(seats)
        held: list[tuple[str, int]] = []
        pending: list[tuple[str, int, asyncio.Future[None]]] = []
        for flow, width, leave in steps:
            if leave and held:
                found.leave(*held.pop(0))
            else:
                try:
                    waiting = found.enter(flow, min(width, found.width), 5)
                except Full:
                    continue
                if waiting is None:
                    held.append((flow, min(width, found.width)))
                else:
                    pending.append((flow, min(width, found.width), waiting))
            held += [(f, w) for f, w, future in pending if future.done()]
            pending = [one for one in pending if not one[2].done()]
            assert found.seats == sum(width for _, width in held) <= max(seats, found.width)
            assert found.executing == len(held)
            assert found.inqueue == len(pending)
        while held:
            found.leave(*held.pop())
            held += [(f, w) for f, w, future in pending if future.done()]
            pending = [one for one in pending if not one[2].done()]
        assert (found.seats, found.inqueue, found.executing) == (0, 0, 0)

    in_loop(scenario)
