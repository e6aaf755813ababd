"""Pure: what becomes of nodes from whose kubelet nothing is heard, and which taints follow from what nodes are
(pkg/controller/nodelifecycle).

Not followed: zones that are lost one by one and the rates at which their nodes get NoExecute taints. Where no node at
all is ready, the fault is taken to lie elsewhere and nobody is driven out, as upstream.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wherry.features.workloads.common import seconds, stamp

Obj = dict[str, Any]
PERIOD, STARTUP_GRACE, GRACE = 5.0, 60.0, 50.0  # seconds; upstream's defaults
_PREFIX = "node.kubernetes.io/"
UNREACHABLE, NOT_READY = _PREFIX + "unreachable", _PREFIX + "not-ready"
UNSCHEDULABLE = _PREFIX + "unschedulable"
_REPORTED = ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure")
_TAINTS: Mapping[tuple[str, str], str] = {
    ("Ready", "False"): NOT_READY,
    ("Ready", "Unknown"): UNREACHABLE,
    ("MemoryPressure", "True"): _PREFIX + "memory-pressure",
    ("DiskPressure", "True"): _PREFIX + "disk-pressure",
    ("NetworkUnavailable", "True"): _PREFIX + "network-unavailable",
    ("PIDPressure", "True"): _PREFIX + "pid-pressure",
}
_OURS = frozenset((*_TAINTS.values(), UNSCHEDULABLE))


def conditions(node: Obj) -> list[Obj]:
    found: list[Obj] = (node.get("status") or {}).get("conditions") or []
    return found


def ready(node: Obj) -> str:
    """The status of the condition Ready; empty where nobody ever set it."""
    return next((c["status"] for c in conditions(node) if c["type"] == "Ready"), "")


def heartbeat(node: Obj) -> str | None:
    """When the kubelet says that it last spoke; None where there is no condition Ready."""
    return next((c.get("lastHeartbeatTime") or "" for c in conditions(node) if c["type"] == "Ready"), None)


def created(node: Obj) -> float:
    return seconds(node["metadata"]["creationTimestamp"])


def patience(node: Obj) -> float:
    """How long a node may be silent."""
    return GRACE if ready(node) else STARTUP_GRACE


def lost(node: Obj, now: float) -> list[Obj]:
    """The conditions of a node that has been silent for too long: nothing is known."""
    made = []
    for condition in conditions(node):
        if condition["type"] in _REPORTED and condition["status"] != "Unknown":
            condition = {
                **condition, "status": "Unknown", "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.", "lastTransitionTime": stamp(now),
            }  # fmt: skip
        made.append(condition)
    known = {condition["type"] for condition in made}
    never = {
        "status": "Unknown", "lastHeartbeatTime": node["metadata"]["creationTimestamp"],
        "lastTransitionTime": stamp(now), "reason": "NodeStatusNeverUpdated",
        "message": "Kubelet never posted node status.",
    }  # fmt: skip
    return [*made, *({"type": type_, **never} for type_ in _REPORTED if type_ not in known)]


def _wanted(node: Obj, *, expel: bool) -> list[tuple[str, str]]:
    state = ready(node)
    found = [(_TAINTS[c["type"], c["status"]], "NoSchedule") for c in conditions(node) if _key(c) in _TAINTS]
    if (node.get("spec") or {}).get("unschedulable"):
        found.append((UNSCHEDULABLE, "NoSchedule"))
    if expel and ("Ready", state) in _TAINTS:
        found.append((_TAINTS["Ready", state], "NoExecute"))
    return found


def _key(condition: Obj) -> tuple[str, str]:
    return condition["type"], condition["status"]


def _ours(taint: Obj, *, unheard: bool) -> bool:
    key, effect = taint["key"], taint.get("effect")
    if effect == "NoSchedule":
        return key in _OURS
    # Who drove pods out of a node that never said anything was somebody else.
    return effect == "NoExecute" and key in (NOT_READY, UNREACHABLE) and not unheard


def taints(node: Obj, nodes: Iterable[Obj], now: float) -> list[Obj]:
    """The taints that a node should have; `nodes` are all there are."""
    present: list[Obj] = (node.get("spec") or {}).get("taints") or []
    expel = ready(node) in ("False", "Unknown") and any(ready(each) == "True" for each in nodes)
    missing = _wanted(node, expel=expel)
    kept = []
    for taint in present:
        key = (taint["key"], taint.get("effect", ""))
        if key in missing:
            missing.remove(key)
        elif _ours(taint, unheard=not ready(node)):
            continue
        kept.append(taint)
    return [*kept, *({"key": key, "effect": effect, "timeAdded": stamp(now)} for key, effect in missing)]


def cordoned(node: Obj, now: float) -> list[Obj]:
    """The taints of a node whose health somebody else looks after: only that of `kubectl cordon` is ours."""
    spec = node.get("spec") or {}
    present: list[Obj] = spec.get("taints") or []
    if bool(spec.get("unschedulable")) is any(taint["key"] == UNSCHEDULABLE for taint in present):
        return present
    if not spec.get("unschedulable"):
        return [taint for taint in present if taint["key"] != UNSCHEDULABLE]
    return [*present, {"key": UNSCHEDULABLE, "effect": "NoSchedule", "timeAdded": stamp(now)}]


def unready(pod: Obj, now: float) -> Obj | None:
    """The status of a pod on a node that was lost; None where it was not ready anyway."""
    status = pod.get("status") or {}
    found = status.get("conditions") or []
    if not any(_key(condition) == ("Ready", "True") for condition in found):
        return None
    changed = {"status": "False", "lastTransitionTime": stamp(now)}
    return {**status, "conditions": [{**c, **changed} if c["type"] == "Ready" else c for c in found]}
