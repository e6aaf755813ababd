"""Pure: how many pods a replica set or replication controller lacks or has too many, and what to say of it
(pkg/controller/replicaset)."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from wherry.features.workloads.common import (
    Obj,
    available_in,
    condition_of,
    created,
    is_active,
    is_ready,
    is_terminating,
    phase,
    pod_from,
    seconds,
    set_condition,
    without_condition,
)  # fmt: skip

BURST = 500  # pods created or deleted at one look


@dataclass(frozen=True, slots=True)
class Plan:
    create: list[Obj]
    delete: list[Obj]


def plan(owner: Obj, pods: list[Obj], crowd: dict[str, int], now: float) -> Plan:
    """`pods` are those that belong to it; `crowd` counts related active pods by node."""
    active = [pod for pod in pods if is_active(pod)]
    wanted = owner["spec"].get("replicas", 1)
    diff = len(active) - wanted
    if diff < 0:
        template = owner["spec"].get("template") or {}
        return Plan([pod_from(owner, template) for _ in range(min(-diff, BURST))], [])
    if diff > 0:
        diff = min(diff, BURST)
        if diff < len(active):
            active.sort(key=lambda pod: dispensable(pod, crowd, now))
        return Plan([], active[:diff])
    return Plan([], [])


def dispensable(pod: Obj, crowd: dict[str, int], now: float) -> tuple[object, ...]:
    """Sorts the pods that should go first to the front (controller.ActivePodsWithRanks)."""
    spec, status, meta = pod["spec"], pod.get("status") or {}, pod["metadata"]
    ready = is_ready(pod)
    condition = condition_of(pod, "Ready")
    ready_since = seconds(condition.get("lastTransitionTime")) if ready and condition else 0.0
    restarts = max((c.get("restartCount", 0) for c in status.get("containerStatuses") or ()), default=0)
    try:
        cost = int((meta.get("annotations") or {}).get("controller.kubernetes.io/pod-deletion-cost", "0"))
    except ValueError:
        cost = 0
    node = spec.get("nodeName", "")
    return (
        bool(node),
        {"Pending": 0, "": 1, "Unknown": 1, "Running": 2}.get(phase(pod), 2),
        ready,
        cost,
        -crowd.get(node, 0),
        -_age_class(now - ready_since) if ready else 0,
        -restarts,
        -_age_class(now - created(pod)),
        meta.get("uid", ""),
    )


def _age_class(age: float) -> int:
    """Ages are compared by their order of magnitude, so that the choice is not always the newest."""
    return -int(log2(age)) if age >= 1 else 0


def status(owner: Obj, pods: list[Obj], failure: str, now: float) -> Obj:
    """The whole status; `failure` is the text of the refusal that a create or delete got."""
    spec, old = owner["spec"], owner.get("status") or {}
    active = [pod for pod in pods if is_active(pod)]
    wanted = (spec.get("template") or {}).get("metadata", {}).get("labels") or {}
    ready = [pod for pod in active if is_ready(pod)]
    minimum = spec.get("minReadySeconds", 0)
    conditions = old.get("conditions") or []
    if failure and not any(c["type"] == "ReplicaFailure" for c in conditions):
        reason = "FailedCreate" if len(active) < spec.get("replicas", 1) else "FailedDelete"
        conditions = set_condition(conditions, "ReplicaFailure", "True", reason, failure, now)
    elif not failure:
        conditions = without_condition(conditions, "ReplicaFailure")
    made: Obj = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(wanted.items() <= (pod["metadata"].get("labels") or {}).items() for pod in active),
        "readyReplicas": len(ready),
        "availableReplicas": sum(available_in(pod, minimum, now) == 0 for pod in ready),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    if owner["kind"] == "ReplicaSet":
        made["terminatingReplicas"] = sum(map(is_terminating, pods))
    if conditions:
        made["conditions"] = conditions
    return {key: value for key, value in made.items() if value or key in ("replicas", "terminatingReplicas")}


def look_again(owner: Obj, pods: list[Obj], now: float) -> float | None:
    """When the next ready pod will count as available."""
    minimum = owner["spec"].get("minReadySeconds", 0)
    waits = [wait for pod in pods if is_active(pod) and (wait := available_in(pod, minimum, now))]
    return min(waits) + 0.05 if waits else None
