"""Annotations that mean something to pods. Follows ValidatePodSpecificAnnotations and its rules for updates."""

from __future__ import annotations

import json
from typing import Any

from wherry.errors import FieldError, forbidden, invalid
from wherry.machinery.builtin.workloads.options import PodOptions, deletion_cost_is_sound
from wherry.machinery.builtin.workloads.pod_scheduling import validate_tolerations
from wherry.machinery.builtin.workloads.pod_security import APPARMOR_CONTAINER, profile_annotations

Obj = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
TOLERATIONS = "scheduler.alpha.kubernetes.io/tolerations"
DELETION_COST = "controller.kubernetes.io/pod-deletion-cost"


def validate_pod_annotations(
    annotations: dict[str, str], spec: Obj, path: str, options: PodOptions
) -> list[FieldError]:
    if not annotations:
        return []
    errors: list[FieldError] = []
    if MIRROR in annotations and not spec.get("nodeName"):
        text = "must set spec.nodeName if mirror pod annotation is set"
        errors.append(invalid(f"{path}[{MIRROR}]", annotations[MIRROR], text))
    if annotations.get(TOLERATIONS):
        errors += _tolerations(annotations[TOLERATIONS], path, options)
    if not options.invalid_deletion_cost and not deletion_cost_is_sound(annotations):
        errors.append(invalid(f"{path}[{DELETION_COST}]", annotations[DELETION_COST], "must be a 32bit integer"))
    return errors + profile_annotations(annotations, spec, path)


def _tolerations(text: str, path: str, options: PodOptions) -> list[FieldError]:
    try:
        found = json.loads(text)
    except ValueError:
        return [invalid(path, TOLERATIONS, "invalid character")]
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        return [] if found is None else [invalid(path, TOLERATIONS, "json: cannot unmarshal into []v1.Toleration")]
    return validate_tolerations(found, f"{path}.{TOLERATIONS}", options)


def validate_annotation_updates(new: Obj, old: Obj, path: str, options: PodOptions) -> list[FieldError]:
    """AppArmor and mirror annotations stay as they were."""
    after, before = new["metadata"].get("annotations") or {}, old["metadata"].get("annotations") or {}
    errors: list[FieldError] = []
    for key in sorted(before):
        if after.get(key) != before[key]:
            errors += _fixed(key, path, "may not remove or update")
    for key in sorted(after):
        if key not in before:
            errors += _fixed(key, path, "may not add")
    return errors + validate_pod_annotations(after, new.get("spec") or {}, path, options)


def _fixed(key: str, path: str, what: str) -> list[FieldError]:
    if key.startswith(APPARMOR_CONTAINER):
        return [forbidden(f"{path}[{key}]", f"{what} AppArmor annotations")]
    return [forbidden(f"{path}[{key}]", f"{what} mirror pod annotation")] if key == MIRROR else []
