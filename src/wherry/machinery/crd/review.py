"""ConversionReview: the document that asks a webhook to convert custom resources, and the judgement of its answer.

Pure; `store.conversion` sends it. A webhook may change everything of an object but its identity, and of the metadata
labels and annotations only. Follows webhook_converter.go of k8s.io/apiextensions-apiserver/pkg/apiserver/conversion.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from wherry.errors import FieldError, Invalid, go_quote
from wherry.machinery.builtin.common.labels import validate_labels
from wherry.machinery.builtin.common.meta import validate_annotations
from wherry.machinery.kinds import Obj

GROUP = "apiextensions.k8s.io"
KNOWN = ("v1", "v1beta1")
KINDS = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64"}


class ConversionError(Exception):
    """A conversion that failed; the text is upstream's."""


def kind_text(obj: Obj) -> str:
    """`stable.example.com/v1, Kind=CronTab`."""
    return f"{obj.get('apiVersion', '')}, Kind={obj.get('kind', '')}"


def request(versions: Sequence[str], objects: Sequence[Obj], wanted: str, uid: str) -> tuple[str, bytes]:
    """(version of the review, its bytes). Raises ConversionError when no version is one that we speak."""
    version = next((v for v in versions if v in KNOWN), "")
    if not version:
        raise ConversionError("no supported conversion review versions")
    document = {
        "kind": "ConversionReview",
        "apiVersion": f"{GROUP}/{version}",
        "request": {"uid": uid, "desiredAPIVersion": wanted, "objects": objects},
        "response": {"uid": "", "convertedObjects": None, "result": {"metadata": {}}},
    }
    return version, orjson.dumps(document)


def converted(answer: bytes, version: str, uid: str, originals: Sequence[Obj], wanted: str) -> list[Obj]:
    """The objects of an answer, checked, with the metadata they must have. Raises ConversionError."""
    about = f"conversion webhook for {kind_text(originals[0])}"
    try:
        document = orjson.loads(answer)
    except orjson.JSONDecodeError as bad:
        raise ConversionError(f"{about} failed: {bad}") from None
    objects = _objects(document, version, uid, about)
    if len(objects) != len(originals):
        raise ConversionError(f"{about} returned {len(objects)} objects, expected {len(originals)}")
    return [_checked(original, obj, wanted) for original, obj in zip(originals, objects, strict=True)]


def _objects(document: Any, version: str, uid: str, about: str) -> list[Any]:
    document = document if isinstance(document, dict) else {}
    group, _, named = str(document.get("apiVersion", "")).rpartition("/")
    kind = document.get("kind", "")
    if version == "v1" and (group, named, kind) != (GROUP, "v1", "ConversionReview"):
        text = f"expected webhook response of {GROUP}/v1, Kind=ConversionReview, got {group}/{named}, Kind={kind}"
        raise ConversionError(f"{about} failed: {text}")
    response = document.get("response")
    if not isinstance(response, dict):
        raise ConversionError(f"{about} failed: no response provided")
    if version == "v1" and response.get("uid", "") != uid:
        got = go_quote(str(response.get("uid", "")))
        raise ConversionError(f"{about} failed: expected response.uid={go_quote(uid)}, got {got}")
    result = response.get("result")
    result = result if isinstance(result, dict) else {}
    status = result.get("status", "")
    if status != "Success":
        message = result.get("message") or f"response.result.status was '{status}', not 'Success'"
        raise ConversionError(f"{about} failed: {message}")
    found = response.get("convertedObjects")
    return found if isinstance(found, list) else []


def _checked(original: Obj, obj: Any, wanted: str) -> Obj:
    about = f"conversion webhook for {kind_text(original)} returned invalid"
    if not isinstance(obj, dict) or not obj.get("kind"):
        shown = orjson.dumps(obj).decode()
        raise ConversionError(f"Object 'Kind' is missing in '{shown}'")
    if obj.get("apiVersion", "") != wanted:
        text = f"invalid groupVersion (expected {wanted}, received {obj.get('apiVersion', '')})"
        raise ConversionError(f"{about} object at index 0: {text}")
    if obj["kind"] != original["kind"]:
        text = f"invalid kind (expected {original['kind']}, received {obj['kind']})"
        raise ConversionError(f"{about} object at index 0: {text}")
    before = original.get("metadata") or {}
    after = obj.get("metadata")
    for key, word in (("name", "name"), ("namespace", "namespace"), ("uid", "UID")):
        ours = before.get(key, "")
        theirs = after.get(key, "") if isinstance(after, dict) else ""
        if ours != theirs:
            raise ConversionError(f"{about} object: must have the same {word}: {ours} != {theirs}")
    try:
        meta = _metadata(before, obj)
    except _BadMetadata as bad:
        raise ConversionError(f"{about} metadata: {bad}") from None
    rest = {key: value for key, value in obj.items() if key not in ("kind", "apiVersion", "metadata")}
    return {"kind": obj["kind"], "apiVersion": wanted, "metadata": meta, **rest}


class _BadMetadata(Exception):
    pass


def _metadata(before: Obj, obj: Obj) -> Obj:
    """The original metadata with the labels and annotations of the converted object."""
    if "metadata" not in obj:
        raise _BadMetadata("missing metadata in converted object")
    after = obj["metadata"]
    if not isinstance(after, dict):
        raise _BadMetadata(f"invalid metadata of type {_type(after)} in converted object")
    meta = dict(before)
    for field in ("labels", "annotations"):
        new = after.get(field)
        if new is None:
            meta.pop(field, None)
            continue
        if not isinstance(new, dict):
            raise _BadMetadata(f"invalid metadata.{field} of type {_type(new)} in converted object")
        for key, value in new.items():
            if not isinstance(value, str):
                kind = _type(value)
                raise _BadMetadata(f"metadata.{field}[{key}] must be a string, but is {kind} in converted object")
        if new != (before.get(field) or {}) and (found := _invalid(field, new)):
            raise _BadMetadata(Invalid.of("", "", "", found).message.partition(" is invalid: ")[2])
        meta[field] = new
    return meta


def _invalid(field: str, values: dict[str, str]) -> list[FieldError]:
    if field == "labels":
        return validate_labels(values, "metadata.labels")
    return validate_annotations(values, "metadata.annotation")  # upstream names the field so


def _type(value: Any) -> str:
    """A type as Go's %T names what encoding/json made of it."""
    return "<nil>" if value is None else KINDS.get(type(value), "float64")
