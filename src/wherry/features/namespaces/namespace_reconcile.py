"""Pure: what a dying namespace needs next, given what is left in it (pkg/controller/namespace/deletion)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]
KUBERNETES = "kubernetes"


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one resource: how many objects, and how many of them wait for which finalizers."""

    count: int
    finalizers: Mapping[str, int]


def wants_deletion(namespace: Obj) -> bool:
    """Whether the controller has anything to do: it is being deleted and our finalizer is still there."""
    meta, spec = namespace["metadata"], namespace.get("spec") or {}
    return "deletionTimestamp" in meta and KUBERNETES in (spec.get("finalizers") or [])


def finalized(namespace: Obj) -> Obj:
    """The namespace without our finalizer, for PUT to /finalize."""
    spec = dict(namespace.get("spec") or {})
    kept = [name for name in spec.get("finalizers") or [] if name != KUBERNETES]
    spec.pop("finalizers", None)
    return {**namespace, "spec": {**spec, **({"finalizers": kept} if kept else {})}}


def conditions(left: Mapping[str, Left], now: str, before: list[Obj]) -> list[Obj]:
    """The conditions that say why a namespace is still there; times move only when a status does."""
    content = {name: found for name, found in left.items() if found.count}
    waiting: dict[str, int] = {}
    for found in content.values():
        for name, count in found.finalizers.items():
            waiting[name] = waiting.get(name, 0) + count
    discovered = "All resources successfully discovered"
    parsed = "All legacy kube types successfully parsed"
    deleted = "All content successfully deleted, may be waiting on finalization"
    made = [
        _condition("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", discovered),
        _condition("NamespaceDeletionGroupVersionParsingFailure", False, "ParsedGroupVersions", parsed),
        _condition("NamespaceDeletionContentFailure", False, "ContentDeleted", deleted),
    ]
    if content:
        listed = ", ".join(f"{name} has {found.count} resource instances" for name, found in sorted(content.items()))
        made.append(
            _condition(
                "NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {listed}"
            )
        )
    else:
        made.append(
            _condition("NamespaceContentRemaining", False, "ContentRemoved", "All content successfully removed")
        )
    if waiting:
        listed = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(waiting.items()))
        text = f"Some content in the namespace has finalizers remaining: {listed}"
        made.append(_condition("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", text))
    else:
        made.append(
            _condition(
                "NamespaceFinalizersRemaining",
                False,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            )
        )
    old = {c["type"]: c for c in before}
    for condition in made:
        known = old.get(condition["type"])
        same = known is not None and known.get("status") == condition["status"]
        condition["lastTransitionTime"] = known["lastTransitionTime"] if same and known else now
    return made


def _condition(kind: str, status: bool, reason: str, message: str) -> Obj:
    return {"type": kind, "status": "True" if status else "False", "reason": reason, "message": message}
