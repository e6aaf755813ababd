"""ObjectMeta inside custom objects: decoded as Go's typed struct would, so that unknown fields and wrong types show.

Used for `metadata` at the root of custom objects and of resources embedded in them. Follows
k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta (coerce) and encoding/json's error texts.
"""

from __future__ import annotations

from typing import Any

from wherry.kit.times import TimeError, normal_time
from wherry.machinery.schema.gotext import INT64_MAX, INT64_MIN, type_name

Obj = dict[str, Any]


class MetaError(ValueError):
    """metadata that does not fit the ObjectMeta struct; the text is encoding/json's."""


_STRING, _UID, _INT, _BOOL, _TIME, _RAW = "string", "types.UID", "int64", "bool", "v1.Time", "v1.FieldsV1"
_MAP, _STRINGS = "map[string]string", "[]string"
_OWNER = {
    "apiVersion": _STRING,
    "kind": _STRING,
    "name": _STRING,
    "uid": _UID,
    "controller": _BOOL,
    "blockOwnerDeletion": _BOOL,
}
_MANAGED = {
    "manager": _STRING,
    "operation": _STRING,
    "apiVersion": _STRING,
    "time": _TIME,
    "fieldsType": _STRING,
    "fieldsV1": _RAW,
    "subresource": _STRING,
}
_FIELDS: dict[str, str] = {
    "name": _STRING,
    "generateName": _STRING,
    "namespace": _STRING,
    "selfLink": _STRING,
    "uid": _UID,
    "resourceVersion": _STRING,
    "generation": _INT,
    "creationTimestamp": _TIME,
    "deletionTimestamp": _TIME,
    "deletionGracePeriodSeconds": _INT,
    "labels": _MAP,
    "annotations": _MAP,
    "ownerReferences": "[]v1.OwnerReference",
    "finalizers": _STRINGS,
    "managedFields": "[]v1.ManagedFieldsEntry",
}
_STRUCTS = {
    "[]v1.OwnerReference": ("OwnerReference", _OWNER),
    "[]v1.ManagedFieldsEntry": ("ManagedFieldsEntry", _MANAGED),
}
_POINTERS = ("deletionGracePeriodSeconds", "controller", "blockOwnerDeletion")  # zero values of these are kept
_ALWAYS = ("apiVersion", "kind", "name", "uid")  # of an owner reference, written even when empty
_OPERATION = "v1.ManagedFieldsOperationType"


def _found(value: Any) -> str:
    kind = type_name(value)
    return {"boolean": "bool", "integer": "number"}.get(kind, kind)


