"""Validation of ResourceClaims, their templates and DeviceClasses (pkg/apis/resource/validation)."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_name, validate_labels
from wherry.machinery.builtin.common.meta import validate_annotations
from wherry.machinery.builtin.common.names import (
    byte_length,
    c_identifier,
    dns1123_label,
    dns1123_subdomain,
    label_value,
)
from wherry.machinery.builtin.core.shared.diff import shown
from wherry.machinery.builtin.core.shared.fields import (
    IMMUTABLE,
    checked,
    conditions,
    spec_of,
    too_long_bytes,
    too_many_items,
)
from wherry.machinery.builtin.core.shared.ip import interface_address
from wherry.machinery.builtin.core.shared.resources import is_extended
from wherry.machinery.builtin.core.storage import csi_driver_name
from wherry.machinery.builtin.policy.admission_rules import Scope, expression
from wherry.machinery.builtin.workloads.pod_scheduling import node_selector
from wherry.machinery.kinds import Obj

EFFECTS = ["NoExecute", "NoSchedule", "None"]
EITHER = "exactly one of `exactly` or `firstAvailable` is required"
REFERENCE = "must be the name of a request in the claim or the name of a request and a subrequest separated by '/'"
Names = dict[str, set[str]]


def each(
    items: list[Any],
    limit: int,
    check: Callable[[Any, str], list[FieldError]],
    field: str,
    key: Callable[[Any], Hashable] | None = None,
) -> list[FieldError]:
    """validateSlice, and with a key validateSet: too many are told and nothing else; repetitions come last."""
    if 0 <= limit < len(items):
        return [too_many_items(field, len(items), limit)]
    out: list[FieldError] = []
    for i, item in enumerate(items):
        out += check(item, f"{field}[{i}]")
    if key is not None:
        seen: set[Hashable] = set()
        for i, item in enumerate(items):
            value = key(item)
            if value in seen:
                out.append(duplicate(f"{field}[{i}]", value._asdict() if isinstance(value, _Device) else value))
            seen.add(value)
    return out


def label(name: str, field: str) -> list[FieldError]:
    return checked(field, name, dns1123_label(name))


def _same(item: Any) -> Hashable:
    return item  # type: ignore[no-any-return]


def _name(item: Obj) -> str:
    return item.get("name") or ""


def identifier(name: str, field: str) -> list[FieldError]:
    out = [too_long_bytes(field, 32)] if byte_length(name) > 32 else []
    return out + checked(field, name, c_identifier(name))


def qualified(name: str, field: str) -> list[FieldError]:
    """validateQualifiedName: an identifier, or a domain and an identifier."""
    parts = name.split("/")
    if len(parts) == 1:
        return identifier(name, field)
    if len(parts) != 2:
        return []
    out = csi_driver_name(parts[0], field) if parts[0] else [invalid(field, "", "the domain must not be empty")]
    return out + (identifier(parts[1], field) if parts[1] else [invalid(field, "", "the name must not be empty")])


def fully_qualified(name: str, field: str) -> list[FieldError]:
    out = qualified(name, field)
    if "/" not in name:
        why = "a fully qualified name must be a domain and a name separated by a slash"
        out.append(invalid(field, name, why))
    return out


def pool_name(name: str, field: str) -> list[FieldError]:
    if not name:
        return [required(field)]
    out = [too_long_bytes(field, 253)] if byte_length(name) > 253 else []
    for part in name.split("/"):
        out += checked(field, part, dns1123_subdomain(part))
    return out


# --- requests --------------------------------------------------------------------------------------------------------


def _selector(selector: Obj, field: str) -> list[FieldError]:
    cel = selector.get("cel")
    if cel is None:
        return [required(field + ".cel")]
    text, where = cel.get("expression") or "", field + ".cel.expression"
    if byte_length(text) > 10240:
        return [too_long_bytes(where, 10240)]
    return expression(text, Scope("device", authorizer=False), where)


def _toleration(item: Obj, field: str) -> list[FieldError]:
    key, operator, value = item.get("key") or "", item.get("operator") or "", item.get("value") or ""
    out = validate_label_name(key, field + ".key") if key else []
    if operator == "Exists":
        if value:
            out.append(invalid(field + ".value", value, "must be empty for operator `Exists`"))
    elif operator == "Equal":
        out += checked(field + ".value", value, label_value(value))
    elif not operator:
        out.append(required(field + ".operator"))
    else:
        out.append(not_supported(field + ".operator", operator, ["Equal", "Exists"]))
    effect = item.get("effect") or ""
    if effect and effect not in EFFECTS:
        out.append(not_supported(field + ".effect", effect, EFFECTS))
    return out


def _asked(request: Obj, field: str) -> list[FieldError]:
    """What an exact request and an alternative share."""
    name = request.get("deviceClassName") or ""
    where = field + ".deviceClassName"
    out = checked(where, name, dns1123_subdomain(name)) if name else [required(where)]
    out += each(request.get("selectors") or [], 32, _selector, field + ".selectors")
    mode, count = request.get("allocationMode") or "", request.get("count") or 0
    where = field + ".count"
    if mode == "All":
        if count:
            out.append(invalid(where, count, "must not be specified when allocationMode is 'All'"))
    elif mode == "ExactCount":
        if count <= 0:
            out.append(invalid(where, count, "must be greater than zero"))
    else:
        out.append(not_supported(field + ".allocationMode", mode, ["All", "ExactCount"]))
    return out + each(request.get("tolerations") or [], -1, _toleration, field + ".tolerations")


def _alternative(request: Obj, field: str) -> list[FieldError]:
    return label(_name(request), field + ".name") + _asked(request, field)


def _request(request: Obj, field: str) -> list[FieldError]:
    out = label(_name(request), field + ".name")
    exactly, several = request.get("exactly"), request.get("firstAvailable") or []
    if exactly is None and not several:
        return [*out, required(field, EITHER)]
    if exactly is not None and several:
        return [*out, invalid(field, None, EITHER + ", but multiple fields are set")]
    if exactly is not None:
        return out + _asked(exactly, field + ".exactly")
    return out + each(several, 8, _alternative, field + ".firstAvailable", _name)


def request_names(devices: Obj) -> Names:
    requests = devices.get("requests") or []
    return {_name(r): {_name(sub) for sub in r.get("firstAvailable") or []} for r in requests}


def _reference(known: Names) -> Callable[[str, str], list[FieldError]]:
    def check(name: str, field: str) -> list[FieldError]:
        parts = name.split("/")
        if len(parts) > 2:
            return [invalid(field, name, REFERENCE)]
        out = [e for part in parts for e in label(part, field)]
        found = parts[0] in known and (len(parts) == 1 or parts[1] in known[parts[0]])
        return out if found else [*out, invalid(field, name, REFERENCE)]

    return check


def _references(item: Obj, known: Names, field: str) -> list[FieldError]:
    return each(item.get("requests") or [], 32, _reference(known), field + ".requests", _same)


def _raw(value: Any, limit: int, field: str) -> list[FieldError]:
    """validateRawExtension: any JSON object."""
    if value is None:
        return [required(field)]
    import orjson

    if len(orjson.dumps(value)) > limit:
        return [too_long_bytes(field, limit)]
    return [] if isinstance(value, dict) else [invalid(field, "<value omitted>", "must be a valid JSON object")]


def configuration(config: Obj, field: str) -> list[FieldError]:
    opaque = config.get("opaque")
    if opaque is None:
        return [required(field + ".opaque")]
    out = csi_driver_name(opaque.get("driver") or "", field + ".opaque.driver")
    return out + _raw(opaque.get("parameters"), 10240, field + ".opaque.parameters")


def _constraint(known: Names) -> Callable[[Obj, str], list[FieldError]]:
    def check(item: Obj, field: str) -> list[FieldError]:
        out = _references(item, known, field)
        for key in ("matchAttribute", "distinctAttribute"):
            if (name := item.get(key)) is not None:
                return out + fully_qualified(name, f"{field}.{key}")
        why = 'exactly one of "matchAttribute" or "distinctAttribute" is required, but multiple fields are set'
        return [*out, required(field, why)]

    return check


def claim_spec(spec: Obj, field: str) -> list[FieldError]:
    devices, where = spec.get("devices") or {}, field + ".devices"
    known = request_names(devices)
    out = each(devices.get("requests") or [], 32, _request, where + ".requests", _name)
    out += each(devices.get("constraints") or [], 32, _constraint(known), where + ".constraints")

    def config(item: Obj, at: str) -> list[FieldError]:
        return _references(item, known, at) + configuration(item, at)

    return out + each(devices.get("config") or [], 32, config, where + ".config")


def claim_spec_change(new: Obj, old: Obj, field: str) -> list[FieldError]:
    if new == old:
        return []
    return [invalid(field, shown("resource.ResourceClaimSpec", new), IMMUTABLE)]


def shown_template(spec: Obj) -> Any:
    return shown("resource.ResourceClaimTemplateSpec", spec)


def template_meta(meta: Obj, field: str) -> list[FieldError]:
    out = validate_annotations(meta.get("annotations"), field + ".annotations")
    out += validate_labels(meta.get("labels"), field + ".labels")
    allowed = ("annotations", "labels", "creationTimestamp")
    # the order of upstream's checks (ValidateTemplateObjectMeta)
    keys = "name generateName namespace selfLink uid resourceVersion generation deletionTimestamp ownerReferences "
    keys += "finalizers managedFields"
    shown_as = {"uid": "uID"}
    return out + [
        forbidden(f"{field}.{shown_as.get(key, key)}", "cannot be set")
        for key in keys.split()
        if meta.get(key) and key not in allowed
    ]


# --- classes ---------------------------------------------------------------------------------------------------------


def class_spec(spec: Obj) -> list[FieldError]:
    out = each(spec.get("selectors") or [], 32, _selector, "spec.selectors")
    out += each(spec.get("config") or [], 32, configuration, "spec.config")
    name = spec.get("extendedResourceName")
    if name is not None and not is_extended(name):
        out.append(invalid("spec.extendedResourceName", name, "must be a valid extended resource name"))
    return out


# --- status ----------------------------------------------------------------------------------------------------------


class _Device(NamedTuple):
    """Which device, by the names under which refusals print it."""

    Driver: str
    Pool: str
    Device: str
    ShareID: str


def _device_key(item: Obj) -> _Device:
    return _Device(*(item.get(key) or "" for key in ("driver", "pool", "device", "shareID")))


def _allocated(status: Obj) -> set[tuple[str, ...]]:
    devices = (status.get("allocation") or {}).get("devices") or {}
    return {_device_key(result) for result in devices.get("results") or []}


def drop_deallocated(status: Obj, old: Obj) -> None:
    """The status of a device goes with its allocation."""
    gone = _allocated(old) - _allocated(status)
    devices = [item for item in status.get("devices") or [] if _device_key(item) not in gone]
    if devices:
        status["devices"] = devices
    else:
        status.pop("devices", None)


def _uid(value: str, field: str) -> list[FieldError]:
    digits = value.replace("-", "")
    plain = len(digits) == 32 and all(char in "0123456789abcdefABCDEF" for char in digits)
    if not plain:
        return [invalid(field, value, f"error validating uid: invalid UUID length: {len(value)}")]
    if len(value) != 36 or value != value.lower():
        why = (
            "uid must be in RFC 4122 normalized form, `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase "
            "hexadecimal characters"
        )
        return [invalid(field, value, why)]
    return []


def binding_parameters(item: Obj, field: str) -> list[FieldError]:
    wanted, failed = item.get("bindingConditions") or [], item.get("bindingFailureConditions") or []
    first, second = field + ".bindingConditions", field + ".bindingFailureConditions"
    out = each(wanted, 4, validate_label_name, first) + each(failed, 4, validate_label_name, second)
    seen: set[str] = set()
    for i, name in enumerate(wanted):
        if name in seen:
            out.append(duplicate(f"{first}[{i}]", name))
        seen.add(name)
    again: set[str] = set()
    for i, name in enumerate(failed):
        if name in again:
            out.append(duplicate(f"{second}[{i}]", name))
        again.add(name)
        if name in seen:
            why = "bindingFailureConditions must not overlap with bindingConditions"
            out.append(invalid(f"{second}[{i}]", name, why))
    if failed and not wanted:
        why = "bindingConditions are required to use bindingFailureConditions"
        out.append(invalid(first, item.get("bindingConditions"), why))
    if wanted and not failed:
        why = "bindingFailureConditions are required to use bindingConditions"
        out.append(invalid(second, item.get("bindingFailureConditions"), why))
    return out


def _result(known: Names) -> Callable[[Obj, str], list[FieldError]]:
    def check(item: Obj, field: str) -> list[FieldError]:
        out = _reference(known)(item.get("request") or "", field + ".request")
        out += csi_driver_name(item.get("driver") or "", field + ".driver")
        out += pool_name(item.get("pool") or "", field + ".pool")
        out += label(item.get("device") or "", field + ".device")
        out += binding_parameters(item, field)
        if (share := item.get("shareID")) is not None:
            out += _uid(share, field + ".shareID")
        return out

    return check


def _allocation(allocation: Obj, known: Names, field: str) -> list[FieldError]:
    devices, where = allocation.get("devices") or {}, field + ".devices"

    def config(item: Obj, at: str) -> list[FieldError]:
        source = item.get("source") or ""
        out: list[FieldError] = []
        if not source:
            out.append(required(at + ".source"))
        elif source not in ("FromClaim", "FromClass"):
            out.append(not_supported(at + ".source", source, ["FromClaim", "FromClass"]))
        return out + _references(item, known, at) + configuration(item, at)

    out = each(devices.get("results") or [], 32, _result(known), where + ".results")
    out += each(devices.get("config") or [], 64, config, where + ".config")
    if (selector := allocation.get("nodeSelector")) is not None:
        out += node_selector(selector, field + ".nodeSelector", False)
    return out


def _device_status(allocated: set[tuple[str, ...]]) -> Callable[[Obj, str], list[FieldError]]:
    def check(item: Obj, field: str) -> list[FieldError]:
        out = csi_driver_name(item.get("driver") or "", field + ".driver")
        out += pool_name(item.get("pool") or "", field + ".pool")
        out += label(item.get("device") or "", field + ".device")
        if (share := item.get("shareID")) is not None:
            out += _uid(share, field + ".shareID")
        if _device_key(item) not in allocated:
            out.append(invalid(field, _device_key(item)._asdict(), "must be an allocated device in the claim"))
        found = item.get("conditions") or []
        if len(found) > 8:
            out.append(too_many_items(field + ".conditions", len(found), 8))
        out += conditions(found, field + ".conditions")
        if item.get("data") is not None:
            out += _raw(item["data"], 10240, field + ".data")
        return out + _network(item.get("networkData"), field + ".networkData")

    return check


def _network(data: Obj | None, field: str) -> list[FieldError]:
    if data is None:
        return []
    out: list[FieldError] = []
    for key, limit in (("interfaceName", 256), ("hardwareAddress", 128)):
        if byte_length(data.get(key) or "") > limit:
            out.append(too_long_bytes(f"{field}.{key}", limit))

    def address(text: str, at: str) -> list[FieldError]:
        return interface_address(at, text)

    return out + each(data.get("ips") or [], 16, address, field + ".ips", _same)


def _consumer(item: Obj, field: str) -> list[FieldError]:
    return [required(f"{field}.{key}") for key in ("resource", "name", "uid") if not item.get(key)]


def claim_status(new: Obj, old: Obj) -> list[FieldError]:
    status, before = new.get("status") or {}, old.get("status") or {}
    reserved, allocation = status.get("reservedFor") or [], status.get("allocation")
    field = "status.reservedFor"
    out = each(reserved, 256, _consumer, field, lambda item: item.get("uid") or "")
    out += each(status.get("devices") or [], -1, _device_status(_allocated(status)), "status.devices", _device_key)
    if reserved and allocation is None:
        out.append(forbidden(field, "may not be specified when `allocated` is not set"))
    elif reserved and new["metadata"].get("deletionTimestamp"):
        known = before.get("reservedFor") or []
        if any(item not in known for item in reserved):
            why = "new entries may not be added while `deallocationRequested` or `deletionTimestamp` are set"
            out.append(forbidden(field, why))
    was = before.get("allocation")
    if was is not None and allocation is not None:
        if was != allocation:
            value = shown("resource.AllocationResult", allocation)
            out.append(invalid("status.allocation", value, IMMUTABLE))
    elif allocation is not None:
        known_names = request_names(spec_of(new).get("devices") or {})
        out += _allocation(allocation, known_names, "status.allocation")
    return out
