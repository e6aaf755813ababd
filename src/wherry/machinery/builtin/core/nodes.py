"""Nodes (ValidateNode, ValidateNodeUpdate, pkg/registry/core/node)."""

from __future__ import annotations

import re

from wherry.errors import (
    DUPLICATE,
    FieldError,
    duplicate,
    forbidden,
    go_quote,
    internal_error,
    invalid,
    not_supported,
    required,
)
from wherry.machinery.builtin.common.labels import validate_label_name
from wherry.machinery.builtin.common.names import label_value
from wherry.machinery.builtin.common.quantities import round_to_milli
from wherry.machinery.builtin.common.values import json_text
from wherry.machinery.builtin.core.shared.fields import make, spec_of
from wherry.machinery.builtin.core.shared.ip import cidr_warnings, legacy_cidr, parse_cidr
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.resources import quantity_value
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

_FEATURE = re.compile(r"[A-Z][a-zA-Z0-9]*(/[a-zA-Z][a-zA-Z0-9]*)*")
EFFECTS = ["NoSchedule", "PreferNoSchedule", "NoExecute"]
FROM_EMPTY = 'node updates may not change {} except from "" to valid'
EMPTY_STATUS: Obj = {
    "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
    "nodeInfo": dict.fromkeys(
        (
            "machineID",
            "systemUUID",
            "bootID",
            "kernelVersion",
            "osImage",
            "containerRuntimeVersion",
            "kubeletVersion",
            "kubeProxyVersion",
            "operatingSystem",
            "architecture",
        ),
        "",
    ),
}


def _taint(taint: Obj, field: str) -> list[FieldError]:
    value, effect = taint.get("value") or "", taint.get("effect") or ""
    out = validate_label_name(taint.get("key") or "", field + ".key")
    if texts := label_value(value):
        out.append(invalid(field + ".value", value, ";".join(texts)))
    if not effect:
        out.append(required(field + ".effect"))
    elif effect not in EFFECTS:
        out.append(not_supported(field + ".effect", effect, EFFECTS))
    return out


