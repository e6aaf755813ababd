"""Many spaces in one log: random histories of writes, forks, drops and restarts against plain dicts."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wherry.storage import commit, open_storage
from wherry.storage.api import Compacted, Event, FutureRevision, Record, SpaceExists, Spaces, Storage, StorageError
from wherry.storage.index import Keep

KEYS = [f"/root/core/{kind}/{name}" for kind in ("x", "y") for name in ("a", "b", "c")]
State = dict[str, tuple[bytes, int]]


def value(text: bytes = b"") -> Any:
    return lambda revision: b"%d " % revision + text


class Model(RuleBasedStateMachine):
    """`present[space]` is what a space must show; `past[space][revision]` what it showed then."""

    url = "memory:"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp()
        self.present: dict[str, State] = {"root": {}}
        self.past: dict[str, dict[int, State]] = {"root": {}}
        self.count = 0

    @initialize()
    def open(self) -> None:
        self.storage: Spaces = open_storage(self.url.format(folder=self.folder))  # type: ignore[assignment]

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def pick(self, number: int) -> str:
        names = sorted(self.present)
        return names[number % len(names)]

    def space(self, name: str) -> Storage:
        found = self.storage.space(name)
        assert found is not None
        return found

    @rule(where=st.integers(0, 9), keys=st.lists(st.sampled_from(KEYS), min_size=1, max_size=12))
    def put(self, where: int, keys: list[str]) -> None:
        name = self.pick(where)
        for key in keys:
            record: Record = self.run(self.space(name).put(key, value()))
            assert record.key == key
            self.present[name] = {**self.present[name], key: (record.value, record.revision)}
            self.past[name][record.revision] = self.present[name]

    @rule(where=st.integers(0, 9), key=st.sampled_from(KEYS))
    def delete(self, where: int, key: str) -> None:
        name = self.pick(where)
        if key in self.present[name]:
            record: Record = self.run(self.space(name).delete(key, value()))
            self.present[name] = {k: v for k, v in self.present[name].items() if k != key}
            self.past[name][record.revision] = self.present[name]

    @rule(source=st.integers(0, 9), back=st.integers(0, 3))
    def fork(self, source: int, back: int) -> None:
        origin, name = self.pick(source), f"s{self.count}"
        if len(self.present) > 7:
            return
        self.count += 1
        revisions = sorted(self.past[origin])
        at = revisions[-1 - back] if 0 < back < len(revisions) else 0
        try:
            space: Storage = self.run(self.storage.make(name, source=origin, revision=at))
        except Compacted:
            assert self.space(origin).oldest > at
            return
        self.present[name] = self.past[origin][at] if at else self.present[origin]
        self.past[name] = {space.made: self.present[name]}

    @rule()
    def make(self) -> None:
        if len(self.present) < 8:
            name = f"s{self.count}"
            self.count += 1
            self.run(self.storage.make(name))
            self.present[name], self.past[name] = {}, {}

    @rule(where=st.integers(0, 9))
    def drop(self, where: int) -> None:
        name = self.pick(where)
        if name != "root":
            self.run(self.storage.drop(name))
            del self.present[name], self.past[name]

    @rule()
    def reopen(self) -> None:
        if self.url != "memory:":
            self.run(self.storage.close())
            self.open()

    @rule()
    def crash(self) -> None:
        """What a process that dies now leaves on disk."""
        if self.url != "memory:":
            left = tempfile.mkdtemp()
            shutil.copytree(self.folder, left, dirs_exist_ok=True)
            self.run(self.storage.close())
            shutil.rmtree(self.folder)
            self.folder = left
            self.open()

    @invariant()
    def all_spaces_show_what_they_must(self) -> None:
        if not hasattr(self, "storage"):
            return
        assert sorted(self.storage.spaces()) == sorted(self.present)
        for name, state in self.present.items():
            space = self.space(name)
            shown = {r.key: (r.value, r.revision) for r in space.range("/").records}
            assert shown == state
            assert {r.key: (r.value, r.revision) for r in space.records()} == state
            assert [r.key for r in space.range("/root/core/x/").records] == sorted(k for k in state if "/x/" in k)
            for revision, then in self.past[name].items():
                if revision >= space.oldest:
                    old = space.range("/", revision=revision).records
                    assert {r.key: (r.value, r.revision) for r in old} == then
                    for event in space.events_since(revision):
                        assert event.revision > revision

    def teardown(self) -> None:
        if hasattr(self, "storage"):
            self.run(self.storage.close())
        self.loop.close()
        shutil.rmtree(self.folder)


class Sqlite(Model):
    url = "sqlite://{folder}"


@pytest.fixture(autouse=True)
def short_histories(monkeypatch: pytest.MonkeyPatch) -> None:
    """So short that forks outlive what they were made from."""
    monkeypatch.setattr(commit, "KEEP", Keep(events=3))


TestMemory = Model.TestCase
TestMemory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestSqlite = Sqlite.TestCase
TestSqlite.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)


class Heard:
    """A follower that writes down what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, object]] = []

    def events(self, space: Storage, events: Sequence[Event]) -> None:
        self.heard += [(space.name, event.key) for event in events]

    def made(self, space: Storage) -> None:
        self.heard.append((space.name, len(list(space.records()))))

    def dropped(self, space: Storage) -> None:
        self.heard.append((space.name, -len(list(space.records()))))


