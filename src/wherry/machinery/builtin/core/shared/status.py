"""The habits of kinds with a status, as mixins in front of `Strategy`."""

from __future__ import annotations

from typing import ClassVar

from wherry.machinery.kinds import Obj

# what metav1.ResetObjectMetaForStatus carries over from the stored object
_META = ("deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers", "ownerReferences")


class ResetStatus:
    """The main endpoint never writes the status. `empty_status` is what an absent one reads as."""

    empty_status: ClassVar[Obj | None] = None

    def prepare_create(self, obj: Obj) -> None:
        if self.empty_status is None:
            obj.pop("status", None)
        else:
            obj["status"] = dict(self.empty_status)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        if old.get("status") is not None:
            new["status"] = old["status"]
        else:
            ResetStatus.prepare_create(self, new)


def reset_meta(new: Obj, old: Obj) -> None:
    """metav1.ResetObjectMetaForStatus: labels, annotations and the like stay as stored."""
    meta, before = new["metadata"], old["metadata"]
    for key in _META:
        if key in before:
            meta[key] = before[key]
        else:
            meta.pop(key, None)


def keep_roots(new: Obj, old: Obj) -> None:
    """Everything but metadata and status stays as stored."""
    for key in [k for k in new if k not in ("kind", "apiVersion", "metadata", "status")]:
        if key not in old:
            del new[key]
    for key, value in old.items():
        if key not in ("kind", "apiVersion", "metadata", "status"):
            new[key] = value


class StatusOnly:
    """The status endpoint writes the status and nothing else, not even labels (ResetObjectMetaForStatus)."""

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        keep_roots(new, old)
        reset_meta(new, old)
