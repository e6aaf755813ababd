"""The Node authorizer: what a kubelet may do, which is what the pods on its node need.

Follows plugin/pkg/auth/authorizer/node. Beyond the objects in the graph it has fixed rules, which are those of the
default role `system:node`; what a node writes about itself is NodeRestriction's business.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from wherry.access.authorization.graph import Graph
from wherry.access.chain import Rules
from wherry.access.rbac import rule_covers
from wherry.access.user import NO_OPINION, Attributes, Decision, User

NODES, PREFIX = "system:nodes", "system:node:"
_LEASES = "kube-node-lease"
_ALLOWED = Decision(True)


def node_name(user: User) -> str | None:
    """The node that a user is, None for everyone else (pkg/auth/nodeidentifier)."""
    return user.name[len(PREFIX) :] if user.name.startswith(PREFIX) and NODES in user.groups else None


def node_rules() -> list[dict[str, Any]]:
    """The rules of the default role of nodes, whatever has become of that role since."""
    from wherry.store.bootstrap import SEEDS

    for key, obj in orjson.loads(SEEDS.read_bytes()):
        if key == "rbac.authorization.k8s.io/clusterroles/system:node":
            return list(obj["rules"])
    raise AssertionError("the seeds have no role for nodes")


def _no(reason: str = "") -> Decision:
    return Decision(False, reason) if reason else NO_OPINION


class NodeAuthorizer:
    """An authorizer; `close` it with the control plane."""

    def __init__(self, graph: Graph):
        self._graph = graph
        self._rules: list[dict[str, Any]] | None = None
        self.close = graph.close
        self._special: dict[tuple[str, str], Callable[[str, Attributes], Decision]] = {
            ("", "secrets"): self._readable,
            ("", "configmaps"): self._readable,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._gettable,
            ("resource.k8s.io", "resourceclaims"): self._gettable,
            ("storage.k8s.io", "volumeattachments"): self._gettable,
            ("", "serviceaccounts"): self._account,
            ("coordination.k8s.io", "leases"): self._lease,
            ("storage.k8s.io", "csinodes"): self._csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("", "nodes"): self._node,
            ("", "pods"): self._pod,
            ("certificates.k8s.io", "podcertificaterequests"): self._certificate_request,
        }

    def __call__(self, asked: Attributes) -> Decision:
        node = node_name(asked.user)
        if node is None:
            return NO_OPINION
        if not node:
            return _no(f'unknown node for user "{asked.user.name}"')
        if asked.resource_request:
            special = self._special.get((asked.group, asked.resource))
            if special is not None:
                return special(node, asked)
        if self._rules is None:
            self._rules = node_rules()
        return _ALLOWED if any(rule_covers(rule, asked) for rule in self._rules) else NO_OPINION

    def rules(self, user: User, namespace: str, workspace: str) -> Rules:
        """A node's rights hang on what runs on it: there is no list of them."""
        if node_name(user) is None:
            return Rules()
        return Rules(error="node authorizer does not support user rule resolution", incomplete=True)

    # --- objects in the graph ---------------------------------------------------------------------------------------
    def _related(self, node: str, asked: Attributes) -> Decision:
        if not asked.name:
            return _no("No Object name found")
        thing = (asked.resource, asked.namespace, asked.name)
        if self._graph.related(asked.workspace, node, thing):
            return _ALLOWED
        return _no(f"no relationship found between node '{node}' and this object")

    def _gettable(self, node: str, asked: Attributes) -> Decision:
        if asked.verb != "get":
            return _no("can only get individual resources of this type")
        return _no("cannot get subresource") if asked.subresource else self._related(node, asked)

    def _readable(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in ("get", "list", "watch"):
            return _no("can only read resources of this type")
        if asked.subresource:
            return _no("cannot read subresource")
        if not asked.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, asked)

    def _claim(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource != "status":
            return self._gettable(node, asked)
        if asked.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, asked)

    def _account(self, node: str, asked: Attributes) -> Decision:
        if asked.verb == "get" and not asked.subresource:
            return self._readable(node, asked)
        if asked.verb != "create" or not asked.name:
            return _no("can only create tokens for individual service accounts")
        if asked.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, asked)

    # --- objects of the node itself ---------------------------------------------------------------------------------
    def _lease(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in ("get", "create", "update", "patch", "delete"):
            return _no("can only get, create, update, patch, or delete a node lease")
        if asked.namespace != _LEASES:
            return _no(f'can only access leases in the "{_LEASES}" system namespace')
        if asked.verb != "create" and asked.name != node:
            return _no("can only access node lease with the same name as the requesting node")
        return _ALLOWED

    def _csi_node(self, node: str, asked: Attributes) -> Decision:
        if asked.verb not in ("get", "create", "update", "patch", "delete"):
            return _no("can only get, create, update, patch, or delete a CSINode")
        if asked.subresource:
            return _no("cannot authorize CSINode subresources")
        if asked.verb != "create" and asked.name != node:
            return _no("can only access CSINode with the same name as the requesting node")
        return _ALLOWED

    def _slice(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        if asked.verb == "create":
            return _ALLOWED
        if asked.verb in ("get", "update", "patch", "delete"):
            return self._related(node, asked)
        if asked.verb in ("watch", "list", "deletecollection"):
            if _selects(asked, "spec.nodeName", node):
                return _ALLOWED
            return _no("can only list/watch/deletecollection resourceslices with nodeName field selector")
        verbs = "get, watch, list, create, update, patch, delete, deletecollection"
        return _no(f"only the following verbs are allowed for a ResourceSlice: {verbs}")

    def _certificate_request(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource:
            return _no("nodes may not access the status subresource of PodCertificateRequests")
        if asked.verb == "create":
            return _ALLOWED
        if asked.verb == "get":
            return self._related(node, asked)
        if asked.verb in ("list", "watch"):
            if _selects(asked, "spec.nodeName", node):
                return _ALLOWED
            return _no("can only list/watch podcertificaterequests with nodeName field selector")
        return _no(f"nodes may not {asked.verb} podcertificaterequests")

    def _node(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource == "status":
            return _ALLOWED if asked.verb in ("update", "patch") else NO_OPINION
        if asked.subresource:
            return NO_OPINION
        if asked.verb in ("create", "update", "patch"):
            return _ALLOWED
        if asked.verb not in ("get", "list", "watch"):
            return NO_OPINION
        if asked.name == node:
            return _ALLOWED
        if not asked.name:
            return _no(f"node '{node}' cannot read all nodes, only its own Node object")
        return _no(f"node '{node}' cannot read '{asked.name}', only its own Node object")

    def _pod(self, node: str, asked: Attributes) -> Decision:
        if asked.subresource == "status":
            return _ALLOWED if asked.verb in ("update", "patch") else NO_OPINION
        if asked.subresource == "eviction":
            return _ALLOWED if asked.verb == "create" else NO_OPINION
        if asked.subresource:
            return NO_OPINION
        if asked.verb == "get":
            return self._gettable(node, asked)
        if asked.verb in ("list", "watch"):
            if _selects(asked, "spec.nodeName", node):
                return _ALLOWED
            if asked.name:
                return self._related(node, asked)
            return _no("can only list/watch pods with spec.nodeName field selector")
        return _ALLOWED if asked.verb in ("create", "delete") else NO_OPINION


def _selects(asked: Attributes, name: str, value: str) -> bool:
    return asked.selectors is not None and asked.selectors.selects(name, value)
