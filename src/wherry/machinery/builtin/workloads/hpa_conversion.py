"""HorizontalPodAutoscalers between autoscaling/v1 and v2: what v1 has no field for travels in annotations.

Follows k8s.io/kubernetes/pkg/apis/autoscaling/v1/conversion.go. v2 is what is stored and what the rules see.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from wherry.machinery.builtin.common.quantities import parse
from wherry.machinery.builtin.common.values import json_text
from wherry.machinery.builtin.workloads.internal_shapes import selector_document
from wherry.machinery.kinds import Obj

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, BEHAVIOR = _PREFIX + "metrics", _PREFIX + "behavior"
CURRENT, CONDITIONS = _PREFIX + "current-metrics", _PREFIX + "conditions"
ANNOTATIONS = (METRICS, BEHAVIOR, CURRENT, CONDITIONS)
DEFAULT_CPU = 80


def _some(**values: Any) -> Obj:
    return {key: value for key, value in values.items() if value is not None}


def _reference(source: Obj) -> Obj:
    out: Obj = {"kind": source.get("kind", ""), "name": source.get("name", "")}
    if source.get("apiVersion"):
        out["apiVersion"] = source["apiVersion"]
    return out


def _metric(name: str, selector: Obj | None) -> Obj:
    return {"name": name, **_some(selector=selector)}


def _selector(metric: Obj) -> Obj | None:
    return selector_document(metric["selector"]) if metric.get("selector") is not None else None


# --- metrics that are asked for --------------------------------------------------------------------------------------


def _object_v1(source: Obj) -> Obj:
    target, metric = source.get("target") or {}, source.get("metric") or {}
    return {
        "target": _reference(source.get("describedObject") or {}),
        "metricName": metric.get("name", ""),
        "targetValue": target.get("value", "0"),
        **_some(selector=_selector(metric), averageValue=target.get("averageValue")),
    }


def _object_v2(source: Obj) -> Obj:
    value, average = source.get("targetValue", "0"), source.get("averageValue")
    target: Obj = {"type": "Value", "value": value}
    if average is not None:
        target = {"type": "AverageValue", **_some(value=value if _nonzero(value) else None), "averageValue": average}
    return {
        "describedObject": _reference(source.get("target") or {}),
        "target": target,
        "metric": _metric(source.get("metricName", ""), source.get("selector")),
    }


def _nonzero(text: Any) -> bool:
    try:
        return parse(str(text)) != 0
    except ValueError:
        return False


def _pods_v1(source: Obj) -> Obj:
    target, metric = source.get("target") or {}, source.get("metric") or {}
    average = target.get("averageValue", "0")
    return {"metricName": metric.get("name", ""), "targetAverageValue": average, **_some(selector=_selector(metric))}


def _pods_v2(source: Obj) -> Obj:
    return {
        "metric": _metric(source.get("metricName", ""), source.get("selector")),
        "target": {"type": "AverageValue", "averageValue": source.get("targetAverageValue", "0")},
    }


def _resource_v1(source: Obj) -> Obj:
    target = source.get("target") or {}
    return {
        "name": source.get("name", ""),
        **_some(
            targetAverageUtilization=target.get("averageUtilization"),
            targetAverageValue=target.get("averageValue"),
            container=source.get("container"),
        ),
    }


def _resource_v2(source: Obj) -> Obj:
    utilization, value = source.get("targetAverageUtilization"), source.get("targetAverageValue")
    target = _some(averageValue=value, averageUtilization=utilization)
    return {
        "name": source.get("name", ""),
        "target": {"type": "AverageValue" if utilization is None else "Utilization", **target},
        **_some(container=source.get("container")),
    }


def _external_v1(source: Obj) -> Obj:
    target, metric = source.get("target") or {}, source.get("metric") or {}
    return {
        "metricName": metric.get("name", ""),
        **_some(
            metricSelector=_selector(metric),
            targetValue=target.get("value"),
            targetAverageValue=target.get("averageValue"),
        ),
    }


def _external_v2(source: Obj) -> Obj:
    value = source.get("targetValue")
    target = _some(value=value, averageValue=source.get("targetAverageValue"))
    return {
        "metric": _metric(source.get("metricName", ""), source.get("metricSelector")),
        "target": {"type": "AverageValue" if value is None else "Value", **target},
    }


# --- metrics that were measured --------------------------------------------------------------------------------------


def _object_status_v1(source: Obj) -> Obj:
    current, metric = source.get("current") or {}, source.get("metric") or {}
    return {
        "target": _reference(source.get("describedObject") or {}),
        "metricName": metric.get("name", ""),
        "currentValue": current.get("value", "0"),
        **_some(selector=_selector(metric), averageValue=current.get("averageValue")),
    }


def _object_status_v2(source: Obj) -> Obj:
    return {
        "metric": _metric(source.get("metricName", ""), source.get("selector")),
        "current": _some(value=source.get("currentValue", "0"), averageValue=source.get("averageValue")),
        "describedObject": _reference(source.get("target") or {}),
    }


def _pods_status_v1(source: Obj) -> Obj:
    current, metric = source.get("current") or {}, source.get("metric") or {}
    return {
        "metricName": metric.get("name", ""),
        "currentAverageValue": current.get("averageValue", "0"),
        **_some(selector=_selector(metric)),
    }


def _pods_status_v2(source: Obj) -> Obj:
    return {
        "metric": _metric(source.get("metricName", ""), source.get("selector")),
        "current": {"averageValue": source.get("currentAverageValue", "0")},
    }


def _resource_status_v1(source: Obj) -> Obj:
    current = source.get("current") or {}
    return {
        "name": source.get("name", ""),
        **_some(currentAverageUtilization=current.get("averageUtilization")),
        "currentAverageValue": current.get("averageValue", "0"),
        **_some(container=source.get("container")),
    }


def _resource_status_v2(source: Obj) -> Obj:
    return {
        "name": source.get("name", ""),
        "current": _some(
            averageValue=source.get("currentAverageValue", "0"),
            averageUtilization=source.get("currentAverageUtilization"),
        ),
        **_some(container=source.get("container")),
    }


def _external_status_v1(source: Obj) -> Obj:
    current, metric = source.get("current") or {}, source.get("metric") or {}
    return {
        "metricName": metric.get("name", ""),
        **_some(metricSelector=_selector(metric)),
        "currentValue": current.get("value", "0"),
        **_some(currentAverageValue=current.get("averageValue")),
    }


def _external_status_v2(source: Obj) -> Obj:
    return {
        "metric": _metric(source.get("metricName", ""), source.get("metricSelector")),
        "current": _some(value=source.get("currentValue", "0"), averageValue=source.get("currentAverageValue")),
    }


_Table = dict[str, Callable[[Obj], Obj]]
_SPEC_V1: _Table = {
    "object": _object_v1,
    "pods": _pods_v1,
    "resource": _resource_v1,
    "containerResource": _resource_v1,
    "external": _external_v1,
}
_SPEC_V2: _Table = {
    "object": _object_v2,
    "pods": _pods_v2,
    "resource": _resource_v2,
    "containerResource": _resource_v2,
    "external": _external_v2,
}
_STATUS_V1: _Table = {
    "object": _object_status_v1,
    "pods": _pods_status_v1,
    "resource": _resource_status_v1,
    "containerResource": _resource_status_v1,
    "external": _external_status_v1,
}
_STATUS_V2: _Table = {
    "object": _object_status_v2,
    "pods": _pods_status_v2,
    "resource": _resource_status_v2,
    "containerResource": _resource_status_v2,
    "external": _external_status_v2,
}


def _convert(metric: Obj, table: _Table) -> Obj:
    out: Obj = {"type": metric.get("type", "")}
    for key, function in table.items():
        if metric.get(key) is not None:
            out[key] = function(metric[key])
    return out


def _is_cpu(metric: Obj) -> bool:
    """The one metric that v1 has a field for."""
    resource = metric.get("resource") or {}
    target = resource.get("target") or {}
    return (
        metric.get("type") == "Resource"
        and resource.get("name") == "cpu"
        and target.get("averageUtilization") is not None
    )


# --- behaviour, which travels in the shape of the internal type ------------------------------------------------------

_RULE_FIELDS = ("StabilizationWindowSeconds", "SelectPolicy", "Policies", "Tolerance")
_POLICY_FIELDS = ("Type", "Value", "PeriodSeconds")


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _rules_out(rules: Obj | None) -> Obj | None:
    if rules is None:
        return None
    out: Obj = {name: rules.get(_lower(name)) for name in _RULE_FIELDS}
    if rules.get("policies") is not None:
        zero = {"Type": "", "Value": 0, "PeriodSeconds": 0}
        out["Policies"] = [{n: item.get(_lower(n), zero[n]) for n in _POLICY_FIELDS} for item in rules["policies"]]
    return out


def _folded(source: Any) -> Obj:
    """Go reads JSON names without regard to case."""
    return {key.lower(): value for key, value in source.items()} if isinstance(source, dict) else {}


def _rules_in(source: Any) -> Obj | None:
    if source is None:
        return None
    found = _folded(source)
    out = _some(**{_lower(n): found.get(n.lower()) for n in _RULE_FIELDS if n != "Policies"})
    if found.get("policies") is not None:
        items = [_folded(item) for item in found["policies"]]
        out["policies"] = [
            {
                "type": item.get("type", ""),
                "value": item.get("value", 0),
                "periodSeconds": item.get("periodseconds", 0),
            }
            for item in items
        ]
    return out


# --- whole objects ---------------------------------------------------------------------------------------------------


def _condition(entry: Obj) -> Obj:
    """As Go writes it: a time that is missing is null."""
    out = {key: entry.get(key, "") for key in ("type", "status")}
    out["lastTransitionTime"] = entry.get("lastTransitionTime")
    return out | {key: entry[key] for key in ("reason", "message") if entry.get(key)}


def to_v1(obj: Obj) -> Obj:
    """An autoscaling/v2 object as v1; the argument stays as it is."""
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    metrics, current = spec.get("metrics") or [], status.get("currentMetrics") or []
    added: dict[str, str] = {}
    others = [_convert(metric, _SPEC_V1) for metric in metrics if not _is_cpu(metric)]
    if others:
        added[METRICS] = json_text(others)
    if current:
        added[CURRENT] = json_text([_convert(metric, _STATUS_V1) for metric in current])
    behavior = spec.get("behavior")
    if behavior is not None:
        rules = {"ScaleUp": _rules_out(behavior.get("scaleUp")), "ScaleDown": _rules_out(behavior.get("scaleDown"))}
        added[BEHAVIOR] = json_text(rules)
    if status.get("conditions"):
        added[CONDITIONS] = json_text([_condition(entry) for entry in status["conditions"]])
    cpu = next((m["resource"]["target"]["averageUtilization"] for m in metrics if _is_cpu(m)), None)
    new_spec = {key: spec[key] for key in ("scaleTargetRef", "minReplicas", "maxReplicas") if key in spec}
    new_spec.update(_some(targetCPUUtilizationPercentage=cpu))
    new_status = {key: status[key] for key in ("observedGeneration", "lastScaleTime") if key in status}
    new_status["currentReplicas"] = status.get("currentReplicas", 0)
    new_status["desiredReplicas"] = status.get("desiredReplicas", 0)
    for metric in current:
        resource = metric.get("resource") or {}
        if metric.get("type") == "Resource" and resource.get("name") == "cpu":
            used = (resource.get("current") or {}).get("averageUtilization")
            new_status.update(_some(currentCPUUtilizationPercentage=used))
    return {
        **obj,
        "apiVersion": "autoscaling/v1",
        "metadata": _annotated(obj.get("metadata") or {}, added),
        "spec": new_spec,
        "status": new_status,
    }


def _annotated(meta: Obj, added: dict[str, str]) -> Obj:
    kept = {key: value for key, value in (meta.get("annotations") or {}).items() if key not in ANNOTATIONS}
    out = {key: value for key, value in meta.items() if key != "annotations"}
    if kept or added:
        out["annotations"] = {**kept, **added}
    return out


def _load(annotations: dict[str, str], key: str, kind: type) -> Any:
    """What an annotation holds; None when absent or not what it should be."""
    try:
        found = json.loads(annotations[key]) if key in annotations else None
    except ValueError:
        return None
    if isinstance(found, list) and not all(isinstance(item, dict) for item in found):
        return None
    return found if isinstance(found, kind) else None


def to_v2(obj: Obj) -> Obj:
    """An autoscaling/v1 object as v2; the argument stays as it is."""
    spec, status, meta = obj.get("spec") or {}, obj.get("status") or {}, obj.get("metadata") or {}
    annotations = meta.get("annotations") or {}
    metrics: list[Obj] = []
    if spec.get("targetCPUUtilizationPercentage") is not None:
        metrics = [_cpu(spec["targetCPUUtilizationPercentage"])]
    others = _load(annotations, METRICS, list)
    if others is not None:
        metrics = [_convert(metric, _SPEC_V2) for metric in others] + metrics
    new_spec = {key: spec[key] for key in ("scaleTargetRef", "minReplicas", "maxReplicas") if key in spec}
    new_spec["metrics"] = metrics or [_cpu(DEFAULT_CPU)]
    behavior = _folded(_load(annotations, BEHAVIOR, dict))
    rules = _some(scaleUp=_rules_in(behavior.get("scaleup")), scaleDown=_rules_in(behavior.get("scaledown")))
    if rules:
        new_spec["behavior"] = rules
    new_status = {key: status[key] for key in ("observedGeneration", "lastScaleTime") if key in status}
    if status.get("currentReplicas"):
        new_status["currentReplicas"] = status["currentReplicas"]
    new_status["desiredReplicas"] = status.get("desiredReplicas", 0)
    new_status["currentMetrics"] = _current(status, annotations)
    conditions = _load(annotations, CONDITIONS, list)
    if conditions:
        new_status["conditions"] = conditions
    return {
        **obj,
        "apiVersion": "autoscaling/v2",
        "metadata": _annotated(meta, {}),
        "spec": new_spec,
        "status": new_status,
    }


def _cpu(utilization: int) -> Obj:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _current(status: Obj, annotations: dict[str, str]) -> list[Obj] | None:
    found = _load(annotations, CURRENT, list)
    if found is not None:
        return [_convert(metric, _STATUS_V2) for metric in found] or None
    used = status.get("currentCPUUtilizationPercentage")
    if used is None:
        return None
    return [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": used}}}]
