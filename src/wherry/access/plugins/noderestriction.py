"""NodeRestriction: a kubelet changes its own node, the pods on it, and nothing else
(plugin/pkg/admission/noderestriction). Off unless asked for.

Not held against the volumes of pods is for whom a kubelet requests tokens of service accounts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import orjson

from wherry import errors
from wherry.access.admission import CREATE, DELETE, UPDATE, Ask
from wherry.access.plugins.refusals import forbidden
from wherry.errors import go_quote
from wherry.machinery.kinds import Obj
from wherry.store.store import Store

MIRROR = "kubernetes.io/config.mirror"
_KUBELET_SIGNERS = ("kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet")
_LABELS = frozenset(
    (
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
    )
)
_Rule = Callable[["NodeRestriction", str, Ask], None]


def _within(domain: str, of: str) -> bool:
    return domain == of or domain.endswith(f".{of}")


class NodeRestriction:
    """The plugin; nodes are users named `system:node:NAME` in the group `system:nodes`."""

    def __init__(self, store: Store):
        self._store = store

    async def plugin(self, ask: Ask) -> None:
        if "system:nodes" not in ask.user.groups or not ask.user.name.startswith("system:node:"):
            return
        node = ask.user.name.removeprefix("system:node:")
        if not node:
            raise forbidden(ask, f"could not determine node from user {go_quote(ask.user.name)}")
        res = ask.definition.resource
        rule = _RULES.get((res.group, res.name))
        if rule is not None:
            rule(self, node, ask)

    def _get(self, ask: Ask, path: str) -> Obj | None:
        record = self._store.storage.newest(f"/{ask.definition.workspace}/core/{path}")
        return orjson.loads(record.value) if record is not None else None

    # --- pods --------------------------------------------------------------------------------------------------------
    def pod(self, node: str, ask: Ask) -> None:
        if ask.subresource == "status":
            self._pod_status(node, ask)
        elif ask.subresource == "eviction":
            self._eviction(node, ask)
        elif ask.subresource:
            what = f"unexpected pod subresource {go_quote(ask.subresource)}"
            raise forbidden(ask, f"{what}, only 'status' and 'eviction' are allowed")
        elif ask.operation == CREATE:
            self._mirror_pod(node, ask)
        elif ask.operation != DELETE:
            what = f"unexpected operation {go_quote(ask.operation)}"
            raise forbidden(ask, f"{what}, node {go_quote(node)} can only create and delete mirror pods")
        elif not _runs_on(ask.old, node):
            what = f"node {go_quote(node)} can only delete pods with spec.nodeName set to itself"
            raise forbidden(ask, what)

    def _pod_status(self, node: str, ask: Ask) -> None:
        assert ask.obj is not None
        assert ask.old is not None
        quoted = go_quote(node)
        if not _runs_on(ask.old, node):
            raise forbidden(ask, f"node {quoted} can only update pod status for pods with spec.nodeName set to itself")
        if _meta(ask.obj, "labels") != _meta(ask.old, "labels"):
            raise forbidden(ask, f"node {quoted} cannot update labels through pod status")
        new, old = ask.obj.get("status") or {}, ask.old.get("status") or {}
        if (new.get("resourceClaimStatuses") or []) != (old.get("resourceClaimStatuses") or []):
            raise forbidden(ask, f"node {quoted} cannot update resource claim statues")
        if new.get("extendedResourceClaimStatus") != old.get("extendedResourceClaimStatus"):
            raise forbidden(ask, f"node {quoted} cannot update extended resource claim status")

    def _eviction(self, node: str, ask: Ask) -> None:
        pod = self._get(ask, f"pods/{ask.namespace}/{ask.name}")
        if pod is None:
            raise errors.NotFound.of("", "pods", ask.name)
        if not _runs_on(pod, node):
            raise forbidden(ask, f"node {node} can only evict pods with spec.nodeName set to itself")

    def _mirror_pod(self, node: str, ask: Ask) -> None:
        assert ask.obj is not None
        quoted, meta = go_quote(node), ask.obj["metadata"]
        if MIRROR not in (meta.get("annotations") or {}):
            why = f"pod does not have {go_quote(MIRROR)} annotation, node {quoted} can only create mirror pods"
            raise forbidden(ask, why)
        if not _runs_on(ask.obj, node):
            raise forbidden(ask, f"node {quoted} can only create pods with spec.nodeName set to itself")
        owners = meta.get("ownerReferences") or []
        if len(owners) > 1:
            raise forbidden(ask, f"node {quoted} can only create pods with a single owner reference set to itself")
        identity = ("v1", "Node", node)
        if not owners or (owners[0].get("apiVersion"), owners[0].get("kind"), owners[0].get("name")) != identity:
            raise forbidden(ask, f"node {quoted} can only create pods with an owner reference set to itself")
        self._owner(node, ask, owners[0])
        reference = _reference(ask.obj["spec"])
        if reference:
            raise forbidden(ask, f"node {quoted} can not create pods that reference {reference}")

    def _owner(self, node: str, ask: Ask, owner: Obj) -> None:
        quoted = go_quote(node)
        if not owner.get("controller"):
            raise forbidden(ask, f"node {quoted} can only create pods with a controller owner reference set to itself")
        if owner.get("blockOwnerDeletion"):
            raise forbidden(ask, f"node {quoted} must not set blockOwnerDeletion on an owner reference")
        known = self._get(ask, f"nodes/{node}")
        if known is None:
            raise errors.NotFound.of("", "nodes", node)
        uid = known["metadata"].get("uid", "")
        if owner.get("uid") != uid:
            raise forbidden(ask, f"node {node} UID mismatch: expected {owner.get('uid', '')} got {uid}")

    # --- the node itself ---------------------------------------------------------------------------------------------
    def node(self, node: str, ask: Ask) -> None:
        quoted = go_quote(node)
        if ask.name != node:
            raise forbidden(ask, f"node {quoted} is not allowed to modify node {go_quote(ask.name)}")
        if ask.obj is None:
            return
        new, old = ask.obj.get("spec") or {}, (ask.old or {}).get("spec") or {}
        bad = ", ".join(sorted(filter(_reserved, _changed(_meta(ask.obj, "labels"), _meta(ask.old, "labels")))))
        if ask.operation == CREATE:
            if new.get("configSource") is not None:
                raise forbidden(ask, f"node {quoted} is not allowed to create pods with a non-nil configSource")
            if bad:
                raise forbidden(ask, f"node {quoted} is not allowed to set the following labels: {bad}")
        elif ask.operation == UPDATE:
            if new.get("configSource") is not None and new["configSource"] != old.get("configSource"):
                raise forbidden(
                    ask, f"node {quoted} is not allowed to update configSource to a new non-nil configSource"
                )
            if (new.get("taints") or []) != (old.get("taints") or []):
                raise forbidden(ask, f"node {quoted} is not allowed to modify taints")
            if _meta(ask.obj, "ownerReferences") != _meta(ask.old, "ownerReferences"):
                raise forbidden(ask, f"node {quoted} is not allowed to modify ownerReferences")
            if bad:
                raise forbidden(ask, f"is not allowed to modify labels: {bad}")

    # --- others ------------------------------------------------------------------------------------------------------
    def claim(self, node: str, ask: Ask) -> None:
        if ask.subresource != "status":
            raise forbidden(ask, "may only update PVC status")
        if ask.operation != UPDATE:
            raise forbidden(ask, f"unexpected operation {go_quote(ask.operation)}")
        if _lasting(ask.obj) != _lasting(ask.old):
            what = "update fields other than status.quantity and status.conditions"
            raise forbidden(ask, f"node {go_quote(node)} is not allowed to {what}: ")

    def account(self, node: str, ask: Ask) -> None:
        if ask.operation != CREATE or ask.subresource != "token" or ask.obj is None:
            return
        ref = (ask.obj.get("spec") or {}).get("boundObjectRef") or {}
        if (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Pod") or not ref.get("name"):
            raise forbidden(ask, "node requested token not bound to a pod")
        if not ref.get("uid"):
            raise forbidden(ask, "node requested token with a pod binding without a uid")
        pod = self._get(ask, f"pods/{ask.namespace}/{ref['name']}")
        if pod is None:
            raise errors.NotFound.of("", "pods", ref["name"])
        if ref["uid"] != pod["metadata"].get("uid"):
            what = f"the UID in the bound object reference ({ref['uid']}) does not match the UID in record"
            raise forbidden(ask, f"{what}. The object might have been deleted and then recreated")
        if not _runs_on(pod, node):
            raise forbidden(ask, "node requested token bound to a pod scheduled on a different node")

    def lease(self, node: str, ask: Ask) -> None:
        if ask.namespace != "kube-node-lease":
            raise forbidden(ask, 'can only access leases in the "kube-node-lease" system namespace')
        if ask.name != node:
            raise forbidden(ask, "can only access node lease with the same name as the requesting node")

    def csi_node(self, node: str, ask: Ask) -> None:
        if ask.name != node:
            raise forbidden(ask, "can only access CSINode with the same name as the requesting node")

    def slice(self, node: str, ask: Ask) -> None:
        for operation, obj in ((CREATE, ask.obj), (DELETE, ask.old)):
            if ask.operation == operation and not _runs_on(obj, node):
                what = f"can only {operation.lower()} ResourceSlice"
                raise forbidden(ask, f"{what} with the same NodeName as the requesting node")

    def request(self, node: str, ask: Ask) -> None:
        spec = (ask.obj or {}).get("spec") or {}
        if ask.operation != CREATE or spec.get("signerName") not in _KUBELET_SIGNERS:
            return
        from wherry.machinery.builtin.policy.x509 import common_name

        try:
            found = common_name(base64.b64decode(spec.get("request") or ""))
        except (binascii.Error, ValueError) as bad:
            raise forbidden(ask, f"unable to parse csr: {bad}") from None
        if found != f"system:node:{node}":
            raise forbidden(ask, f"can only create a node CSR with CN=system:node:{node}")


_RULES: dict[tuple[str, str], _Rule] = {
    ("", "pods"): NodeRestriction.pod,
    ("", "nodes"): NodeRestriction.node,
    ("", "persistentvolumeclaims"): NodeRestriction.claim,
    ("", "serviceaccounts"): NodeRestriction.account,
    ("coordination.k8s.io", "leases"): NodeRestriction.lease,
    ("storage.k8s.io", "csinodes"): NodeRestriction.csi_node,
    ("resource.k8s.io", "resourceslices"): NodeRestriction.slice,
    ("certificates.k8s.io", "certificatesigningrequests"): NodeRestriction.request,
}


def _runs_on(obj: Obj | None, node: str) -> bool:
    return bool(((obj or {}).get("spec") or {}).get("nodeName") == node)


def _meta(obj: Obj | None, member: str) -> Obj:
    return ((obj or {}).get("metadata") or {}).get(member) or {}


def _changed(new: Obj, old: Obj) -> list[str]:
    return [key for key in {**new, **old} if new.get(key) != old.get(key)]


def _reserved(label: str) -> bool:
    """Labels by which work is steered to nodes are not a node's to set."""
    domain = label.rpartition("/")[0]
    if _within(domain, "node-restriction.kubernetes.io"):
        return True
    if not (_within(domain, "kubernetes.io") or _within(domain, "k8s.io")) or label in _LABELS:
        return False
    return not (_within(domain, "kubelet.kubernetes.io") or _within(domain, "node.kubernetes.io"))


