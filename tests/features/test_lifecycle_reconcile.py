"""Nodes that are lost and come back, and when their pods have to leave."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.objects import NOW, node, pod

from wherry.features.simulation.lifecycle_reconcile import UNREACHABLE, conditions, evicted_in, taints
from wherry.features.simulation.node_reconcile import node as make
from wherry.features.simulation.node_reconcile import status

POOL: dict[str, Any] = {
    "apiVersion": "x/v1",
    "kind": "SimulatedNode",
    "metadata": {"name": "s", "uid": "u"},
    "spec": {},
}


def lost(present: dict[str, Any]) -> dict[str, Any]:
    present["status"]["conditions"] = conditions(present, True, NOW)
    present["spec"]["taints"] = taints(present, True, NOW)
    return present


def test_a_lost_node_is_unknown_and_tainted_until_it_is_back() -> None:
    here = {**make(POOL, 0), "status": status(POOL, 0, NOW, "v1")}
    before = here["status"]["conditions"]
    assert conditions(here, False, NOW) == before
    gone = lost(here)
    words = {c["type"]: c["status"] for c in gone["status"]["conditions"]}
    assert words["Ready"] == words["MemoryPressure"] == "Unknown"
    assert words["simulation.wherry.dev/Simulated"] == "True"
    assert [(t["key"], t["effect"]) for t in gone["spec"]["taints"]] == [
        (UNREACHABLE, "NoSchedule"),
        (UNREACHABLE, "NoExecute"),
    ]
    assert taints(gone, True, NOW + 50) == gone["spec"]["taints"]
    assert {c["type"]: c["status"] for c in conditions(gone, False, NOW)} == {c["type"]: c["status"] for c in before}
    assert taints(gone, False, NOW) == []


@pytest.mark.parametrize(
    ("tolerations", "left"),
    [
        ([], 0.0),
        ([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}], 290.0),
        ([{"key": UNREACHABLE, "operator": "Exists"}], None),
        ([{"key": "other", "operator": "Exists"}], 0.0),
        ([{"operator": "Exists", "tolerationSeconds": 5}], 0.0),
    ],
)
def test_pods_leave_when_their_toleration_ends(tolerations: list[dict[str, Any]], left: float | None) -> None:
    here = pod("p")
    here["spec"]["tolerations"] = tolerations
    assert evicted_in(here, lost({**node("n"), "status": {}}), NOW + 10) == left
    assert evicted_in(here, node("n"), NOW) is None
