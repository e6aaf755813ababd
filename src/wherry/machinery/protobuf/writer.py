"""Objects of built-in kinds as protobuf messages: for clients that ask for them in answers.

The mirror of `reader`: fields in order of their numbers, fields of non-pointer types always written, as the generated
writers of gogo do for proto2. Input is a canonical object.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from wherry.kit.times import parse
from wherry.machinery.builtins import go_type_name
from wherry.machinery.kinds import Obj
from wherry.machinery.protobuf.reader import LIST_MESSAGES, rows
from wherry.machinery.protobuf.wire import BYTES, FIXED64, VARINT, put_bytes, put_tag, put_varint
from wherry.machinery.typed.facts import is_struct, underlying

Write = Callable[[Any], bytes]  # a value without its tag; lengths included

_SECONDS, _NANOS = put_tag(1, VARINT), put_tag(2, VARINT)
_ONE, _TWO, _THREE = put_tag(1, BYTES), put_tag(2, BYTES), put_tag(3, BYTES)


def _sized(data: bytes) -> bytes:
    return put_varint(len(data)) + data


def _text(value: Any) -> bytes:
    return _sized((value or "").encode())


def _time(value: Any, *, micro: bool = False) -> bytes:
    if not value:
        return b"\x00"
    seconds, nanos = parse(value, micro=micro)
    return _sized(_SECONDS + put_varint(seconds) + _NANOS + put_varint(nanos if micro else 0))


def _micro_time(value: Any) -> bytes:
    return _time(value, micro=True)


def _int_or_string(value: Any) -> bytes:
    kind, number, text = (1, 0, value) if isinstance(value, str) else (0, value or 0, "")
    return _sized(_SECONDS + put_varint(kind) + _NANOS + put_varint(number) + _THREE + _text(text))


def _quantity(value: Any) -> bytes:
    return _sized(_ONE + _text(value or "0"))


_ESCAPES = tuple((char.encode(), b"\\u%04x" % ord(char)) for char in "<>&\u2028\u2029")


def _document(value: Any) -> bytes:
    """JSON inside, as Go writes it: who compares it compares bytes."""
    if value is None:
        return b"\x00"
    data = orjson.dumps(value)
    for plain, escaped in _ESCAPES:
        if plain in data:
            data = data.replace(plain, escaped)
    return _sized(put_bytes(_ONE, data))


_LEAVES: dict[str, tuple[int, Write]] = {
    "string": (BYTES, _text),
    "bool": (VARINT, lambda value: b"\x01" if value else b"\x00"),
    "int32": (VARINT, lambda value: put_varint(value or 0)),
    "int64": (VARINT, lambda value: put_varint(value or 0)),
    "int": (VARINT, lambda value: put_varint(value or 0)),
    "float64": (FIXED64, lambda value: struct.pack("<d", value or 0)),
    "[]uint8": (BYTES, lambda value: _sized(base64.b64decode(value or ""))),
    "resource.Quantity": (BYTES, _quantity),
    "intstr.IntOrString": (BYTES, _int_or_string),
    "meta/v1.Time": (BYTES, _time),
    "meta/v1.MicroTime": (BYTES, _micro_time),
    "runtime.RawExtension": (BYTES, _document),
    "meta/v1.FieldsV1": (BYTES, _document),
    "apiextensions/v1.JSON": (BYTES, _document),
}
_SCHEMA = "apiextensions/v1.JSONSchemaProps"


def _schema(value: Any) -> bytes:
    return _sized(message(_SCHEMA)(value))


def _or_bool(value: Any) -> bytes:
    if isinstance(value, dict):
        return _sized(_SECONDS + b"\x01" + _TWO + _schema(value))
    return _sized(_SECONDS + (b"\x01" if value else b"\x00"))


def _or_list(write: Write) -> Write:
    def union(value: Any) -> bytes:
        if isinstance(value, dict):
            return _sized(_ONE + _schema(value))
        return _sized(b"".join(_TWO + write(item) for item in value or ()))

    return union


_UNIONS: dict[str, Write] = {
    "apiextensions/v1.JSONSchemaPropsOrBool": _or_bool,
    "apiextensions/v1.JSONSchemaPropsOrArray": _or_list(_schema),
    "apiextensions/v1.JSONSchemaPropsOrStringArray": _or_list(_text),
}


@cache
def leaf(go_type: str) -> tuple[int, Write]:
    base = underlying(go_type.lstrip("*"))
    if base in _LEAVES:
        return _LEAVES[base]
    if base in _UNIONS:
        return BYTES, _UNIONS[base]
    if LIST_MESSAGES.match(go_type):
        return BYTES, lambda value: _sized(b"".join(_ONE + _text(item) for item in value or ()))
    if is_struct(base):
        return BYTES, lambda value: _sized(message(base)(value or {}))
    raise KeyError(go_type)


@cache
def message(name: str) -> Write:
    """The writer of a struct, without length."""
    ordered = sorted(rows(name), key=lambda row: row[3])
    parts = [_field(json_name, go_type, number, embedded) for json_name, _, go_type, number, embedded in ordered]

    def write(obj: Any) -> bytes:
        return b"".join([part(obj) for part in parts])

    return write


def _field(json_name: str, go_type: str, number: int, embedded: bool) -> Write:
    """obj -> tag and value of one field."""
    base = underlying(go_type)
    if base.startswith("map["):
        wire, write = leaf(base[base.index("]") + 1 :])
        return _map(json_name, put_tag(number, BYTES), put_tag(2, wire), write)
    if base.startswith("[]") and base != "[]uint8" and not LIST_MESSAGES.match(go_type):
        wire, write = leaf(base[2:])
        return _repeated(json_name, put_tag(number, wire), write)
    wire, write = leaf(go_type)
    tag = put_tag(number, wire)
    if embedded:
        return lambda obj: tag + write(obj)
    # Pointers, bytes and lists are written only where they are; all others always.
    if go_type.startswith("*") or base == "[]uint8" or LIST_MESSAGES.match(go_type):
        return lambda obj: b"" if (value := obj.get(json_name)) is None else tag + write(value)
    return lambda obj: tag + write(obj.get(json_name))


def _map(json_name: str, tag: bytes, value_tag: bytes, write: Write) -> Write:
    def part(obj: Any) -> bytes:
        found = obj.get(json_name)
        if not found:
            return b""
        return b"".join(put_bytes(tag, _ONE + _text(key) + value_tag + write(value)) for key, value in found.items())

    return part


def _repeated(json_name: str, tag: bytes, write: Write) -> Write:
    def part(obj: Any) -> bytes:
        found = obj.get(json_name)
        return b"".join([tag + write(item) for item in found]) if found else b""

    return part


def envelope(group: str, version: str, kind: str, obj: Obj) -> bytes:
    """The message with the envelope that names it."""
    from wherry.machinery.protobuf import MAGIC

    api_version = f"{group}/{version}" if group else version
    meta = _ONE + _text(api_version) + _TWO + _text(kind)
    raw = message(go_type_name(group, version, kind))(obj)
    unknown = put_bytes(_ONE, meta) + put_bytes(_TWO, raw) + put_bytes(_THREE, b"") + put_bytes(put_tag(4, BYTES), b"")
    return MAGIC + unknown
