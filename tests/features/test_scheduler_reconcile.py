"""Where a pod goes, and why it goes nowhere."""

from __future__ import annotations

from typing import Any

import pytest
from tests.features.objects import node

from wherry.features.simulation.scheduler_reconcile import Cluster

Obj = dict[str, Any]
ZONE = "topology.kubernetes.io/zone"


def pending(name: str = "p", *, cpu: str = "", labels: dict[str, str] | None = None, **spec: Any) -> Obj:
    resources = {"requests": {"cpu": cpu}} if cpu else {}
    meta = {"name": name, "namespace": "default", "uid": name, "labels": labels or {}}
    return {"metadata": meta, "spec": {"containers": [{"name": "c", "resources": resources}], **spec}}


def cluster(*nodes: Obj) -> Cluster:
    made = Cluster()
    for each in nodes:
        made.set_node(each)
    return made


def affinity(kind: str, key: str = "kubernetes.io/hostname", app: str = "a") -> Obj:
    term = {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}}
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def needs(key: str, operator: str, *values: str) -> Obj:
    term = {"matchExpressions": [{"key": key, "operator": operator, "values": list(values)}]}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


TAINT = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}]
TWO = (node("a", disk="ssd", rank="3"), node("b", cpu="2", taints=TAINT, disk="hdd", rank="9"))


@pytest.mark.parametrize(
    ("pod", "where"),
    [
        (pending(), "a"),
        (pending(nodeSelector={"disk": "hdd"}, tolerations=[{"operator": "Exists"}]), "b"),
        (pending(affinity=needs("disk", "NotIn", "ssd"), tolerations=[{"key": "gpu", "operator": "Exists"}]), "b"),
        (pending(affinity=needs("rank", "Gt", "5"), tolerations=[{"key": "gpu", "value": "yes"}]), "b"),
        (pending(affinity=needs("rank", "Lt", "5")), "a"),
        (pending(cpu="3", tolerations=[{"operator": "Exists"}]), "a"),
    ],
)
def test_a_pod_goes_where_it_fits(pod: Obj, where: str) -> None:
    assert cluster(*TWO).choose(pod) == (where, "")


@pytest.mark.parametrize(
    ("pod", "why"),
    [
        (pending(cpu="5"), "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint(s)."),
        (
            pending(nodeSelector={"disk": "tape"}, tolerations=[{"operator": "Exists"}]),
            "0/2 nodes are available: 2 node(s) didn't match Pod's node affinity/selector.",
        ),
        (
            pending(tolerations=[{"key": "gpu", "value": "no"}], nodeSelector={"disk": "hdd"}),
            "0/2 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, "
            "1 node(s) had untolerated taint(s).",
        ),
    ],
)
def test_a_pod_that_fits_nowhere_is_told_why(pod: Obj, why: str) -> None:
    assert cluster(*TWO).choose(pod) == ("", why)
    assert Cluster().choose(pod) == ("", "no nodes available to schedule pods")


def test_resources_and_pods_are_counted_in_and_out() -> None:
    made = cluster(node("a"))
    made.put(pending("one", cpu="3"), "a")
    assert made.choose(pending("two", cpu="2"))[1] == "0/1 nodes are available: 1 Insufficient cpu."
    made.set_node(node("a", cpu="6"))
    assert made.choose(pending("two", cpu="2"))[0] == "a"
    made.set_node(node("a"))
    assert made.remove("one")
    assert not made.remove("one")
    assert made.choose(pending("two", cpu="2"))[0] == "a"
    for number in range(10):
        made.put(pending(f"p{number}"), "a")
    assert "Too many pods" in made.choose(pending("last"))[1]


def test_host_ports_are_taken_once() -> None:
    port = {"containers": [{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]}
    made = cluster(node("a"))
    made.put({**pending("one"), "spec": port}, "a")
    assert "free ports" in made.choose({**pending("two"), "spec": port})[1]
    made.remove("one")
    assert made.choose({**pending("two"), "spec": port})[0] == "a"


def test_cordoned_nodes_take_nobody() -> None:
    shut = node("a")
    shut["spec"]["unschedulable"] = True
    assert cluster(shut).choose(pending())[1] == "0/1 nodes are available: 1 node(s) were unschedulable."


def test_pods_keep_together_and_apart() -> None:
    made = cluster(node("a"), node("b"))
    made.put(pending("first", labels={"app": "a"}), "b")
    assert made.choose(pending(affinity=affinity("podAffinity")))[0] == "b"
    assert made.choose(pending(affinity=affinity("podAntiAffinity")))[0] == "a"
    made.put(pending("shy", affinity=affinity("podAntiAffinity", app="loud")), "a")
    assert made.choose(pending("x", labels={"app": "loud"}))[0] == "b"
    lonely = pending(labels={"app": "z"}, affinity=affinity("podAffinity", app="z"))
    assert made.choose(lonely)[0]  # the first of a group that wants to be together may start it
    assert "pod affinity" in made.choose(pending(affinity=affinity("podAffinity", app="z")))[1]


def test_pods_are_spread_over_zones() -> None:
    made = cluster(node("a", topology__kubernetes=""), *(_zoned(n, z) for n, z in (("b", "1"), ("c", "1"), ("d", "2"))))
    constraint = {
        "maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "a"}},
    }  # fmt: skip
    zones = {"b": "1", "c": "1", "d": "2"}
    seen = {"1": 0, "2": 0}
    for number in range(6):
        each = pending(f"p{number}", labels={"app": "a"}, topologySpreadConstraints=[constraint])
        where, why = made.choose(each)
        assert not why
        made.put(each, where)
        seen[zones[where]] += 1
        assert abs(seen["1"] - seen["2"]) <= 1


def _zoned(name: str, zone: str) -> Obj:
    made = node(name)
    made["metadata"]["labels"][ZONE] = zone
    return made
