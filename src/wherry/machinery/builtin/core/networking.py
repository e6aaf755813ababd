"""IngressClasses, NetworkPolicies, IPAddresses and ServiceCIDRs (pkg/apis/networking, pkg/registry/networking)."""

from __future__ import annotations

from typing import ClassVar

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_selector
from wherry.machinery.builtin.common.names import (
    byte_length,
    dns1123_subdomain,
    http_path,
    name_is_dns_label,
    name_is_path_segment,
    port_name,
    port_number,
)
from wherry.machinery.builtin.core.ingresses import typed_reference
from wherry.machinery.builtin.core.shared.fields import (
    IMMUTABLE,
    checked,
    immutable,
    make,
    spec_of,
    too_long_bytes,
)
from wherry.machinery.builtin.core.shared.ip import cidr_warnings, legacy_cidr, parse_cidr, valid_cidr, valid_ip
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.status import ResetStatus, StatusOnly
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj


def domain_path(value: str, field: str) -> list[FieldError]:
    """IsDomainPrefixedPath: `acme.io/foo`."""
    if not value:
        return [required(field)]
    host, _, path = value.partition("/")
    if not host or not path:
        return [invalid(field, value, 'must be a domain-prefixed path (such as "acme.io/foo")')]
    return checked(field, host, dns1123_subdomain(host)) + checked(field, path, http_path(path))


class IngressClassStrategy(Strategy):
    has_generation = True

    def default(self, obj: Obj) -> None:
        parameters = spec_of(obj).get("parameters")
        if parameters is not None and parameters.get("scope") is None:
            parameters["scope"] = "Cluster"

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec = spec_of(obj)
        controller = spec.get("controller") or ""
        out: list[FieldError] = []
        if byte_length(controller) > 250:
            out.append(too_long_bytes("spec.controller", 250))
        out += domain_path(controller, "spec.controller")
        if (parameters := spec.get("parameters")) is not None:
            out += _parameters(parameters, "spec.parameters")
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        now, was = spec_of(new).get("controller") or "", spec_of(old).get("controller") or ""
        return immutable(now, was, "spec.controller") + as_new(self, new, False) + self.validate_create(new)


def _parameters(parameters: Obj, field: str) -> list[FieldError]:
    out = typed_reference(parameters, field)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    where = field + ".namespace"
    if scope is None:
        out.append(required(field + ".scope"))
    elif scope not in ("Cluster", "Namespace"):
        out.append(not_supported(field + ".scope", scope, ["Cluster", "Namespace"]))
    elif scope == "Namespace":
        if namespace is None:
            out.append(required(where, "`parameters.scope` is set to 'Namespace'"))
        else:
            out += checked(where, namespace, name_is_dns_label(namespace))
    elif namespace is not None:
        out.append(forbidden(where, "`parameters.scope` is set to 'Cluster'"))
    return out


# --- network policies ------------------------------------------------------------------------------------------------


def _rules(spec: Obj) -> list[tuple[str, Obj, str]]:
    """(path, rule, name of its peer list) of both directions."""
    out = []
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for i, rule in enumerate(spec.get(direction) or []):
            out.append((f"spec.{direction}[{i}]", rule, peers))
    return out


