"""What only a storage on disk can get wrong: restarts, locks, damage, full disks, and sudden death."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from storage_crash import check_after_crash, crash

from wherry.storage import sqlite as module
from wherry.storage.api import Compacted, DataFolderInUse, NewerFormat, Record, RevisionConflict, StorageError
from wherry.storage.index import Keep
from wherry.storage.sqlite import SqliteStorage

MAPS = "/root/core/configmaps/"


def value(text: str) -> Callable[[int], bytes]:
    return lambda revision: f"{text}@{revision}".encode()


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await asyncio.wait_for(work, 20)

    asyncio.run(main())


def rows(folder: Path) -> list[tuple[int, str]]:
    connection = sqlite3.connect(folder / "wherry.db")
    try:
        return connection.execute("SELECT revision, key FROM log ORDER BY revision").fetchall()
    finally:
        connection.close()


def same(a: Record | None, b: Record | None) -> bool:
    if a is None or b is None:
        return a is b
    return (a.key, a.value, a.revision, a.created) == (b.key, b.value, b.revision, b.created)


def test_a_restart_keeps_present_history_and_counter(tmp_path: Path) -> None:
    async def work() -> None:
        storage = SqliteStorage(tmp_path)
        for i in range(12):
            await storage.put(f"{MAPS}a/{i % 5}", value("v"))
        await storage.delete(MAPS + "a/4", value("gone"))
        before = (storage.range("").records, storage.events_since(1), storage.range("", revision=9).records)
        await storage.close()
        storage = SqliteStorage(tmp_path)
        assert storage.revision == 14
        after = (storage.range("").records, storage.events_since(1), storage.range("", revision=9).records)
        assert all(map(same, before[0], after[0]))
        assert all(map(same, before[2], after[2]))
        assert [(e.revision, e.key) for e in before[1]] == [(e.revision, e.key) for e in after[1]]
        for one, two in zip(before[1], after[1], strict=True):
            assert same(one.record, two.record)
            assert same(one.previous, two.previous)
            assert same(one.final, two.final)
        assert (await storage.put(MAPS + "a/9", value("v"))).revision == 15
        await storage.close()

    run(work())


def test_the_counter_never_falls_back_even_when_everything_is_deleted_and_compacted(tmp_path: Path) -> None:
    async def work() -> None:
        storage = SqliteStorage(tmp_path)
        for i in range(20):
            await storage.put(f"{MAPS}a/{i}", value("v"))
            await storage.delete(f"{MAPS}a/{i}", value("gone"))
        storage.compact(storage.revision)
        await storage.close()
        assert rows(tmp_path) == []
        storage = SqliteStorage(tmp_path)
        assert storage.revision == storage.oldest == 41
        with pytest.raises(Compacted):
            storage.events_since(40)
        assert storage.events_since(41) == []
        await storage.close()

    run(work())


def test_history_on_disk_is_bounded_and_a_deleted_key_stays_deleted(tmp_path: Path) -> None:
    async def work() -> None:
        storage = SqliteStorage(tmp_path, Keep(events=50))
        for i in range(700):
            key = f"{MAPS}a/{i % 10}"
            if i % 7 == 3 and storage.newest(key) is not None:
                await storage.delete(key, value("gone"))
            else:
                await storage.put(key, value("v"))
        expected = {r.key: r.revision for r in storage.range("").records}
        await storage.close()
        left = rows(tmp_path)
        assert len(left) <= 50 + 10
        storage = SqliteStorage(tmp_path)
        assert {r.key: r.revision for r in storage.range("").records} == expected
        assert len(storage.events_since(storage.oldest)) == 50
        await storage.close()

    run(work())


def test_rows_that_a_crash_left_undeleted_are_found_again(tmp_path: Path) -> None:
    async def work() -> None:
        storage = SqliteStorage(tmp_path)
        for _ in range(10):
            await storage.put(MAPS + "a/x", value("v"))
        await storage.put(MAPS + "a/y", value("v"))
        await storage.delete(MAPS + "a/y", value("v"))
        await storage.close()
        connection = sqlite3.connect(tmp_path / "wherry.db")
        connection.execute("UPDATE meta SET number = 13 WHERE name = 'oldest'")
        connection.commit()
        connection.close()
        storage = SqliteStorage(tmp_path)
        assert [r.revision for r in storage.range("").records] == [11]
        await storage.close()
        assert rows(tmp_path) == [(11, MAPS + "a/x")]

    run(work())


def test_the_folder_has_one_holder_and_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "data"
    storage = SqliteStorage(folder)
    with pytest.raises(DataFolderInUse, match=f"pid {os.getpid()}"):
        SqliteStorage(folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "wherry.db").stat().st_mode) == 0o600
    asyncio.run(storage.close())
    asyncio.run(SqliteStorage(folder).close())


def test_a_path_that_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StorageError, match="is a file"):
        SqliteStorage(tmp_path / "file")
    with pytest.raises(StorageError, match="not a folder"):
        SqliteStorage(tmp_path / "file" / "below")


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_an_unwritable_folder(tmp_path: Path) -> None:
    folder = Path("/proc") / "wherry" if os.geteuid() == 0 else tmp_path / "data"  # root may write anywhere else
    if os.geteuid() != 0:
        folder.mkdir(mode=0o500)
    with pytest.raises(StorageError, match="cannot be written"):
        SqliteStorage(folder)


@pytest.mark.parametrize("damage", ["text", "header", "foreign", "middle"])
def test_a_damaged_file(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "wherry.db"
    if damage == "text":
        file.write_text("this is no database" * 1000)
    elif damage == "foreign":
        connection = sqlite3.connect(file)
        connection.execute("CREATE TABLE people (name TEXT)")
        connection.close()
    else:

        async def fill() -> None:
            storage = SqliteStorage(tmp_path)
            await asyncio.gather(*(storage.put(f"{MAPS}a/{i}", value("v" * 500)) for i in range(100)))
            await storage.close()

        run(fill())
        data = bytearray(file.read_bytes())
        at = 0 if damage == "header" else len(data) // 2
        data[at : at + 4096] = b"\xff" * 4096
        file.write_bytes(data)
    with pytest.raises(StorageError, match="restore it from a backup"):
        SqliteStorage(tmp_path)
    with pytest.raises(StorageError, match="restore it from a backup"):  # and the lock is free again
        SqliteStorage(tmp_path)


def test_a_newer_format(tmp_path: Path) -> None:
    asyncio.run(SqliteStorage(tmp_path).close())
    connection = sqlite3.connect(tmp_path / "wherry.db")
    connection.execute("UPDATE meta SET number = 99 WHERE name = 'format'")
    connection.commit()
    connection.close()
    with pytest.raises(NewerFormat, match="format 99"):
        SqliteStorage(tmp_path)


class FullDisk:
    """Stands before the connection and fails statements that write, as SQLite does on a full disk."""

    def __init__(self, connection: sqlite3.Connection):
        self._connection = connection
        self.full = False
        self.fail_on = "INSERT"

    def execute(self, statement: str, *values: object) -> sqlite3.Cursor:
        if self.full and statement.startswith(self.fail_on):
            raise sqlite3.OperationalError("database or disk is full")
        return self._connection.execute(statement, *values)

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)


@pytest.mark.parametrize("fail_on", ["INSERT", "COMMIT", "DELETE"])
def test_a_full_disk_fails_the_writes_and_nothing_is_half_done(tmp_path: Path, fail_on: str) -> None:
    async def work() -> None:
        storage = SqliteStorage(tmp_path, Keep(events=5))
        disk = FullDisk(storage._db._connection)
        disk.fail_on = fail_on
        storage._db._connection = disk  # type: ignore[assignment]
        kept = await storage.put(MAPS + "a/kept", value("v"))
        for _ in range(200):  # so that there are rows to delete in the transaction that fails
            kept = await storage.put(MAPS + "a/kept", value("v"))
        while len(storage._dead) < module.DEAD:
            kept = await storage.put(MAPS + "a/kept", value("v"))
        seen: list[int] = []
        storage.subscribe(lambda events: seen.extend(e.revision for e in events))
        disk.full = True
        first = [asyncio.create_task(storage.put(f"{MAPS}a/{i}", value("v"))) for i in range(3)]
        first.append(asyncio.create_task(storage.delete(MAPS + "a/kept", value("gone"))))
        await asyncio.sleep(0)
        await asyncio.sleep(0)  # the batch is with the writer thread; what follows depends on it
        first.append(asyncio.create_task(storage.put(MAPS + "a/0", value("w"))))
        results = await asyncio.gather(*first, return_exceptions=True)
        assert all(isinstance(r, StorageError) and "disk is full" in str(r) for r in results)
        assert storage.get(MAPS + "a/kept") is storage.newest(MAPS + "a/kept") is kept
        assert storage.newest(MAPS + "a/0") is None
        assert storage.count(MAPS) == 1
        assert seen == []
        disk.full = False
        record = await storage.put(MAPS + "a/0", value("w"), expect=0)
        assert seen == [record.revision]
        assert record.revision > kept.revision + 5  # numbers that were given out once are not given out again
        await storage.close()
        storage = SqliteStorage(tmp_path)
        assert [(r.key, r.revision) for r in storage.range("").records] == [
            (MAPS + "a/0", record.revision),
            (MAPS + "a/kept", kept.revision),
        ]
        await storage.close()

    run(work())


@pytest.mark.skipif(os.name != "posix", reason="limits of POSIX")
@pytest.mark.parametrize("size", [100, 3000])
def test_a_disk_that_is_really_full(tmp_path: Path, size: int) -> None:
    """The operating system refuses to let the files grow; later there is room again."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def work() -> None:
        storage = SqliteStorage(tmp_path)
        answered: dict[str, int] = {}
        failed = 0
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
        try:
            for turn in range(300):
                writes = [storage.put(f"{MAPS}a/{turn}-{i}", value("v" * size)) for i in range(4)]
                for result in await asyncio.gather(*writes, return_exceptions=True):
                    if isinstance(result, Record):
                        answered[result.key] = result.revision
                    else:
                        assert isinstance(result, StorageError)
                        failed += 1
                if failed > 20:
                    break
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert failed > 20
        assert answered
        last = await storage.put(MAPS + "a/later", value("v"))
        answered[last.key] = last.revision
        assert {r.key: r.revision for r in storage.range("").records} == answered
        await storage.close()
        storage = SqliteStorage(tmp_path)
        assert {r.key: r.revision for r in storage.range("").records} == answered
        await storage.close()

    run(work())


