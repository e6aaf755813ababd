"""Services: defaults, what a change of type drops, warnings. Validation is in `service_validation`, addresses and
ports are handed out in `service_addresses`.

Follows pkg/apis/core/v1/defaults.go, pkg/registry/core/service and pkg/api/service/warnings.go.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError
from wherry.machinery.builtin.common.names import name_is_dns_label
from wherry.machinery.builtin.core.shared.fields import make, spec_of
from wherry.machinery.builtin.core.shared.ip import cidr_warnings, ip_warnings
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

CLUSTER_IP, NODE_PORT, LOAD_BALANCER, EXTERNAL_NAME = "ClusterIP", "NodePort", "LoadBalancer", "ExternalName"
AFFINITY_SECONDS = 10800


def externally_accessible(spec: Obj) -> bool:
    kind = spec.get("type")
    return kind in (LOAD_BALANCER, NODE_PORT) or (kind == CLUSTER_IP and bool(spec.get("externalIPs")))


def needs_health_check(spec: Obj) -> bool:
    return spec.get("type") == LOAD_BALANCER and spec.get("externalTrafficPolicy") == "Local"


def _set(spec: Obj, key: str, value: Any) -> None:
    if not spec.get(key):
        spec[key] = value


def _default_affinity(spec: Obj) -> None:
    _set(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        client = (spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}
        if client.get("timeoutSeconds") is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": AFFINITY_SECONDS}}


def _default_ports(spec: Obj) -> None:
    for port in spec.get("ports") or []:
        _set(port, "protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port") or 0


def _default_balancer(obj: Obj, spec: Obj) -> None:
    if spec.get("allocateLoadBalancerNodePorts") is None:
        spec["allocateLoadBalancerNodePorts"] = True
    for ingress in ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []:
        if ingress.get("ip") and ingress.get("ipMode") is None:
            ingress["ipMode"] = "VIP"


def _default(obj: Obj) -> None:
    spec = make(obj, "spec")
    _default_affinity(spec)
    _set(spec, "type", CLUSTER_IP)
    _default_ports(spec)
    if externally_accessible(spec):
        _set(spec, "externalTrafficPolicy", "Cluster")
    if spec.get("internalTrafficPolicy") is None and spec["type"] in (CLUSTER_IP, NODE_PORT, LOAD_BALANCER):
        spec["internalTrafficPolicy"] = "Cluster"
    if spec["type"] == LOAD_BALANCER:
        _default_balancer(obj, spec)


def _same(new: Obj, old: Obj, *keys: str) -> bool:
    return all((new.get(key) or None) == (old.get(key) or None) for key in keys)


def _drop(spec: Obj, *keys: str) -> None:
    for key in keys:
        spec.pop(key, None)


def _node_ports(spec: Obj) -> set[int]:
    return {port["nodePort"] for port in spec.get("ports") or [] if port.get("nodePort")}


def drop_type_dependent(new: Obj, old: Obj) -> None:
    """Fields that only the old type had, when the client did not touch them (dropTypeDependentFields)."""
    spec, before = make(new, "spec"), spec_of(old)
    kind, was = spec.get("type"), before.get("type")
    if was != EXTERNAL_NAME and kind == EXTERNAL_NAME:
        if _same(spec, before, "clusterIP", "clusterIPs"):
            _drop(spec, "clusterIP", "clusterIPs")
        for key in ("ipFamilies", "ipFamilyPolicy"):
            if _same(spec, before, key):
                _drop(spec, key)
    ported = (NODE_PORT, LOAD_BALANCER)
    if was in ported and kind not in ported and _node_ports(before) >= _node_ports(spec):
        for port in spec.get("ports") or []:
            port.pop("nodePort", None)
    if needs_health_check(before) and not needs_health_check(spec) and _same(spec, before, "healthCheckNodePort"):
        _drop(spec, "healthCheckNodePort")
    if was == LOAD_BALANCER and kind != LOAD_BALANCER:
        mine, theirs = spec.get("allocateLoadBalancerNodePorts"), before.get("allocateLoadBalancerNodePorts")
        if mine is not None and mine == theirs:
            _drop(spec, "allocateLoadBalancerNodePorts")
        if spec.get("loadBalancerClass") == before.get("loadBalancerClass"):
            _drop(spec, "loadBalancerClass")
    if (
        externally_accessible(before)
        and not externally_accessible(spec)
        and _same(spec, before, "externalTrafficPolicy")
    ):
        _drop(spec, "externalTrafficPolicy")
    if kind != LOAD_BALANCER:
        make(new, "status")["loadBalancer"] = {}


def _headless(spec: Obj) -> bool:
    return spec.get("type") == CLUSTER_IP and spec.get("clusterIP") == "None"


def _headless_warnings(spec: Obj) -> list[str]:
    out = []
    if spec.get("loadBalancerIP"):
        out.append("spec.loadBalancerIP is ignored for headless services")
    if spec.get("externalIPs"):
        out.append("spec.externalIPs is ignored for headless services")
    if spec.get("sessionAffinity") != "None":
        out.append("spec.SessionAffinity is ignored for headless services")
    return out


def _ip_warnings(spec: Obj) -> list[str]:
    out: list[str] = []
    external = spec.get("externalIPs") or []
    for i, ip in enumerate(external):
        out += ip_warnings(f"spec.externalIPs[{i}]", ip)
    if external and not _headless(spec) and spec.get("type") != EXTERNAL_NAME:
        out.append("spec.externalIPs is deprecated and may no longer be implemented in some clusters")
    if ip := spec.get("loadBalancerIP"):
        out += ip_warnings("spec.loadBalancerIP", ip)
    for i, block in enumerate(spec.get("loadBalancerSourceRanges") or []):
        out += cidr_warnings(f"spec.loadBalancerSourceRanges[{i}]", block)
    return out


class ServiceStrategy(Strategy):
    create_on_update = True
    takes_along = "endpoints"
    validate_name = staticmethod(name_is_dns_label)  # RelaxedServiceNameValidation, on since 1.36

    def default(self, obj: Obj) -> None:
        _default(obj)

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"loadBalancer": {}}

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["status"] = dict(old.get("status") or {"loadBalancer": {}})
        drop_type_dependent(new, old)

    def canonicalize(self, obj: Obj) -> None:
        """An ExternalName service has no such policy, whatever was asked (defaultOnReadInternalTrafficPolicy)."""
        spec = spec_of(obj)
        if spec.get("type") == EXTERNAL_NAME:
            spec.pop("internalTrafficPolicy", None)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.core.service_validation import validate_service

        return validate_service(obj, None)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.core.service_validation import validate_change

        return validate_change(new, old)

    def warnings_create(self, obj: Obj) -> list[str]:
        spec = spec_of(obj)
        annotations = obj["metadata"].get("annotations") or {}
        out: list[str] = []
        if "service.kubernetes.io/topology-aware-hints" in annotations:
            out.append(
                "annotation service.kubernetes.io/topology-aware-hints is deprecated, "
                "please use service.kubernetes.io/topology-mode instead"
            )
        if spec.get("clusterIP") not in (None, "", "None"):
            for i, ip in enumerate(spec.get("clusterIPs") or []):
                out += ip_warnings(f"spec.clusterIPs[{i}]", ip)
        if _headless(spec):
            out += _headless_warnings(spec)
        out += _ip_warnings(spec)
        if spec.get("type") == EXTERNAL_NAME and spec.get("externalIPs"):
            out.append('spec.externalIPs is ignored when spec.type is "ExternalName"')
        if spec.get("type") != EXTERNAL_NAME and spec.get("externalName"):
            out.append('spec.externalName is ignored when spec.type is not "ExternalName"')
        if spec.get("trafficDistribution") == "PreferClose":
            out.append('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
        return out

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.core.service_validation import balancer_status

        status, before = new.get("status") or {}, old.get("status") or {}
        return balancer_status(status.get("loadBalancer"), before.get("loadBalancer"), spec_of(new))

    def warnings_status_update(self, new: Obj, old: Obj) -> list[str]:
        return load_balancer_warnings(new)


def load_balancer_warnings(obj: Obj) -> list[str]:
    """Warnings on a status with load balancer addresses (Services and Ingresses)."""
    ingress = ((obj.get("status") or {}).get("loadBalancer") or {}).get("ingress") or []
    out: list[str] = []
    for i, item in enumerate(ingress):
        if item.get("ip"):
            out += ip_warnings(f"status.loadBalancer.ingress[{i}]", item["ip"])
    return out
