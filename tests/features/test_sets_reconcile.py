"""Stateful sets, daemon sets, disruption budgets and endpoints: table by table."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.features.objects import NOW, node, pod, workload

from wherry.features.workloads import daemonset_reconcile as daemons
from wherry.features.workloads import endpoints_reconcile as ends
from wherry.features.workloads import statefulset_reconcile as stateful
from wherry.features.workloads.budget_reconcile import status as budget_status
from wherry.features.workloads.revisions import REVISION_LABEL, present, template_of
from wherry.runtime.writes import Create, Delete, Update

Obj = dict[str, Any]


def names(writes: list[Any]) -> list[str]:
    return [f"{type(w).__name__} {w.obj['metadata']['name']}" for w in writes]


def member(number: int, revision: str = "new", **given: Any) -> Obj:
    return pod(f"web-{number}", labels={"app": "web", REVISION_LABEL: revision}, **given)


def revision(name: str, image: str) -> Obj:
    template = workload("StatefulSet", image=image)["spec"]["template"]
    return {
        "metadata": {"name": name},
        "revision": 1,
        "data": {"spec": {"template": {**template, "$patch": "replace"}}},
    }


NEW, OLD = revision("new", "x:2"), revision("old", "x:1")
PARALLEL = {"podManagementPolicy": "Parallel"}


def seen(pods: list[Obj], claims: dict[str, Obj] | None = None, current: Obj = NEW, **spec: Any) -> stateful.Seen:
    owner = workload("StatefulSet", **{"replicas": 3, "serviceName": "svc", **spec})
    return stateful.Seen(owner, pods, current, NEW, claims or {}, NOW)


@pytest.mark.parametrize(
    ("pods", "spec", "expected"),
    [
        ([], {}, ["Create web-0"]),
        ([], PARALLEL, ["Create web-0", "Create web-1", "Create web-2"]),
        ([member(0, ready=False)], {}, []),
        ([member(0)], {}, ["Create web-1"]),
        ([member(0), member(1, phase="Failed")], {}, ["Delete web-1"]),
        ([member(0), member(1), member(2)], {"replicas": 1}, ["Delete web-2"]),
        ([member(0, ready=False), member(1), member(2)], {"replicas": 1}, []),
        ([member(0), member(1), member(2)], {"replicas": 1, **PARALLEL}, ["Delete web-2", "Delete web-1"]),
        ([member(0, "old"), member(1, "old"), member(2, "old")], {}, ["Delete web-2"]),
        ([member(0, "old"), member(1, "old"), member(2, ready=False)], {}, []),
        ([member(0, "old"), member(1, "old"), member(2)], {}, ["Delete web-1"]),
        ([member(0, "old"), member(1, "old"), member(2)], {"updateStrategy": {"type": "OnDelete"}}, []),
        (
            [member(0, "old"), member(1, "old"), member(2)],
            {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}},
            [],
        ),
        ([member(5)], {"replicas": 1, "ordinals": {"start": 5}}, []),
    ],
)
def test_a_stateful_set_moves_one_pod_at_a_time(pods: list[Obj], spec: Obj, expected: list[str]) -> None:
    assert names(stateful.step(seen(pods, **spec)).writes) == expected


def test_pods_of_a_stateful_set_have_names_claims_and_revisions() -> None:
    claim = {"metadata": {"name": "data"}, "spec": {}}
    kept = {"whenDeleted": "Delete", "whenScaled": "Delete"}
    spec = {"volumeClaimTemplates": [claim], "persistentVolumeClaimRetentionPolicy": kept}
    made, birth = stateful.step(seen([], **spec)).writes
    assert names([made, birth]) == ["Create data-web-0", "Create web-0"]
    assert isinstance(made, Create)
    assert made.obj["metadata"]["ownerReferences"][0]["kind"] == "StatefulSet"
    assert isinstance(birth, Create)
    assert birth.obj["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-web-0"}}]
    assert (birth.obj["spec"]["hostname"], birth.obj["spec"]["subdomain"]) == ("web-0", "svc")
    assert birth.obj["metadata"]["labels"][REVISION_LABEL] == "new"
    there = {f"data-web-{n}": {"metadata": {"name": f"data-web-{n}"}} for n in range(2)}
    handed, gone = stateful.step(seen([member(0), member(1)], there, replicas=1, **spec)).writes
    assert isinstance(handed, Update)
    assert handed.obj["metadata"]["ownerReferences"] == [
        {"apiVersion": "v1", "kind": "Pod", "name": "web-1", "uid": "uid-web-1"}
    ]
    assert isinstance(gone, Delete)


def test_below_the_partition_pods_keep_the_old_template() -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}
    birth = stateful.step(seen([member(1), member(2)], current=OLD, updateStrategy=rolling)).writes[0]
    assert isinstance(birth, Create)
    assert birth.obj["spec"]["containers"][0]["image"] == "x:1"


def test_a_finished_rollout_makes_the_update_current() -> None:
    mixed = stateful.status(seen([member(0, "old"), member(1), member(2)], current=OLD))
    assert (mixed["currentRevision"], mixed["currentReplicas"], mixed["updatedReplicas"]) == ("old", 1, 2)
    done = stateful.status(seen([member(0), member(1), member(2)], current=OLD))
    assert (done["currentRevision"], done["currentReplicas"], done["readyReplicas"]) == ("new", 3, 3)


def test_a_revision_is_written_as_go_writes_maps() -> None:
    data = orjson.dumps(present(workload("StatefulSet"), [], 0).update["data"])
    assert data == orjson.dumps(orjson.loads(data), option=orjson.OPT_SORT_KEYS)


def test_revisions_are_made_kept_and_brought_back() -> None:
    owner = workload("StatefulSet")
    first = present(owner, [], 0)
    assert isinstance(first.write, Create)
    assert template_of(first.update) == owner["spec"]["template"]
    assert present(owner, [first.update], 0).write is None
    second = present(workload("StatefulSet", image="y"), [first.update], 0).update
    assert second["revision"] == 2
    back = present(owner, [first.update, second], 0)
    assert isinstance(back.write, Update)
    assert (back.update["metadata"]["name"], back.update["revision"]) == (first.update["metadata"]["name"], 3)


TAINTED = node("b", taints=[{"key": "k", "effect": "NoExecute"}])


def daemon(name: str, where: str, revision_: str = "r", **given: Any) -> Obj:
    return pod(name, node=where, labels={"app": "web", REVISION_LABEL: revision_}, **given)


@pytest.mark.parametrize(
    ("nodes", "pods", "created", "deleted"),
    [
        ([node("a"), TAINTED], [], ["a"], []),
        ([node("a")], [daemon("x", "a")], [], []),
        ([node("a")], [daemon("x", "a"), daemon("y", "a")], [], ["y"]),
        ([node("a")], [daemon("x", "a", phase="Failed")], [], ["x"]),
        ([TAINTED], [daemon("x", "b")], [], ["x"]),
        ([node("a"), node("c")], [daemon("x", "a", "old"), daemon("y", "c", "old")], [], ["x"]),
        ([node("a"), node("c")], [daemon("x", "a"), daemon("y", "c", "old", ready=False)], [], ["y"]),
        ([node("a"), node("c")], [daemon("x", "a", ready=False), daemon("y", "c", "old")], [], []),
    ],
)
def test_daemons_are_where_they_should_be(
    nodes: list[Obj], pods: list[Obj], created: list[str], deleted: list[str]
) -> None:
    found = daemons.plan(workload("DaemonSet"), nodes, pods, "r", NOW)
    assert [daemons.node_of(p) for p in found.create] == created
    assert [p["metadata"]["name"] for p in found.delete] == deleted


def test_the_status_of_a_daemon_set_counts_nodes() -> None:
    found = daemons.status(workload("DaemonSet"), [node("a"), node("c"), TAINTED], [daemon("x", "a")], "r", NOW)
    wanted = {"desiredNumberScheduled": 2, "currentNumberScheduled": 1, "numberReady": 1, "numberUnavailable": 1}
    assert wanted.items() <= found.items()


@pytest.mark.parametrize(
    ("spec", "healthy", "allowed", "desired"),
    [
        ({"minAvailable": 2}, 3, 1, 2),
        ({"minAvailable": "50%"}, 3, 1, 2),
        ({"maxUnavailable": 1}, 3, 1, 2),
        ({"maxUnavailable": "34%"}, 3, 2, 1),
        ({"minAvailable": 2}, 1, 0, 2),
    ],
)
def test_budgets_allow_what_is_spare(spec: Obj, healthy: int, allowed: int, desired: int) -> None:
    pods = [pod(f"p{n}", ready=n < healthy) for n in range(3)]
    found = budget_status(workload("PodDisruptionBudget", **spec), pods, 3, NOW)
    assert (found["disruptionsAllowed"], found["desiredHealthy"], found["currentHealthy"]) == (
        allowed,
        desired,
        healthy,
    )
    assert found["conditions"][0]["reason"] == ("SufficientPods" if allowed else "InsufficientPods")


def test_an_evicted_pod_counts_as_gone_until_it_had_its_time() -> None:
    owner = workload("PodDisruptionBudget", minAvailable=2)
    owner["status"] = {"disruptedPods": {"p0": "2023-11-14T22:12:20Z", "gone": "2023-11-14T22:12:20Z"}}
    pods = [pod(f"p{n}") for n in range(3)]
    found = budget_status(owner, pods, 3, NOW)
    assert (found["currentHealthy"], found["disruptionsAllowed"], list(found["disruptedPods"])) == (2, 0, ["p0"])
    assert budget_status(owner, pods, 3, NOW + 200)["currentHealthy"] == 3


def test_endpoints_follow_pods() -> None:
    port = {"name": "http", "port": 80, "targetPort": "web"}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default", "uid": "s"}}
    service["spec"] = {"ports": [port]}  # type: ignore[assignment]
    pods = [pod("a"), pod("b", ready=False), pod("c", deleting=True), pod("d", phase="Failed"), pod("e")]
    for number, each in enumerate(pods):
        each["status"]["podIP"] = f"10.0.0.{number}"
        each["spec"]["containers"][0]["ports"] = [{"name": "web", "containerPort": 8080 if number < 4 else 9090}]
    found = ends.slices(service, pods, {"n1": "z"})
    assert [[p["port"] for p in ports] for ports, _ in found] == [[8080], [9090]]
    conditions = {e["targetRef"]["name"]: e["conditions"] for _, listed in found for e in listed}
    assert conditions == {
        "a": {"ready": True, "serving": True, "terminating": False},
        "b": {"ready": False, "serving": False, "terminating": False},
        "c": {"ready": False, "serving": True, "terminating": True},
        "e": {"ready": True, "serving": True, "terminating": False},
    }
    subsets = ends.endpoints(service, pods)
    assert [[a["ip"] for a in s["addresses"]] for s in subsets] == [["10.0.0.0"], ["10.0.0.4"]]
    assert [a["ip"] for a in subsets[0]["notReadyAddresses"]] == ["10.0.0.1"]
    many = [{**pod(f"p{n}"), "status": {"phase": "Running", "podIP": "10.1.0.1"}} for n in range(250)]
    assert [len(listed) for _, listed in ends.slices({**service, "spec": {}}, many, {})] == [100, 100, 50]
