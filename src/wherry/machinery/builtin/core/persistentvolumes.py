"""PersistentVolumes (pkg/registry/core/persistentvolume); the spec is checked in `volume_spec`."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid, required
from wherry.machinery.builtin.common.quantities import round_to_milli
from wherry.machinery.builtin.core.shared.fields import IMMUTABLE, make, spec_of
from wherry.machinery.builtin.core.shared.meta import as_change, as_new
from wherry.machinery.builtin.core.shared.node_labels import term_warnings
from wherry.machinery.builtin.core.volume_spec import (
    SOURCES,
    default_source,
    source_diff,
    validate_mount_options,
    validate_volume_spec,
)
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

_ANNOTATIONS = {
    "volume.beta.kubernetes.io/storage-class": 'deprecated since v1.8; use "storageClassName" attribute instead',
    "volume.beta.kubernetes.io/mount-options": 'deprecated since v1.31; use "mountOptions" attribute instead',
}
_GONE = {  # source -> (as the warning spells it, what became of it)
    "cephfs": ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    "photonPersistentDisk": ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    "scaleIO": ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    "storageos": ("storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    "glusterfs": ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    "rbd": ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
}


def _terms(spec: Obj) -> list[Obj]:
    required_terms = (spec.get("nodeAffinity") or {}).get("required") or {}
    return required_terms.get("nodeSelectorTerms") or []


def _sources(spec: Obj) -> dict[str, Any]:
    return {key: spec[key] for key in SOURCES if spec.get(key) is not None}


class PersistentVolumeStrategy(Strategy):
    meta_again = False

    def default(self, obj: Obj) -> None:
        make(obj, "status").setdefault("phase", "Pending")
        spec = make(obj, "spec")
        if not spec.get("persistentVolumeReclaimPolicy"):
            spec["persistentVolumeReclaimPolicy"] = "Retain"
        if spec.get("volumeMode") is None:
            spec["volumeMode"] = "Filesystem"
        for name, text in (spec.get("capacity") or {}).items():
            spec["capacity"][name] = round_to_milli(text)
        default_source(spec)

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"phase": "Pending"}

    def stamp_create(self, obj: Obj, now: str, user: Obj) -> None:
        obj["status"]["lastPhaseTransitionTime"] = now

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["status"] = old.get("status") or {"phase": "Pending"}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        out = validate_volume_spec(spec_of(obj), obj["metadata"].get("name", ""), "spec")
        return out + validate_mount_options(obj)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        spec, before = spec_of(new), spec_of(old)
        name = new["metadata"].get("name", "")
        # upstream checks the spec twice on an update: in the strategy, and again inside the update's own validation
        again = as_new(self, new, False)
        out = again + self.validate_create(new) + again + validate_volume_spec(spec, name, "spec")
        now, was = _sources(spec), _sources(before)
        csi, old_csi = now.get("csi"), was.get("csi")
        if csi and old_csi and old_csi.get("controllerExpandSecretRef") is None:
            now = {**now, "csi": {k: v for k, v in csi.items() if k != "controllerExpandSecretRef"}}
        if now != was:
            why = f"spec.persistentvolumesource is immutable after creation\n{source_diff(was, now)}"
            out.append(forbidden("spec.persistentvolumesource", why))
        mode = spec.get("volumeMode")
        if mode != before.get("volumeMode"):
            out.append(invalid("volumeMode", mode, IMMUTABLE))
        out += self._affinity(spec, before)
        if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
            why = "update from non-nil value to nil is forbidden"
            out.append(forbidden("spec.volumeAttributesClassName", why))
        return out

    def _affinity(self, spec: Obj, before: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.core.volume_spec import affinity_change

        was = before.get("nodeAffinity")
        return affinity_change(spec.get("nodeAffinity"), was) if was is not None else []

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_change(self, new, old)
        return out if new["metadata"].get("resourceVersion") else [*out, required("resourceVersion")]

    def stamp_update(self, new: Obj, old: Obj, now: str, subresource: str) -> None:
        """When the phase changes, the time of the change is noted."""
        if subresource != "status":
            return
        status, before = make(new, "status"), old.get("status") or {}
        key = "lastPhaseTransitionTime"
        same_phase = status.get("phase") == before.get("phase")
        if same_phase and status.get(key) is None and before.get(key) is not None:
            status[key] = before[key]
        elif not same_phase and status.get(key) in (None, before.get(key)):
            status[key] = now

    def warnings_create(self, obj: Obj) -> list[str]:
        spec, annotations = spec_of(obj), obj["metadata"].get("annotations") or {}
        out = [f"metadata.annotations[{key}]: {why}" for key, why in _ANNOTATIONS.items() if key in annotations]
        if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
            out.append(
                "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the "
                "recommended approach is to use dynamic provisioning."
            )
        for i, term in enumerate(_terms(spec)):
            out += term_warnings(term, f"spec.nodeAffinity.required.nodeSelectorTerms[{i}]")
        return out + [f"spec.{shown}: {why}" for key, (shown, why) in _GONE.items() if spec.get(key) is not None]

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)
