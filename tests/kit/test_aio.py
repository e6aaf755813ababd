"""Background tasks: kept, logged, ended."""

from __future__ import annotations

import asyncio

import pytest

from wherry.kit.aio import Background, cancel_all


def test_a_failure_is_logged_with_the_owners_name(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise ValueError("boom")

    async def main() -> None:
        background = Background("garbage collector")
        await asyncio.wait([background.start(fail(), name="scan")])
        await asyncio.sleep(0)
        assert len(background) == 0

    asyncio.run(main())
    assert "garbage collector: scan failed" in caplog.text
    assert "boom" in caplog.text


def test_stop_ends_every_task() -> None:
    async def main() -> None:
        background = Background("x")
        tasks = [background.start(asyncio.Event().wait()) for _ in range(3)]
        await asyncio.sleep(0)
        await background.stop()
        assert all(task.cancelled() for task in tasks)

    asyncio.run(main())


def test_cancelling_finished_tasks_is_fine() -> None:
    async def main() -> None:
        task = asyncio.create_task(asyncio.sleep(0))
        await task
        await cancel_all([task])
        assert not task.cancelled()

    asyncio.run(main())
