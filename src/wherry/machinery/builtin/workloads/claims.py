"""Validation of claims inside templates: ephemeral volumes of pods, volumeClaimTemplates of StatefulSets.

Follows ValidatePersistentVolumeClaimSpec in core validation; the kind's own rules are elsewhere.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_selector, validate_labels
from wherry.machinery.builtin.common.meta import validate_annotations
from wherry.machinery.builtin.common.names import dns1123_label, dns1123_subdomain
from wherry.machinery.builtin.common.quantities import milli_value, parse

Obj = dict[str, Any]
ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")
# Metadata in the order of the Go struct, beside the two that a template may carry.
_META_FIELDS = (
    ("name", "name"),
    ("generateName", "generateName"),
    ("namespace", "namespace"),
    ("selfLink", "selfLink"),
    ("uid", "uID"),
    ("resourceVersion", "resourceVersion"),
    ("generation", "generation"),
    ("creationTimestamp", "creationTimestamp"),
    ("deletionTimestamp", "deletionTimestamp"),
    ("deletionGracePeriodSeconds", "deletionGracePeriodSeconds"),
    ("ownerReferences", "ownerReferences"),
    ("finalizers", "finalizers"),
    ("managedFields", "managedFields"),
)


def validate_claim_template(template: Obj, path: str) -> list[FieldError]:
    meta = template.get("metadata") or {}
    where = path + ".metadata"
    errors = validate_annotations(meta.get("annotations"), where + ".annotations")
    errors += validate_labels(meta.get("labels"), where + ".labels")
    errors += [forbidden(f"{where}.{shown}", "cannot be set") for key, shown in _META_FIELDS if meta.get(key)]
    return errors + validate_claim_spec(template.get("spec") or {}, path + ".spec")


def validate_claim_spec(spec: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    modes = spec.get("accessModes") or []
    if not modes:
        errors.append(required(path + ".accessModes", "at least 1 access mode is required"))
    errors += validate_label_selector(spec.get("selector"), path + ".selector")
    errors += [not_supported(path + ".accessModes", mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and any(m in ACCESS_MODES and m != "ReadWriteOncePod" for m in modes):
        errors.append(forbidden(path + ".accessModes", "may not use ReadWriteOncePod with other access modes"))
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    where = path + ".resources[storage]"
    if size is None:
        errors.append(required(where))
    elif parse(size) <= 0:
        errors.append(invalid(where, size, "must be greater than zero"))
    for name in ("storageClassName",):
        if spec.get(name):
            errors += [invalid(f"{path}.{name}", spec[name], text) for text in dns1123_subdomain(spec[name])]
    mode = spec.get("volumeMode")
    if mode is not None and mode not in VOLUME_MODES:
        errors.append(not_supported(path + ".volumeMode", mode, VOLUME_MODES))
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if source is not None:
        errors += _data_source(source, path + ".dataSource")
    if reference is not None:
        errors += _data_source(reference, path + ".dataSourceRef")
        namespace = reference.get("namespace")
        if namespace:
            texts = dns1123_label(namespace)
            errors += [invalid(path + ".dataSourceRef.namespace", namespace, text) for text in texts]
    if source is not None and reference is not None:
        text = ""
        if reference.get("namespace"):
            text = "may not be specified when dataSourceRef.namespace is specified"
        elif any(source.get(key) != reference.get(key) for key in ("apiGroup", "kind", "name")):
            text = "must match dataSourceRef"
        if text:  # the bad value is a field.Path, which marshals to an empty struct
            errors.append(invalid(path, {}, text))
    kind = spec.get("volumeAttributesClassName")
    if kind:
        errors += [invalid(path + ".volumeAttributesClassName", kind, text) for text in dns1123_subdomain(kind)]
    return errors


def _data_source(source: Obj, path: str) -> list[FieldError]:
    errors = [required(f"{path}.{name}") for name in ("name", "kind") if not source.get(name)]
    group = source.get("apiGroup") or ""
    if not group and source.get("kind", "") != "PersistentVolumeClaim":
        text = "must be 'PersistentVolumeClaim' when referencing the default apiGroup"
        errors.append(invalid(path, source.get("kind", ""), text))
    return errors + [invalid(path + ".apiGroup", group, text) for text in (dns1123_subdomain(group) if group else ())]


def claim_warnings(spec: Obj, path: str) -> list[str]:
    warnings: list[str] = []
    resources = spec.get("resources") or {}
    for kind in ("requests", "limits"):
        text = (resources.get(kind) or {}).get("storage")
        if text is not None and milli_value(text) % 1000:
            where = f"{path}.resources.{kind}[storage]"
            warnings.append(f'{where}: fractional byte value "{text}" is invalid, must be an integer')
    return warnings
