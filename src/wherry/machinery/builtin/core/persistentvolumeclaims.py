"""PersistentVolumeClaims (ValidatePersistentVolumeClaim*, pkg/api/persistentvolumeclaim)."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import label_key
from wherry.machinery.builtin.common.quantities import parse, round_to_milli, whole_value
from wherry.machinery.builtin.core.shared.diff import claim_spec_diff
from wherry.machinery.builtin.core.shared.fields import IMMUTABLE, make, spec_of
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.core.shared.resources import is_native, quantity_value
from wherry.machinery.builtin.core.shared.status import ResetStatus
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.builtin.workloads.claims import claim_warnings, validate_claim_spec
from wherry.machinery.kinds import Obj

CLASS_ANNOTATION = "volume.beta.kubernetes.io/storage-class"
RESIZE = [
    "ControllerResizeInProgress",
    "ControllerResizeInfeasible",
    "NodeResizeInProgress",
    "NodeResizeInfeasible",
    "NodeResizePending",
]
_SNAPSHOTS = "snapshot.storage.k8s.io"


def _keep_old_source(spec: Obj, before: Obj | None) -> None:
    """A data source that no old server knew is dropped (EnforceDataSourceBackwardsCompatibility)."""
    in_use = before is not None and (before.get("dataSource") is not None or before.get("dataSourceRef") is not None)
    if in_use or spec.get("dataSourceRef") is not None:
        return
    source = spec.get("dataSource")
    if source is None:
        return
    kind = (source.get("kind") or "", source.get("apiGroup") or "")
    if kind not in (("PersistentVolumeClaim", ""), ("VolumeSnapshot", _SNAPSHOTS)):
        del spec["dataSource"]


def _normalize_sources(spec: Obj) -> None:
    """dataSource and dataSourceRef tell the same unless a namespace is named."""
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None and reference is None:
        spec["dataSourceRef"] = dict(source)
    elif reference is not None and source is None and not reference.get("namespace"):
        spec["dataSource"] = {key: value for key, value in reference.items() if key != "namespace"}


def _drop_disabled(spec: Obj, before: Obj | None) -> None:
    """CrossNamespaceVolumeDataSource is off: a reference into another namespace is dropped."""
    reference = spec.get("dataSourceRef")
    known = before is not None and before.get("dataSourceRef") is not None
    if reference is not None and reference.get("namespace") and not known:
        del spec["dataSourceRef"]


def _round(values: Obj | None) -> None:
    for name, text in (values or {}).items():
        values[name] = round_to_milli(text)  # type: ignore[index]


def _size(obj: Obj) -> Any:
    return ((spec_of(obj).get("resources") or {}).get("requests") or {}).get("storage")


def _annotations(obj: Obj) -> Obj:
    return obj["metadata"].get("annotations") or {}


def _semantic(value: Any) -> Any:
    """Empty and absent are the same to the comparison."""
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if (kept := _semantic(item)) not in (None, {}, [])}
    return value


def _class_change(new: Obj, old: Obj, spec: Obj, before: Obj) -> list[FieldError]:
    """The class may be named once where it was annotated or missing; `spec` is adjusted for the comparison."""
    now, was = _annotations(new), _annotations(old)
    name, given = spec.get("storageClassName"), before.get("storageClassName")
    annotated, told = CLASS_ANNOTATION in was, was.get(CLASS_ANNOTATION)
    if annotated and given is None and name is not None and name == told and now.get(CLASS_ANNOTATION, told) == told:
        spec.pop("storageClassName", None)
        return []
    out: list[FieldError] = []
    value = now.get(CLASS_ANNOTATION, "")
    if value != (told or ""):
        out.append(invalid(f"metadata.annotations.{CLASS_ANNOTATION}", value, IMMUTABLE))
    if name is not None and given is None and (not annotated or name == told):
        spec.pop("storageClassName", None)
    return out


class ClaimStrategy(ResetStatus, Strategy):
    empty_status: ClassVar[Obj | None] = {"phase": "Pending"}

    def default(self, obj: Obj) -> None:
        make(obj, "status").setdefault("phase", "Pending")
        spec = make(obj, "spec")
        if spec.get("volumeMode") is None:
            spec["volumeMode"] = "Filesystem"
        resources = spec.get("resources") or {}
        for key in ("limits", "requests"):
            _round(resources.get(key))
        for key in ("capacity", "allocatedResources"):
            _round(obj["status"].get(key))

    def prepare_create(self, obj: Obj) -> None:
        super().prepare_create(obj)
        self._prepare_spec(make(obj, "spec"), None)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        super().prepare_update(new, old)
        self._prepare_spec(make(new, "spec"), spec_of(old))

    def _prepare_spec(self, spec: Obj, before: Obj | None) -> None:
        _drop_disabled(spec, before)
        _keep_old_source(spec, before)
        _normalize_sources(spec)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return validate_claim_spec(spec_of(obj), "spec")

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out = as_new(self, new, True) + validate_claim_spec(spec_of(new), "spec")
        spec, before = dict(spec_of(new)), dict(spec_of(old))
        _normalize_sources(before)
        if not before.get("volumeName") and spec.get("volumeName"):
            before["volumeName"] = spec["volumeName"]
        out += _class_change(new, old, spec, before)
        bound = (new.get("status") or {}).get("phase") == "Bound"
        if bound:
            self._free_when_bound(spec, before)
        if _semantic(spec) != _semantic(before):
            why = (
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound "
                f"claims\n{claim_spec_diff(before, spec)}"
            )
            out.append(forbidden("spec", why))
        return out + self._size_change(new, old) + self._rest(new, old)

    def _free_when_bound(self, spec: Obj, before: Obj) -> None:
        """What a bound claim may change is taken from the old one before comparing."""
        requests = (spec.get("resources") or {}).get("requests")
        if requests is not None:
            old = ((before.get("resources") or {}).get("requests") or {}).get("storage")
            spec["resources"] = {**spec["resources"], "requests": {**requests, "storage": old}}
        spec.pop("volumeAttributesClassName", None)
        if before.get("volumeAttributesClassName") is not None:
            spec["volumeAttributesClassName"] = before["volumeAttributesClassName"]

    def _size_change(self, new: Obj, old: Obj) -> list[FieldError]:
        size, before = parse(_size(new) or "0"), parse(_size(old) or "0")
        granted = parse(((old.get("status") or {}).get("capacity") or {}).get("storage") or "0")
        if size < before and size <= granted:
            field = "spec.resources.requests.storage"
            return [forbidden(field, "field can not be less than status.capacity")]
        return []

    def _rest(self, new: Obj, old: Obj) -> list[FieldError]:
        out: list[FieldError] = []
        mode, was_mode = spec_of(new).get("volumeMode"), spec_of(old).get("volumeMode")
        if mode != was_mode:
            out.append(invalid("volumeMode", mode, IMMUTABLE))
        name, was = spec_of(new).get("volumeAttributesClassName"), spec_of(old).get("volumeAttributesClassName")
        current = (old.get("status") or {}).get("currentVolumeAttributesClassName")
        if name != was and current is not None and not name:
            what = "nil" if name is None else "empty string"
            why = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
            out.append(forbidden("spec.volumeAttributesClassName", why))
        return out

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        status = new.get("status") or {}
        out = [] if new["metadata"].get("resourceVersion") else [required("resourceVersion")]
        if not spec_of(new).get("accessModes"):
            out.append(required("Spec.accessModes"))
        for name, text in (status.get("capacity") or {}).items():
            out += basic_resource(text, f"status.capacity[{name}]")
        field = "status.allocatedResourceStatuses"
        for name, value in (status.get("allocatedResourceStatuses") or {}).items():
            out += _resource_key(name, field)
            if value not in RESIZE:
                out.append(not_supported(field, name, RESIZE))
        field = "status.allocatedResources"
        for name, text in (status.get("allocatedResources") or {}).items():
            where = f"{field}[{name}]"
            out += _resource_key(name, field) or basic_resource(text, where) or quantity_value("storage", text, where)
        return out

    def warnings_create(self, obj: Obj) -> list[str]:
        out: list[str] = []
        if CLASS_ANNOTATION in _annotations(obj):
            why = 'deprecated since v1.8; use "storageClassName" attribute instead'
            out.append(f"metadata.annotations[{CLASS_ANNOTATION}]: {why}")
        return out + claim_warnings(spec_of(obj), "spec")

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.warnings_create(new)


def basic_resource(text: str, field: str) -> list[FieldError]:
    """validateBasicResource."""
    value = whole_value(text)
    return [invalid(field, value, "must be a valid resource quantity")] if value < 0 else []


def _resource_key(name: str, field: str) -> list[FieldError]:
    if texts := label_key(name):
        return [invalid(field, name, text) for text in texts]
    if is_native(name) and name != "storage":
        return [not_supported(field, name, ["storage"])]
    return []
