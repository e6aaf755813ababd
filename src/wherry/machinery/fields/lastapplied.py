"""From kubectl's client-side apply to server-side apply.

kubectl used to keep what it applied in an annotation. When the manager `kubectl` applies on the server, fields that are
still as the annotation has them are no conflicts, and the annotation is kept up to date. Mirrors lastappliedmanager.go
and lastappliedupdater.go of k8s.io/apimachinery/pkg/util/managedfields/internal.
"""

from __future__ import annotations

from typing import Any

from wherry.kit.gojson import JSONError
from wherry.machinery.fields.comparison import compare
from wherry.machinery.fields.nodes import Node
from wherry.machinery.fields.sets import FieldSet, difference
from wherry.machinery.fields.typed import check, to_set
from wherry.machinery.fields.values import TypedError
from wherry.machinery.kinds import Obj
from wherry.machinery.patch.document import plain, read
from wherry.machinery.patch.refusals import go_json

ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "kubectl"
MAX_ANNOTATIONS = 256 * 1024


def annotation(obj: Obj) -> str:
    meta = obj.get("metadata")
    annotations = meta.get("annotations") if isinstance(meta, dict) else None
    value = annotations.get(ANNOTATION) if isinstance(annotations, dict) else None
    return value if isinstance(value, str) else ""


def allowed_conflicts(live: Obj, api_version: str, node: Node) -> FieldSet | None:
    """The fields that are as kubectl applied them last; None when there is no telling."""
    text = annotation(live)
    if not text:
        return None
    try:
        last = plain(read(text.encode()))
        if not isinstance(last, dict) or last.get("apiVersion") != api_version or not last.get("kind"):
            return None
        check(live, node)
        check(last, node)
        fields = to_set(last, node)
        changes = compare(last, live, node)
    except (JSONError, TypedError):
        return None
    for gone in (changes.modified, changes.added, changes.removed):
        fields = difference(fields, gone)
    return fields


def with_annotation(obj: Obj, applied: Obj) -> Obj:
    """`obj`, its annotation renewed from what was applied (dropped when annotations would grow too large)."""
    annotations: dict[str, Any] = {**obj["metadata"]["annotations"], ANNOTATION: _encoded(applied)}
    if sum(len(key.encode()) + len(str(value).encode()) for key, value in annotations.items()) > MAX_ANNOTATIONS:
        del annotations[ANNOTATION]
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def _encoded(applied: Obj) -> str:
    """As unstructured objects are encoded: sorted keys and a newline."""
    meta = applied.get("metadata")
    if isinstance(meta, dict):
        # upstream reads the annotations as strings and writes them back without its own
        annotations = meta.get("annotations")
        meta = {key: value for key, value in meta.items() if key != "annotations"}
        if isinstance(annotations, dict):
            kept = {key: value for key, value in annotations.items() if key != ANNOTATION}
            if all(isinstance(value, str) for value in annotations.values()):
                meta["annotations"] = kept
        applied = {**applied, "metadata": meta}
    return go_json(_sorted(applied)) + "\n"


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value
