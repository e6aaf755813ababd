"""Where objects live in storage, and the names upstream's storage errors give them."""

from __future__ import annotations

# Resources whose etcd prefix is not their plural (k8s.io/kubernetes/pkg/registry/*/storage and the default storage
# factory's special prefixes); the prefix is visible in a few conflict texts.
_REGISTRY = {
    ("", "replicationcontrollers"): "controllers",
    ("", "endpoints"): "services/endpoints",
    ("", "services"): "services/specs",
    ("", "nodes"): "minions",
    ("networking.k8s.io", "ingresses"): "ingress",
    ("policy", "podsecuritypolicies"): "podsecuritypolicy",
}


def collection(workspace: str, group: str, resource: str) -> str:
    """The prefix of all objects of a resource: `/root/apps/deployments/` (`core` stands for the empty group)."""
    return f"/{workspace}/{group or 'core'}/{resource}/"


def registry_key(group: str, resource: str, namespace: str, name: str, custom: bool) -> str:
    """The key kube-apiserver would use in etcd, for error texts that quote it."""
    if custom or group in ("apiextensions.k8s.io", "apiregistration.k8s.io"):
        prefix = f"{group}/{resource}"
    else:
        prefix = _REGISTRY.get((group, resource), resource)
    return f"/registry/{prefix}/{namespace}/{name}" if namespace else f"/registry/{prefix}/{name}"
