"""Claims and ingresses without a class get the default one; only claims whose class allows it may grow
(plugin/pkg/admission/{storage/storageclass/setdefault,storage/persistentvolume/resize,network/defaultingressclass})."""

from __future__ import annotations

from typing import Any

import orjson

from wherry.access.admission import Ask, Plugin
from wherry.access.plugins.refusals import forbidden
from wherry.machinery.kinds import Obj
from wherry.store.store import Store

STORAGE_MARKS: tuple[str, ...] = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)
INGRESS_MARKS: tuple[str, ...] = ("ingressclass.kubernetes.io/is-default-class",)
STORAGE_CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
INGRESS_CLASS_ANNOTATION = "kubernetes.io/ingress.class"
NOT_RESIZABLE = (
    "only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize"
)


CLAIM = ("", "persistentvolumeclaims")
INGRESSES = ("networking.k8s.io", "ingresses")
_FILLED = {
    CLAIM: ("storageClassName", STORAGE_CLASS_ANNOTATION, "storage.k8s.io/storageclasses", STORAGE_MARKS),
    INGRESSES: ("ingressClassName", INGRESS_CLASS_ANNOTATION, "networking.k8s.io/ingressclasses", INGRESS_MARKS),
}


def default_class(store: Store, kind: tuple[str, str]) -> Plugin:
    """The mutating half: fill in the default class of claims or of ingresses on create."""
    field, annotation, classes, marks = _FILLED[kind]

    async def plugin(ask: Ask) -> None:
        res = ask.definition.resource
        if ask.operation != "CREATE" or ask.subresource or ask.obj is None or (res.group, res.name) != kind:
            return
        spec = ask.obj.get("spec") or {}
        if spec.get(field) is not None or annotation in _annotations(ask.obj):
            return
        name = _default(store, f"/{ask.definition.workspace}/{classes}/", marks)
        if name is not None:
            ask.obj["spec"] = {**spec, field: name}

    return plugin


def claim_resize(store: Store) -> Plugin:
    """The validating half: a bound claim grows only where its class says so."""

    async def plugin(ask: Ask) -> None:
        if ask.operation != "UPDATE" or ask.subresource or ask.obj is None or ask.old is None:
            return
        res = ask.definition.resource
        if (res.group, res.name) != ("", "persistentvolumeclaims"):
            return
        from wherry.kit.quantity import parse_quantity

        before, after = _size(ask.old), _size(ask.obj)
        if before == after or parse_quantity(after) <= parse_quantity(before):
            return
        if (ask.old.get("status") or {}).get("phase") != "Bound":
            raise forbidden(ask, "Only bound persistent volume claims can be expanded")
        wanted = _class_of(ask.obj)
        if not wanted or wanted != _class_of(ask.old) or not _expandable(store, ask.definition.workspace, wanted):
            raise forbidden(ask, NOT_RESIZABLE)

    return plugin


def _annotations(obj: Obj) -> dict[str, Any]:
    return obj["metadata"].get("annotations") or {}


def _size(claim: Obj) -> str:
    return str(((claim["spec"].get("resources") or {}).get("requests") or {}).get("storage", "0"))


def _class_of(claim: Obj) -> str:
    """The annotation of old still wins over the field."""
    old = _annotations(claim).get(STORAGE_CLASS_ANNOTATION)
    return str(old if old is not None else claim["spec"].get("storageClassName") or "")


def _expandable(store: Store, workspace: str, name: str) -> bool:
    record = store.storage.newest(f"/{workspace}/storage.k8s.io/storageclasses/{name}")
    return record is not None and orjson.loads(record.value).get("allowVolumeExpansion") is True


def _default(store: Store, prefix: str, marks: tuple[str, ...]) -> str | None:
    """The newest of the classes marked as default; by name where they are of the same second."""
    found: list[Obj] = []
    for record in store.storage.range(prefix).records:
        if b"is-default-class" in record.value:
            candidate = orjson.loads(record.value)
            if any(_annotations(candidate).get(mark) == "true" for mark in marks):
                found.append(candidate["metadata"])
    if not found:
        return None
    newest = max(meta.get("creationTimestamp") or "" for meta in found)
    return min(str(meta["name"]) for meta in found if (meta.get("creationTimestamp") or "") == newest)
