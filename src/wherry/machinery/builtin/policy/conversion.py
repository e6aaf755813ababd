"""Kinds of `policy` whose served versions differ in shape: resource.k8s.io/v1beta1 against v1 (and v1beta2, its twin).

Follows pkg/apis/resource/v1beta1/conversion.go. Functions do not change their argument.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.kinds import Obj

Convert = Callable[[Obj], Obj]
GROUP = "resource.k8s.io"
_EXACT = ("deviceClassName", "selectors", "allocationMode", "count", "adminAccess", "tolerations", "capacity")
_BASIC = [
    "attributes",
    "capacity",
    "consumesCounters",
    "nodeName",
    "nodeSelector",
    "allNodes",
    "taints",
    "bindsToNode",
    "bindingConditions",
    "bindingFailureConditions",
    "allowMultipleAllocations",
    "nodeAllocatableResourceMappings",
]


def _split(request: Obj) -> Obj:
    """A v1beta1 request: what it asks for exactly moves into `exactly`."""
    exactly = {key: request[key] for key in _EXACT if request.get(key) or request.get(key) is False}
    rest = {key: value for key, value in request.items() if key not in _EXACT}
    if not exactly:
        return rest
    exactly.setdefault("deviceClassName", "")
    name = {key: rest.pop(key) for key in ("name",) if key in rest}
    return {**name, "exactly": exactly, **rest}


def _join(request: Obj) -> Obj:
    exactly = request.get("exactly")
    rest = {key: value for key, value in request.items() if key != "exactly"}
    if exactly is None:
        return rest
    flat = {key: exactly[key] for key in _EXACT if exactly.get(key) not in (None, "")}
    name = {key: rest.pop(key) for key in ("name",) if key in rest}
    return {**name, **flat, **rest}


def _claim_spec(spec: Obj | None, change: Callable[[Obj], Obj]) -> Obj:
    spec = spec or {}
    devices = spec.get("devices") or {}
    if not devices.get("requests"):
        return spec
    return {**spec, "devices": {**devices, "requests": [change(request) for request in devices["requests"]]}}


def _claim(change: Callable[[Obj], Obj], version: str) -> Convert:
    def convert(obj: Obj) -> Obj:
        out = {**obj, "apiVersion": f"{GROUP}/{version}"}
        if "spec" in obj:
            out["spec"] = _claim_spec(obj["spec"], change)
        return out

    return convert


def _template(change: Callable[[Obj], Obj], version: str) -> Convert:
    def convert(obj: Obj) -> Obj:
        out = {**obj, "apiVersion": f"{GROUP}/{version}"}
        spec = obj.get("spec")
        if spec is not None:
            out["spec"] = {**spec, "spec": _claim_spec(spec.get("spec"), change)}
        return out

    return convert


def _device_in(device: Obj) -> Obj:
    basic = device.get("basic") or {}
    rest = {key: value for key, value in device.items() if key != "basic"}
    return {**rest, **{key: basic[key] for key in _BASIC if basic.get(key) is not None}}


def _device_out(device: Obj) -> Obj:
    basic = {key: device[key] for key in _BASIC if device.get(key) is not None}
    return {"name": device.get("name", ""), "basic": basic}


def _slice(change: Callable[[Obj], Obj], version: str) -> Convert:
    def convert(obj: Obj) -> Obj:
        out = {**obj, "apiVersion": f"{GROUP}/{version}"}
        spec: dict[str, Any] | None = obj.get("spec")
        if spec is not None:
            spec = {key: value for key, value in spec.items() if not (key in ("nodeName", "allNodes") and not value)}
            if spec.get("devices"):
                spec["devices"] = [change(device) for device in spec["devices"]]
            out["spec"] = spec
        return out

    return convert


def _both(
    shape: Callable[[Callable[[Obj], Obj], str], Convert], into: Any, back: Any
) -> dict[tuple[str, str], Convert]:
    """Between v1beta1 and each of its two newer siblings."""
    out: dict[tuple[str, str], Convert] = {}
    for newer in ("v1", "v1beta2"):
        out["v1beta1", newer] = shape(into, newer)
        out[newer, "v1beta1"] = shape(back, "v1beta1")
    return out


CONVERSIONS: dict[tuple[str, str], dict[tuple[str, str], Convert]] = {
    (GROUP, "resourceclaims"): _both(_claim, _split, _join),
    (GROUP, "resourceclaimtemplates"): _both(_template, _split, _join),
    (GROUP, "resourceslices"): _both(_slice, _device_in, _device_out),
}
