"""Nodes fall silent, come back, are cordoned; taints follow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.features.objects import AT, NOW, pod

from wherry.client import Client
from wherry.features.workloads import nodehealth_reconcile as rules
from wherry.features.workloads.common import stamp
from wherry.features.workloads.nodehealth_controller import NodeHealthController
from wherry.features.workloads.wiring import Room

Obj = dict[str, Any]


def node(name: str = "n", *, ready: str = "", taints: list[Obj] | None = None, **spec: Any) -> Obj:
    meta = {"name": name, "uid": f"uid-{name}", "creationTimestamp": AT}
    known = [{"type": "Ready", "status": ready, "reason": "KubeletReady", "lastHeartbeatTime": AT}] if ready else []
    return {"metadata": meta, "spec": {**spec, "taints": taints or []}, "status": {"conditions": known}}


def marks(found: list[Obj]) -> set[str]:
    return {f"{taint['key'].removeprefix('node.kubernetes.io/')}:{taint['effect']}" for taint in found}


def test_a_node_that_never_spoke() -> None:
    found = rules.lost(node(), NOW + 60)
    assert [c["type"] for c in found] == ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"]
    assert {(c["status"], c["reason"], c["lastHeartbeatTime"], c["lastTransitionTime"]) for c in found} == {
        ("Unknown", "NodeStatusNeverUpdated", AT, stamp(NOW + 60))
    }


def test_a_node_that_stopped_speaking_keeps_what_is_not_the_kubelets() -> None:
    silent = node(ready="True")
    network = {"type": "NetworkUnavailable", "status": "False", "lastTransitionTime": AT}
    silent["status"]["conditions"].append(network)
    found = rules.lost(silent, NOW + 60)
    assert found[0]["reason"] == "NodeStatusUnknown"
    assert found[1] == network
    again = {**silent, "status": {"conditions": found}}
    assert rules.lost(again, NOW + 90) == found


@pytest.mark.parametrize(
    ("ready", "others", "expected"),
    [
        ("", True, set()),
        ("True", True, set()),
        ("False", True, {"not-ready:NoSchedule", "not-ready:NoExecute"}),
        ("Unknown", True, {"unreachable:NoSchedule", "unreachable:NoExecute"}),
        ("Unknown", False, {"unreachable:NoSchedule"}),
    ],
)
def test_taints_of_readiness(ready: str, others: bool, expected: set[str]) -> None:
    mine = node(ready=ready)
    nodes = [mine, node("other", ready="True" if others else "Unknown")]
    assert marks(rules.taints(mine, nodes, NOW)) == expected


def test_what_others_set_stays_and_what_is_over_goes() -> None:
    own = {"key": "example.com/gpu", "effect": "NoSchedule"}
    over = {"key": rules.UNREACHABLE, "effect": "NoExecute", "timeAdded": AT}
    new = {"key": rules.NOT_READY, "effect": "NoSchedule"}
    well = node(ready="True", taints=[own, over, new])
    assert rules.taints(well, [well], NOW) == [own]
    # a node that never spoke loses the taint of a new node, not one that expels
    assert rules.taints(node(taints=[over, new]), [], NOW) == [over]


def test_cordon_and_uncordon() -> None:
    for rule in (lambda n: rules.taints(n, [n], NOW), lambda n: rules.cordoned(n, NOW)):
        found = rule(node(unschedulable=True))
        assert marks(found) == {"unschedulable:NoSchedule"}
        assert found[0]["timeAdded"] == AT
        assert rule(node(unschedulable=True, taints=found)) == found
        assert rule(node(taints=found)) == []


STATUS = st.sampled_from(["True", "False", "Unknown"])
TAINTS = st.lists(
    st.builds(
        lambda key, effect: {"key": key, "effect": effect},
        st.sampled_from([rules.UNREACHABLE, rules.NOT_READY, rules.UNSCHEDULABLE, "a/b"]),
        st.sampled_from(["NoSchedule", "NoExecute", "PreferNoSchedule"]),
    ),
    max_size=5,
    unique_by=lambda taint: (taint["key"], taint["effect"]),
)


@given(STATUS, STATUS, TAINTS, st.booleans())
def test_once_is_enough(ready: str, other: str, present: list[Obj], unschedulable: bool) -> None:
    mine = node(ready=ready, taints=present, **({"unschedulable": True} if unschedulable else {}))
    nodes = [mine, node("other", ready=other)]
    found = rules.taints(mine, nodes, NOW)
    assert rules.taints({**mine, "spec": {**mine["spec"], "taints": found}}, nodes, NOW + 9) == found
    assert len(found) == len(marks(found))


def test_pods_of_a_lost_node() -> None:
    found = rules.unready(pod("a"), NOW)
    assert found is not None
    assert found["conditions"] == [{"type": "Ready", "status": "False", "lastTransitionTime": AT}]
    assert rules.unready(pod("a", ready=False), NOW) is None


class Clock:
    now = NOW

    def time(self) -> float:
        return self.now


class World:
    """The controller with a writer that only takes note."""

    def __init__(self) -> None:
        self.clock, self.told, self.written = Clock(), [], []  # type: ignore[var-annotated]
        self.controller = NodeHealthController(Room(Client(None), self.clock))  # type: ignore[arg-type]
        self.controller.events.tell = lambda about, type_, reason, message: self.told.append(reason)  # type: ignore[method-assign]
        self.controller.writer.one = self._one  # type: ignore[assignment, method-assign]

    async def _one(self, write: Any) -> Any:
        self.written.append(write)
        self.put(write.obj)
        return write.obj

    def put(self, obj: Obj) -> None:
        self.controller.objects.objects["", obj["metadata"]["name"]] = obj

    def lease(self, renewed: str) -> None:
        lease = {"metadata": {"name": "n", "namespace": "kube-node-lease"}, "spec": {"renewTime": renewed}}
        self.controller._leases.objects["kube-node-lease", "n"] = lease

    async def after(self, seconds: float) -> float | None:
        self.clock.now = NOW + seconds
        return await self.controller.reconcile(("", "n"))


def run(coroutine: Any) -> None:
    import asyncio

    asyncio.run(coroutine)


def test_silence_from_the_beginning() -> None:
    async def main() -> None:
        world = World()
        world.put(node())
        assert await world.after(1) == pytest.approx(59.1)
        assert (world.told, world.written) == (["RegisteredNode"], [])
        assert await world.after(60.1) is None
        assert rules.ready(world.controller.objects.objects["", "n"]) == "Unknown"
        written = len(world.written)
        await world.after(100)  # our own word was no sign of life, and nothing is written twice
        assert len(world.written) == written == 2
        assert world.told == ["RegisteredNode"]

    run(main())


def test_a_lease_is_a_sign_of_life_and_silence_after_it_is_told() -> None:
    async def main() -> None:
        world = World()
        world.put(node(ready="True"))
        await world.after(0)
        world.lease("2023-11-14T22:14:00.000000Z")
        assert await world.after(40) == pytest.approx(50.1)
        assert await world.after(80) == pytest.approx(10.1)
        assert world.written == []
        await world.after(91)
        assert world.told == ["RegisteredNode", "NodeNotReady"]
        back = node(ready="True")
        back["status"]["conditions"][0]["lastHeartbeatTime"] = stamp(NOW + 95)
        back["spec"]["taints"] = world.controller.objects.objects["", "n"]["spec"]["taints"]
        world.put(back)
        assert await world.after(95) == pytest.approx(50.1)
        assert world.controller.objects.objects["", "n"]["spec"]["taints"] == []

    run(main())


def test_simulated_nodes_are_left_to_the_simulation() -> None:
    async def main() -> None:
        world = World()
        mine = node(ready="True", unschedulable=True)
        mine["metadata"]["annotations"] = {"simulation.wherry.dev/simulated": "true"}
        world.put(mine)
        assert await world.after(1000) is None
        assert marks(world.controller.objects.objects["", "n"]["spec"]["taints"]) == {"unschedulable:NoSchedule"}
        assert rules.ready(world.controller.objects.objects["", "n"]) == "True"

    run(main())
