"""The objects that a fresh server creates by itself, ready to be created in this order.

Imported on a first start only. RBAC comes from `bootstrap.json` (made by `tools/generate_bootstrap.py`); the rest is
short enough to stand here. Follows pkg/controlplane, k8s.io/kube-aggregator, pkg/registry/scheduling/rest,
plugin/pkg/auth/authorizer/rbac/bootstrappolicy and pkg/registry/flowcontrol/rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from wherry.machinery.builtin.policy.flowcontrol_fixed import flow_schemas, priority_levels
from wherry.machinery.kinds import Obj

RBAC = "rbac.authorization.k8s.io"
MANAGER = "kube-apiserver"  # the field manager that upstream's loopback client has
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
READY_MESSAGE = "Kubernetes default Service CIDR is ready"
_KINDS = {
    "clusterroles": "ClusterRole",
    "clusterrolebindings": "ClusterRoleBinding",
    "roles": "Role",
    "rolebindings": "RoleBinding",
}
_CRITICAL = {
    "system-node-critical": (2000001000, "that must not be moved from their current node."),
    "system-cluster-critical": (
        2000000000,
        "that must run in the cluster, but can be moved to another node if necessary.",
    ),
}


class Seed(NamedTuple):
    """One object and where it is created."""

    group: str
    resource: str
    object: Obj


def namespaces() -> Iterator[Seed]:
    for name in NAMESPACES:
        yield Seed("", "namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


def rbac() -> Iterator[Seed]:
    """Roles before bindings, cluster-wide before namespaced. A controller fills the rules of aggregated roles."""
    import orjson

    data = orjson.loads(Path(__file__).with_name("bootstrap.json").read_bytes())
    for resource, items in data.items():
        for item in items:
            yield Seed(RBAC, resource, _rbac_object(_KINDS[resource], item))


def _rbac_object(kind: str, item: Obj) -> Obj:
    meta: Obj = {"name": item.pop("name")}
    if namespace := item.pop("namespace", None):
        meta["namespace"] = namespace
    meta["labels"] = {"kubernetes.io/bootstrapping": "rbac-defaults", **item.pop("labels", {})}
    meta["annotations"] = {"rbac.authorization.kubernetes.io/autoupdate": "true"}
    return {"apiVersion": RBAC + "/v1", "kind": kind, "metadata": meta, **item}


def priority_classes() -> Iterator[Seed]:
    for name, (value, what) in _CRITICAL.items():
        obj: Obj = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
        obj.update(value=value, description=f"Used for system critical pods {what}")
        yield Seed("scheduling.k8s.io", "priorityclasses", obj)


def flow_control() -> Iterator[Seed]:
    group = "flowcontrol.apiserver.k8s.io"
    for obj in priority_levels():
        yield Seed(group, "prioritylevelconfigurations", obj)
    for obj in flow_schemas():
        yield Seed(group, "flowschemas", obj)


def service_cidr(cidrs: Sequence[str]) -> Seed:
    """The range that cluster IPs are taken from; its status is set right after (`service_cidr_status`)."""
    obj: Obj = {"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR", "metadata": {"name": "kubernetes"}}
    obj["spec"] = {"cidrs": list(cidrs)}
    return Seed("networking.k8s.io", "servicecidrs", obj)


def api_services() -> Iterator[Seed]:
    """One for each built-in group version but that of APIServices itself."""
    from wherry.machinery import aggregation

    for group, version in aggregation.PRIORITIES:
        obj = aggregation.api_service(group, version, aggregation.ON_START)
        yield Seed(aggregation.GROUP, aggregation.RESOURCE, obj)


def service_cidr_status(now: str) -> Obj:
    condition = {"type": "Ready", "status": "True", "lastTransitionTime": now, "reason": "", "message": READY_MESSAGE}
    return {"conditions": [condition]}


def seeds(cidrs: Sequence[str]) -> Iterator[Seed]:
    """Everything, in an order in which each object's references exist."""
    yield from namespaces()
    yield from priority_classes()
    yield from flow_control()
    yield service_cidr(cidrs)
    yield from rbac()
    yield from api_services()
