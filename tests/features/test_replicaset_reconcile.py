"""How many pods a replica set makes or deletes, which ones, and what it says."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.objects import NOW, pod, workload

from wherry.features.workloads.replicaset_reconcile import look_again, plan, status

UNREADY: dict[str, Any] = {"ready": False}


def rs(replicas: int, **spec: Any) -> dict[str, Any]:
    return workload("ReplicaSet", replicas=replicas, **spec)


@pytest.mark.parametrize(
    ("wanted", "pods", "created", "deleted"),
    [
        (3, [], 3, 0),
        (2, [pod("a"), pod("b")], 0, 0),
        (2, [pod("a"), pod("b", deleting=True)], 1, 0),
        (2, [pod("a"), pod("b", phase="Failed")], 1, 0),
        (0, [pod("a"), pod("b")], 0, 2),
        (700, [], 500, 0),
    ],
)
def test_the_number_of_pods_is_kept(wanted: int, pods: list[Any], created: int, deleted: int) -> None:
    found = plan(rs(wanted), pods, {}, NOW)
    assert (len(found.create), len(found.delete)) == (created, deleted)


@pytest.mark.parametrize(
    ("keep", "goes"),
    [
        (pod("keep"), pod("goes", node="")),
        (pod("keep"), pod("goes", phase="Pending", ready=False)),
        (pod("keep"), pod("goes", ready=False)),
        (pod("keep", annotations={"controller.kubernetes.io/pod-deletion-cost": "5"}), pod("goes")),
        (pod("keep", since=NOW - 5000), pod("goes", since=NOW - 2)),
        (pod("keep", node="n2"), pod("goes", node="crowded")),
    ],
    ids=["unscheduled", "pending", "unready", "cheaper", "younger", "crowded"],
)
def test_the_least_useful_pod_goes_first(keep: dict[str, Any], goes: dict[str, Any]) -> None:
    for order in ([keep, goes], [goes, keep]):
        found = plan(rs(1), list(order), {"crowded": 3, "n2": 1}, NOW)
        assert [p["metadata"]["name"] for p in found.delete] == ["goes"]


def test_a_made_pod_belongs_to_its_set() -> None:
    made = plan(rs(1), [], {}, NOW).create[0]
    assert made["metadata"]["ownerReferences"][0]["uid"] == "uid-web"
    assert made["metadata"]["generateName"] == "web-"
    assert made["metadata"]["name"].startswith("web-")
    assert len(made["metadata"]["name"]) == len("web-") + 5


def test_the_status_counts_ready_and_available_pods() -> None:
    pods = [pod("a"), pod("b", since=NOW - 2), pod("c", ready=False), pod("d", deleting=True)]
    found = status(rs(3, minReadySeconds=10), pods, "", NOW)
    assert found == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 1,
        "terminatingReplicas": 1,
        "observedGeneration": 1,
    }
    assert look_again(rs(3, minReadySeconds=10), pods, NOW) == pytest.approx(8.05)


def test_a_refusal_is_a_condition_until_it_is_over() -> None:
    failed = status(rs(3), [], "quota", NOW)["conditions"]
    assert [(c["type"], c["reason"], c["message"]) for c in failed] == [("ReplicaFailure", "FailedCreate", "quota")]
    owner = workload("ReplicaSet", replicas=0, status={"conditions": failed})
    assert "conditions" not in status(owner, [], "", NOW)
