"""What a Service must satisfy (validateService, ValidateServiceUpdate and ValidateLoadBalancerStatus)."""

from __future__ import annotations

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_labels
from wherry.machinery.builtin.common.names import (
    dns1123_label,
    dns1123_subdomain,
    label_key,
    port_name,
    port_number,
)
from wherry.machinery.builtin.core.endpoints import PROTOCOLS, endpoint_ip
from wherry.machinery.builtin.core.services import (
    CLUSTER_IP,
    EXTERNAL_NAME,
    LOAD_BALANCER,
    NODE_PORT,
    externally_accessible,
    needs_health_check,
)
from wherry.machinery.builtin.core.shared.fields import checked, spec_of
from wherry.machinery.builtin.core.shared.ip import is_v4, is_v6, legacy_cidr, legacy_ip, parse_sloppy
from wherry.machinery.kinds import Obj

HINTS, MODE = "service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"
SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
ONLY_BALANCER = "may only be used when `type` is 'LoadBalancer'"
ONCE_SET = "may not change once set"
FAMILIES = ("IPv4", "IPv6")
POLICIES = ("PreferDualStack", "RequireDualStack", "SingleStack")


def headless(spec: Obj) -> bool:
    return list(spec.get("clusterIPs") or []) == ["None"]


def validate_service(obj: Obj, old: Obj | None) -> list[FieldError]:
    spec = spec_of(obj)
    before = spec_of(old) if old else {}
    annotations = obj["metadata"].get("annotations") or {}
    out = _topology(annotations)
    if not spec.get("ports") and not headless(spec) and spec.get("type") != EXTERNAL_NAME:
        out.append(required("spec.ports"))
    out += _by_type(spec)
    out += _ports(spec)
    if spec.get("selector"):
        out += validate_labels(spec["selector"], "spec.selector")
    out += _affinity(spec)
    out += cluster_ips(spec, before.get("clusterIPs") or [])
    for i, ip in enumerate(spec.get("externalIPs") or []):
        where = f"spec.externalIPs[{i}]"
        out += legacy_ip(where, ip, before.get("externalIPs") or []) or endpoint_ip(ip, where)
    out += _type(spec)
    out += _node_ports(spec)
    out += _duplicate_ports(spec)
    out += _source_ranges(spec, annotations, old)
    out += _balancer_fields(spec)
    out += _external_traffic(spec)
    out += _internal_traffic(spec)
    distribution = spec.get("trafficDistribution")
    known = ["PreferClose", "PreferSameZone", "PreferSameNode"]
    if distribution is not None and distribution not in known:
        out.append(not_supported("spec.trafficDistribution", distribution, known))
    return out


def _topology(annotations: Obj) -> list[FieldError]:
    if MODE in annotations and HINTS in annotations and annotations[MODE] != annotations[HINTS]:
        why = f"must match annotations[{HINTS}] when both are specified"
        return [invalid(f"metadata.annotations[{MODE}]", annotations[MODE], why)]
    return []