def _lasting(claim: Obj | None) -> Obj:
    """A claim without what a kubelet may change."""
    claim = claim or {}
    skipped = ("capacity", "conditions", "allocatedResourceStatuses", "allocatedResources")
    meta = {k: v for k, v in claim["metadata"].items() if k not in ("resourceVersion", "managedFields")}
    status = {k: v for k, v in (claim.get("status") or {}).items() if k not in skipped}
    return {**claim, "metadata": meta, "status": status}


_VOLUMES = {
    "configMap": "configmaps (via configmap volumes)",
    "secret": "secrets (via secret volumes)",
    "csi": "csidrivers (via CSI volumes)",
    "glusterfs": "endpoints (via glusterFS volumes)",
    "persistentVolumeClaim": "persistentvolumeclaims",
    "ephemeral": "persistentvolumeclaims (via ephemeral volumes)",
    "azureFile": "secrets (via azureFile volumes)",
}
_SOURCES = {
    "configMap": "configmaps (via projected volumes)",
    "secret": "secrets (via projected volumes)",
    "serviceAccountToken": "serviceaccounts (via projected volumes)",
    "clusterTrustBundle": "clustertrustbundles",
    "podCertificate": "podcertificates",
}


def _reference(spec: Obj) -> str:
    """What of the API a pod refers to (HasAPIObjectReference)."""
    from wherry.machinery.builtin.workloads.pod_admission import secret_names

    if spec.get("serviceAccountName"):
        return "serviceaccounts"
    if secret_names(spec):
        return "secrets"
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(field) or ():
            from_map = [item for item in container.get("envFrom") or () if item.get("configMapRef") is not None]
            keys = [(e.get("valueFrom") or {}).get("configMapKeyRef") for e in container.get("env") or ()]
            if from_map or any(key is not None for key in keys):
                return "configmaps"
    volumes = spec.get("volumes") or ()
    if any(volume.get("configMap") is not None for volume in volumes):
        return "configmaps"
    if spec.get("resourceClaims"):
        return "resourceclaims"
    for volume in volumes:
        for kind, text in _VOLUMES.items():
            if volume.get(kind) is not None:
                return text
        for source in (volume.get("projected") or {}).get("sources") or ():
            for kind, text in _SOURCES.items():
                if source.get(kind) is not None:
                    return text
    return ""