def _policy_port(port: Obj, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    protocol, number, end = port.get("protocol"), port.get("port"), port.get("endPort")
    if protocol is not None and protocol not in ("TCP", "UDP", "SCTP"):
        out.append(not_supported(field + ".protocol", protocol, ["TCP", "UDP", "SCTP"]))
    if number is None:
        if end is not None:
            out.append(invalid(field + ".endPort", end, "may not be specified when `port` is not specified"))
    elif isinstance(number, int):
        out += [invalid(field + ".port", number, text) for text in port_number(number)]
        if end is not None:
            if end < number:
                out.append(invalid(field + ".endPort", number, "must be greater than or equal to `port`"))
            out += [invalid(field + ".endPort", end, text) for text in port_number(end)]
    else:
        if end is not None:
            out.append(invalid(field + ".endPort", end, "may not be specified when `port` is non-numeric"))
        out += checked(field + ".port", number, port_name(number))
    return out


def _block(block: Obj, known: list[str], field: str) -> list[FieldError]:
    cidr = block.get("cidr") or ""
    if not cidr:
        return [required(field + ".cidr")]
    out = legacy_cidr(field + ".cidr", cidr, known)
    outer = parse_cidr(cidr)
    if outer is None:
        return out
    for i, text in enumerate(block.get("except") or []):
        where = f"{field}.except[{i}]"
        out += legacy_cidr(where, text, known)
        inner = parse_cidr(text)
        if inner is None:
            continue
        same = inner.bits == outer.bits
        inside = same and int(inner.network) >> (outer.bits - outer.prefix) == int(outer.network) >> (
            outer.bits - outer.prefix
        )
        if not inside or outer.prefix >= inner.prefix:
            out.append(invalid(where, text, "must be a strict subset of `cidr`"))
    return out


def _peer(peer: Obj, known: list[str], any_value: bool, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    count = 0
    for key in ("podSelector", "namespaceSelector"):
        if (selector := peer.get(key)) is not None:
            count += 1
            out += validate_label_selector(selector, f"{field}.{key}", allow_invalid_values=any_value)
    block = peer.get("ipBlock")
    if block is not None:
        count += 1
        out += _block(block, known, field + ".ipBlock")
    if count == 0:
        out.append(required(field, "must specify a peer"))
    elif count > 1 and block is not None:
        out.append(forbidden(field, "may not specify both ipBlock and another peer"))
    return out


class NetworkPolicyStrategy(Strategy):
    has_generation = True

    def default(self, obj: Obj) -> None:
        spec = make(obj, "spec")
        for _, rule, _ in _rules(spec):
            for port in rule.get("ports") or []:
                if port.get("protocol") is None:
                    port["protocol"] = "TCP"
        if not spec.get("policyTypes"):
            spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(spec_of(obj), [], False)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        before = spec_of(old)
        known: list[str] = []
        for _, rule, peers in _rules(before):
            for peer in rule.get(peers) or []:
                block = peer.get("ipBlock") or {}
                known += [block.get("cidr") or "", *(block.get("except") or [])]
        return self._validate(spec_of(new), known, bool(validate_label_selector(before.get("podSelector"), "")))

    def _validate(self, spec: Obj, known: list[str], any_value: bool) -> list[FieldError]:
        out = validate_label_selector(spec.get("podSelector"), "spec.podSelector", allow_invalid_values=any_value)
        for field, rule, peers in _rules(spec):
            for i, port in enumerate(rule.get("ports") or []):
                out += _policy_port(port, f"{field}.ports[{i}]")
            for i, peer in enumerate(rule.get(peers) or []):
                out += _peer(peer, known, any_value, f"{field}.{peers}[{i}]")
        types = spec.get("policyTypes") or []
        if len(types) > 2:
            return [*out, invalid("spec.policyTypes", types, "may not specify more than two policyTypes")]
        for i, name in enumerate(types):
            if name not in ("Ingress", "Egress"):
                out.append(not_supported(f"spec.policyTypes[{i}]", name, ["Ingress", "Egress"]))
        return out

    def warnings_create(self, obj: Obj) -> list[str]:
        out: list[str] = []
        for field, rule, peers in _rules(spec_of(obj)):
            for i, peer in enumerate(rule.get(peers) or []):
                block = peer.get("ipBlock")
                if block is None:
                    continue
                where = f"{field}.{peers}[{i}].ipBlock"
                out += cidr_warnings(where + ".cidr", block.get("cidr") or "")
                for j, text in enumerate(block.get("except") or []):
                    out += cidr_warnings(f"{where}.except[{j}]", text)
        return out

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)


# --- addresses of services -------------------------------------------------------------------------------------------


def _ip_name(name: str, prefix: bool = False) -> list[str]:
    """An IPAddress is named by its address; the texts are the details of IsValidIP."""
    return [error.text.split(": ", 2)[2] for error in valid_ip("", name)]


class IPAddressStrategy(Strategy):
    meta_again = False
    validate_name = staticmethod(_ip_name)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        parent = spec_of(obj).get("parentRef")
        field = "spec.parentRef"
        if parent is None:
            return [required(field)]
        out: list[FieldError] = []
        if group := parent.get("group"):
            out += checked(field + ".group", group, dns1123_subdomain(group))
        for key in ("resource", "name"):
            value = parent.get(key) or ""
            if value:
                out += checked(f"{field}.{key}", value, name_is_path_segment(value))
            else:
                out.append(required(f"{field}.{key}"))
        if namespace := parent.get("namespace"):
            out += checked(field + ".namespace", namespace, name_is_path_segment(namespace))
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        now, was = spec_of(new).get("parentRef"), spec_of(old).get("parentRef")
        shown = None
        if now is not None:
            shown = {go: now.get(go.lower(), "") for go in ("Group", "Resource", "Namespace", "Name")}
        out = as_new(self, new, False) + self.validate_create(new) + as_change(self, new, old)
        return out + immutable(now, was, "spec.parentRef", shown)


def _service_cidrs(cidrs: list[str], spec: Obj) -> list[FieldError]:
    field = "spec.cidrs"
    if not cidrs:
        return [required(field, "at least one CIDR required")]
    if len(cidrs) > 2:
        return [invalid(field, {"CIDRs": cidrs}, "may only hold up to 2 values")]
    out: list[FieldError] = []
    for i, cidr in enumerate(cidrs):
        out += valid_cidr(f"{field}[{i}]", cidr)
    blocks = [parse_cidr(cidr) for cidr in cidrs]
    if len(blocks) == 2 and blocks[0] and blocks[1] and blocks[0].bits == blocks[1].bits:
        why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        out.append(invalid(field, cidrs, why))
    return out


class ServiceCIDRStrategy(ResetStatus, StatusOnly, Strategy):
    empty_status: ClassVar[Obj | None] = {}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _service_cidrs(spec_of(obj).get("cidrs") or [], spec_of(obj))

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        now, was = spec_of(new).get("cidrs") or [], spec_of(old).get("cidrs") or []
        if len(now) == len(was):
            pairs = enumerate(zip(now, was, strict=True))
            return [invalid(f"spec.cidrs[{i}]", a, IMMUTABLE) for i, (a, b) in pairs if a != b]
        if len(was) == 1 and len(now) == 2:
            out = [invalid("spec.cidrs[0]", now[0], IMMUTABLE)] if now[0] != was[0] else []
            return out + _service_cidrs(now, spec_of(new))
        return [invalid("spec.cidrs", spec_of(new).get("cidrs"), IMMUTABLE)]