def _taints(taints: list[Obj], field: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for i, taint in enumerate(taints):
        where = f"{field}[{i}]"
        out += _taint(taint, where)
        key = (taint.get("effect") or "", taint.get("key") or "")
        if key in seen:
            shown = {
                "Key": key[1],
                "Value": taint.get("value", ""),
                "Effect": key[0],
                "TimeAdded": taint.get("timeAdded"),
            }
            text = f"Duplicate value: {json_text(shown)}: taints must be unique by key and effect pair"
            out.append(FieldError(where, DUPLICATE[0], text))
        seen.add(key)
    return out


def _resources(obj: Obj) -> list[FieldError]:
    status = obj.get("status") or {}
    out: list[FieldError] = []
    for key in ("capacity", "allocatable"):
        for name, text in (status.get(key) or {}).items():
            out += quantity_value(name, text, f"status.{key}.{name}")
    return out


def _pod_cidrs(cidrs: list[str]) -> list[FieldError]:
    field = "spec.podCIDRs"
    out: list[FieldError] = []
    for i, cidr in enumerate(cidrs):
        out += legacy_cidr(f"{field}[{i}]", cidr)
    if len(cidrs) < 2:
        return out
    blocks = [parse_cidr(cidr) for cidr in cidrs]
    if None in blocks:
        index = blocks.index(None)
        why = f"invalid CIDR[{index}]: <nil> (invalid CIDR address: {cidrs[index]})"
        out.append(internal_error(field, f"invalid PodCIDRs. failed to check with dual stack with error:{why}"))
    if None in blocks or len(cidrs) > 2 or len({block.bits for block in blocks if block is not None}) < 2:
        why = "may specify no more than one CIDR for each IP family"
        out.append(invalid(field, cidrs, why))
    return out


def _annotated_taints(obj: Obj) -> list[FieldError]:
    """The alpha annotation of old: JSON with taints, still checked when present."""
    key = "scheduler.alpha.kubernetes.io/taints"
    raw = (obj["metadata"].get("annotations") or {}).get(key)
    if not raw:
        return []
    import orjson

    from wherry.machinery.builtin.core.shared.gojson import array_problem

    if problem := array_problem(raw.encode()):
        return [invalid("metadata.annotations", key, problem)]
    return _taints(orjson.loads(raw) or [], f"metadata.annotations.{key}")


def _feature(name: str, field: str) -> list[FieldError]:
    if len(name.encode()) > 253:
        why = "must be no more than 253 characters"
    elif _FEATURE.fullmatch(name):
        return []
    else:
        why = (
            "must start with an UpperCamelCase segment, with subsequent segments separated by '/' (e.g., MyFeature or "
            "MyFeature/mySubFeature), and contain only alphanumeric characters and slashes"
        )
    return [invalid(field, name, f"invalid feature name {go_quote(name)}: {why}")]


def _declared(obj: Obj) -> list[FieldError]:
    features = (obj.get("status") or {}).get("declaredFeatures") or []
    field = "status.declaredFeatures"
    out: list[FieldError] = []
    for i, name in enumerate(features):
        out += _feature(name, f"{field}[{i}]")
        if i + 1 == len(features):
            break
        following = features[i + 1]
        if name == following:
            out.append(duplicate(f"{field}[{i + 1}]", following))
        elif name > following:
            out.append(invalid(f"{field}[{i + 1}]", following, "list must be sorted alphabetically"))
    return out


def _sync_pod_cidrs(obj: Obj) -> None:
    """podCIDR and podCIDRs tell the same (conversion of v1.NodeSpec)."""
    spec = obj.get("spec") or {}
    first = spec.get("podCIDR")
    if first and first != (spec.get("podCIDRs") or [""])[0]:  # the field of old wins
        spec["podCIDRs"] = [first]
    elif spec.get("podCIDRs"):
        spec["podCIDR"] = spec["podCIDRs"][0]


class NodeStrategy(Strategy):
    meta_again = False

    def default(self, obj: Obj) -> None:
        status = obj.get("status") or {}
        if status.get("allocatable") is None and status.get("capacity") is not None:
            status["allocatable"] = dict(status["capacity"])
        for key in ("capacity", "allocatable"):
            if status.get(key):
                status[key] = {name: round_to_milli(text) for name, text in status[key].items()}
        _sync_pod_cidrs(obj)

    def prepare_create(self, obj: Obj) -> None:
        make(obj, "spec").pop("configSource", None)
        make(obj, "status").pop("config", None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        if old.get("status") is not None:
            new["status"] = old["status"]
        if spec_of(old).get("configSource") is None:
            make(new, "spec").pop("configSource", None)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec, status = spec_of(obj), obj.get("status") or {}
        out = _annotated_taints(obj)
        out += _taints(spec.get("taints") or [], "metadata.taints")
        out += _resources(obj)
        swap = ((status.get("nodeInfo") or {}).get("swap") or {}).get("capacity")
        if swap is not None and swap <= 0:
            out.append(invalid("metadata.nodeSwapStatus.capacity", swap, "must be greater than 0"))
        out += _declared(obj)
        return out + _pod_cidrs(spec.get("podCIDRs") or [])

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, False) + self.validate_create(new)
        return out + as_change(self, new, old) + self._change(new, old)

    def _change(self, new: Obj, old: Obj) -> list[FieldError]:
        spec, before = spec_of(new), spec_of(old)
        out = _annotated_taints(new) + _resources(new) + _declared(new) + _addresses(new)
        now, was = spec.get("podCIDRs") or [], before.get("podCIDRs") or []
        why = FROM_EMPTY.format("podCIDR")
        if was and len(was) != len(now):
            out.append(forbidden("spec.podCIDRs", why))
        elif was:
            out += [forbidden("spec.podCIDRs", why) for a, b in zip(now, was, strict=True) if a != b]
        provider = before.get("providerID")
        if provider and provider != spec.get("providerID"):
            out.append(forbidden("spec.providerID", FROM_EMPTY.format("providerID")))
        out += _taints(spec.get("taints") or [], "metadata.taints")
        if (spec.get("externalID") or "") != (before.get("externalID") or ""):
            out.append(forbidden("spec.externalID", "may not be updated"))
        return out

    def warnings_create(self, obj: Obj) -> list[str]:
        spec = spec_of(obj)
        out: list[str] = []
        if spec.get("configSource") is not None:
            out.append("spec.configSource: the feature is removed")
        if spec.get("externalID"):
            out.append("spec.externalID: this field is deprecated, and is unused by Kubernetes")
        for i, cidr in enumerate(spec.get("podCIDRs") or []):
            out += cidr_warnings(f"spec.podCIDRs[{i}]", cidr)
        return out

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        super().prepare_status_update(new, old)
        if (old.get("status") or {}).get("config") is None:
            make(new, "status").pop("config", None)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_change(self, new, old) + self._change(new, old)


def _addresses(obj: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[tuple[str, str]] = set()
    for i, item in enumerate((obj.get("status") or {}).get("addresses") or []):
        key = (item.get("type") or "", item.get("address") or "")
        if key in seen:
            out.append(duplicate(f"status.addresses[{i}]", {"Type": key[0], "Address": key[1]}))
        seen.add(key)
    return out
