"""Pure: one pod on every node that a daemon set wants (pkg/controller/daemon)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wherry.features.workloads.common import (
    Obj,
    available_in,
    created,
    is_deleting,
    is_ready,
    percent,
    phase,
    pod_from,
)  # fmt: skip
from wherry.features.workloads.revisions import REVISION_LABEL
from wherry.machinery.placement import selected, untolerated

_NODE = "node.kubernetes.io/"
_EXECUTE, _SCHEDULE = (
    ("not-ready", "unreachable"),
    ("disk-pressure", "memory-pressure", "pid-pressure", "unschedulable"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    create: list[Obj]
    delete: list[Obj]


def tolerations(spec: Obj) -> list[Obj]:
    """The template's, and those without which a daemon could not be where it is needed."""
    extra = [{"key": _NODE + key, "operator": "Exists", "effect": "NoExecute"} for key in _EXECUTE]
    extra += [{"key": _NODE + key, "operator": "Exists", "effect": "NoSchedule"} for key in _SCHEDULE]
    if spec.get("hostNetwork"):
        extra.append({"key": _NODE + "network-unavailable", "operator": "Exists", "effect": "NoSchedule"})
    given = list(spec.get("tolerations") or ())
    return given + [toleration for toleration in extra if toleration not in given]


def node_of(pod: Obj) -> str:
    """The node a pod is on or made for."""
    spec = pod["spec"]
    if spec.get("nodeName"):
        return str(spec["nodeName"])
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    for term in affinity.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field["key"] == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def fits(owner: Obj, node: Obj) -> tuple[bool, bool]:
    """(a pod should be made there, a pod that is there may stay)."""
    spec = owner["spec"]["template"]["spec"]
    pod = {"spec": {**spec, "tolerations": tolerations(spec)}}
    if not selected(pod, node):
        return False, False
    return untolerated(pod, node) is None, untolerated(pod, node, ("NoExecute",)) is None


def make_pod(owner: Obj, node: str, revision: str) -> Obj:
    """A pod for one node; a scheduler binds it there."""
    pod = pod_from(owner, owner["spec"]["template"])
    spec: Obj = pod["spec"]
    affinity = spec.get("affinity") or {}
    of_node = affinity.get("nodeAffinity") or {}
    required = of_node.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    field: Obj = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = [{**term, "matchFields": [field]} for term in required.get("nodeSelectorTerms") or ()]
    required = {"nodeSelectorTerms": terms or [{"matchFields": [field]}]}
    of_node = {**of_node, "requiredDuringSchedulingIgnoredDuringExecution": required}
    pod["spec"] = {**spec, "affinity": {**affinity, "nodeAffinity": of_node}, "tolerations": tolerations(spec)}
    labels = {**(pod["metadata"].get("labels") or {}), REVISION_LABEL: revision}
    pod["metadata"]["labels"] = {**labels, "pod-template-generation": _generation(owner)}
    return pod


def _generation(owner: Obj) -> str:
    return str((owner["metadata"].get("annotations") or {}).get("deprecated.daemonset.template.generation", "1"))


def by_node(pods: list[Obj]) -> dict[str, list[Obj]]:
    found: dict[str, list[Obj]] = {}
    for pod in sorted(pods, key=lambda pod: (created(pod), pod["metadata"]["name"])):
        found.setdefault(node_of(pod), []).append(pod)
    return found


def plan(owner: Obj, nodes: list[Obj], pods: list[Obj], revision: str, now: float) -> Plan:
    """Missing pods, surplus pods, and, when nothing else is to do, the next pods of a rollout."""
    placed = by_node(pods)
    create: list[Obj] = []
    delete: list[Obj] = []
    names = {node["metadata"]["name"] for node in nodes}
    surge = _limits(owner, len(nodes))[0]
    for node in nodes:
        should, may = fits(owner, node)
        here = placed.get(node["metadata"]["name"], [])
        ended = [pod for pod in here if phase(pod) in ("Failed", "Succeeded") and not is_deleting(pod)]
        alive = [pod for pod in here if phase(pod) not in ("Failed", "Succeeded") and not is_deleting(pod)]
        if not may:
            delete += ended + alive
        elif not here and should:
            create.append(make_pod(owner, node["metadata"]["name"], revision))
        else:
            delete += ended
            delete += _doubled(alive, revision, now, owner) if surge else alive[1:]
    for name, here in placed.items():
        if name and name not in names:
            delete += [pod for pod in here if not is_deleting(pod)]
    if create or delete or (owner["spec"].get("updateStrategy") or {}).get("type") == "OnDelete":
        return Plan(create, delete)
    return _roll(owner, nodes, placed, revision, now)


