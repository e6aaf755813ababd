"""OpenAPI structural schemas as CEL types, with the sizes that costs are estimated from.

Follows SchemaDeclType in k8s.io/apiserver/pkg/cel/common, and k8s.io/apiserver/pkg/cel for the escaping of names.
A `Decl` also knows how a JSON value becomes a CEL value: most need nothing, dates and doubles are converted where
they are read, lists of type set and map are marked so that they compare without order.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.library.times import parse_duration, parse_timestamp
from wherry.machinery.cel.parser import RESERVED
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import Duration, MapList, SetList

Obj = dict[str, Any]
Convert = Callable[[Any], Any]
MAX_REQUEST = 3 * 1024 * 1024
_RESERVED = RESERVED
_ESCAPES = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}
_ESCAPED = re.compile(r"__|[-./]")
_ALLOWED = re.compile(r"[a-zA-Z_.\-/][a-zA-Z0-9_.\-/]*\Z")


def escape(name: str) -> str | None:
    """A property's name as an identifier, None for one that cannot be."""
    if not _ALLOWED.match(name):
        return None
    if name in _RESERVED:
        return f"__{name}__"
    return _ESCAPED.sub(lambda m: _ESCAPES[m[0]], name)


class Decl:
    """One schema: its type, its largest number of elements, the smallest size of its JSON."""

    __slots__ = ("convert", "deep", "fields", "item", "max_elements", "min_size", "raw", "type")

    def __init__(
        self,
        type_: Type,
        max_elements: int = 0,
        min_size: int = 0,
        *,
        convert: Convert | None = None,
        item: Decl | None = None,
        fields: dict[str, Decl] | None = None,
        raw: dict[str, str] | None = None,
    ):
        self.type, self.max_elements, self.min_size = type_, max_elements, min_size
        self.convert, self.item = convert, item
        self.fields: dict[str, Decl] = fields or {}
        self.raw: dict[str, str] = raw or {}
        self.deep: Convert | None = _deep(self)

    def raw_name(self, field: str) -> str:
        return self.raw.get(field, field)

    def converter(self, field: str) -> Convert | None:
        found = self.fields.get(field) or self.fields.get(f"__{field}__")
        return found.convert if found is not None else None

    def build(self, values: Obj) -> Obj:
        return {self.raw_name(name): value for name, value in values.items()}


def _deep(decl: Decl) -> Convert | None:
    if decl.fields:
        special = {decl.raw_name(name): f.deep for name, f in decl.fields.items() if f.deep is not None}
        if not special:
            return None

        def convert(value: Any) -> Any:
            if not isinstance(value, dict):
                return value
            return {k: special[k](v) if k in special and v is not None else v for k, v in value.items()}

        return convert
    if decl.item is not None and decl.item.deep is not None and decl.type.kind in ("list", "map"):
        return _container_deep(decl, decl.item.deep)
    return decl.convert


def _container_deep(decl: Decl, inner: Convert) -> Convert:
    mark = decl.convert

    def convert(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: inner(v) for k, v in value.items()}
        if not isinstance(value, list):
            return value
        marked = mark(value) if mark is not None else value
        out = type(marked)(inner(v) for v in value)
        if isinstance(out, MapList) and isinstance(marked, MapList):
            out.keys = marked.keys
        return out

    return convert


_META = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}},
}


def with_type_and_meta(schema: Obj) -> Obj:
    """Resources always show apiVersion, kind, and the names in metadata."""
    props = schema.get("properties") or {}
    meta = (props.get("metadata") or {}).get("properties") or {}
    string = {"type": "string"}
    if all((props.get(k) or {}).get("type") == "string" for k in ("kind", "apiVersion")) and all(
        (meta.get(k) or {}).get("type") == "string" for k in ("name", "generateName")
    ):
        return schema
    return {**schema, "properties": {**props, "kind": string, "apiVersion": string, "metadata": _META}}


def declare(schema: Obj | None, root: bool, name: str = "selfType") -> Decl | None:
    """The declaration of a schema, None for what rules do not see. `name` names its struct."""
    if schema is None:
        return None
    if schema.get("x-kubernetes-int-or-string"):
        limit = _length(schema, MAX_REQUEST - 2)
        return Decl(t.DYN, limit, 1)
    if root:
        schema = with_type_and_meta(schema)
    kind = schema.get("type")
    if kind == "array":
        return _list(schema, name)
    if kind == "object":
        return _object(schema, name)
    if kind == "string":
        return _string(schema)
    if kind == "boolean":
        return Decl(t.BOOL, 0, 4)
    if kind == "number":
        return Decl(t.DOUBLE, 0, 1, convert=lambda v: float(v) if type(v) is int else v)
    if kind == "integer":
        return Decl(t.INT, 0, 1, convert=None)
    return None