def _by_type(spec: Obj) -> list[FieldError]:
    kind = spec.get("type")
    if kind in (LOAD_BALANCER, NODE_PORT):
        if headless(spec):
            return [invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")]
        return []
    if kind != EXTERNAL_NAME:
        return []
    why = "may not be set for ExternalName services"
    out = [forbidden(f"spec.{key}", why) for key in ("clusterIPs", "ipFamilies") if spec.get(key)]
    if spec.get("ipFamilyPolicy") is not None:
        out.append(forbidden("spec.ipFamilyPolicy", why))
    name = (spec.get("externalName") or "").removesuffix(".")
    if name:
        return out + checked("spec.externalName", name, dns1123_subdomain(name))
    return [*out, required("spec.externalName")]


def port_number_or_name(value: int | str, field: str) -> list[FieldError]:
    texts = port_number(value) if isinstance(value, int) else port_name(value)
    return [invalid(field, value, text) for text in texts]


def _ports(spec: Obj) -> list[FieldError]:
    ports = spec.get("ports") or []
    seen: set[str] = set()
    out: list[FieldError] = []
    for i, port in enumerate(ports):
        out += _port(port, len(ports) > 1, seen, f"spec.ports[{i}]")
    return out


def _port(port: Obj, need_name: bool, seen: set[str], field: str) -> list[FieldError]:
    out: list[FieldError] = []
    name, number, protocol = port.get("name") or "", port.get("port") or 0, port.get("protocol") or ""
    if name:
        out += checked(field + ".name", name, dns1123_label(name))
        if name in seen:
            out.append(duplicate(field + ".name", name))
        seen.add(name)
    elif need_name:
        out.append(required(field + ".name"))
    out += [invalid(field + ".port", number, text) for text in port_number(number)]
    if not protocol:
        out.append(required(field + ".protocol"))
    elif protocol not in PROTOCOLS:
        out.append(not_supported(field + ".protocol", protocol, PROTOCOLS))
    target = port.get("targetPort")
    out += port_number_or_name(0 if target is None else target, field + ".targetPort")
    if (app := port.get("appProtocol")) is not None:
        out += checked(field + ".appProtocol", app, label_key(app))
    return out


def _affinity(spec: Obj) -> list[FieldError]:
    affinity, config = spec.get("sessionAffinity") or "", spec.get("sessionAffinityConfig")
    where, out = "spec.sessionAffinityConfig", []
    if not affinity:
        out.append(required("spec.sessionAffinity"))
    elif affinity not in ("ClientIP", "None"):
        out.append(not_supported("spec.sessionAffinity", affinity, ["ClientIP", "None"]))
    if affinity == "None" and config is not None:
        out.append(forbidden(where, "must not be set when session affinity is None"))
    if affinity == "ClientIP":
        why = "when session affinity type is ClientIP"
        client = (config or {}).get("clientIP")
        if config is None:
            out.append(required(where, why))
        elif client is None:
            out.append(required(where + ".clientIP", why))
        elif (timeout := client.get("timeoutSeconds")) is None:
            out.append(required(where + ".clientIP.timeoutSeconds", why))
        elif not 0 < timeout <= 86400:
            text = "must be greater than 0 and less than 86400"
            out.append(invalid(where + ".clientIP.timeoutSeconds", timeout, text))
    return out


def cluster_ips(spec: Obj, known: list[str]) -> list[FieldError]:
    """ValidateServiceClusterIPsRelatedFields; also called while addresses are handed out."""
    if spec.get("type") == EXTERNAL_NAME:
        return []
    ips = spec.get("clusterIPs") or []
    out = _first_ip(spec, ips) + _families(spec)
    bad = False
    for i, ip in enumerate(ips):
        if i == 0 and ip == "None":
            if len(ips) > 1:
                bad = True
                out.append(invalid("spec.clusterIPs", ips, "'None' must be the first and only value"))
            continue
        problems = legacy_ip(f"spec.clusterIPs[{i}]", ip, known)
        bad = bad or bool(problems)
        out += problems
    if len(ips) > 2:
        out.append(invalid("spec.clusterIPs", ips, "may only hold up to 2 values"))
    return out if bad else out + _stacks(spec, ips)


def _first_ip(spec: Obj, ips: list[str]) -> list[FieldError]:
    first = spec.get("clusterIP") or ""
    if first:
        if not ips:
            return [required("spec.clusterIPs")]
        if ips[0] != first:
            return [invalid("spec.clusterIPs", ips, "first value must match `clusterIP`")]
    elif ips:
        return [invalid("spec.clusterIPs", ips, "must be empty when `clusterIP` is not specified")]
    return []


def _families(spec: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, family in enumerate(spec.get("ipFamilies") or []):
        if family not in FAMILIES:
            out.append(not_supported(f"spec.ipFamilies[{i}]", family, FAMILIES))
        if family in seen:
            out.append(duplicate(f"spec.ipFamilies[{i}]", family))
        seen.add(family)
    policy = spec.get("ipFamilyPolicy")
    if policy is not None and policy not in POLICIES:
        out.append(not_supported("spec.ipFamilyPolicy", policy, POLICIES))
    return out


def _stacks(spec: Obj, ips: list[str]) -> list[FieldError]:
    out: list[FieldError] = []
    if len(ips) > 1 and not (any(is_v4(ip) for ip in ips) and any(is_v6(ip) for ip in ips)):
        why = "may specify no more than one IP for each IP family"
        out.append(invalid("spec.clusterIPs", ips, why))
    if headless(spec):
        return out
    for i, (ip, family) in enumerate(zip(ips, spec.get("ipFamilies") or [], strict=False)):
        if (family == "IPv4" and is_v6(ip)) or (family == "IPv6" and not is_v6(ip)):
            why = f"expected an {family} value as indicated by `ipFamilies[{i}]`"
            out.append(invalid(f"spec.clusterIPs[{i}]", ip, why))
    return out


def _type(spec: Obj) -> list[FieldError]:
    kind = spec.get("type") or ""
    known = [CLUSTER_IP, EXTERNAL_NAME, LOAD_BALANCER, NODE_PORT]
    if not kind:
        return [required("spec.type")]
    if kind not in known:
        return [not_supported("spec.type", kind, known)]
    if kind != CLUSTER_IP:
        return []
    why = "may not be used when `type` is 'ClusterIP'"
    ports = enumerate(spec.get("ports") or [])
    return [forbidden(f"spec.ports[{i}].nodePort", why) for i, port in ports if port.get("nodePort")]


def _node_ports(spec: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[tuple[str, int]] = set()
    for i, port in enumerate(spec.get("ports") or []):
        if number := port.get("nodePort"):
            key = (port.get("protocol", ""), number)
            if key in seen:
                out.append(duplicate(f"spec.ports[{i}].nodePort", number))
            seen.add(key)
    return out


def _duplicate_ports(spec: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[tuple[str, int]] = set()
    for i, port in enumerate(spec.get("ports") or []):
        key = (port.get("protocol", ""), port.get("port") or 0)
        if key in seen:
            # printed as the real server prints its internal struct
            shown = {
                "Name": "",
                "Protocol": key[0],
                "AppProtocol": None,
                "Port": key[1],
                "TargetPort": 0,
                "NodePort": 0,
            }
            out.append(duplicate(f"spec.ports[{i}]", shown))
        seen.add(key)
    return out


def _source_ranges(spec: Obj, annotations: Obj, old: Obj | None) -> list[FieldError]:
    ranges = spec.get("loadBalancerSourceRanges") or []
    balancer = spec.get("type") == LOAD_BALANCER
    out: list[FieldError] = []
    if ranges:
        field = "spec.LoadBalancerSourceRanges"
        if not balancer:
            out.append(forbidden(field, ONLY_BALANCER))
        known = [value.strip() for value in spec_of(old).get("loadBalancerSourceRanges") or []] if old else []
        for i, value in enumerate(ranges):
            out += legacy_cidr(f"{field}[{i}]", value.strip(), known)
    elif SOURCE_RANGES in annotations:
        field = f"metadata.annotations[{SOURCE_RANGES}]"
        if not balancer:
            out.append(forbidden(field, ONLY_BALANCER))
        value = annotations[SOURCE_RANGES]
        before = (old["metadata"].get("annotations") or {}) if old else {}
        if before.get(SOURCE_RANGES) != value and value.strip():
            for block in value.strip().split(","):
                out += legacy_cidr(field, block.strip())
    return out


def _balancer_fields(spec: Obj) -> list[FieldError]:
    out: list[FieldError] = []
    allocate = spec.get("allocateLoadBalancerNodePorts")
    balancer = spec.get("type") == LOAD_BALANCER
    if allocate is not None and not balancer:
        out.append(forbidden("spec.allocateLoadBalancerNodePorts", ONLY_BALANCER))
    if balancer and allocate is None:
        out.append(required("allocateLoadBalancerNodePorts"))
    return out + _balancer_class(spec)


def _balancer_class(spec: Obj) -> list[FieldError]:
    name = spec.get("loadBalancerClass")
    if name is None:
        return []
    if spec.get("type") == LOAD_BALANCER:
        return checked("spec.loadBalancerClass", name, label_key(name))
    return [forbidden("spec.loadBalancerClass", ONLY_BALANCER)]


def _external_traffic(spec: Obj) -> list[FieldError]:
    policy, port = spec.get("externalTrafficPolicy") or "", spec.get("healthCheckNodePort") or 0
    field, out = "spec.externalTrafficPolicy", []
    if not externally_accessible(spec):
        if policy:
            out.append(invalid(field, policy, "may only be set for externally-accessible services"))
    elif not policy:
        out.append(required(field))
    elif policy not in ("Cluster", "Local"):
        out.append(not_supported(field, policy, ["Cluster", "Local"]))
    field = "spec.healthCheckNodePort"
    if needs_health_check(spec):
        if not port:
            out.append(required(field))
        else:
            out += [invalid(field, port, text) for text in port_number(port)]
    elif port:
        why = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"
        out.append(invalid(field, port, why))
    return out


def _internal_traffic(spec: Obj) -> list[FieldError]:
    policy = spec.get("internalTrafficPolicy")
    field = "spec.internalTrafficPolicy"
    if policy is None:
        return [required(field)] if spec.get("type") in (NODE_PORT, LOAD_BALANCER, CLUSTER_IP) else []
    return [] if policy in ("Cluster", "Local") else [not_supported(field, policy, ["Cluster", "Local"])]


# --- changes ---------------------------------------------------------------------------------------------------------


def validate_change(new: Obj, old: Obj) -> list[FieldError]:
    spec, before = spec_of(new), spec_of(old)
    out: list[FieldError] = []
    if EXTERNAL_NAME not in (spec.get("type"), before.get("type")):
        out += _cluster_ip_change(spec, before) + _family_change(spec, before)
    if spec.get("type") == before.get("type") == LOAD_BALANCER:
        name = spec.get("loadBalancerClass")
        if name != before.get("loadBalancerClass"):
            out.append(invalid("spec.loadBalancerClass", name, ONCE_SET))
    out += _balancer_class(spec)
    same = (spec.get("healthCheckNodePort") or 0) == (before.get("healthCheckNodePort") or 0)
    if needs_health_check(before) and needs_health_check(spec) and not same:
        out.append(forbidden("spec.healthCheckNodePort", "field is immutable"))
    return out + validate_service(new, old)


def _not_single(spec: Obj, what: str) -> list[FieldError]:
    policy = spec.get("ipFamilyPolicy")
    if policy == "SingleStack":
        return []
    return [invalid("spec.ipFamilyPolicy", policy, f"must be set to 'SingleStack' when releasing the secondary {what}")]


def _cluster_ip_change(spec: Obj, before: Obj) -> list[FieldError]:
    if headless(spec) and headless(before):
        return []
    now, was = spec.get("clusterIPs") or [], before.get("clusterIPs") or []
    shown = now if "clusterIPs" in spec else None
    if len(was) == len(now):
        pairs = enumerate(zip(now, was, strict=True))
        return [invalid(f"spec.clusterIPs[{i}]", shown, ONCE_SET) for i, (a, b) in pairs if a != b]
    out: list[FieldError] = []
    if len(was) > len(now):
        if not now:
            out.append(invalid("spec.clusterIPs[0]", shown, "primary clusterIP can not be unset"))
        elif now[0] != was[0]:
            out.append(invalid("spec.clusterIPs[0]", shown, ONCE_SET))
        if len(now) == 1:
            out += _not_single(spec, "clusterIP")
    elif was and now[0] != was[0]:
        out.append(invalid("spec.clusterIPs[0]", shown, ONCE_SET))
    return out


def _family_change(spec: Obj, before: Obj) -> list[FieldError]:
    if headless(spec) or headless(before):
        return []
    now, was = spec.get("ipFamilies") or [], before.get("ipFamilies") or []
    ips = spec.get("clusterIPs")
    shown = now if "ipFamilies" in spec else None
    field = "spec.ipFamilies[0]"
    if len(was) == len(now):
        return [invalid(field, shown, ONCE_SET) for a, b in zip(now, was, strict=True) if a != b]
    out: list[FieldError] = []
    if len(was) > len(now):
        if not ips:
            out.append(invalid(field, shown, "primary ipFamily can not be unset"))
        if now and now[0] != was[0]:
            out.append(invalid(field, ips, ONCE_SET))  # upstream prints the addresses here
        if len(now) == 1:
            out += _not_single(spec, "ipFamily")
    elif was and now and now[0] != was[0]:
        out.append(invalid(field, ips, ONCE_SET))
    return out


# --- status ----------------------------------------------------------------------------------------------------------


def balancer_status(status: Obj | None, old: Obj | None, spec: Obj) -> list[FieldError]:
    """ValidateLoadBalancerStatus."""
    field = "status.loadBalancer.ingress"
    ingress = (status or {}).get("ingress") or []
    if spec.get("type") != LOAD_BALANCER and ingress:
        return [forbidden(field, "may only be used when `spec.type` is 'LoadBalancer'")]
    known = [item["ip"] for item in (old or {}).get("ingress") or [] if item.get("ip")]
    out: list[FieldError] = []
    for i, item in enumerate(ingress):
        out += _balancer_ingress(item, known, f"{field}[{i}]")
    return out


def _balancer_ingress(item: Obj, known: list[str], field: str) -> list[FieldError]:
    ip, mode = item.get("ip") or "", item.get("ipMode")
    out = legacy_ip(field + ".ip", ip, known) if ip else []
    if mode is None:
        if ip:
            out.append(required(field + ".ipMode", "must be specified when `ip` is set"))
    elif not ip:
        out.append(forbidden(field + ".ipMode", "may not be specified when `ip` is not set"))
    elif mode not in ("Proxy", "VIP"):
        out.append(not_supported(field + ".ipMode", mode, ["Proxy", "VIP"]))
    return out + balancer_hostname(item, field)


def balancer_hostname(item: Obj, field: str) -> list[FieldError]:
    name = item.get("hostname") or ""
    if not name:
        return []
    out = checked(field + ".hostname", name, dns1123_subdomain(name))
    if parse_sloppy(name) is not None:
        out.append(invalid(field + ".hostname", name, "must be a DNS name, not an IP address"))
    return out
