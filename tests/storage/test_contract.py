"""One suite for every backend: what `storage/api.py` promises."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from wherry.storage import open_storage
from wherry.storage.api import Compacted, Event, FutureRevision, Record, RevisionConflict, Storage, StorageError

MAPS = "/root/core/configmaps/"


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    storage = open_storage("memory:" if request.param == "memory" else f"sqlite://{tmp_path}/data")
    yield storage
    asyncio.run(storage.close())


def value(text: str) -> Callable[[int], bytes]:
    return lambda revision: f"{text}@{revision}".encode()


def names(records: Sequence[Record]) -> list[str]:
    return [record.key.removeprefix(MAPS) for record in records]


def run(work: Awaitable[None]) -> None:
    async def main() -> None:
        await asyncio.wait_for(work, 20)

    asyncio.run(main())


def test_a_write_is_numbered_encoded_with_its_revision_and_readable(opened: Storage) -> None:
    async def work() -> None:
        assert opened.revision == 1
        first = await opened.put(MAPS + "a/x", value("one"))
        assert (first.key, first.value, first.revision, first.created) == (MAPS + "a/x", b"one@2", 2, 2)
        assert opened.get(MAPS + "a/x") is first
        second = await opened.put(MAPS + "a/x", value("two"))
        assert (second.value, second.revision, second.created) == (b"two@3", 3, 2)
        assert opened.get(MAPS + "a/x") is second
        assert opened.revision == 3
        assert opened.get(MAPS + "a/y") is None

    run(work())


def test_expectations(opened: Storage) -> None:
    async def work() -> None:
        key = MAPS + "a/x"
        with pytest.raises(RevisionConflict) as missing:
            await opened.put(key, value("v"), expect=7)
        assert missing.value.current is None
        made = await opened.put(key, value("v"), expect=0)
        with pytest.raises(RevisionConflict) as exists:
            await opened.put(key, value("w"), expect=0)
        assert exists.value.current is made
        with pytest.raises(RevisionConflict):
            await opened.delete(key, value("w"), expect=made.revision + 1)
        changed = await opened.put(key, value("w"), expect=made.revision)
        with pytest.raises(RevisionConflict):
            await opened.put(key, value("x"), expect=made.revision)
        final = await opened.delete(key, value("gone"), expect=changed.revision)
        assert (final.value, final.revision, final.created) == (b"gone@4", 4, 2)
        assert opened.get(key) is None
        with pytest.raises(RevisionConflict) as gone:
            await opened.delete(key, value("gone"))
        assert gone.value.current is None
        again = await opened.put(key, value("new"), expect=0)
        assert (again.revision, again.created) == (5, 5)

    run(work())


def test_newest_sees_writes_under_way_and_get_only_durable_ones(opened: Storage) -> None:
    async def work() -> None:
        key = MAPS + "a/x"
        task = asyncio.create_task(opened.put(key, value("one")))
        await asyncio.sleep(0)
        assert opened.get(key) is None
        newest = opened.newest(key)
        assert newest is not None
        assert newest.value == b"one@2"
        with pytest.raises(RevisionConflict):  # judged against what is under way, without waiting for it
            await opened.put(key, value("late"), expect=0)
        chained = asyncio.create_task(opened.put(key, value("two"), expect=2))
        await asyncio.gather(task, chained)
        assert opened.get(key) is opened.newest(key) is chained.result()

        removal = asyncio.create_task(opened.delete(key, value("gone")))
        await asyncio.sleep(0)
        assert opened.newest(key) is None
        assert opened.get(key) is chained.result()
        reborn = await opened.put(key, value("again"), expect=0)
        assert removal.done()
        assert reborn.created == reborn.revision == 5

    run(work())


def test_ranges_pages_and_counts(opened: Storage) -> None:
    async def work() -> None:
        for name in ("b/2", "a/1", "a/3", "ab/1", "a/2"):
            await opened.put(MAPS + name, value(name))
        await opened.put("/root/core/configmapsx/a/1", value("other"))
        await opened.put("/root/core/secrets/a/1", value("other"))
        page = opened.range(MAPS)
        assert names(page.records) == ["a/1", "a/2", "a/3", "ab/1", "b/2"]
        assert (page.revision, page.remaining) == (8, 0)
        assert names(opened.range(MAPS + "a/").records) == ["a/1", "a/2", "a/3"]
        page = opened.range(MAPS, limit=2)
        assert (names(page.records), page.remaining) == (["a/1", "a/2"], 3)
        page = opened.range(MAPS, after=page.records[-1].key, limit=2)
        assert (names(page.records), page.remaining) == (["a/3", "ab/1"], 1)
        page = opened.range(MAPS, after=MAPS + "a/zzz", limit=5)
        assert (names(page.records), page.remaining) == (["ab/1", "b/2"], 0)
        assert names(opened.range(MAPS + "a/", after=MAPS + "b").records) == []
        assert opened.range("/root/core/nothing/").records == []
        assert [r.key[11:] for r in opened.range("/root/core/", limit=6).records][4:] == [
            "configmaps/b/2",
            "configmapsx/a/1",
        ]
        assert [opened.count(p) for p in (MAPS, MAPS + "a/", MAPS + "a", "/root/core/", "", "/x")] == [5, 3, 4, 7, 7, 0]

    run(work())


def test_keys_are_ordered_by_their_bytes_also_across_depths(opened: Storage) -> None:
    async def work() -> None:
        keys = [
            "/a",
            "/a/b",
            "/a/b/c",
            "/a/b/c/d",
            "/a/b/c/d/e",
            "/a/b/c-d",
            "/a/b/c/\u00e9",
            "/a/b/c/\U0001f600",
            "/a/b0",
            "/b",
        ]
        for key in reversed(keys):
            await opened.put(key, value("v"))
        for prefix in ("", "/", "/a", "/a/", "/a/b", "/a/b/", "/a/b/c", "/a/b/c/", "/a/b/c/d"):
            expected = sorted((k for k in keys if k.startswith(prefix)), key=str.encode)
            assert [r.key for r in opened.range(prefix).records] == expected
            assert opened.count(prefix) == len(expected)

    run(work())


def test_a_snapshot_of_the_past(opened: Storage) -> None:
    async def work() -> None:
        for name in ("a/1", "a/2", "b/1"):
            await opened.put(MAPS + name, value("old"))
        then = opened.revision
        await opened.put(MAPS + "a/1", value("new"))
        await opened.delete(MAPS + "a/2", value("gone"))
        await opened.put(MAPS + "a/0", value("new"))
        await opened.put(MAPS + "a/2", value("again"))
        page = opened.range(MAPS, revision=then)
        assert [r.value for r in page.records] == [b"old@2", b"old@3", b"old@4"]
        assert page.revision == then
        page = opened.range(MAPS, revision=then, limit=1, after=MAPS + "a/1")
        assert (names(page.records), page.remaining) == (["a/2"], 1)
        assert names(opened.range(MAPS + "a/", revision=then).records) == ["a/1", "a/2"]
        assert names(opened.range(MAPS, revision=6).records) == ["a/1", "b/1"]
        assert len(opened.range(MAPS, revision=opened.revision).records) == 4
        with pytest.raises(FutureRevision):
            opened.range(MAPS, revision=opened.revision + 1)

    run(work())


def test_events(opened: Storage) -> None:
    async def work() -> None:
        key = MAPS + "a/1"
        one = await opened.put(key, value("one"))
        two = await opened.put(key, value("two"))
        other = await opened.put("/root/core/secrets/a/1", value("s"))
        final = await opened.delete(key, value("gone"))
        assert list(opened.events_since(1)) == [
            Event(2, key, one, None, None),
            Event(3, key, two, one, None),
            Event(4, other.key, other, None, None),
            Event(5, key, None, two, final),
        ]
        assert [e.revision for e in opened.events_since(2, MAPS)] == [3, 5]
        assert [e.revision for e in opened.events_since(1, MAPS + "a/1")] == [2, 3, 5]
        assert [e.revision for e in opened.events_since(1, "/root/core/")] == [2, 3, 4, 5]
        assert list(opened.events_since(1, MAPS + "b/")) == []
        assert list(opened.events_since(5)) == []
        with pytest.raises(FutureRevision):
            opened.events_since(6)

    run(work())


def test_subscribers_get_each_event_once_in_order_and_see_it_in_reads(opened: Storage) -> None:
    async def work() -> None:
        seen: list[int] = []

        def on_events(events: Sequence[Event]) -> None:
            assert opened.revision == events[-1].revision
            for event in events:
                seen.append(event.revision)

        unsubscribe = opened.subscribe(on_events)
        await asyncio.gather(*(opened.put(f"{MAPS}a/{i % 7}", value("v")) for i in range(50)))
        assert seen == list(range(2, 52))
        unsubscribe()
        await opened.put(MAPS + "a/0", value("v"))
        assert seen[-1] == 51

    run(work())


def test_an_answer_comes_after_its_event(opened: Storage) -> None:
    async def work() -> None:
        newest = 0

        def on_events(events: Sequence[Event]) -> None:
            nonlocal newest
            newest = events[-1].revision

        opened.subscribe(on_events)
        for i in range(5):
            record = await opened.put(f"{MAPS}a/{i}", value("v"))
            assert newest >= record.revision

    run(work())


def test_a_broken_subscriber_harms_nobody(opened: Storage) -> None:
    async def work() -> None:
        complaints: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

        def broken(events: Sequence[Event]) -> None:
            raise ValueError("broken")

        seen: list[int] = []
        opened.subscribe(broken)
        opened.subscribe(lambda events: seen.extend(e.revision for e in events))
        assert (await opened.put(MAPS + "a/1", value("v"))).revision == 2
        assert seen == [2]
        assert isinstance(complaints[0]["exception"], ValueError)

    run(work())


def test_compaction(opened: Storage) -> None:
    async def work() -> None:
        for i in range(10):
            await opened.put(MAPS + f"a/{i % 3}", value("v"))
        opened.compact(6)
        assert opened.oldest == 6
        with pytest.raises(Compacted) as compacted:
            opened.events_since(5)
        assert (compacted.value.revision, compacted.value.oldest) == (5, 6)
        with pytest.raises(Compacted):
            opened.range(MAPS, revision=5)
        assert [e.revision for e in opened.events_since(6)] == [7, 8, 9, 10, 11]
        assert [r.revision for r in opened.range(MAPS, revision=6).records] == [5, 6, 4]
        opened.compact(99)
        assert opened.oldest == opened.revision == 11
        assert len(opened.range(MAPS).records) == 3
        opened.compact(2)
        assert opened.oldest == 11

    run(work())


def test_a_cancelled_writer_does_not_disturb_its_neighbours(opened: Storage) -> None:
    async def work() -> None:
        tasks = [asyncio.create_task(opened.put(f"{MAPS}a/{i}", value("v"))) for i in range(3)]
        await asyncio.sleep(0)
        tasks[1].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[1], asyncio.CancelledError)
        assert opened.count(MAPS) == 3

    run(work())


def test_what_cannot_be_stored_is_refused_alone(opened: Storage) -> None:
    async def work() -> None:
        def broken(revision: int) -> bytes:
            raise KeyError("broken encoder")

        with pytest.raises(KeyError):
            await opened.put(MAPS + "a/1", broken)
        with pytest.raises(StorageError):
            await opened.put(MAPS + "a/\ud800", value("v"))
        assert (await opened.put(MAPS + "a/1", value("v"), expect=0)).revision == 2

    run(work())


def test_a_stored_value_takes_its_own_size_only(opened: Storage) -> None:
    """JSON writers answer with the whole buffer that they wrote into; ten thousand objects must not keep that."""

    async def work() -> None:
        text = {"data": "x" * 1400}
        tracemalloc.start()
        try:
            for i in range(200):
                await opened.put(f"{MAPS}a/{i}", lambda _: orjson.dumps(text))
            assert tracemalloc.get_traced_memory()[0] < 200 * 2_500
        finally:
            tracemalloc.stop()

    run(work())


def test_close_finishes_pending_writes_and_is_idempotent(opened: Storage) -> None:
    async def work() -> None:
        tasks = [asyncio.create_task(opened.put(f"{MAPS}a/{i}", value("v"))) for i in range(20)]
        await asyncio.sleep(0)
        await opened.close()
        assert opened.count(MAPS) == 20
        await asyncio.gather(*tasks)
        await opened.close()
        with pytest.raises(StorageError, match="closed"):
            await opened.put(MAPS + "late", value("v"))

    run(work())


def test_barrier(opened: Storage) -> None:
    async def work() -> None:
        record = await opened.put(MAPS + "a/1", value("v"))
        assert await opened.barrier() >= record.revision

    run(work())


@pytest.mark.parametrize("url", ["", "memory", "etcd://localhost:2379", "sqlite://", "sqlite:///", "mysql:x"])
def test_unknown_urls_are_told_the_known_ones(url: str) -> None:
    if url == "memory":
        asyncio.run(open_storage(url).close())
        return
    with pytest.raises(StorageError, match="sqlite:///path/to/folder"):
        open_storage(url)


def test_a_folder_that_does_not_wait_for_the_disk_keeps_what_was_written_all_the_same(tmp_path: Path) -> None:
    async def work() -> None:
        storage = open_storage(f"sqlite://{tmp_path}?fsync=off")
        await storage.put(MAPS + "a/1", value("v"))
        await storage.close()
        storage = open_storage(f"sqlite://{tmp_path}")
        assert storage.count(MAPS) == 1
        await storage.close()

    run(work())


def test_an_unknown_setting_of_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="'fsync=maybe' is not known; there is fsync=off"):
        open_storage(f"sqlite://{tmp_path}?fsync=maybe")
