"""Endpoints: addresses and ports behind a service (ValidateEndpoints; deprecated, and still created by hand)."""

from __future__ import annotations

import ipaddress

from wherry.errors import FieldError, invalid, not_supported, required
from wherry.machinery.builtin.common.names import (
    dns1123_label,
    label_key,
    name_is_dns_subdomain,
    port_number,
)
from wherry.machinery.builtin.core.shared.fields import checked
from wherry.machinery.builtin.core.shared.ip import ip_warnings, legacy_ip, parse_sloppy
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

PROTOCOLS = ("SCTP", "TCP", "UDP")


def endpoint_ip(address: str, field: str) -> list[FieldError]:
    """ValidateEndpointIP: no unspecified, loopback or link-local address may stand behind a service."""
    ip = parse_sloppy(address)
    if ip is None:
        return [invalid(field, address, "must be a valid IP address")]
    out: list[FieldError] = []
    if ip.is_unspecified:
        out.append(invalid(field, address, f"may not be unspecified ({address})"))
    if ip.is_loopback:
        out.append(invalid(field, address, "may not be in the loopback range (127.0.0.0/8, ::1/128)"))
    if ip.is_link_local:
        out.append(invalid(field, address, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"))
    if _link_local_multicast(ip):
        why = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"
        out.append(invalid(field, address, why))
    return out


def _link_local_multicast(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip.packed[:3] == b"\xe0\x00\x00"
    return ip.packed[0] == 0xFF and ip.packed[1] & 0x0F == 0x02


def _address(address: Obj, field: str) -> list[FieldError]:
    ip = address.get("ip", "")
    out = legacy_ip(field + ".ip", ip)
    if hostname := address.get("hostname"):
        out += checked(field + ".hostname", hostname, dns1123_label(hostname))
    if (node := address.get("nodeName")) is not None:
        out += checked(field + ".nodeName", node, name_is_dns_subdomain(node))
    return out + endpoint_ip(ip, field + ".ip")


def _port(port: Obj, need_name: bool, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    name, number = port.get("name", ""), port.get("port") or 0
    if name:
        out += checked(field + ".name", name, dns1123_label(name))
    elif need_name:
        out.append(required(field + ".name"))
    out += [invalid(field + ".port", number, text) for text in port_number(number)]
    protocol = port.get("protocol", "")
    if not protocol:
        out.append(required(field + ".protocol"))
    elif protocol not in PROTOCOLS:
        out.append(not_supported(field + ".protocol", protocol, PROTOCOLS))
    if (app := port.get("appProtocol")) is not None:
        out += checked(field + ".appProtocol", app, label_key(app))
    return out


def _subset(subset: Obj, field: str) -> list[FieldError]:
    ready, unready = subset.get("addresses") or [], subset.get("notReadyAddresses") or []
    ports = subset.get("ports") or []
    out: list[FieldError] = []
    if not ready and not unready:
        out.append(required(field, "must specify `addresses` or `notReadyAddresses`"))
    for key, addresses in (("addresses", ready), ("notReadyAddresses", unready)):
        for i, address in enumerate(addresses):
            out += _address(address, f"{field}.{key}[{i}]")
    for i, port in enumerate(ports):
        out += _port(port, len(ports) > 1, f"{field}.ports[{i}]")
    return out


class EndpointsStrategy(Strategy):
    create_on_update = True

    def default(self, obj: Obj) -> None:
        for subset in obj.get("subsets") or []:
            for port in subset.get("ports") or []:
                if not port.get("protocol"):
                    port["protocol"] = "TCP"

    def validate_create(self, obj: Obj) -> list[FieldError]:
        out: list[FieldError] = []
        for i, subset in enumerate(obj.get("subsets") or []):
            out += _subset(subset, f"subsets[{i}]")
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, True)
        same = (new.get("subsets") or []) == (old.get("subsets") or [])
        return out if same else out + self.validate_create(new)

    def warnings_create(self, obj: Obj) -> list[str]:
        labels = obj["metadata"].get("labels") or {}
        if labels.get("endpoints.kubernetes.io/managed-by") == "endpoint-controller":
            return []
        out: list[str] = []
        for i, subset in enumerate(obj.get("subsets") or []):
            for key in ("addresses", "notReadyAddresses"):
                for j, address in enumerate(subset.get(key) or []):
                    out += ip_warnings(f"subsets[{i}].{key}[{j}].ip", address.get("ip", ""))
        return out

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)
