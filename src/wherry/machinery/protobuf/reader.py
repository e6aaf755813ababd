"""Protobuf messages of built-in kinds as JSON-shaped dicts, by the generated field numbers.

The result is what a client would have sent as JSON; `machinery.typed` then brings it into canonical form, so both ways
in end at the same object. Unknown fields are skipped. Closures are compiled once per type, at first use.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

from wherry.kit import gojson
from wherry.kit.times import format_micro, format_seconds
from wherry.machinery.protobuf.wire import (
    BYTES,
    EOF,
    FIXED64,
    NEGATIVE,
    VARINT,
    ProtobufError,
    fields,
    one,
    signed,
    varint,
)
from wherry.machinery.typed.facts import definition, is_struct, shown, underlying

DEEPEST = 200  # levels of messages: only schemas nest without bound

Read = Callable[[Any, int], Any]  # (wire value, depth) -> JSON value
# A message named ExtraValue or Verbs stands for a plain list in JSON.
LIST_MESSAGES = re.compile(r".*\.(ExtraValue|Verbs)$")


def text(value: bytes, depth: int) -> str:
    return value.decode("utf-8", "wherry-go-replace")


def _document(data: bytes) -> Any:
    """JSON inside a message; nothing at all is null."""
    if not data:
        return None
    try:
        return gojson.loads(data)
    except ValueError as error:
        raise ProtobufError(str(error)) from None


def _raw(value: bytes, depth: int) -> Any:
    found = b""
    for number, wire, item in fields(value, "RawExtension"):
        if number == 1 and wire == BYTES:
            found = item
    return _document(found)


def _quantity(value: bytes, depth: int) -> str:
    found = "0"
    for number, wire, item in fields(value, "Quantity"):
        if number == 1 and wire == BYTES:
            found = text(item, depth)
    return found


def _timestamp(value: bytes) -> tuple[int, int]:
    seconds = nanos = 0
    for number, wire, item in fields(value, "Timestamp"):
        if wire != VARINT:
            continue
        if number == 1:
            seconds = signed(item, 64)
        elif number == 2:
            nanos = signed(item, 32)
    if not -62135596800 <= seconds <= 253402300799:
        raise ProtobufError("Time.MarshalJSON: year outside of range [0,9999]")
    return seconds, nanos


def _time(value: bytes, depth: int) -> str | None:
    return format_seconds(_timestamp(value)[0]) if value else None


def _micro_time(value: bytes, depth: int) -> str | None:
    if not value:
        return None
    seconds, nanos = _timestamp(value)
    carry, nanos = divmod(nanos, 1_000_000_000)
    return format_micro(seconds + carry, nanos)


def _int_or_string(value: bytes, depth: int) -> Any:
    kind, number_value, text_value = 0, 0, ""
    for number, wire, item in fields(value, "IntOrString"):
        if number == 1 and wire == VARINT:
            kind = signed(item, 64)
        elif number == 2 and wire == VARINT:
            number_value = signed(item, 32)
        elif number == 3 and wire == BYTES:
            text_value = text(item, depth)
    if kind not in (0, 1):
        raise ProtobufError("impossible IntOrString.Type")
    return text_value if kind == 1 else number_value


def _double(value: int, depth: int) -> float:
    found: float = struct.unpack("<d", value.to_bytes(8, "little"))[0]
    # A float that is a whole number is written by Go without a fraction.
    return int(found) if found.is_integer() and abs(found) < 1e21 else found


def _octets(value: bytes, depth: int) -> str:
    return base64.b64encode(value).decode()


# type -> (wire type, reader)
_LEAVES: dict[str, tuple[int, Read]] = {
    "string": (BYTES, text),
    "bool": (VARINT, lambda value, depth: value != 0),
    "int32": (VARINT, lambda value, depth: signed(value, 32)),
    "int64": (VARINT, lambda value, depth: signed(value, 64)),
    "int": (VARINT, lambda value, depth: signed(value, 64)),
    "float64": (FIXED64, _double),
    "[]uint8": (BYTES, _octets),
    "resource.Quantity": (BYTES, _quantity),
    "intstr.IntOrString": (BYTES, _int_or_string),
    "meta/v1.Time": (BYTES, _time),
    "meta/v1.MicroTime": (BYTES, _micro_time),
    "runtime.RawExtension": (BYTES, _raw),
    "meta/v1.FieldsV1": (BYTES, _raw),
    "apiextensions/v1.JSON": (BYTES, _raw),
}
_SCHEMA = "apiextensions/v1.JSONSchemaProps"


def _union(listed: str) -> Read:
    """The unions of JSONSchemaProps: {allows or schema} and {schema or list}."""

    def read(value: bytes, depth: int) -> Any:
        schema: Any = None
        items: list[Any] = []
        allows = False
        for number, wire, item in fields(value, "JSONSchemaPropsOr"):
            if listed == "bool" and (number, wire) == (1, VARINT):
                allows = item != 0
            elif wire == BYTES and number == (2 if listed == "bool" else 1):
                schema = message(_SCHEMA)(item, depth + 1)
            elif wire == BYTES and number == 2:
                items.append(text(item, depth) if listed == "string" else message(_SCHEMA)(item, depth + 1))
        if schema is not None:
            return schema
        return allows if listed == "bool" else items or None

    return read


_UNIONS = {
    "apiextensions/v1.JSONSchemaPropsOrBool": _union("bool"),
    "apiextensions/v1.JSONSchemaPropsOrArray": _union("schema"),
    "apiextensions/v1.JSONSchemaPropsOrStringArray": _union("string"),
}


@cache
def leaf(go_type: str) -> tuple[int, Read]:
    """How one value of a type that is neither list nor map is read."""
    base = underlying(go_type.lstrip("*"))
    if base in _LEAVES:
        return _LEAVES[base]
    if base in _UNIONS:
        return BYTES, _UNIONS[base]
    if LIST_MESSAGES.match(go_type):
        return BYTES, lambda value, depth: [text(item, depth) for n, w, item in fields(value, go_type) if n == 1]
    if is_struct(base):
        return BYTES, lambda value, depth: message(base)(value, depth + 1)
    raise KeyError(go_type)


def rows(name: str) -> list[tuple[str, str, str, int, bool]]:
    """(JSON name, Go name, type, number, embedded) of a struct's own fields that protobuf has."""
    definition_text = definition(underlying(name))
    out = []
    for row in filter(None, (definition_text or "").split("|")):
        json_name, go_name, go_type, flags = row.split(" ")
        number = int(flags.lstrip("ozi") or 0)
        if number:
            out.append((json_name, go_name, go_type, number, "i" in flags))
    return out