def test_many_writes_share_few_commits(tmp_path: Path) -> None:
    async def work() -> None:
        storage = SqliteStorage(tmp_path)
        batches: list[int] = []
        storage.subscribe(lambda events: batches.append(len(events)))
        await asyncio.gather(*(storage.put(f"{MAPS}a/{i}", value("v")) for i in range(1000)))
        assert sum(batches) == 1000
        assert len(batches) <= 3
        await storage.close()

    run(work())


def test_a_chain_of_dependent_writes(tmp_path: Path) -> None:
    async def work() -> None:
        storage = SqliteStorage(tmp_path)

        async def increment() -> None:
            while True:
                base = storage.newest(MAPS + "a/n")
                number = int(base.value) if base is not None else 0
                text = str(number + 1).encode()
                try:
                    await storage.put(MAPS + "a/n", lambda _, text=text: text, expect=base.revision if base else 0)
                    return
                except RevisionConflict:
                    continue

        await asyncio.gather(*(increment() for _ in range(200)))
        record = storage.get(MAPS + "a/n")
        assert record is not None
        assert record.value == b"200"
        await storage.close()

    run(work())


@pytest.mark.parametrize("after_lines", [1, 37, 400])
def test_every_acknowledged_write_survives_a_kill(tmp_path: Path, after_lines: int) -> None:
    acknowledged: list[tuple[str, str, int]] = []
    for _ in range(2):  # the second time the folder has a past
        acknowledged += crash(tmp_path, after_lines)
        check_after_crash(tmp_path, acknowledged)
