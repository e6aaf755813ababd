"""Answers of others: kept for their time, bounded in number, asked for once."""

from __future__ import annotations

import asyncio

import pytest

from wherry.kit.answers import Answers


def test_an_answer_counts_for_its_time() -> None:
    now = [0.0]
    answers: Answers[str, int] = Answers(lambda: now[0])
    answers.put("a", 1, 10)
    found = answers.get("a")
    assert found is not None
    assert found.value == 1
    now[0] = 10.5
    assert answers.get("a") is None
    assert answers.get("b") is None


def test_the_oldest_makes_room() -> None:
    answers: Answers[int, int] = Answers(lambda: 0.0, many=3)
    for number in range(5):
        answers.put(number, number, 10)
    assert [number for number in range(5) if answers.get(number)] == [2, 3, 4]
    answers.clear()
    assert answers.get(4) is None


def test_who_gives_up_takes_nothing_from_others() -> None:
    async def work() -> None:
        answers: Answers[str, int] = Answers(lambda: 0.0)
        go = asyncio.Event()
        fetched = 0

        async def fetch() -> tuple[int, float]:
            nonlocal fetched
            fetched += 1
            await go.wait()
            return 7, 10

        first = asyncio.ensure_future(answers.bring("a", fetch))
        second = asyncio.ensure_future(answers.bring("a", fetch))
        await asyncio.sleep(0)
        first.cancel()
        go.set()
        await second
        with pytest.raises(asyncio.CancelledError):
            await first
        assert fetched == 1
        found = answers.get("a")
        assert found is not None
        assert found.value == 7

    asyncio.run(work())


def test_a_failure_is_for_all_who_wait_and_is_not_kept() -> None:
    async def work() -> None:
        answers: Answers[str, int] = Answers(lambda: 0.0)

        async def fail() -> tuple[int, float]:
            raise RuntimeError("no")

        for _ in range(2):
            with pytest.raises(RuntimeError):
                await answers.bring("a", fail)
        assert answers.get("a") is None

    asyncio.run(work())
