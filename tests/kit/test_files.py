"""Files that change: a change is told once, a file on its way is waited for, a fault leaves things as they were."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from wherry.kit.files import FileWatch


def replace(path: Path, text: str) -> None:
    """As careful writers do it."""
    fresh = path.with_name("fresh")
    fresh.write_text(text)
    os.replace(fresh, path)


def test_a_change_is_told_once(tmp_path: Path) -> None:
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_text("1")
    b.write_text("1")
    told: list[str] = []
    watch = FileWatch()
    watch.add([a, b], lambda: told.append("ab"))
    watch.add([b], lambda: told.append("b"))
    watch.look()
    assert told == []
    replace(a, "2")
    watch.look()
    watch.look()
    assert told == ["ab"]
    replace(b, "2")
    watch.look()
    assert told == ["ab", "ab", "b"]


def test_a_file_that_is_gone_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    told: list[str] = []
    watch = FileWatch()
    watch.add([path], lambda: told.append(path.read_text()))
    path.unlink()
    watch.look()
    assert told == []
    path.write_text("22")
    watch.look()
    assert told == ["22"]


def test_a_fault_is_for_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a"
    path.write_text("1")
    watch = FileWatch()

    def fail() -> None:
        raise ValueError("not like this")

    watch.add([path], fail)
    replace(path, "22")
    watch.look()
    assert f"{path}: not taken over: not like this" in caplog.text


def test_it_looks_by_itself_until_it_is_stopped(tmp_path: Path) -> None:
    async def work() -> None:
        path = tmp_path / "a"
        path.write_text("1")
        told = asyncio.Event()
        watch = FileWatch(seconds=0.001)
        watch.start()
        watch.add([path], told.set)
        replace(path, "22")
        await asyncio.wait_for(told.wait(), 5)
        watch.stop()
        watch.stop()

    asyncio.run(work())


def test_regular_work_goes_on_whatever_happens(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        done: list[int] = []
        enough = asyncio.Event()

        def check() -> None:
            done.append(1)
            if len(done) == 3:
                enough.set()
            raise ValueError("again")

        watch = FileWatch()
        watch.every(0.001, check)
        watch.start()
        await asyncio.wait_for(enough.wait(), 5)
        watch.stop()

    asyncio.run(work())
    assert "again" in caplog.text
