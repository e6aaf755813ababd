"""Which controllers of a workspace wake and when they sleep."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.workspaces.many import Many

from wherry.controlplane import awake
from wherry.controlplane.awake import Part
from wherry.features.namespaces import FEATURE as NAMESPACES
from wherry.features.quotas import FEATURE as QUOTAS
from wherry.features.serviceaccounts import FEATURE as ACCOUNTS
from wherry.kit.clock import ShiftedClock
from wherry.kit.loops import ClockLoop
from wherry.server.handler import ApiHandler

AFTERWARDS = awake.IDLE_SECONDS * 3


class Recorder:
    """A controller that notes in `log` when it starts and stops; it is idle when `busy` does not say otherwise."""

    def __init__(self, log: list[str], name: str, busy: set[str]):
        self._log, self._name, self._busy = log, name, busy

    @property
    def idle(self) -> bool:
        return self._name not in self._busy

    def start(self) -> None:
        self._log.append(f"{self._name} starts")

    async def stop(self) -> None:
        self._log.append(f"{self._name} stops")


class Watched:
    """Workspaces whose controllers are recorders, on a clock that can be moved."""

    def __init__(self, many: Many, clock: ShiftedClock, loop: ClockLoop):
        self.many, self._clock, self._loop = many, clock, loop
        self.log: list[str] = []
        self.busy: set[str] = set()

    def have(self, *parts: tuple[str, Sequence[str] | None, Sequence[str], bool]) -> None:
        async def have() -> None:
            self.many.workspaces.have(own=[Part(name, partial(self._make, name), *rest) for name, *rest in parts])

        self.many.run(have())

    def _make(self, name: str, handler: ApiHandler) -> Sequence[Recorder]:
        return [Recorder(self.log, name, self.busy)]

    def advance(self, seconds: float) -> None:
        for _ in range(20):
            self._clock.advance(seconds / 20)
            self._loop.moved()
            self.many.settle()

    def begin(self) -> None:
        """The first workspace, whose controllers all wake; then the others are stamped from the settled template."""
        self.many.make("root:first")
        self.advance(AFTERWARDS)
        self.many.make("root:w")
        self.advance(AFTERWARDS)
        self.log.clear()

    def heard(self) -> list[str]:
        self.advance(1)
        found, self.log[:] = sorted(self.log), []
        return found


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    many, clock = Many(f"sqlite:{tmp_path}/db?fsync=off"), ShiftedClock()
    many.loop.close()
    many.loop = loop = ClockLoop(clock)
    with many:
        yield Watched(many, clock, loop)


def namespace(many: Many, where: str, name: str) -> None:
    many.must("POST", f"/clusters/{where}/api/v1/namespaces", {"metadata": {"name": name}})


def test_a_write_wakes_those_whom_it_concerns(watched: Watched) -> None:
    watched.have(
        ("spaces", ["namespaces"], [], False),
        ("roles", ["roles.rbac.authorization.k8s.io"], [], False),
        ("one", ["configmaps/this"], [], False),
        ("any", None, [], False),
    )
    watched.begin()
    namespace(watched.many, "root:w", "x")
    assert watched.heard() == ["any starts", "spaces starts"]
    watched.many.config_map("root:w", "that")
    assert watched.heard() == []
    watched.many.config_map("root:w", "this")
    assert watched.heard() == ["one starts"]


def test_a_write_elsewhere_wakes_nobody(watched: Watched) -> None:
    watched.have(("any", None, [], False))
    watched.begin()
    namespace(watched.many, "root", "x")
    assert watched.heard() == []


def test_where_something_is_counted_every_write_concerns_who_counts(watched: Watched) -> None:
    watched.have(("quotas", ["resourcequotas"], ["resourcequotas"], False))
    watched.begin()
    watched.many.config_map("root:w", "free")
    assert watched.heard() == []
    quotas = "/clusters/root:w/api/v1/namespaces/default/resourcequotas"
    watched.many.must("POST", quotas, {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "1"}}})
    assert watched.heard() == ["quotas starts"]
    watched.advance(AFTERWARDS)
    assert watched.heard() == ["quotas stops"]
    watched.many.config_map("root:w", "counted")
    assert watched.heard() == ["quotas starts"]


def test_who_is_not_done_does_not_sleep(watched: Watched) -> None:
    watched.have(("spaces", ["namespaces"], [], False))
    watched.begin()
    watched.busy.add("spaces")
    namespace(watched.many, "root:w", "x")
    watched.advance(AFTERWARDS)
    assert watched.heard() == ["spaces starts"]
    watched.busy.clear()
    watched.advance(AFTERWARDS)
    assert watched.heard() == ["spaces stops"]


def test_who_lasts_wakes_where_it_finds_something_and_stays(watched: Watched) -> None:
    watched.have(("jobs", ["namespaces/no", "jobs.batch"], [], True), ("nodes", None, [], True))
    watched.begin()
    watched.many.make("root:other")
    assert watched.heard() == ["nodes starts"]
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}}
    job = {"metadata": {"name": "j"}, "spec": {"template": template}}
    watched.many.must("POST", "/clusters/root:other/apis/batch/v1/namespaces/default/jobs", job)
    watched.advance(AFTERWARDS)
    assert watched.heard() == ["jobs starts"]


def test_who_lasts_wakes_after_a_restart(watched: Watched) -> None:
    watched.have(("jobs", ["namespaces"], [], True))
    watched.begin()
    watched.many.again()
    watched.log.clear()
    watched.have(("jobs", ["namespaces"], [], True))
    assert watched.heard() == ["jobs starts", "jobs starts"]  # in both workspaces


def test_controllers_that_find_no_end_leave_workspaces_as_they_were(watched: Watched) -> None:
    watched.have(("restless", ["namespaces"], [], False))
    watched.busy.add("restless")
    watched.many.make("root:first")
    watched.advance(30)
    watched.log.clear()
    watched.many.make("root:w")
    assert watched.heard() == ["restless starts"]


def test_a_new_workspace_has_what_controllers_make_and_wakes_none() -> None:
    account = "/clusters/root:{}/api/v1/namespaces/default/serviceaccounts/default"
    with Many() as many:
        many.workspaces.have(features=[NAMESPACES, QUOTAS, ACCOUNTS])
        first = many.make("root:first")
        many.until(lambda: many.ask("GET", account.format("first"))[0] == 200)
        many.make("root:second")
        many.must("GET", account.format("second"))
        many.run(asyncio.sleep(2 * awake.WAKE_SECONDS))
        assert {cluster for cluster, _ in many.workspaces.awake} == {first}
