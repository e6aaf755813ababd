"""Ingresses: rules, backends, TLS and the addresses in the status (pkg/apis/networking/validation)."""

from __future__ import annotations

from wherry.errors import FieldError, invalid, not_supported, required
from wherry.machinery.builtin.common.names import (
    dns1123_subdomain,
    name_is_dns_label,
    name_is_path_segment,
    port_name,
    port_number,
    wildcard_subdomain,
)
from wherry.machinery.builtin.core.service_validation import balancer_hostname
from wherry.machinery.builtin.core.services import load_balancer_warnings
from wherry.machinery.builtin.core.shared.fields import checked, spec_of
from wherry.machinery.builtin.core.shared.ip import legacy_ip, parse_sloppy
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

CLASS = "kubernetes.io/ingress.class"
BAD_SEQUENCES = ("//", "/./", "/../", "%2f", "%2F")
BAD_SUFFIXES = ("/..", "/.")


def typed_reference(reference: Obj, field: str) -> list[FieldError]:
    """apiGroup, kind and name of an object elsewhere (validateIngressTypedLocalObjectReference)."""
    group = reference.get("apiGroup")
    out = checked(field + ".apiGroup", group, dns1123_subdomain(group)) if group is not None else []
    for key in ("kind", "name"):
        value = reference.get(key) or ""
        if not value:
            out.append(required(f"{field}.{key}"))
        else:
            out += checked(f"{field}.{key}", value, name_is_path_segment(value))
    return out


def backend(value: Obj, field: str) -> list[FieldError]:
    resource, service = value.get("resource"), value.get("service")
    if resource is not None and service is not None:
        return [invalid(field, "", "cannot set both resource and service backends")]
    if resource is not None:
        return typed_reference(resource, field + ".resource")
    if service is None:
        return [invalid(field, "", "resource or service backend is required")]
    name = service.get("name") or ""
    out = checked(field + ".service.name", name, name_is_dns_label(name))
    if not name:
        out = [required(field + ".service.name")]
    port = service.get("port") or {}
    label, number = port.get("name") or "", port.get("number") or 0
    if label and number:
        out.append(invalid(field, "", "cannot set both port name & port number"))
    elif label:
        out += checked(field + ".service.port.name", label, port_name(label))
    elif number:
        out += [invalid(field + ".service.port.number", number, text) for text in port_number(number)]
    else:
        out.append(required(field, "port name or number is required"))
    return out


def _path(value: Obj, field: str) -> list[FieldError]:
    kind, path = value.get("pathType"), value.get("path") or ""
    where = field + ".path"
    if kind is None:
        return [required(field + ".pathType", "pathType must be specified")]
    out: list[FieldError] = []
    if kind in ("Exact", "Prefix"):
        if not path.startswith("/"):
            out.append(invalid(where, path, "must be an absolute path"))
        out += [invalid(where, path, f"must not contain '{bad}'") for bad in BAD_SEQUENCES if bad in path]
        out += [invalid(where, path, f"cannot end with '{bad}'") for bad in BAD_SUFFIXES if path.endswith(bad)]
    elif kind == "ImplementationSpecific":
        if path and not path.startswith("/"):
            out.append(invalid(where, path, "must be an absolute path"))
    else:
        out.append(not_supported(field + ".pathType", kind, ["Exact", "ImplementationSpecific", "Prefix"]))
    return out + backend(value.get("backend") or {}, field + ".backend")


def _rule_value(rule: Obj, field: str) -> list[FieldError]:
    http = rule.get("http")
    if http is None:
        return []
    paths = http.get("paths") or []
    if not paths:
        return [required(field + ".http.paths")]
    out: list[FieldError] = []
    for i, path in enumerate(paths):
        out += _path(path, f"{field}.http.paths[{i}]")
    return out