def _length(schema: Obj, default: int) -> int:
    given = schema.get("maxLength")
    return default if given is None else max(given, 0) * 4


def _list(schema: Obj, name: str) -> Decl | None:
    items = schema.get("items")
    if not isinstance(items, dict):
        return None
    item = declare(items, bool(items.get("x-kubernetes-embedded-resource")), f"{name}.@idx")
    if item is None:
        return None
    given = schema.get("maxItems")
    limit = max(given, 0) if given is not None else (MAX_REQUEST - 2) // (item.min_size + 1)
    return Decl(t.list_of(item.type), limit, 2, item=item, convert=_list_converter(schema, item))


def _list_converter(schema: Obj, item: Decl) -> Convert | None:
    inner, list_type = item.convert, schema.get("x-kubernetes-list-type")
    if list_type == "set":
        return lambda v: SetList(map(inner, v) if inner is not None else v) if type(v) is list else v
    if list_type == "map":
        keys = tuple(schema.get("x-kubernetes-list-map-keys") or ())

        def mark(value: Any) -> Any:
            if type(value) is not list:
                return value
            out = MapList(value)
            out.keys = keys
            return out

        return mark
    if inner is None:
        return None
    return lambda v: [inner(x) for x in v] if isinstance(v, list) else v


def _object(schema: Obj, name: str) -> Decl | None:
    extra = schema.get("additionalProperties")
    if isinstance(extra, dict):
        value = declare(extra, bool(extra.get("x-kubernetes-embedded-resource")), f"{name}.@elem")
        if value is None:
            return None
        given = schema.get("maxProperties")
        limit = max(given, 0) if given is not None else (MAX_REQUEST - 2) // (value.min_size + 6)
        inner = value.convert
        convert = None if inner is None else lambda v: {k: inner(x) for k, x in v.items()} if isinstance(v, dict) else v
        return Decl(t.map_of(t.STRING, value.type), limit, 2, item=value, convert=convert)
    required = set(schema.get("required") or ())
    fields: dict[str, Decl] = {}
    raw: dict[str, str] = {}
    size = 2
    for prop, child in (schema.get("properties") or {}).items():
        declared = declare(child, bool(child.get("x-kubernetes-embedded-resource")), f"{name}.{prop}")
        if declared is None:
            continue
        escaped = escape(prop)
        if escaped is not None:
            fields[escaped] = declared
            if escaped != prop:
                raw[escaped] = prop
        if prop in required and child.get("default") is None:
            size += len(prop) + declared.min_size + 4
    type_ = t.struct(name, {field: d.type for field, d in fields.items()})
    decl = Decl(type_, 0, size, fields=fields, raw=raw)
    type_.decl = decl
    return decl


def _string(schema: Obj) -> Decl:
    form = schema.get("format") or ""
    if form == "byte":
        given = schema.get("maxLength")
        return Decl(t.BYTES, MAX_REQUEST - 2 if given is None else max(given, 0), 2, convert=_bytes)
    if form == "duration":
        return Decl(t.DURATION, 32, 3, convert=_duration)
    if form == "date":
        return Decl(t.TIMESTAMP, 12, 12, convert=lambda v: _stamp(f"{v}T00:00:00Z") if isinstance(v, str) else v)
    if form == "date-time":
        return Decl(t.TIMESTAMP, 32, 21, convert=_stamp)
    if schema.get("maxLength") is not None:
        limit = _length(schema, 0)
    elif schema.get("enum"):
        limit = max((len(v.encode()) for v in schema["enum"] if isinstance(v, str)), default=0)
    else:
        limit = MAX_REQUEST - 2
    return Decl(t.STRING, limit, 2)


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except ValueError:
        raise CelError(f"failed to decode base64 {value}") from None


def _duration(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    nanos = parse_duration(value)
    if nanos is None:
        raise CelError(f"Invalid duration {value}")
    return Duration(nanos)


def _stamp(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    found = parse_timestamp(value)
    if found is None:
        raise CelError(f"Invalid date-time {value}")
    return found
