"""Which objects are taken, and in which order they can be written."""

from __future__ import annotations

import base64
from collections.abc import Iterable

from wherry.cli.copies.server import Obj, Served
from wherry.machinery.portable import by_itself

# Kinds that others need first, and those that would be in the way of others, at the end.
_FIRST = (
    "customresourcedefinitions.apiextensions.k8s.io", "namespaces", "priorityclasses.scheduling.k8s.io",
    "storageclasses.storage.k8s.io", "runtimeclasses.node.k8s.io", "ingressclasses.networking.k8s.io", "nodes",
    "serviceaccounts", "secrets", "configmaps", "clusterroles.rbac.authorization.k8s.io",
    "roles.rbac.authorization.k8s.io", "clusterrolebindings.rbac.authorization.k8s.io",
    "rolebindings.rbac.authorization.k8s.io", "persistentvolumes", "persistentvolumeclaims", "services",
    "cronjobs.batch", "deployments.apps", "statefulsets.apps", "daemonsets.apps", "controllerrevisions.apps",
    "replicasets.apps", "replicationcontrollers", "jobs.batch", "pods",
)  # fmt: skip
_LAST = (
    "validatingadmissionpolicies.admissionregistration.k8s.io",
    "validatingadmissionpolicybindings.admissionregistration.k8s.io",
    "mutatingadmissionpolicies.admissionregistration.k8s.io",
    "mutatingadmissionpolicybindings.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "limitranges",
    "resourcequotas",
)
_PASSING = ("events", "events.events.k8s.io", "leases.coordination.k8s.io", "componentstatuses")
_OWN = ("workspaces.tenancy.kcp.io", "workspacetypes.tenancy.kcp.io", "logicalclusters.core.kcp.io")
_OF_CLUSTER = ("default", "kube-system", "kube-public", "kube-node-lease")
_HIDDEN = base64.b64encode(b"REDACTED").decode("ascii")
_EMPTY_OBJECT = base64.b64encode(b"{}").decode("ascii")


def in_order(found: Iterable[Served]) -> list[Served]:
    """What others need first."""
    return sorted(found, key=lambda served: (_place(served.name), served.name))


def _place(name: str) -> int:
    if name in _FIRST:
        return _FIRST.index(name)
    return 1000 + _LAST.index(name) if name in _LAST else 500


def kind_left_out(name: str) -> str:
    """Why no objects of a kind are taken; empty where they are."""
    if name in _PASSING:
        return "passes by itself"
    if name in _OWN:
        return "is the tree of workspaces"
    return ""


def left_out(name: str, obj: Obj) -> str:
    """Why an object is not taken; empty for one that is."""
    meta = obj["metadata"]
    labels, notes = meta.get("labels") or {}, meta.get("annotations") or {}
    if meta.get("deletionTimestamp"):
        return "is being deleted"
    if by_itself(obj) or (name == "namespaces" and meta["name"] in _OF_CLUSTER):
        return "is in every cluster"
    if labels.get("kubernetes.io/bootstrapping") or notes.get("apf.kubernetes.io/autoupdate-spec") == "true":
        return "is in every cluster"
    if name == "priorityclasses.scheduling.k8s.io" and meta["name"].startswith("system-"):
        return "is in every cluster"
    if meta["name"] == "kubernetes" and meta.get("namespace", "default") == "default" and name in _SERVICE_OF_API:
        return "is in every cluster"
    if name == "clusterrolebindings.rbac.authorization.k8s.io" and meta["name"] == "workspace-admin":
        return "is the workspace's administrator"
    return ""


_SERVICE_OF_API = (
    "services",
    "endpoints",
    "endpointslices.discovery.k8s.io",
    "servicecidrs.networking.k8s.io",
)


def redacted(obj: Obj) -> Obj:
    """A Secret without its values; other objects as they are."""
    if obj["kind"] != "Secret" or obj["apiVersion"] != "v1" or not obj.get("data"):
        return obj
    data = {key: _EMPTY_OBJECT if key.startswith(".docker") else _HIDDEN for key in obj["data"]}
    return {**obj, "data": data}
