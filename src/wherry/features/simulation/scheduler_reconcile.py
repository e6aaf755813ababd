"""Pure: where a pod may go and where it goes best (pkg/scheduler/framework/plugins), for one pod at a time.

Honoured: spec.nodeName, schedulingGates, unschedulable nodes, taints, nodeSelector and node affinity, host ports,
resources and the number of pods, pod affinity and anti-affinity, topology spread. Not: preemption, volumes, devices.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from wherry.machinery.placement import amount, preference, requests, selected, untolerated
from wherry.machinery.selectors import from_label_selector

Obj = dict[str, Any]
ENOUGH = 100  # feasible nodes that are compared; more are not looked for
_UNSCHEDULABLE = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


@dataclass(slots=True)
class Place:
    """A node and what is left on it."""

    node: Obj
    free: dict[str, int]
    pods: dict[str, Obj] = field(default_factory=dict)  # by uid
    ports: set[tuple[str, int]] = field(default_factory=set)  # of the host, that are taken

    @property
    def labels(self) -> dict[str, str]:
        found: dict[str, str] = self.node["metadata"].get("labels") or {}
        return found


def _allocatable(node: Obj) -> dict[str, int]:
    status = node.get("status") or {}
    given = status.get("allocatable") or status.get("capacity") or {}
    return {name: amount(name, str(value)) for name, value in given.items()}


class Cluster:
    """The nodes with the pods that are on them or on their way there."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self._where: dict[str, tuple[str, dict[str, int]]] = {}  # pod uid -> node, requests
        self._choosy: dict[str, Obj] = {}  # pods with anti-affinity, by uid
        self._next = 0

    def set_node(self, node: Obj) -> None:
        name = node["metadata"]["name"]
        place = self.places.get(name)
        free = _allocatable(node)
        if place is None:
            self.places[name] = Place(node, free)
            return
        place.node, place.free = node, free
        for uid in place.pods:
            _take(free, self._where[uid][1], 1)

    def remove_node(self, name: str) -> None:
        place = self.places.pop(name, None)
        for uid in place.pods if place else ():
            self._where.pop(uid, None)
            self._choosy.pop(uid, None)

    def put(self, pod: Obj, node: str) -> None:
        """Count a pod in; one that is there already only gets its newest form."""
        uid, place = pod["metadata"]["uid"], self.places.get(node)
        if place is None:
            return
        if uid in self._where:
            place.pods[uid] = pod
            return
        asked = requests(pod)
        self._where[uid] = (node, asked)
        place.pods[uid] = pod
        place.ports |= host_ports(pod)
        _take(place.free, asked, 1)
        if _terms(pod, "podAntiAffinity"):
            self._choosy[uid] = pod

    def remove(self, uid: str) -> bool:
        """Count a pod out; whether it was there."""
        node, asked = self._where.pop(uid, ("", {}))
        self._choosy.pop(uid, None)
        place = self.places.get(node)
        if place is None or uid not in place.pods:
            return False
        place.ports -= host_ports(place.pods.pop(uid))
        _take(place.free, asked, -1)
        return True

    def choose(self, pod: Obj) -> tuple[str, str]:
        """(node, "") or ("", why nowhere)."""
        asked = requests(pod)
        checks = _Checks(self, pod)
        reasons: Counter[str] = Counter()
        feasible: list[Place] = []
        places = list(self.places.values())
        start = self._next % len(places) if places else 0
        for at in range(len(places)):
            place = places[(start + at) % len(places)]
            refused = _unfit(pod, place) or checks.unfit(place)
            whys = [refused] if refused else _short(asked, place)
            if whys:
                reasons.update(whys)
                continue
            feasible.append(place)
            if len(feasible) >= ENOUGH:
                break
        self._next = start + 1
        if not feasible:
            return "", _sentence(len(places), reasons)
        best = max(feasible, key=lambda place: _score(pod, place, asked) + checks.score(place))
        return str(best.node["metadata"]["name"]), ""

    def choosy(self) -> Iterable[Obj]:
        return self._choosy.values()

    def node_of(self, uid: str) -> str:
        return self._where[uid][0]


def _take(free: dict[str, int], asked: dict[str, int], sign: int) -> None:
    for name, value in asked.items():
        free[name] = free.get(name, 0) - sign * value


def _unfit(pod: Obj, place: Place) -> str:
    node = place.node
    if (node.get("spec") or {}).get("unschedulable") and not any(
        t.get("operator") == "Exists" and t.get("key") in (None, "", _UNSCHEDULABLE["key"])
        for t in pod["spec"].get("tolerations") or ()
    ):
        return "node(s) were unschedulable"
    taint = untolerated(pod, node)
    if taint is not None:
        return "node(s) had untolerated taint(s)"
    if not selected(pod, node):
        return "node(s) didn't match Pod's node affinity/selector"
    if place.ports and host_ports(pod) & place.ports:
        return "node(s) didn't have free ports for the requested pod ports"
    return ""


def host_ports(pod: Obj) -> set[tuple[str, int]]:
    return {
        (port.get("protocol", "TCP"), port["hostPort"])
        for container in pod["spec"].get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    }


def _short(asked: dict[str, int], place: Place) -> list[str]:
    short = [f"Insufficient {name}" for name, value in sorted(asked.items()) if value > place.free.get(name, 0)]
    if len(place.pods) >= place.free.get("pods", 110):
        short.insert(0, "Too many pods")
    return short


