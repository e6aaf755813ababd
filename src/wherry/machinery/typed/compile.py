"""Compile a Go type into one closure that decodes JSON the way Go would read and write it again.

The result of decoding is the canonical document: fields in Go's order, unknown ones gone, zero values dropped where the
tag says omitempty, structs always there, map keys sorted, quantities and times in their one form. Parsed documents are
used up: parts that need no change become parts of the result.

Kinds that the server stores as protobuf lose the difference between an empty list and none; kinds stored as JSON keep
it (`keep_empty`). Structs are compiled when a document first has them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from wherry.machinery.typed import scalars
from wherry.machinery.typed.context import At, Context, Embedded, Key
from wherry.machinery.typed.facts import Field, fields, is_struct, shown, underlying
from wherry.machinery.typed.objects import struct_decoder
from wherry.machinery.typed.scalars import Decode

# What an absent value of a type that is no struct looks like when written.
_ZERO: dict[str, Any] = {"string": "", "bool": False, "resource.Quantity": "0", "intstr.IntOrString": 0}
_INTEGERS = {"int32": 31, "int64": 63, "int": 63}
_SPECIAL: dict[str, Decode] = {
    "resource.Quantity": scalars.quantity,
    "intstr.IntOrString": scalars.int_or_string,
    "meta/v1.Time": scalars.time,
    "meta/v1.MicroTime": scalars.micro_time,
    "meta/v1.FieldsV1": scalars.anything,
    "runtime.RawExtension": scalars.anything,
    "runtime.Object": scalars.anything,
    "apiextensions/v1.JSON": scalars.anything,
    "any": scalars.anything,
}

KEEP, DROP_EMPTY, DROP_NONE = 0, 1, 2


def is_nilable(go_type: str) -> bool:
    return go_type.startswith(("*", "[]", "map[")) or go_type == "any"


def drop_rule(field: Field) -> int:
    """When a decoded value is left out."""
    base = underlying(field.type)
    if field.omitzero and base in ("meta/v1.Time", "meta/v1.MicroTime"):
        return DROP_NONE
    if not field.omitempty:
        return KEEP
    if base.startswith("*") or base == "any":
        return DROP_NONE
    if base.startswith(("[]", "map[")) or base in ("string", "bool", "float64") or base in _INTEGERS:
        return DROP_EMPTY
    return KEEP  # structs and types with their own JSON form: omitempty does not see them


def zero(go_type: str, keep_empty: bool) -> Any:
    """A callable for structs, else the value."""
    base = underlying(go_type)
    if is_struct(base):
        return lambda: decoder(base, keep_empty)(None, None, Context())
    if base in _INTEGERS or base == "float64":
        return 0
    return _ZERO.get(base)


@cache
def decoder(go_type: str, keep_empty: bool) -> Decode:
    """The closure for a type expression."""
    if go_type.startswith("*"):
        return _pointer(decoder(go_type[1:], keep_empty))
    base = underlying(go_type)
    if base in _SPECIAL:
        return _SPECIAL[base]
    if base.startswith("*"):
        return decoder(base, keep_empty)
    if base == "string":
        return scalars.string(shown(go_type))
    if base == "bool":
        return scalars.boolean(shown(go_type))
    if base == "float64":
        return scalars.floating(shown(go_type))
    if base in _INTEGERS:
        bits = _INTEGERS[base]
        return scalars.integer(shown(go_type), -(1 << bits), (1 << bits) - 1)
    if base == "[]uint8":
        return scalars.octets(shown(go_type))
    if base.startswith("[]"):
        return _list(go_type, base[2:], keep_empty)
    if match := re.match(r"map\[[^\]]+\](.*)$", base):
        return _map(go_type, match[1], keep_empty)
    if base.startswith("apiextensions/v1.JSONSchemaPropsOr"):
        from wherry.machinery.typed.schemas import UNIONS

        return UNIONS[base](decoder)
    return _struct(base, keep_empty)


def _pointer(inner: Decode) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        return None if raw is None else inner(raw, at, ctx)

    return decode


def _list(go_type: str, element: str, keep_empty: bool) -> Decode:
    inner = lazy(element, keep_empty)
    text = underlying(element) == "string"
    name = shown(go_type)

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is not list:
            if raw is not None:
                ctx.mismatch(at, raw, name)
            return None
        if not raw:
            return raw if keep_empty else None
        if text:
            for item in raw:
                if item.__class__ is not str:
                    break
            else:
                return raw
        index = -1
        return [inner(item, (at, (index := index + 1), ""), ctx) for item in raw]

    return decode


def _map(go_type: str, element: str, keep_empty: bool) -> Decode:
    inner = lazy(element, keep_empty)
    text = underlying(element) == "string"
    octets = underlying(element) == "[]uint8"
    name = shown(go_type)

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is not dict:
            if not isinstance(raw, dict):
                if raw is not None:
                    ctx.mismatch(at, raw, name)
                return None
            return in_order(_repeated(raw, inner, at, ctx))
        if not raw:
            return raw if keep_empty else None
        if text:
            for item in raw.values():
                if item.__class__ is not str:
                    break
            else:
                return raw if len(raw) == 1 else in_order(raw)
        out = {key: inner(value, (at, Key(key), ""), ctx) for key, value in raw.items()}
        if octets:  # protobuf has no nil bytes inside a map
            out = {key: "" if value is None else value for key, value in out.items()}
        return in_order(out)

    return decode


def in_order(found: dict[str, Any]) -> dict[str, Any]:
    """The map with its keys sorted; itself if they are."""
    keys = sorted(found)
    return found if keys == list(found) else {key: found[key] for key in keys}


def _repeated(raw: Any, inner: Decode, at: At, ctx: Context) -> dict[str, Any]:
    """A map whose document names a key twice: the last value stays, errors of all are told."""
    out: dict[str, Any] = {}
    for key, value in raw.pairs:
        if key in out:
            ctx.note("duplicate field", at, key)
        out[key] = inner(value, (at, Key(key), ""), ctx)
    return out


def lazy(go_type: str, keep_empty: bool) -> Decode:
    """The closure of a type; for a struct, one that compiles it when first called."""
    if not is_struct(go_type.lstrip("*")) and not is_nilable(go_type):
        return decoder(go_type, keep_empty)
    made: list[Decode] = []

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if not made:
            made.append(decoder(go_type, keep_empty))
        return made[0](raw, at, ctx)

    return decode


def _struct(name: str, keep_empty: bool) -> Decode:
    listed = fields(name)
    rows: dict[str, tuple[int, type | None, Decode, int, str]] = {}
    must: list[tuple[str, Any]] = []
    for index, field in enumerate(listed):
        segment: str = field.json
        if field.go_path != field.json:
            segment = Embedded(field.json)
            segment.go_path = field.go_path
        drop = drop_rule(field)
        base = underlying(field.type.lstrip("*"))
        klass: type | None = {"string": str, "bool": bool}.get(base)
        rows[field.json] = (index, klass, _late(rows, field, keep_empty), drop, segment)
        if drop == KEEP:
            must.append((field.json, zero(field.type, keep_empty)))
    # The struct's own name, without package, is what error texts say.
    return struct_decoder(shown(name).rpartition(".")[2], shown(name), rows, tuple(must))


def _late(rows: dict[str, Any], field: Field, keep_empty: bool) -> Decode:
    """A field's closure, made at its first use and then put in its own place."""

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        made = decoder(field.type, keep_empty)
        index, klass, _, drop, segment = rows[field.json]
        rows[field.json] = (index, klass, made, drop, segment)
        return made(raw, at, ctx)

    return decode


Compile = Callable[[str, bool], Decode]
