"""Random histories on every backend against the simplest model: a list of all states that ever were."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from wherry.storage import open_storage
from wherry.storage.api import Compacted, Event, FutureRevision, Record, RevisionConflict, Storage

KEYS = [
    f"/w/{group}/{kind}/{name}" for group in ("core", "apps") for kind in ("x", "y") for name in ("a/1", "a/2", "b")
]
KEYS += ["/w/core", "/w/core/x", "/v/core/x/a"]
PREFIXES = ["", "/w/", "/w/core/", "/w/core/x", "/w/core/x/", "/w/core/x/a/", "/w/apps/y/", "/none/"]
State = dict[str, tuple[bytes, int, int]]  # key to (value, revision, created)


def shown(record: Record) -> tuple[str, bytes, int, int]:
    return record.key, record.value, record.revision, record.created


class Model(RuleBasedStateMachine):
    url = "memory:"

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.mkdtemp()
        self.states: list[State] = [{}, {}]  # by revision; revision 1 is the empty beginning
        self.oldest = 1
        self.seen: list[int] = []

    @initialize()
    def open(self) -> None:
        self.storage: Storage = open_storage(self.url.format(folder=self.folder))
        self.storage.subscribe(self.on_events)

    def on_events(self, events: Sequence[Event]) -> None:
        self.seen += [event.revision for event in events]

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def attempt(self, verb: str, key: str, expect: int | None, size: int) -> Record | RevisionConflict:
        try:
            call = self.storage.put if verb == "put" else self.storage.delete
            return await call(key, lambda revision: b"%d " % revision + b"x" * size, expect=expect)
        except RevisionConflict as conflict:
            return conflict

    def expect(self, choice: str, state: State, key: str) -> int | None:
        found = state.get(key)
        return {"any": None, "absent": 0, "match": found[1] if found else 0, "other": 999}[choice]

    writes = st.lists(
        st.tuples(
            st.sampled_from(["put", "put", "delete"]),
            st.sampled_from(KEYS),
            st.sampled_from(["any", "any", "match", "absent", "other"]),
            st.sampled_from([0, 10, 5000]),
        ),
        min_size=1,
        max_size=8,
    )

    @rule(writes=writes)
    def write(self, writes: list[tuple[str, str, str, int]]) -> None:
        """A few writes at once, judged as if one came after the other."""
        attempts, expected = [], []
        for verb, key, choice, size in writes:
            state = dict(self.states[-1])
            found = state.get(key)
            expect = self.expect(choice, state, key)
            attempts.append((verb, key, expect, size))
            matches = expect is None or expect == (found[1] if found else 0)
            if not matches or (verb == "delete" and found is None):
                expected.append(("conflict", found[1] if found else None))
                continue
            revision = len(self.states)
            value = b"%d " % revision + b"x" * size
            created = found[2] if found else revision
            if verb == "put":
                state[key] = (value, revision, created)
            else:
                del state[key]
            self.states.append(state)
            expected.append((key, value, revision, created))

        async def together() -> list[Record | RevisionConflict]:
            return await asyncio.gather(*(self.attempt(*attempt) for attempt in attempts))

        for result, wanted in zip(self.run(together()), expected, strict=True):
            if isinstance(result, RevisionConflict):
                assert wanted == ("conflict", result.current.revision if result.current else None)
            else:
                assert shown(result) == wanted

    @rule(prefix=st.sampled_from(PREFIXES), after=st.sampled_from(["", *KEYS]), limit=st.integers(0, 4), data=st.data())
    def range(self, prefix: str, after: str, limit: int, data: st.DataObject) -> None:
        revision = data.draw(st.integers(0, len(self.states)))
        if revision and revision < self.oldest:
            with pytest.raises(Compacted):
                self.storage.range(prefix, revision=revision)
            return
        if revision == len(self.states):
            with pytest.raises(FutureRevision):
                self.storage.range(prefix, revision=revision)
            return
        page = self.storage.range(prefix, after=after, limit=limit, revision=revision)
        state = self.states[revision or -1]
        expected = [(k, *state[k]) for k in sorted(state) if k.startswith(prefix) and k > after]
        shorter = expected[:limit] if limit else expected
        assert [shown(record) for record in page.records] == shorter
        assert page.remaining == len(expected) - len(shorter)
        assert page.revision == (revision or len(self.states) - 1)

    @rule(prefix=st.sampled_from(PREFIXES), data=st.data())
    def events(self, prefix: str, data: st.DataObject) -> None:
        revision = data.draw(st.integers(self.oldest, len(self.states) - 1))
        events = self.storage.events_since(revision, prefix)
        state = dict(self.states[revision])
        for event in events:  # the events lead from the old state to the present
            assert event.key.startswith(prefix)
            before = state.pop(event.key, None)
            assert (shown(event.previous)[1:] if event.previous else None) == before
            if event.record is not None:
                assert event.final is None
                state[event.key] = shown(event.record)[1:]
            else:
                assert event.final is not None
                assert event.final.value.startswith(b"%d " % event.revision)
                assert event.final.created == (before[2] if before else 0)
        now = {k: v for k, v in self.states[-1].items() if k.startswith(prefix)}
        assert {k: v for k, v in state.items() if k.startswith(prefix)} == now

    @rule(data=st.data())
    def compact(self, data: st.DataObject) -> None:
        revision = data.draw(st.integers(1, len(self.states) - 1))

        async def work() -> None:
            self.storage.compact(revision)
            await asyncio.sleep(0)

        self.run(work())
        self.oldest = max(self.oldest, revision)

    @precondition(lambda self: self.url != "memory:")
    @rule()
    def reopen(self) -> None:
        self.run(self.storage.close())
        self.open()

    @invariant()
    def the_present(self) -> None:
        if not hasattr(self, "storage"):
            return
        state = self.states[-1]
        assert self.storage.revision == len(self.states) - 1
        assert self.storage.oldest == self.oldest
        assert self.seen == list(_range(2, len(self.states)))
        for prefix in PREFIXES:
            assert self.storage.count(prefix) == sum(key.startswith(prefix) for key in state)
        for key in KEYS:
            record = self.storage.get(key)
            assert record is self.storage.newest(key)
            assert (shown(record)[1:] if record else None) == state.get(key)

    def teardown(self) -> None:
        self.run(self.storage.close())
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()
        shutil.rmtree(self.folder)


_range = range  # the machine has a rule of that name


class SqliteModel(Model):
    url = "sqlite://{folder}/data"


TestMemory = Model.TestCase
TestMemory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None, derandomize=True)
TestSqlite = SqliteModel.TestCase
TestSqlite.settings = settings(max_examples=15, stateful_step_count=20, deadline=None, derandomize=True)
