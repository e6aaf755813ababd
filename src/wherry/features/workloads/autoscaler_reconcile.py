"""Pure: how many replicas an autoscaler wants (pkg/controller/podautoscaler), for metrics of resources.

Metrics of other kinds (pods, objects, external) need an adapter that is not there; the conditions say so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from wherry.features.workloads.common import Obj, is_deleting, is_ready, phase, set_condition, stamp
from wherry.features.workloads.metrics import MetricsSource
from wherry.machinery.placement import amount

TOLERANCE = 0.1
_DEFAULT_UP: Obj = {
    "stabilizationWindowSeconds": 0, "selectPolicy": "Max",
    "policies": [
        {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15},
    ],
}  # fmt: skip
_DEFAULT_DOWN: Obj = {
    "stabilizationWindowSeconds": 300, "selectPolicy": "Max",
    "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
}  # fmt: skip
_TEXTS = {
    "DesiredWithinRange": "the desired count is within the acceptable range",
    "TooManyReplicas": "the desired replica count is more than the maximum replica count",
    "TooFewReplicas": "the desired replica count is less than the minimum replica count",
    "ScaleUpLimit": "the desired replica count is increasing faster than the maximum scale rate",
    "ScaleDownLimit": "the desired replica count is decreasing faster than the maximum scale rate",
}


@dataclass(slots=True)
class Memory:
    """What an autoscaler remembers between looks: (time, replicas) it recommended, and (time, change) it made."""

    recommended: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Measured:
    replicas: int
    current: Obj  # for status.currentMetrics
    name: str


class Unmeasurable(Exception):
    """Why a metric says nothing: a reason for the condition, and a text."""

    def __init__(self, reason: str, text: str):
        super().__init__(text)
        self.reason = reason


def measure(metric: Obj, pods: list[Obj], current: int, source: MetricsSource) -> Measured:
    """How many replicas one metric asks for. Raises Unmeasurable."""
    kind = metric["type"]
    if kind not in ("Resource", "ContainerResource"):
        text = f"unable to get {kind.lower()} metric: no metrics adapter is registered in this control plane"
        raise Unmeasurable(f"FailedGet{kind}Metric", text)
    key = "resource" if kind == "Resource" else "containerResource"
    spec = metric[key]
    resource, target = spec["name"], spec["target"]
    alive = [pod for pod in pods if phase(pod) not in ("Succeeded", "Failed") and not is_deleting(pod)]
    used = {p["metadata"]["uid"]: n for p in alive if is_ready(p) and (n := source.usage(p, resource)) is not None}
    if not used:
        text = f"failed to get {resource} utilization: unable to get metrics for resource {resource}"
        raise Unmeasurable("FailedGetResourceMetric", f"{text}: no metrics returned from resource metrics API")
    ready = [pod for pod in alive if is_ready(pod)]
    missing = len(ready) - len(used)
    if target["type"] == "Utilization":
        asked = {pod["metadata"]["uid"]: _request(pod, resource, spec.get("container", "")) for pod in ready}
        if not all(asked.values()):
            text = f"failed to get {resource} utilization: missing request for {resource}"
            raise Unmeasurable("FailedGetResourceMetric", text)
        share = 100 * sum(used.values()) / sum(asked[uid] for uid in used)
        ratio = share / target["averageUtilization"]
        value: Obj = {
            "averageUtilization": int(share),
            "averageValue": _text(resource, sum(used.values()) // len(used)),
        }
        name = f"{resource} resource utilization (percentage of request)"
    else:
        wanted = amount(resource, str(target.get("averageValue") or target.get("value")))
        mean = sum(used.values()) / len(used)
        ratio, value, name = mean / wanted, {"averageValue": _text(resource, int(mean))}, f"{resource} resource"
    shown = {**{k: v for k, v in spec.items() if k != "target"}, "current": value}
    replicas = current
    if abs(ratio - 1) > TOLERANCE:
        # Pods without figures count as idle when growing and as just right when shrinking.
        base = len(used) * ratio + (missing if ratio < 1 else 0)
        replicas = ceil(base - 1e-9)
        if (ratio > 1) != (replicas > current) and missing:
            replicas = current
    return Measured(replicas, {"type": kind, key: shown}, name)


def _request(pod: Obj, resource: str, container: str) -> int:
    asked = [
        amount(resource, str((c.get("resources") or {}).get("requests", {}).get(resource, "0")))
        for c in pod["spec"]["containers"]
        if container in ("", c["name"])
    ]
    return sum(asked) if all(asked) else 0


def _text(resource: str, value: int) -> str:
    return f"{value}m" if resource == "cpu" else str(value)


@dataclass(frozen=True, slots=True)
class Decision:
    desired: int
    status: Obj


def decide(hpa: Obj, pods: list[Obj], current: int, source: MetricsSource, memory: Memory, now: float) -> Decision:
    """The replicas to have now, and the status that says why."""
    spec, old = hpa["spec"], hpa.get("status") or {}
    conditions: list[Obj] = list(old.get("conditions") or ())

    def say(type_: str, status: str, reason: str, message: str) -> None:
        nonlocal conditions
        known = next((c for c in conditions if c["type"] == type_), None)
        if known is not None and (known["status"], known["reason"], known["message"]) != (status, reason, message):
            same = known["status"] == status
            made = {**known, "status": status, "reason": reason, "message": message}
            made["lastTransitionTime"] = known["lastTransitionTime"] if same else stamp(now)
            conditions = [made if c is known else c for c in conditions]
        else:
            conditions = set_condition(conditions, type_, status, reason, message, now)

    def result(desired: int, metrics: list[Obj] | None) -> Decision:
        made: Obj = {"currentReplicas": current, "desiredReplicas": desired, "conditions": conditions}
        made["currentMetrics"] = metrics
        if old.get("lastScaleTime"):
            made["lastScaleTime"] = old["lastScaleTime"]
        if desired != current:
            made["lastScaleTime"] = stamp(now)
        made["observedGeneration"] = hpa["metadata"].get("generation", 0)
        return Decision(desired, {key: value for key, value in made.items() if value is not None})

    say("AbleToScale", "True", "SucceededGetScale", "the HPA controller was able to get the target's current scale")
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    if current == 0 and least != 0:
        text = "scaling is disabled since the replica count of the target is zero"
        say("ScalingActive", "False", "ScalingDisabled", text)
        return result(0, None)
    if not least <= current <= most:
        return result(max(least, min(most, current)), None)
    measured, failed = [], None
    for metric in spec.get("metrics") or ():
        try:
            measured.append(measure(metric, pods, current, source))
        except Unmeasurable as why:
            failed = failed or why
    best = max(measured, key=lambda m: m.replicas, default=None)
    if best is None or (failed is not None and best.replicas < current):
        assert failed is not None or best is None
        reason = failed.reason if failed else "InvalidMetricSourceType"
        text = f"the HPA was unable to compute the replica count: {failed or 'no metrics'}"
        say("ScalingActive", "False", reason, text)
        return result(current, [m.current for m in measured] or None)
    text = f"the HPA was able to successfully calculate a replica count from {best.name}"
    say("ScalingActive", "True", "ValidMetricFound", text)
    desired, steadied = _stabilized(spec, best.replicas, current, memory, now)
    if steadied:
        text = "recent recommendations were higher than current one, applying the highest recent recommendation"
        say("AbleToScale", "True", "ScaleDownStabilized", text)
    else:
        say("AbleToScale", "True", "ReadyForNewScale", "recommended size matches current size")
    desired, reason = _limited(spec, desired, current, memory, now)
    say("ScalingLimited", "False" if reason == "DesiredWithinRange" else "True", reason, _TEXTS[reason])
    if desired != current:
        text = f"the HPA controller was able to update the target scale to {desired}"
        say("AbleToScale", "True", "SucceededRescale", text)
    return result(desired, [m.current for m in measured])


def _rules(spec: Obj, way: str) -> Obj:
    default = _DEFAULT_UP if way == "scaleUp" else _DEFAULT_DOWN
    return {**default, **((spec.get("behavior") or {}).get(way) or {})}


def _stabilized(spec: Obj, wanted: int, current: int, memory: Memory, now: float) -> tuple[int, bool]:
    """The least change that the recommendations within the windows agree on."""
    up, down = (_rules(spec, way).get("stabilizationWindowSeconds") or 0 for way in ("scaleUp", "scaleDown"))
    memory.recommended = [(at, n) for at, n in memory.recommended if at > now - max(up, down)]
    low = min([wanted, *(n for at, n in memory.recommended if at > now - up)])
    high = max([wanted, *(n for at, n in memory.recommended if at > now - down)])
    memory.recommended.append((now, wanted))
    desired = min(max(current, low), high)
    return desired, wanted < desired


def _limited(spec: Obj, desired: int, current: int, memory: Memory, now: float) -> tuple[int, str]:
    """The desired number within the speed limits and the bounds."""
    least, most = spec.get("minReplicas", 1), spec["maxReplicas"]
    if desired > current:
        limit = _speed(_rules(spec, "scaleUp"), current, memory, now, up=True)
        top = min(most, limit)
        if desired > top:
            return max(top, current), "TooManyReplicas" if most <= limit else "ScaleUpLimit"
    elif desired < current:
        limit = _speed(_rules(spec, "scaleDown"), current, memory, now, up=False)
        floor = max(least, limit)
        if desired < floor:
            return min(floor, current), "TooFewReplicas" if least >= limit else "ScaleDownLimit"
    if desired > most:
        return most, "TooManyReplicas"
    return (least, "TooFewReplicas") if desired < least else (desired, "DesiredWithinRange")


def _speed(rules: Obj, current: int, memory: Memory, now: float, *, up: bool) -> int:
    choice = rules.get("selectPolicy", "Max")
    if choice == "Disabled":
        return current
    limits: list[int] = []
    for policy in rules["policies"]:
        recent = sum(n for at, n in memory.changes if at > now - policy["periodSeconds"] and (n > 0) == up)
        base = current - recent
        if policy["type"] == "Pods":
            limits.append(base + policy["value"] if up else base - policy["value"])
        elif up:
            limits.append(ceil(base * (1 + policy["value"] / 100)))
        else:
            limits.append(int(base * (1 - policy["value"] / 100)))
    return max(0, max(limits) if up == (choice == "Max") else min(limits))
