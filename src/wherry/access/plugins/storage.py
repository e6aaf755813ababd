"""Claims, volumes and attribute classes that are in use do not go: a finalizer on each new one
(plugin/pkg/admission/storage/storageobjectinuseprotection). `features/storageprotection` takes it off again."""

from __future__ import annotations

from wherry.access.admission import Ask

FINALIZERS = {
    ("", "persistentvolumeclaims"): "kubernetes.io/pvc-protection",
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


async def in_use_protection(ask: Ask) -> None:
    """Add the finalizer on create, once."""
    if ask.operation != "CREATE" or ask.subresource or ask.obj is None:
        return
    res = ask.definition.resource
    finalizer = FINALIZERS.get((res.group, res.name))
    if finalizer is None:
        return
    meta = ask.obj["metadata"]
    present = meta.get("finalizers") or []
    if finalizer not in present:
        meta["finalizers"] = [*present, finalizer]
