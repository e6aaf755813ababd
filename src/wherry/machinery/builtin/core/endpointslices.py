"""EndpointSlices (pkg/apis/discovery/validation, pkg/registry/discovery/endpointslice)."""

from __future__ import annotations

from wherry.errors import FieldError, duplicate, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_labels
from wherry.machinery.builtin.common.names import (
    dns1123_label,
    dns1123_subdomain,
    label_key,
    label_value,
)
from wherry.machinery.builtin.core.endpoints import PROTOCOLS, endpoint_ip
from wherry.machinery.builtin.core.shared.fields import checked, immutable, too_many_items
from wherry.machinery.builtin.core.shared.ip import ip_warnings, is_v4, is_v6, legacy_ip, valid_ip
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

TYPES = ["FQDN", "IPv4", "IPv6"]
CONTROLLERS = ("endpointslice-controller.k8s.io", "endpointslicemirroring-controller.k8s.io")


def full_domain_name(name: str, field: str) -> list[FieldError]:
    """IsFullyQualifiedDomainName."""
    if not name:
        return [required(field)]
    name = name.removesuffix(".")
    if texts := dns1123_subdomain(name):
        return [invalid(field, name, ",".join(texts))]
    labels = name.split(".")
    if len(labels) < 2:
        return [invalid(field, name, "should be a domain with at least two segments separated by dots")]
    for label in labels:
        if texts := dns1123_label(label):
            return [invalid(field, label, ",".join(texts))]
    return []


def _address(address: str, kind: str, field: str, where: str) -> list[FieldError]:
    """`field` is the list, `where` the entry: a wrong family is told of the list."""
    if kind == "IPv4":
        if out := legacy_ip(where, address):
            return out
        wrong = [] if is_v4(address) else [invalid(field, address, "must be an IPv4 address")]
        return wrong + endpoint_ip(address, where)
    if kind == "IPv6":
        if out := valid_ip(where, address):
            return out
        wrong = [] if is_v6(address) else [invalid(field, address, "must be an IPv6 address")]
        return wrong + endpoint_ip(address, where)
    return full_domain_name(address, where) if kind == "FQDN" else []


def _hints(hints: Obj, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    for key, rule in (("forZones", label_value), ("forNodes", dns1123_subdomain)):
        items = hints.get(key) or []
        if len(items) > 8:
            return [*out, too_many_items(f"{field}.{key}", len(items), 8)]
        seen: set[str] = set()
        for i, item in enumerate(items):
            name, where = item.get("name") or "", f"{field}.{key}[{i}].name"
            if name in seen:
                out.append(duplicate(where, name))
            seen.add(name)
            out += checked(where, name, rule(name))
    return out


def _endpoint(endpoint: Obj, kind: str, field: str) -> list[FieldError]:
    addresses = endpoint.get("addresses") or []
    where = field + ".addresses"
    out: list[FieldError] = []
    if not addresses:
        out.append(required(where, "must contain at least 1 address"))
    elif len(addresses) > 100:
        out.append(too_many_items(where, len(addresses), 100))
    for i, address in enumerate(addresses):
        out += _address(address, kind, where, f"{where}[{i}]")
    if (node := endpoint.get("nodeName")) is not None:
        out += checked(field + ".nodeName", node, dns1123_subdomain(node))
    topology = endpoint.get("deprecatedTopology") or {}
    if len(topology) > 16:
        out.append(too_many_items(field + ".deprecatedTopology", len(topology), 16))
    out += validate_labels(topology, field + ".deprecatedTopology")
    if (hostname := endpoint.get("hostname")) is not None:
        out += checked(field + ".hostname", hostname, dns1123_label(hostname))
    if (hints := endpoint.get("hints")) is not None:
        out += _hints(hints, field + ".hints")
    return out


def _ports(ports: list[Obj]) -> list[FieldError]:
    if len(ports) > 20000:
        return [too_many_items("ports", len(ports), 20000)]
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, port in enumerate(ports):
        field, name, protocol = f"ports[{i}]", port.get("name") or "", port.get("protocol")
        if name:
            out += checked(field + ".name", name, dns1123_label(name))
        if name in seen:
            out.append(duplicate(field + ".name", name))
        seen.add(name)
        if protocol is None:
            out.append(required(field + ".protocol"))
        elif protocol not in PROTOCOLS:
            out.append(not_supported(field + ".protocol", protocol, PROTOCOLS))
        if (app := port.get("appProtocol")) is not None:
            out += checked(field + ".appProtocol", app, label_key(app))
    return out


class EndpointSliceStrategy(Strategy):
    meta_again = False
    has_generation = True

    def default(self, obj: Obj) -> None:
        for port in obj.get("ports") or []:
            if port.get("name") is None:
                port["name"] = ""
            if port.get("protocol") is None:
                port["protocol"] = "TCP"

    def prepare_create(self, obj: Obj) -> None:
        for endpoint in obj.get("endpoints") or []:
            endpoint.pop("deprecatedTopology", None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        if (new.get("endpoints") or []) == (old.get("endpoints") or []):
            return
        known = {
            host
            for endpoint in old.get("endpoints") or []
            if (host := (endpoint.get("deprecatedTopology") or {}).get("kubernetes.io/hostname"))
        }
        for endpoint in new.get("endpoints") or []:
            host = (endpoint.get("deprecatedTopology") or {}).get("kubernetes.io/hostname")
            if endpoint.get("nodeName") is None and host in known and not dns1123_subdomain(str(host)):
                endpoint["nodeName"] = host
            endpoint.pop("deprecatedTopology", None)

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        def labels(obj: Obj) -> Obj:
            return obj["metadata"].get("labels") or {}

        return labels(new) != labels(old) or super().spec_changed(new, old)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(obj, True)

    def _validate(self, obj: Obj, with_endpoints: bool) -> list[FieldError]:
        kind = obj.get("addressType") or ""
        out: list[FieldError] = []
        if not kind:
            out.append(required("addressType"))
        elif kind not in TYPES:
            out.append(not_supported("addressType", kind, TYPES))
        out += _ports(obj.get("ports") or [])
        if with_endpoints:
            endpoints = obj.get("endpoints") or []
            if len(endpoints) > 1000:
                return [*out, too_many_items("endpoints", len(endpoints), 1000)]
            for i, endpoint in enumerate(endpoints):
                out += _endpoint(endpoint, kind, f"endpoints[{i}]")
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        changed = (new.get("endpoints") or []) != (old.get("endpoints") or [])
        out = as_new(self, new, True) + self._validate(new, changed)
        return out + immutable(new.get("addressType") or "", old.get("addressType") or "", "addressType")

    def warnings_create(self, obj: Obj) -> list[str]:
        out = ["spec.addressType: FQDN endpoints are deprecated"] if obj.get("addressType") == "FQDN" else []
        return out + self.warnings_update(obj, obj)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        labels = new["metadata"].get("labels") or {}
        if labels.get("endpointslice.kubernetes.io/managed-by") in CONTROLLERS:
            return []
        out: list[str] = []
        for i, endpoint in enumerate(new.get("endpoints") or []):
            for j, address in enumerate(endpoint.get("addresses") or []):
                out += ip_warnings(f"endpoints[{i}].addresses[{j}]", address)
        return out
