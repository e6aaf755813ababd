"""Pure: how many pods a disruption budget may lose now (pkg/controller/disruption)."""

from __future__ import annotations

from wherry.features.workloads.common import Obj, available_in, is_deleting, percent, phase, seconds, stamp

_EVICTION = 120.0  # seconds in which an evicted pod must have gone


def status(budget: Obj, pods: list[Obj], scale: int, now: float) -> Obj:
    """The whole status; `scale` is how many pods the controllers of the matching pods want together."""
    spec, old = budget["spec"], budget.get("status") or {}
    if spec.get("maxUnavailable") is not None:
        expected = scale
        desired = max(0, expected - percent(spec["maxUnavailable"], expected, up=True))
    elif isinstance(spec.get("minAvailable"), str):
        expected = scale
        desired = percent(spec["minAvailable"], expected, up=True)
    else:
        expected, desired = len(pods), int(spec.get("minAvailable", 0))
    by_name = {pod["metadata"]["name"]: pod for pod in pods}
    disrupted = {
        name: at
        for name, at in (old.get("disruptedPods") or {}).items()
        if name in by_name and not is_deleting(by_name[name]) and seconds(at) + _EVICTION > now
    }
    healthy = sum(
        phase(pod) == "Running"
        and not is_deleting(pod)
        and pod["metadata"]["name"] not in disrupted
        and available_in(pod, 0, now) == 0
        for pod in pods
    )
    allowed = max(0, healthy - desired) if expected > 0 else 0
    made: Obj = {
        "disruptionsAllowed": allowed,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "observedGeneration": budget["metadata"].get("generation", 0),
        "conditions": _conditions(budget, allowed > 0, now),
    }
    if disrupted:
        made["disruptedPods"] = disrupted
    return made


def _conditions(budget: Obj, allowed: bool, now: float) -> list[Obj]:
    before = list((budget.get("status") or {}).get("conditions") or ())
    old = next((c for c in before if c["type"] == "DisruptionAllowed"), None)
    word = "True" if allowed else "False"
    same = old is not None and old["status"] == word
    made = {
        "type": "DisruptionAllowed",
        "status": word,
        "observedGeneration": budget["metadata"].get("generation", 0),
        "lastTransitionTime": old["lastTransitionTime"] if same and old else stamp(now),
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
    }
    return [made, *(c for c in before if c["type"] != "DisruptionAllowed")]