def _score(pod: Obj, place: Place, asked: dict[str, int]) -> float:
    """Emptier is better, preferred is better."""
    left = sum(place.free.get(name, 0) - asked.get(name, 0) for name in ("cpu",)) / 1000
    room = place.free.get("pods", 110) - len(place.pods)
    return left + room / 16 + 100 * preference(pod, place.node)


def _sentence(total: int, reasons: Counter[str]) -> str:
    listed = ", ".join(sorted(f"{count} {why}" for why, count in reasons.items()))
    return f"0/{total} nodes are available: {listed}." if listed else "no nodes available to schedule pods"


def _terms(pod: Obj, which: str, how: str = "requiredDuringSchedulingIgnoredDuringExecution") -> list[Obj]:
    affinity = (pod["spec"].get("affinity") or {}).get(which) or {}
    found: list[Obj] = affinity.get(how) or []
    return found


def _term_selects(term: Obj, owner: Obj, other: Obj) -> bool:
    spaces = term.get("namespaces") or []
    if "namespaceSelector" in term and not spaces:
        inside = term["namespaceSelector"] == {} or other["metadata"]["namespace"] == owner["metadata"]["namespace"]
    else:
        inside = other["metadata"]["namespace"] in (spaces or [owner["metadata"]["namespace"]])
    return inside and bool(
        from_label_selector(term.get("labelSelector")).matches(other["metadata"].get("labels") or {})
    )


class _Checks:
    """What depends on the pods elsewhere: worked out once for a pod, asked for every node."""

    def __init__(self, cluster: Cluster, pod: Obj):
        self._pod = pod
        self._wanted = [
            (term["topologyKey"], self._domains(cluster, term), term) for term in _terms(pod, "podAffinity")
        ]
        self._unwanted = [
            (term["topologyKey"], self._domains(cluster, term)) for term in _terms(pod, "podAntiAffinity")
        ]
        self._refused = [
            (term["topologyKey"], cluster.places[cluster.node_of(uid)].labels.get(term["topologyKey"]))
            for other in cluster.choosy()
            if (uid := other["metadata"]["uid"])
            for term in _terms(other, "podAntiAffinity")
            if _term_selects(term, other, pod)
        ]
        preferred = "preferredDuringSchedulingIgnoredDuringExecution"
        self._soft = [
            (weighted["podAffinityTerm"]["topologyKey"], self._domains(cluster, weighted["podAffinityTerm"]),
             sign * weighted["weight"])
            for which, sign in (("podAffinity", 1), ("podAntiAffinity", -1))
            for weighted in _terms(pod, which, preferred)
        ]  # fmt: skip
        self._spread = [(c, *self._counts(cluster, c)) for c in pod["spec"].get("topologySpreadConstraints") or ()]

    def _domains(self, cluster: Cluster, term: Obj) -> set[str]:
        key = term["topologyKey"]
        return {
            place.labels[key]
            for place in cluster.places.values()
            if key in place.labels and any(_term_selects(term, self._pod, other) for other in place.pods.values())
        }

    def _counts(self, cluster: Cluster, constraint: Obj) -> tuple[Counter[str], int]:
        key, selector = constraint["topologyKey"], from_label_selector(constraint.get("labelSelector"))
        namespace = self._pod["metadata"]["namespace"]
        counts: Counter[str] = Counter()
        for place in cluster.places.values():
            if key not in place.labels or not selected(self._pod, place.node):
                continue
            counts[place.labels[key]] += sum(
                other["metadata"]["namespace"] == namespace
                and "deletionTimestamp" not in other["metadata"]
                and bool(selector.matches(other["metadata"].get("labels") or {}))
                for other in place.pods.values()
            )
        least = min(counts.values(), default=0)
        if len(counts) < (constraint.get("minDomains") or 1):
            least = 0
        return counts, least

    def unfit(self, place: Place) -> str:
        labels = place.labels
        for key, domains, term in self._wanted:
            first = not domains and _term_selects(term, self._pod, self._pod)  # the first of a group starts it
            if key not in labels or (labels[key] not in domains and not first):
                return "node(s) didn't match pod affinity rules"
        if any(labels.get(key) in domains for key, domains in self._unwanted if key in labels):
            return "node(s) didn't match pod anti-affinity rules"
        if any(value is not None and labels.get(key) == value for key, value in self._refused):
            return "node(s) didn't satisfy existing pods anti-affinity rules"
        for constraint, counts, least in self._spread:
            if constraint.get("whenUnsatisfiable") != "DoNotSchedule":
                continue
            key = constraint["topologyKey"]
            if key not in labels:
                return "node(s) didn't match pod topology spread constraints (missing required label)"
            if counts[labels[key]] + 1 - least > constraint.get("maxSkew", 1):
                return "node(s) didn't match pod topology spread constraints"
        return ""

    def score(self, place: Place) -> float:
        labels = place.labels
        soft: float = sum(weight for key, domains, weight in self._soft if labels.get(key) in domains)
        keys = [(c["topologyKey"], counts) for c, counts, _ in self._spread]
        skew: float = sum(counts[labels[key]] for key, counts in keys if key in labels)
        return 100.0 * soft - 50.0 * skew