class _Decoder:
    def __init__(self) -> None:
        self.unknown: list[str] = []
        self.error: str | None = None  # encoding/json goes on after a type error and reports the first

    def fail(self, value: Any, kind: str, struct: str, path: str, exact: str = "") -> None:
        if self.error is None:
            found = _found(value) + exact
            self.error = f"json: cannot unmarshal {found} into Go struct field {struct}.{path} of type {kind}"

    def struct(self, value: Obj, name: str, fields: dict[str, str], stack: str, place: str) -> Obj:
        out: Obj = {}
        for key in sorted(value):
            kind = fields.get(key)
            if kind is None:
                self.unknown.append(place + key)
                continue
            if kind is _STRING and key == "operation":
                kind = _OPERATION
            decoded = self.field(value[key], kind, name, stack + key, place + key)
            if decoded is not None and (decoded or key in _POINTERS):
                out[key] = decoded
        return out

    def field(self, value: Any, kind: str, name: str, stack: str, place: str) -> Any:
        if value is None:
            return None
        if kind in (_STRING, _UID, _OPERATION):
            return value if isinstance(value, str) else self.fail(value, kind, name, stack)
        if kind == _INT:
            return self.integer(value, name, stack)
        if kind == _BOOL:
            return value if isinstance(value, bool) else self.fail(value, kind, name, stack)
        if kind == _TIME:
            if not isinstance(value, str):
                raise MetaError(self.error or f"json: cannot unmarshal {_found(value)} into Go value of type string")
            try:
                return normal_time(value)
            except TimeError as error:
                raise MetaError(str(error)) from None
        if kind == _MAP:
            return self.string_map(value, name, stack)
        if kind == _RAW:
            return value
        return self.array(value, kind, name, stack, place)

    def integer(self, value: Any, name: str, stack: str) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return self.fail(value, _INT, name, stack)
        if isinstance(value, float) or not INT64_MIN <= value <= INT64_MAX:
            from wherry.machinery.schema.gotext import go_json

            return self.fail(value, _INT, name, stack, f" {go_json(value)}")
        return value

    def string_map(self, value: Any, name: str, stack: str) -> Any:
        if not isinstance(value, dict):
            return self.fail(value, _MAP, name, stack)
        for item in (value[key] for key in sorted(value)):
            if item is not None and not isinstance(item, str):
                self.fail(item, _STRING, name, stack)
        return {key: item if isinstance(item, str) else "" for key, item in value.items()}

    def array(self, value: Any, kind: str, name: str, stack: str, place: str) -> Any:
        if not isinstance(value, list):
            return self.fail(value, kind, name, stack)
        if kind == _STRINGS:
            for item in value:
                if item is not None and not isinstance(item, str):
                    self.fail(item, _STRING, name, stack)
            return [item if isinstance(item, str) else "" for item in value]
        struct, fields = _STRUCTS[kind]
        out: list[Obj] = []
        for index, item in enumerate(value):
            if item is not None and not isinstance(item, dict):
                self.fail(item, f"v1.{struct}", name, stack)
                continue
            decoded = self.struct(item or {}, struct, fields, f"{stack}.", f"{place}[{index}].")
            if struct == "OwnerReference":
                decoded = {**dict.fromkeys(_ALWAYS, ""), **decoded}
            out.append(decoded)
        return out


def _quick(meta: Obj) -> Obj | None:
    """The canonical form of metadata in which nothing is unusual, None where the decoder has to look."""
    out: Obj = {}
    for key, value in meta.items():
        kind = _FIELDS.get(key)
        if kind is _STRING or kind is _UID:
            if type(value) is not str:
                return None
        elif kind is _MAP:
            if type(value) is not dict:
                return None
            for item in value.values():
                if type(item) is not str:
                    return None
        elif kind is _INT:
            if type(value) is not int or not INT64_MIN <= value <= INT64_MAX:
                return None
        elif kind is _STRINGS:
            if type(value) is not list or not all(type(item) is str for item in value):
                return None
        elif kind is _TIME:
            if type(value) is not str:
                return None
            try:
                value = normal_time(value)
            except TimeError:
                return None
        else:
            return None
        if value or (key in _POINTERS and value is not None):
            out[key] = value
    return out


def coerce_object_meta(meta: Any, *, drop_invalid: bool = False) -> tuple[Obj, list[str]]:
    """Canonical ObjectMeta and the unknown fields, relative to metadata. Raises MetaError on a wrong type.

    With `drop_invalid`, as when reading what is stored, fields of a wrong type are left out instead.
    """
    if meta is None:
        return {}, []
    if not isinstance(meta, dict):
        raise MetaError(f"json: cannot unmarshal {_found(meta)} into Go value of type v1.ObjectMeta")
    quick = _quick(meta)
    if quick is not None:
        return quick, []
    decoder = _Decoder()
    try:
        out = decoder.struct(meta, "ObjectMeta", _FIELDS, "", "")
        if decoder.error is not None:
            raise MetaError(decoder.error)
    except MetaError:
        if not drop_invalid:
            raise
        return _field_by_field(meta)
    return out, decoder.unknown


def _field_by_field(meta: Obj) -> tuple[Obj, list[str]]:
    kept: Obj = {}
    unknown: list[str] = []
    for key in sorted(meta):
        try:
            part, more = coerce_object_meta({key: meta[key]})
        except MetaError:
            continue
        kept.update(part)
        unknown += more
    return kept, unknown
