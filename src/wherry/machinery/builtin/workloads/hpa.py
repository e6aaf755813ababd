"""HorizontalPodAutoscalers in their v2 shape. Follows autoscaling/v2 defaults, validation and the kind's registry."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import dns1123_label, name_is_path_segment
from wherry.machinery.builtin.common.quantities import parse
from wherry.machinery.builtin.common.values import unsupported_json
from wherry.machinery.builtin.workloads.base import NOT_NEGATIVE, WorkloadStrategy, counters
from wherry.machinery.builtin.workloads.resources import container_resource_name
from wherry.machinery.kinds import Obj

SELECT_POLICIES = ("Disabled", "Max", "Min")
POLICY_TYPES = ("Percent", "Pods")
SOURCES = ("ContainerResource", "External", "Object", "Pods", "Resource")
# Source fields in upstream's order, and the type that goes with each.
_FIELDS = {
    "object": "Object",
    "external": "External",
    "pods": "Pods",
    "resource": "Resource",
    "containerResource": "ContainerResource",
}
ONE_RAW = "must set either a target raw value or a target utilization"
BOTH_RAW = "may not set both a target raw value and a target utilization"


class HorizontalPodAutoscalers(WorkloadStrategy):
    has_generation = False
    empty_status: ClassVar[dict[str, Any]] = {"desiredReplicas": 0, "currentMetrics": None}

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        spec.setdefault("scaleTargetRef", {"kind": "", "name": ""})
        spec.setdefault("minReplicas", 1)
        if not spec.get("metrics"):
            target = {"type": "Utilization", "averageUtilization": 80}
            spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
        behavior = spec.get("behavior")
        if behavior is not None:
            pods = {"type": "Pods", "value": 4, "periodSeconds": 15}
            percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
            up = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [pods, percent]}
            down = {"selectPolicy": "Max", "policies": [dict(percent)]}
            behavior["scaleUp"] = _filled(up, behavior.get("scaleUp"))
            behavior["scaleDown"] = _filled(down, behavior.get("scaleDown"))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _spec(obj["spec"], None)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return _spec(new["spec"], old["spec"])

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return counters(new.get("status") or {}, "status", ("currentReplicas", "desiredReplicas"))


def _set(rules: Obj | None) -> Obj:
    return {key: value for key, value in (rules or {}).items() if value is not None}


def _filled(defaults: Obj, rules: Obj | None) -> Obj:
    """Scaling rules with what they do not say, in the order of the struct: refusals print it."""
    found = {**defaults, **_set(rules)}
    first = {key: found[key] for key in ("stabilizationWindowSeconds",) if key in found}
    return {**first, **found}


def _parse_group(api_version: str) -> tuple[str, str]:
    """The group, and what schema.ParseGroupVersion says if it refuses."""
    if api_version in ("", "/"):
        return "", ""
    if api_version.count("/") > 1:
        return "", f"unexpected GroupVersion string: {api_version}"
    return api_version.rpartition("/")[0], ""


def _version_error(reference: Obj, any_version: bool, empty_group: bool) -> str:
    if any_version:
        return ""
    group, text = _parse_group(reference.get("apiVersion", ""))
    if text:
        return text
    return "" if group or empty_group else "apiVersion must specify API group"


def _reference(source: Obj, path: str, *, any_version: bool, empty_group: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in ("kind", "name"):
        value = source.get(key, "")
        if not value:
            errors.append(required(f"{path}.{key}"))
        else:
            errors += [invalid(f"{path}.{key}", value, text) for text in name_is_path_segment(value)]
    text = _version_error(source, any_version, empty_group)
    if text:
        errors.append(invalid(path + ".apiVersion", source.get("apiVersion", ""), text))
    return errors


def _spec(spec: Obj, old: Obj | None) -> list[FieldError]:
    errors: list[FieldError] = []
    least, most = spec.get("minReplicas"), spec.get("maxReplicas", 0)
    floor = 0 if (old or {}).get("minReplicas") == 0 else 1
    if least is not None and least < floor:
        errors.append(invalid("spec.minReplicas", least, f"must be greater than or equal to {floor}"))
    if most == 0:
        errors.append(required("spec.maxReplicas", "must be set and greater than 0"))
    elif most < 0:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to 1"))
    if least is not None and most < least:
        errors.append(invalid("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    before = (old or {}).get("scaleTargetRef") or {}
    same = old is not None and all(target.get(k, "") == before.get(k, "") for k in ("apiVersion", "kind"))
    legacy = not same and target.get("kind") == "ReplicationController"
    errors += _reference(target, "spec.scaleTargetRef", any_version=same, empty_group=legacy)
    any_version = any(
        metric.get("type") == "Object"
        and metric.get("object") is not None
        and _version_error(metric["object"].get("describedObject") or {}, False, True)
        for metric in (old or {}).get("metrics") or ()
    )
    errors += _metrics(spec.get("metrics") or [], least, any_version)
    for key in ("scaleUp", "scaleDown"):
        errors += _rules((spec.get("behavior") or {}).get(key), f"spec.behavior.{key}")
    return errors


def _metrics(metrics: list[Obj], least: int | None, any_version: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, metric in enumerate(metrics):
        errors += _metric(metric, f"spec.metrics[{index}]", any_version)
    if least == 0 and not any(metric.get("type") in ("Object", "External") for metric in metrics):
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.append(forbidden("spec.metrics", text))
    return errors


def _metric(metric: Obj, path: str, any_version: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    kind = metric.get("type", "")
    unknown = not_supported(path + ".type", kind, SOURCES)
    if not kind:
        errors.append(required(path + ".type", "must specify a metric source type"))
    if kind not in SOURCES:
        errors.append(unknown)
    present = [key for key in _FIELDS if metric.get(key) is not None]
    if present:
        first = present[0]
        errors += _source(first, metric[first], f"{path}.{first}", any_version)
    expected = next((key for key, name in _FIELDS.items() if name == kind), "")
    if expected and metric.get(expected) is None:
        text = "must populate information for the given metric source"
        errors.append(required(f"{path}.{expected}", text))
    elif not expected:
        errors.append(unknown)
    if len(present) != 1:
        text = "must populate the given metric source only"
        errors += [forbidden(f"{path}.{key}", text) for key in sorted(present) if key != expected]
    return errors


def _source(kind: str, source: Obj, path: str, any_version: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    target, where = source.get("target") or {}, path + ".target"
    value, average, utilization = (target.get(k) for k in ("value", "averageValue", "averageUtilization"))
    if kind in ("resource", "containerResource"):
        errors += _resource_names(kind, source, path)
        errors += _target(target, where)
        if utilization is None and average is None:
            errors.append(required(where + ".averageUtilization", ONE_RAW))
        if utilization is not None and average is not None:
            errors.append(forbidden(where + ".averageValue", BOTH_RAW))
        return errors
    if kind == "object":
        described = source.get("describedObject") or {}
        inner = path + ".describedObject"
        errors += _reference(described, inner, any_version=any_version, empty_group=True)
    name = (source.get("metric") or {}).get("name", "")
    if not name:
        errors.append(required(path + ".metric.name", "must specify a metric name"))
    else:
        errors += [invalid(path + ".metric.name", name, text) for text in name_is_path_segment(name)]
    errors += _target(target, where)
    if kind == "pods":
        if average is None:
            errors.append(required(where + ".averageValue", "must specify a positive target averageValue"))
        return errors
    if value is None and average is None:
        per_pod = "must set either a target value for metric or a per-pod target"
        text = "must set either a target value or averageValue" if kind == "object" else per_pod
        errors.append(required(where + ".averageValue", text))
    if kind == "external" and value is not None and average is not None:
        text = "may not set both a target value for metric and a per-pod target"
        errors.append(forbidden(where + ".value", text))
    return errors


def _resource_names(kind: str, source: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    name = source.get("name", "")
    if not name:
        errors.append(required(path + ".name", "must specify a resource name"))
    elif kind == "containerResource":
        errors += container_resource_name(name, path + ".name")
    if kind == "containerResource":
        container = source.get("container", "")
        if not container:
            errors.append(required(path + ".container", "must specify a container"))
        else:
            errors += [invalid(path + ".container", container, text) for text in dns1123_label(container)]
    return errors


def _target(target: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    kind = target.get("type", "")
    if not kind:
        errors.append(required(path + ".type", "must specify a metric target type"))
    if kind not in ("Utilization", "Value", "AverageValue"):
        errors.append(invalid(path + ".type", kind, "must be either Utilization, Value, or AverageValue"))
    for key in ("value", "averageValue"):
        if target.get(key) is not None and parse(target[key]) <= 0:
            errors.append(invalid(f"{path}.{key}", target[key], "must be positive"))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        errors.append(invalid(path + ".averageUtilization", utilization, "must be greater than 0"))
    return errors


def _rules(rules: Obj | None, path: str) -> list[FieldError]:
    if rules is None:
        return []
    errors: list[FieldError] = []
    window, select, policies = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy"), rules.get("policies")
    where = path + ".stabilizationWindowSeconds"
    if window is not None and window < 0:
        errors.append(invalid(where, window, "must be greater than or equal to zero"))
    if window is not None and window > 3600:
        errors.append(invalid(where, window, "must be less than or equal to 3600"))
    if select is not None and select not in SELECT_POLICIES:
        errors.append(unsupported_json(path + ".selectPolicy", select, SELECT_POLICIES))
    if not policies:
        errors.append(required(path + ".policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies or ()):
        inner = f"{path}.policies[{index}]"
        kind, value, period = policy.get("type", ""), policy.get("value", 0), policy.get("periodSeconds", 0)
        if kind not in POLICY_TYPES:
            errors.append(not_supported(inner + ".type", kind, POLICY_TYPES))
        if value <= 0:
            errors.append(invalid(inner + ".value", value, "must be greater than zero"))
        if period <= 0:
            errors.append(invalid(inner + ".periodSeconds", period, "must be greater than zero"))
        if period > 1800:
            errors.append(invalid(inner + ".periodSeconds", period, "must be less than or equal to 1800"))
    tolerance = rules.get("tolerance")
    if tolerance is not None and parse(tolerance) < 0:
        errors.append(invalid(path + ".tolerance", tolerance, NOT_NEGATIVE))
    return errors
