"""Pure: whether something that is being deleted is still in use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

Obj = dict[str, Any]
CLAIM, VOLUME, CLASS = (
    "kubernetes.io/pvc-protection",
    "kubernetes.io/pv-protection",
    "kubernetes.io/vac-protection",
)


def waits(obj: Obj, finalizer: str) -> bool:
    """Whether it is being deleted and our finalizer still holds it."""
    meta = obj["metadata"]
    return "deletionTimestamp" in meta and finalizer in (meta.get("finalizers") or [])


def without(obj: Obj, finalizer: str) -> Obj:
    """The metadata patch that takes the finalizer off, and fails if somebody changed the object meanwhile."""
    meta = obj["metadata"]
    kept = [f for f in meta["finalizers"] if f != finalizer]
    return {"metadata": {"resourceVersion": meta["resourceVersion"], "finalizers": kept or None}}


def claim_in_use(claim: Obj, pods: Iterable[Obj]) -> bool:
    """A pod of its namespace that has a node and has not ended mounts it, by name or as its ephemeral claim."""
    name = claim["metadata"]["name"]
    for pod in pods:
        spec = pod.get("spec") or {}
        if not spec.get("nodeName") or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        for volume in spec.get("volumes") or []:
            if (volume.get("persistentVolumeClaim") or {}).get("claimName") == name:
                return True
            if "ephemeral" in volume and f"{pod['metadata']['name']}-{volume['name']}" == name:
                return True
    return False


def volume_in_use(volume: Obj) -> bool:
    """Bound to a claim."""
    return (volume.get("status") or {}).get("phase") == "Bound"


def class_in_use(name: str, claims: Iterable[Obj], volumes: Iterable[Obj]) -> bool:
    """Asked for by a claim, or the one a volume has."""
    wanted = any((c.get("spec") or {}).get("volumeAttributesClassName") == name for c in claims)
    current = any((c.get("status") or {}).get("currentVolumeAttributesClassName") == name for c in claims)
    return wanted or current or any((v.get("spec") or {}).get("volumeAttributesClassName") == name for v in volumes)