def test_a_follower_hears_of_all_spaces_in_order() -> None:
    async def scenario() -> None:
        storage: Spaces = open_storage("memory:")  # type: ignore[assignment]
        follower = Heard()
        await storage.put("/root/core/x/a", value())
        stop = storage.follow(follower)
        fork = await storage.make("f", source="root")
        await asyncio.gather(storage.put("/root/core/x/b", value()), fork.put("/root/core/x/c", value()))
        await storage.drop("f")
        stop()
        await storage.put("/root/core/x/d", value())
        assert follower.heard == [("f", 1), ("root", "/root/core/x/b"), ("f", "/root/core/x/c"), ("f", -2)]
        await storage.close()

    asyncio.run(scenario())


def test_a_guard_sees_every_write_of_its_space_and_what_it_refuses_never_was() -> None:
    async def scenario() -> None:
        storage: Spaces = open_storage("memory:")  # type: ignore[assignment]
        fork = await storage.make("f", source="root")
        seen: list[tuple[str, int]] = []

        def guard(event: Event) -> None:
            seen.append((event.key, len(list(fork.coming()))))
            if event.key.endswith("b"):
                raise PermissionError

        fork.guard = guard
        keys = ["/root/core/x/a", "/root/core/x/b", "/root/core/x/c"]
        done = await asyncio.gather(*(fork.put(key, value()) for key in keys), return_exceptions=True)
        assert [type(each) for each in done] == [Record, PermissionError, Record]
        assert seen == [(keys[0], 0), (keys[1], 1), (keys[2], 1)]
        await storage.put(keys[1], value())  # another space
        assert fork.get(keys[1]) is None
        await fork.delete(keys[0], value())
        assert seen[3:] == [(keys[0], 0)]
        await storage.close()

    asyncio.run(scenario())


def test_all_since_begins_a_fork_with_what_it_began_with() -> None:
    async def scenario() -> None:
        storage: Spaces = open_storage("memory:")  # type: ignore[assignment]
        await storage.put("/root/core/x/a", value())
        start = storage.last()
        fork = await storage.make("f", source="root")
        await fork.put("/root/core/x/a", value(b"changed"))
        found = [(space.name, event.key, event.previous is None) for space, event in storage.all_since(start)]
        assert found == [("f", "/root/core/x/a", True), ("f", "/root/core/x/a", False)]
        with pytest.raises(FutureRevision):
            storage.all_since(storage.last() + 1)
        await storage.drop("f")
        with pytest.raises(Compacted):
            storage.all_since(start)
        await storage.close()

    asyncio.run(scenario())


def test_names_are_taken_once_and_what_is_not_there_cannot_be_forked_or_dropped() -> None:
    async def scenario() -> None:
        storage: Spaces = open_storage("memory:")  # type: ignore[assignment]
        first = asyncio.ensure_future(storage.make("f"))
        await asyncio.sleep(0)
        with pytest.raises(SpaceExists):
            await storage.make("f")
        space = await first
        with pytest.raises(SpaceExists):
            await storage.make("f")
        with pytest.raises(StorageError, match="no space 'g' to fork"):
            await storage.make("h", source="g")
        for name in ("g", "root"):
            with pytest.raises(StorageError, match="to drop"):
                await storage.drop(name)
        await storage.drop("f")
        with pytest.raises(StorageError, match="is gone"):
            await space.put("/root/core/x/a", value())
        await storage.close()

    asyncio.run(scenario())


def test_a_fork_shares_records_and_costs_no_rows(tmp_path: Path) -> None:
    async def scenario() -> None:
        storage: Spaces = open_storage(f"sqlite://{tmp_path}")  # type: ignore[assignment]
        await asyncio.gather(*(storage.put(f"/root/core/x/{n}", value(b"x" * 1000)) for n in range(500)))
        fork = await storage.make("f", source="root")
        assert all(fork.get(record.key) is record for record in storage.records())
        await fork.put("/root/core/x/7", value())
        other = storage.get("/root/core/x/7")
        assert other is not None
        assert other.value.endswith(b"x")
        await storage.close()
        again: Spaces = open_storage(f"sqlite://{tmp_path}")  # type: ignore[assignment]
        space = again.space("f")
        assert space is not None
        assert space.count("/") == 500
        assert space.get("/root/core/x/7") is not again.get("/root/core/x/7")
        assert space.get("/root/core/x/8") is again.get("/root/core/x/8")
        await again.close()

    asyncio.run(scenario())


def test_what_only_a_dropped_space_held_leaves_the_disk(tmp_path: Path) -> None:
    def rows() -> tuple[int, int]:
        with closing(sqlite3.connect(tmp_path / "wherry.db")) as db:
            return db.execute("SELECT count(*) FROM log").fetchone()[0], db.execute(
                "SELECT count(*) FROM spaces"
            ).fetchone()[0]

    async def scenario() -> None:
        storage: Spaces = open_storage(f"sqlite://{tmp_path}")  # type: ignore[assignment]
        first = await storage.make("f")
        await asyncio.gather(*(first.put(f"/root/core/x/{n}", value()) for n in range(20)))
        second = await storage.make("g", source="f")
        await second.put("/root/core/x/new", value())
        await storage.drop("f")
        await storage.close()
        assert rows() == (21, 2)  # the heir needs all of them, and the name of whom it has them from
        storage = open_storage(f"sqlite://{tmp_path}")  # type: ignore[assignment]
        assert storage.spaces() == ("root", "g")
        await storage.drop("g")
        for _ in range(3):
            await asyncio.sleep(0)
        await storage.close()
        assert rows() == (0, 0)

    asyncio.run(scenario())
