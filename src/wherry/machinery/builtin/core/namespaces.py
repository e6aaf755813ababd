"""Namespaces: finalizers in the spec, the name as a label, a phase in the status.

Reached from the table in `core/__init__.py`; follows pkg/registry/core/namespace and ValidateNamespace*.
"""

from __future__ import annotations

from typing import ClassVar

from wherry.errors import FieldError, invalid
from wherry.machinery.builtin.common.names import label_key, name_is_dns_label
from wherry.machinery.builtin.core.shared.fields import make
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

KUBERNETES = "kubernetes"
NAME_LABEL = "kubernetes.io/metadata.name"
STANDARD = (KUBERNETES, "orphan", "foregroundDeletion")


def finalizer_name(value: str, field: str) -> list[FieldError]:
    """validateFinalizerName: a label key, and without a domain only the well-known ones."""
    out = [invalid(field, value, text) for text in label_key(value)]
    if "/" not in value and value not in STANDARD:
        out.append(invalid(field, value, "name is neither a standard finalizer name nor is it fully qualified"))
    return out


class NamespaceStrategy(Strategy):
    """Namespaces, with their two subresources."""

    validate_name = staticmethod(name_is_dns_label)

    meta_again = False
    updates: ClassVar[dict[str, tuple[str, str]]] = {
        "status": ("prepare_status_update", "validate_status_update"),
        "finalize": ("prepare_finalize_update", "validate_finalize_update"),
    }

    def default(self, obj: Obj) -> None:
        meta = make(obj, "metadata")
        name = meta.get("name")
        if name:
            make(meta, "labels")[NAME_LABEL] = name
        make(obj, "status").setdefault("phase", "Active")

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"phase": "Active"}
        finalizers = make(obj, "spec").get("finalizers") or []
        if KUBERNETES not in finalizers:
            obj["spec"]["finalizers"] = [*finalizers, KUBERNETES]

    def canonicalize(self, obj: Obj) -> None:
        """The name label follows the name, also a generated one."""
        make(obj["metadata"], "labels")[NAME_LABEL] = obj["metadata"].get("name", "")

    def prepare_update(self, new: Obj, old: Obj) -> None:
        spec = make(new, "spec")
        kept = (old.get("spec") or {}).get("finalizers")
        if kept:
            spec["finalizers"] = kept
        else:
            spec.pop("finalizers", None)
        new["status"] = old.get("status") or {}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        finalizers = (obj.get("spec") or {}).get("finalizers") or []
        return [e for name in finalizers for e in finalizer_name(name, "spec.finalizers")]

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, False) + self.validate_create(new) + as_change(self, new, old)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        phase = (new.get("status") or {}).get("phase", "")
        if not new["metadata"].get("deletionTimestamp"):
            if phase != "Active":
                why = "may only be 'Active' if `deletionTimestamp` is empty"
                return [invalid("status.Phase", phase, why)]
        elif phase != "Terminating":
            why = "may only be 'Terminating' if `deletionTimestamp` is not empty"
            return [invalid("status.Phase", phase, why)]
        return []

    def mark_deleting(self, obj: Obj, now: str) -> None:
        make(obj, "status")["phase"] = "Terminating"

    def prepare_finalize_update(self, new: Obj, old: Obj) -> None:
        """The only door to spec.finalizers."""
        new["status"] = old.get("status") or {}

    def validate_finalize_update(self, new: Obj, old: Obj) -> list[FieldError]:
        finalizers = (new.get("spec") or {}).get("finalizers") or []
        out: list[FieldError] = []
        for i, name in enumerate(finalizers):
            out += finalizer_name(name, f"spec.finalizers[{i}]")
        return out