def _doubled(alive: list[Obj], revision: str, now: float, owner: Obj) -> list[Obj]:
    """With surge, the old pod of a node goes when the new one is available."""
    minimum = owner["spec"].get("minReadySeconds", 0)
    new = [pod for pod in alive if _revision(pod) == revision]
    old = [pod for pod in alive if _revision(pod) != revision]
    if new and old and available_in(new[0], minimum, now) != 0:
        return old[1:] + new[1:]
    return old + new[1:] if new else old[1:]


def _revision(pod: Obj) -> str:
    return str((pod["metadata"].get("labels") or {}).get(REVISION_LABEL, ""))


def _limits(owner: Obj, desired: int) -> tuple[int, int]:
    rolling = (owner["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = percent(rolling.get("maxSurge", 0), desired, up=True)
    unavailable = percent(rolling.get("maxUnavailable", 1), desired, up=True)
    return surge, (unavailable if surge or unavailable else 1)


def _roll(owner: Obj, nodes: list[Obj], placed: dict[str, list[Obj]], revision: str, now: float) -> Plan:
    wanted = [node["metadata"]["name"] for node in nodes if fits(owner, node)[0]]
    surge, allowed = _limits(owner, len(wanted))
    minimum = owner["spec"].get("minReadySeconds", 0)
    down, surging = 0, 0
    broken: list[Obj] = []
    candidates: list[tuple[str, Obj]] = []
    for name in wanted:
        here = placed.get(name, [])
        alive = [pod for pod in here if not is_deleting(pod)]
        if not any(available_in(pod, minimum, now) == 0 for pod in alive):
            down += 1
        surging += len(here) > 1
        for pod in alive:
            if _revision(pod) != revision and len(here) == 1:
                if available_in(pod, minimum, now) == 0:
                    candidates.append((name, pod))
                else:
                    broken.append(pod)
    if surge:
        room = max(0, surge - surging)
        return Plan([make_pod(owner, name, revision) for name, _ in candidates[:room]], broken)
    return Plan([], broken + [pod for _, pod in candidates[: max(0, allowed - down)]])


def status(owner: Obj, nodes: list[Obj], pods: list[Obj], revision: str, now: float) -> Obj:
    """The whole status."""
    placed, minimum = by_node(pods), owner["spec"].get("minReadySeconds", 0)
    numbers: dict[str, Any] = dict.fromkeys(
        ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady",
         "updatedNumberScheduled", "numberAvailable"), 0
    )  # fmt: skip
    for node in nodes:
        here = placed.get(node["metadata"]["name"], [])
        if not fits(owner, node)[0]:
            numbers["numberMisscheduled"] += bool(here)
            continue
        numbers["desiredNumberScheduled"] += 1
        if not here:
            continue
        numbers["currentNumberScheduled"] += 1
        newest = here[-1]
        ready = [pod for pod in here if is_ready(pod)]
        numbers["numberReady"] += bool(ready)
        numbers["numberAvailable"] += any(available_in(pod, minimum, now) == 0 for pod in ready)
        numbers["updatedNumberScheduled"] += _revision(newest) == revision
    numbers["numberUnavailable"] = numbers["desiredNumberScheduled"] - numbers["numberAvailable"]
    numbers["observedGeneration"] = owner["metadata"].get("generation", 0)
    old = owner.get("status") or {}
    for key in ("collisionCount", "conditions"):
        if key in old:
            numbers[key] = old[key]
    always = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady", "collisionCount")
    return {key: value for key, value in numbers.items() if value or key in always}


def look_again(owner: Obj, pods: list[Obj], now: float) -> float | None:
    minimum = owner["spec"].get("minReadySeconds", 0)
    waits = [wait for pod in pods if (wait := available_in(pod, minimum, now))]
    return min(waits) + 0.05 if waits else None
