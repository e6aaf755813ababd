"""Validation of ResourceSlices, DeviceTaintRules and ResourcePoolStatusRequests (pkg/apis/resource/validation)."""

from __future__ import annotations

import re

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_name
from wherry.machinery.builtin.common.names import byte_length, dns1123_subdomain, label_value
from wherry.machinery.builtin.common.quantities import family, parse, text_of, whole_value
from wherry.machinery.builtin.core.shared.diff import shown
from wherry.machinery.builtin.core.shared.fields import (
    IMMUTABLE,
    checked,
    immutable,
    too_long_bytes,
    too_many_items,
)
from wherry.machinery.builtin.core.storage import csi_driver_name
from wherry.machinery.builtin.policy.dra_claims import (
    EFFECTS,
    binding_parameters,
    each,
    label,
    pool_name,
    qualified,
)
from wherry.machinery.builtin.workloads.pod_scheduling import node_selector
from wherry.machinery.kinds import Obj

_ID = r"(0|[1-9]\d*)"
_PRE = r"(0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
_semver = re.compile(
    rf"{_ID}\.{_ID}\.{_ID}(-{_PRE}(\.{_PRE})*)?(\+[0-9a-zA-Z-]+(\.[0-9a-zA-Z-]+)*)?", re.ASCII
).fullmatch
KINDS = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` is required"
DEVICE_KINDS = (
    "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when `perDeviceNodeSelection` is set to true "
    "in the ResourceSlice spec"
)


def _node(name: str, field: str) -> list[FieldError]:
    return checked(field, name, dns1123_subdomain(name))


def _only_true(spec: Obj, key: str, field: str) -> tuple[list[str], list[FieldError]]:
    value = spec.get(key)
    if value is None:
        return [], []
    if value:
        return [f"`{key}`"], []
    return [], [invalid(f"{field}.{key}", False, "must be either unset or set to true")]


def _placement(spec: Obj) -> list[FieldError]:
    """Which nodes can reach the pool: exactly one way of saying so."""
    found: list[str] = []
    out: list[FieldError] = []
    name, selector = spec.get("nodeName"), spec.get("nodeSelector")
    if name:
        found.append("`nodeName`")
        out += _node(name, "spec.nodeName")
    elif name is not None:
        out.append(invalid("spec.nodeName", name, "must be either unset or set to a non-empty string"))
    if selector is not None:
        found.append("`nodeSelector`")
        out += node_selector(selector, "spec.nodeSelector", False)
        terms = selector.get("nodeSelectorTerms") or []
        if len(terms) != 1:
            value = (shown("core.NodeSelector", selector) or {}).get("NodeSelectorTerms")
            why = "must have exactly one node selector term"
            out.append(invalid("spec.nodeSelector.nodeSelectorTerms", value, why))
    for key in ("allNodes", "perDeviceNodeSelection"):
        more, errors = _only_true(spec, key, "spec")
        found += more
        out += errors
    if not found:
        out.append(required("spec", KINDS))
    elif len(found) > 1:
        listed = "{" + ", ".join(found) + "}"
        out.append(invalid("spec", listed, KINDS + ", but multiple fields are set"))
    return out


def slice_spec(spec: Obj, old: Obj | None) -> list[FieldError]:
    pool = spec.get("pool") or {}
    out = csi_driver_name(spec.get("driver") or "", "spec.driver")
    out += pool_name(pool.get("name") or "", "spec.pool.name")
    count, generation = pool.get("resourceSliceCount") or 0, pool.get("generation") or 0
    if count <= 0:
        out.append(invalid("spec.pool.resourceSliceCount", count, "must be greater than zero"))
    if generation < 0:
        out.append(invalid("spec.pool.generation", generation, "must be greater than or equal to zero"))
    if old is not None:
        was = (old.get("pool") or {}).get("name") or ""
        out += immutable(pool.get("name") or "", was, "spec.pool.name")
        out += immutable(spec.get("driver") or "", old.get("driver") or "", "spec.driver")
        out += immutable(spec.get("nodeName"), old.get("nodeName"), "spec.nodeName")
    out += _placement(spec)
    devices, counters = spec.get("devices") or [], spec.get("sharedCounters") or []
    if devices and counters:
        out.append(invalid("spec", "", "only one of `sharedCounters` or `devices` is allowed"))
    advanced = any(device.get("taints") or device.get("consumesCounters") for device in devices)
    before = {device.get("name"): device for device in (old or {}).get("devices") or []}
    per_device = bool(spec.get("perDeviceNodeSelection"))

    def device(item: Obj, field: str) -> list[FieldError]:
        return _device(item, before.get(item.get("name")), per_device, field)

    out += each(devices, 64 if advanced else 128, device, "spec.devices", lambda item: item.get("name") or "")
    return out + each(counters, 8, _counter_set, "spec.sharedCounters", lambda item: item.get("name") or "")


def _counters(counters: Obj, field: str) -> list[FieldError]:
    if not counters:
        return [required(field)]
    if len(counters) > 32:
        return [too_many_items(field, len(counters), 32)]
    return [e for name in counters for e in label(name, field)]


def _counter_set(item: Obj, field: str) -> list[FieldError]:
    name = item.get("name") or ""
    out = label(name, field + ".name") if name else [required(field + ".name")]
    return out + _counters(item.get("counters") or {}, field + ".counters")


def _consumption(item: Obj, field: str) -> list[FieldError]:
    name = item.get("counterSet") or ""
    out = label(name, field + ".counterSet") if name else [required(field + ".counterSet")]
    return out + _counters(item.get("counters") or {}, field + ".counters")


def _device(item: Obj, old: Obj | None, per_device: bool, field: str) -> list[FieldError]:
    attributes, capacity = item.get("attributes") or {}, item.get("capacity") or {}
    out = label(item.get("name") or "", field + ".name")
    total = len(attributes) + len(capacity)
    if total > 32:
        why = "the total number of attributes and capacities must not exceed 32"
        out.append(invalid(field, total, why))
    if len(attributes) > 48:
        why = "the total number of attribute values must not exceed 48"
        out.append(invalid(field, len(attributes), why))
    for name, value in attributes.items():
        out += qualified(name, field + ".attributes")
        out += _attribute(value or {}, f"{field}.attributes[{name}]")
    shared = bool(item.get("allowMultipleAllocations"))
    for name, value in capacity.items():
        out += qualified(name, field + ".capacity")
        out += _capacity(value or {}, shared, f"{field}.capacity[{name}]")
    if old is None or (old.get("taints") or []) != (item.get("taints") or []):
        out += each(item.get("taints") or [], 16, taint, field + ".taints")
    consumed = item.get("consumesCounters") or []
    out += each(consumed, 2, _consumption, field + ".consumesCounters", lambda c: c.get("counterSet") or "")
    out += _device_placement(item, per_device, field)
    return out + binding_parameters(item, field)


def _device_placement(item: Obj, per_device: bool, field: str) -> list[FieldError]:
    name, selector = item.get("nodeName"), item.get("nodeSelector")
    if not per_device:
        if name is None and selector is None and item.get("allNodes") is None:
            return []
        why = (
            "`nodeName`, `nodeSelector` and `allNodes` can only be set if `perDeviceNodeSelection` is set to true in "
            "the ResourceSlice spec"
        )
        return [invalid(field, None, why)]
    found: list[str] = []
    out: list[FieldError] = []
    if name:
        found.append("`nodeName`")
        out += _node(name, field + ".nodeName")
    elif name is not None:
        out.append(invalid(field + ".nodeName", name, "must not be empty"))
    if selector is not None:
        found.append("`nodeSelector`")
        out += node_selector(selector, field + ".nodeSelector", False)
    more, errors = _only_true(item, "allNodes", field)
    found, out = found + more, out + errors
    if not found:
        out.append(required(field, DEVICE_KINDS))
    elif len(found) > 1:
        out.append(invalid(field, "{" + ", ".join(found) + "}", DEVICE_KINDS))
    return out


def _attribute(value: Obj, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    kinds = [key for key in ("int", "bool", "string", "version") if value.get(key) is not None]
    for key in ("string", "version"):
        text = value.get(key)
        if text is None:
            continue
        if key == "version" and not _semver(text):
            out.append(invalid(f"{field}.{key}", text, "must be a string compatible with semver.org spec 2.0.0"))
        if byte_length(text) > 64:
            out.append(too_long_bytes(f"{field}.{key}", 64))
    if not kinds:
        out.append(invalid(field, "", "exactly one value must be specified"))
    elif len(kinds) > 1:
        out.append(invalid(field, shown("resource.DeviceAttribute", value), "exactly one value must be specified"))
    return out


# --- capacities ------------------------------------------------------------------------------------------------------


def _capacity(value: Obj, shared: bool, field: str) -> list[FieldError]:
    policy, where = value.get("requestPolicy"), field + ".requestPolicy"
    if policy is None:
        return []
    if not shared:
        return [forbidden(where, "allowMultipleAllocations must be true")]
    values, spread = policy.get("validValues") or [], policy.get("validRange")
    if values and spread is not None:
        why = 'exactly one policy can be specified, cannot specify "validValues" and "validRange" at the same time'
        return [forbidden(where, why)]
    default, most = policy.get("default"), value.get("value") or "0"
    for key, given in (("validValues", bool(values)), ("validRange", spread is not None)):
        if not given:
            continue
        if default is None:
            return [required(where + ".default", f"required when {key} is defined")]
        if key == "validValues":
            return _options(values, default, most, where + ".validValues")
        return _range(spread or {}, default, most, where + ".validRange")
    return []


def _options(values: list[str], default: str, most: str, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    for i in range(1, len(values)):
        if parse(values[i - 1]) > parse(values[i]):
            out.append(invalid(f"{field}[{i}]", values[i], "values must be sorted in ascending order"))

    def option(text: str, where: str) -> list[FieldError]:
        if parse(text) <= parse(most):
            return []
        return [invalid(where, text, f"option is larger than capacity value: {most}")]

    out += each(values, 10, option, field, lambda text: str(whole_value(text)))
    if len(values) <= 10 and any(parse(text) == parse(default) for text in values):
        return out
    return [*out, invalid(field, default, "default value is not valid according to the requestPolicy")]


def _range(spread: Obj, default: str, most: str, field: str) -> list[FieldError]:
    low, high, step = spread.get("min"), spread.get("max"), spread.get("step")
    if low is None:
        return [required(field + ".min", "required when validRange is defined")]
    out: list[FieldError] = []
    if parse(low) > parse(most):
        out.append(invalid(field + ".min", low, f"min is larger than capacity value: {most}"))
    if parse(default) < parse(low):
        out.append(invalid(field + ".min", default, f"default is less than min: {low}"))
    if high is not None:
        if parse(low) > parse(high):
            out.append(invalid(field + ".max", low, f"min is larger than max: {high}"))
        if parse(high) > parse(most):
            out.append(invalid(field + ".max", high, f"max is larger than capacity value: {most}"))
        if parse(default) > parse(high):
            out.append(invalid(field + ".max", default, f"default is more than max: {high}"))
    if step is not None:
        added = parse(low) + parse(step)
        if added > parse(most):
            why = f"one step {text_of(added, family(low))} is larger than capacity value: {most}"
            out.append(invalid(field + ".step", step, why))
        for text in (default, high):
            if text is not None and whole_value(step) and (whole_value(text) - whole_value(low)) % whole_value(step):
                why = f"value is not a multiple of a given step ({step}) from ({low})"
                out.append(invalid(field + ".step", text, why))
    return out


# --- taints ----------------------------------------------------------------------------------------------------------


def taint(item: Obj, field: str) -> list[FieldError]:
    out = validate_label_name(item.get("key") or "", field + ".key")
    value, effect = item.get("value") or "", item.get("effect") or ""
    if value:
        out += checked(field + ".value", value, label_value(value))
    if not effect:
        out.append(required(field + ".effect"))
    elif effect not in EFFECTS:
        out.append(not_supported(field + ".effect", effect, EFFECTS))
    return out


def taint_rule_spec(spec: Obj) -> list[FieldError]:
    selector = spec.get("deviceSelector") or {}
    field = "spec.deviceSelector"
    out: list[FieldError] = []
    for key, check in (("pool", pool_name), ("device", label)):
        if key == "pool" and selector.get("driver") is not None:
            out += csi_driver_name(selector["driver"], field + ".driver")
        if selector.get(key) is not None:
            out += check(selector[key], f"{field}.{key}")
    return out + taint(spec.get("taint") or {}, "spec.taint")


# --- requests for the state of pools ---------------------------------------------------------------------------------


def pool_request_spec(spec: Obj) -> list[FieldError]:
    driver, limit, pool = spec.get("driver") or "", spec.get("limit"), spec.get("poolName")
    out = csi_driver_name(driver, "spec.driver")
    if pool is not None:
        out += pool_name(pool, "spec.poolName")
    if limit is not None and limit < 1:
        out.append(invalid("spec.limit", limit, "must be greater than or equal to 1"))
    elif limit is not None and limit > 1000:
        out.append(invalid("spec.limit", limit, "must be less than or equal to 1000"))
    return out


def pool_request_change(new: Obj, old: Obj) -> list[FieldError]:
    shown_spec = {"Driver": new.get("driver", ""), "PoolName": new.get("poolName"), "Limit": new.get("limit")}
    return [] if new == old else [invalid("spec", shown_spec, IMMUTABLE)]
