"""Pure: what becomes of a node whose kubelet is gone, and of its pods
(pkg/controller/{nodelifecycle,tainteviction})."""

from __future__ import annotations

from typing import Any

from wherry.features.simulation.kinds import CONDITION
from wherry.kit.times import format_seconds, parse
from wherry.machinery.placement import tolerates

Obj = dict[str, Any]
UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"
_LOST = ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
_WELL = {
    "Ready": ("True", "KubeletReady", "simulated node is posting ready status"),
    "MemoryPressure": ("False", "KubeletHasSufficientMemory", "simulated node has sufficient memory available"),
    "DiskPressure": ("False", "KubeletHasNoDiskPressure", "simulated node has no disk pressure"),
    "PIDPressure": ("False", "KubeletHasSufficientPID", "simulated node has sufficient PID available"),
}


def conditions(node: Obj, down: bool, now: float) -> list[Obj]:
    """The node's conditions: unknown while nobody reports them."""
    made = []
    for condition in (node.get("status") or {}).get("conditions") or ():
        type_ = condition["type"]
        word = _LOST if down else _WELL.get(type_)
        if type_ == CONDITION or word is None or condition["status"] == word[0]:
            made.append(condition)
            continue
        at = format_seconds(int(now))
        status, reason, message = word
        changed = {**condition, "status": status, "reason": reason, "message": message, "lastTransitionTime": at}
        made.append(changed if down else {**changed, "lastHeartbeatTime": at})
    return made


def taints(node: Obj, down: bool, now: float) -> list[Obj]:
    """The node's taints: unreachable while its kubelet is gone, none of a new node's once it is ready."""
    present: list[Obj] = (node.get("spec") or {}).get("taints") or []
    kept = [taint for taint in present if taint["key"] not in (UNREACHABLE, NOT_READY)]
    if not down:
        return kept
    old = [taint for taint in present if taint["key"] == UNREACHABLE]
    if len(old) == 2:
        return present
    at = format_seconds(int(now))
    return [*kept, *({"key": UNREACHABLE, "effect": e, "timeAdded": at} for e in ("NoSchedule", "NoExecute"))]


def evicted_in(pod: Obj, node: Obj, now: float) -> float | None:
    """Seconds until a pod has to leave a node because of its NoExecute taints; None if it may stay."""
    waits = []
    for taint in (node.get("spec") or {}).get("taints") or ():
        if taint["effect"] != "NoExecute":
            continue
        fitting = [t for t in pod["spec"].get("tolerations") or () if tolerates(t, taint)]
        if not fitting:
            return 0.0
        limits = [t["tolerationSeconds"] for t in fitting if t.get("tolerationSeconds") is not None]
        if limits:
            added = parse(taint["timeAdded"])[0] if taint.get("timeAdded") else now
            waits.append(max(0.0, added + max(0, min(limits)) - now))
    return min(waits) if waits else None
