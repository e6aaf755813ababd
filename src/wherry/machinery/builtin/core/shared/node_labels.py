"""Labels of nodes that are on their way out (pkg/api/node/util.go)."""

from __future__ import annotations

from wherry.machinery.kinds import Obj

_DEPRECATED = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}


def node_label_message(key: str) -> str:
    return _DEPRECATED.get(key, "")


def selector_warnings(selector: Obj | None, field: str) -> list[str]:
    """GetWarningsForNodeSelector, of a label selector over nodes."""
    if selector is None:
        return []
    out = term_warnings(selector, field)
    for key in selector.get("matchLabels") or {}:
        if message := node_label_message(key):
            out.append(f"{field}.matchLabels.{key}: {message}")
    return out


def term_warnings(term: Obj, field: str) -> list[str]:
    """GetWarningsForNodeSelectorTerm, without the values."""
    out: list[str] = []
    for i, requirement in enumerate(term.get("matchExpressions") or []):
        key = requirement.get("key") or ""
        if message := node_label_message(key):
            out.append(f"{field}.matchExpressions[{i}].key: {key} is {message}")
    return out