def _rules(rules: list[Obj], any_wildcard: bool) -> list[FieldError]:
    out: list[FieldError] = []
    for i, rule in enumerate(rules):
        field, host = f"spec.rules[{i}]", rule.get("host") or ""
        if host:
            if parse_sloppy(host) is not None:
                out.append(invalid(field + ".host", host, "must be a DNS name, not an IP address"))
            out += checked(field + ".host", host, _host_texts(host))
        if "*" not in host or not any_wildcard:
            out += _rule_value(rule, field)
    return out


def _host_texts(host: str) -> list[str]:
    return wildcard_subdomain(host) if "*" in host else dns1123_subdomain(host)


def _secret_texts(item: Obj) -> list[str]:
    name = item.get("secretName") or ""
    return dns1123_subdomain(name) if name else []


def _tls(spec: Obj, any_secret: bool) -> list[FieldError]:
    out: list[FieldError] = []
    for i, item in enumerate(spec.get("tls") or []):
        for j, host in enumerate(item.get("hosts") or []):
            out += checked(f"spec.tls[{i}].hosts[{j}]", host, _host_texts(host))
        if not any_secret:
            out += checked(f"spec.tls[{i}].secretName", item.get("secretName") or "", _secret_texts(item))
    return out


def validate_spec(spec: Obj, *, any_secret: bool = False, any_wildcard: bool = False) -> list[FieldError]:
    rules, default = spec.get("rules") or [], spec.get("defaultBackend")
    out: list[FieldError] = []
    if not rules and default is None:
        shown: list[Obj] | None = [] if spec.get("rules") is not None else None
        out.append(invalid("spec", shown, "either `defaultBackend` or `rules` must be specified"))
    if default is not None:
        out += backend(default, "spec.defaultBackend")
    out += _rules(rules, any_wildcard)
    out += _tls(spec, any_secret)
    if (name := spec.get("ingressClassName")) is not None:
        out += checked("spec.ingressClassName", name, dns1123_subdomain(name))
    return out


class IngressStrategy(Strategy):
    has_generation = True

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"loadBalancer": {}}

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["status"] = old.get("status") or {"loadBalancer": {}}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        out = validate_spec(spec_of(obj))
        given = (obj["metadata"].get("annotations") or {}).get(CLASS)
        name = spec_of(obj).get("ingressClassName")
        if given is not None and name is not None and given != name:
            why = "must match `ingressClassName` when both are specified"
            out.append(invalid(f"annotations.{CLASS}", given, why))
        return out

    def canonicalize(self, obj: Obj) -> None:
        spec = spec_of(obj)
        if not spec.get("rules", True):  # an empty list was told from none for the sake of one refusal
            del spec["rules"]

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        before = spec_of(old)
        any_secret = any(_secret_texts(item) for item in before.get("tls") or [])
        wild = [rule for rule in before.get("rules") or [] if "*" in (rule.get("host") or "")]
        any_wildcard = any(_rule_value(rule, "") for rule in wild)
        out = as_new(self, new, True)
        return out + validate_spec(spec_of(new), any_secret=any_secret, any_wildcard=any_wildcard)

    def warnings_create(self, obj: Obj) -> list[str]:
        annotated = CLASS in (obj["metadata"].get("annotations") or {})
        if annotated and spec_of(obj).get("ingressClassName") is None:
            return [f"annotation \"{CLASS}\" is deprecated, please use 'spec.ingressClassName' instead"]
        return []

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        def ingress(obj: Obj) -> list[Obj]:
            return ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []

        known = [item["ip"] for item in ingress(old) if item.get("ip")]
        out: list[FieldError] = []
        for i, item in enumerate(ingress(new)):
            field = f"status.loadBalancer.ingress[{i}]"
            if item.get("ip"):
                out += legacy_ip(field + ".ip", item["ip"], known)
            out += balancer_hostname(item, field)
        return out

    def warnings_status_update(self, new: Obj, old: Obj) -> list[str]:
        return load_balancer_warnings(new)