@cache
def message(name: str) -> Read:
    """The reader of a struct."""
    title = shown(name).rpartition(".")[2]
    expected: dict[int, tuple[str | None, Any]] = {}  # by tag: a name and a reader, or None and what stores the value
    names: dict[int, tuple[str, int, Store]] = {}
    for json_name, go_name, go_type, number, embedded in rows(name):
        wire, plain, act = _field(json_name, go_type, embedded)
        names[number] = (go_name, wire, act)
        expected[number << 3 | wire] = (json_name, leaf(go_type)[1]) if plain else (None, act)
    get = expected.get

    def read(data: bytes, depth: int) -> Any:
        if depth > DEEPEST:
            raise ProtobufError("exceeded max depth")
        out: dict[str, Any] = {}
        pos, size = 0, len(data)
        while pos < size:
            start = pos
            tag = data[pos]
            pos += 1
            if tag >= 0x80:
                tag, pos = varint(data, start)
            found = get(tag)
            wire = tag & 7
            value: Any
            if found is not None and wire == BYTES:
                length = data[pos] if pos < size else 0x80
                if length < 0x80:
                    pos += 1
                else:
                    length, pos = varint(data, pos)
                end = pos + length
                if end > size:
                    raise ProtobufError(EOF if length < 1 << 63 else NEGATIVE)
                value = data[pos:end]
                pos = end
            elif found is not None and wire == VARINT:
                value, pos = varint(data, pos)
            else:
                pos = unexpected(out, data, start, depth)
                continue
            key, action = found
            if key is None:
                action(out, value, depth)
            else:
                out[key] = action(value, depth)
        return out

    def unexpected(out: dict[str, Any], data: bytes, start: int, depth: int) -> int:
        """A field that is unknown, has a fixed width, or has another wire type than it should; past it."""
        tag, _ = varint(data, start)
        go_name, wire, act = names.get(tag >> 3, ("", -1, None))
        packed = wire in (VARINT, FIXED64) and tag & 7 == BYTES
        if act is not None and tag & 7 not in (wire, 4) and not packed:
            raise ProtobufError(f"proto: wrong wireType = {tag & 7} for field {go_name}")
        _, found_wire, value, pos = one(data, start, title)
        if act is not None and found_wire >= 0:
            act(out, value, depth)
        return pos

    return read


Store = Callable[[dict[str, Any], Any, int], None]


def _field(json_name: str, go_type: str, embedded: bool) -> tuple[int, bool, Store]:
    """(wire type, whether its reader is all there is to it, what to do with a value)."""
    base = underlying(go_type)
    if embedded:
        wire, read = leaf(go_type)

        def merge(out: dict[str, Any], value: Any, depth: int) -> None:
            out.update(read(value, depth))

        return wire, False, merge
    if base.startswith("map["):
        return BYTES, False, _map_entry(json_name, base)
    if base.startswith("[]") and base != "[]uint8" and not LIST_MESSAGES.match(go_type):
        wire, append = _repeated(json_name, base[2:])
        return wire, False, append
    wire, read = leaf(go_type)

    def put(out: dict[str, Any], value: Any, depth: int) -> None:
        if wire != BYTES and value.__class__ is bytes:
            raise ProtobufError(f"proto: wrong wireType = 2 for field {json_name}")
        out[json_name] = read(value, depth)

    return wire, True, put


def _repeated(json_name: str, element: str) -> tuple[int, Store]:
    wire, read = leaf(element)

    def append(out: dict[str, Any], value: Any, depth: int) -> None:
        items = out.setdefault(json_name, [])
        if wire == VARINT and value.__class__ is bytes:  # packed
            pos = 0
            while pos < len(value):
                number, pos = varint(value, pos)
                items.append(read(number, depth))
            return
        if wire == FIXED64 and value.__class__ is bytes:
            items.extend(read(int.from_bytes(value[i : i + 8], "little"), depth) for i in range(0, len(value) - 7, 8))
            return
        items.append(read(value, depth))

    return wire, append


_ZERO: dict[str, Any] = {"string": "", "[]uint8": "", "resource.Quantity": "0", "intstr.IntOrString": 0}


def _map_entry(json_name: str, base: str) -> Store:
    element = base[base.index("]") + 1 :]
    wire, read = leaf(element)
    resolved = underlying(element)

    def put(out: dict[str, Any], value: Any, depth: int) -> None:
        key, found = "", _ZERO.get(resolved)
        if found is None and is_struct(resolved):
            found = {}
        for number, entry_wire, item in fields(value, json_name):
            if number == 1 and entry_wire == BYTES:
                key = text(item, depth)
            elif number == 2 and entry_wire == wire:
                found = read(item, depth)
        out.setdefault(json_name, {})[key] = found

    return put
