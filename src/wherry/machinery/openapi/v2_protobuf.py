"""The protobuf form of OpenAPI v2: gnostic's `openapi.v2.Document`, encoded from the JSON form's objects.

Only what `v2.py` writes is encoded; field numbers are those of gnostic-models' OpenAPIv2.proto. Entries of maps are
repeated messages, so documents are put together from parts that were encoded before.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson

from wherry.machinery.kinds import Obj

Writer = Callable[[int, Any], bytes]


def _varint(number: int) -> bytes:
    out = bytearray()
    number &= 0xFFFFFFFFFFFFFFFF
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _message(field: int, payload: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


# --- writers of one field; proto3 leaves out what is empty or zero --------------------------------------------------


def _string(field: int, value: str) -> bytes:
    return _message(field, value.encode()) if value else b""


def _strings(field: int, values: Iterable[str]) -> bytes:
    return b"".join(_message(field, value.encode()) for value in values)


def _bool(field: int, value: bool) -> bytes:
    return _varint(field << 3) + b"\x01" if value else b""


def _int(field: int, value: float) -> bytes:
    return _varint(field << 3) + _varint(int(value)) if value else b""


def _double(field: int, value: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", value) if value else b""


def _any(field: int, value: Any) -> bytes:
    """An Any holds YAML, of which JSON is a part."""
    return _message(field, _string(2, orjson.dumps(value).decode() + "\n"))


def _anys(field: int, values: Iterable[Any]) -> bytes:
    return b"".join(_any(field, value) for value in values)


def _type(field: int, value: str | list[str]) -> bytes:
    return _message(field, _strings(1, [value] if isinstance(value, str) else value))


def _schema_in(wrapped: int) -> Writer:
    """A schema inside a message whose only member it is."""
    return lambda field, value: _message(field, _message(wrapped, schema(value)))


def _additional(field: int, value: bool | Obj) -> bytes:
    if isinstance(value, dict):
        return _message(field, _message(1, schema(value)))
    return _message(field, b"\x10\x01" if value else b"\x10\x00")  # a member of a oneof is written even when false


def _properties(field: int, value: Mapping[str, Obj]) -> bytes:
    return _message(field, definition_entries(value))


def _schemas(field: int, values: Iterable[Obj]) -> bytes:
    return b"".join(_message(field, schema(value)) for value in values)


def _external_docs(field: int, value: Obj) -> bytes:
    return _message(field, _string(1, value.get("description", "")) + _string(2, value.get("url", "")))


def _fields(table: Mapping[str, tuple[int, Writer]], value: Obj, extension: int) -> bytes:
    """All members that the table knows, and vendor extensions."""
    out: list[bytes] = []
    for key, member in value.items():
        known = table.get(key)
        if known is not None:
            field, write = known
            out.append(write(field, member))
        elif key.startswith("x-"):
            out.append(_message(extension, _string(1, key) + _any(2, member)))
    return b"".join(out)


# --- messages -------------------------------------------------------------------------------------------------------

_SCHEMA: dict[str, tuple[int, Writer]] = {
    "$ref": (1, _string),
    "format": (2, _string),
    "title": (3, _string),
    "description": (4, _string),
    "default": (5, _any),
    "multipleOf": (6, _double),
    "maximum": (7, _double),
    "exclusiveMaximum": (8, _bool),
    "minimum": (9, _double),
    "exclusiveMinimum": (10, _bool),
    "maxLength": (11, _int),
    "minLength": (12, _int),
    "pattern": (13, _string),
    "maxItems": (14, _int),
    "minItems": (15, _int),
    "uniqueItems": (16, _bool),
    "maxProperties": (17, _int),
    "minProperties": (18, _int),
    "required": (19, _strings),
    "enum": (20, _anys),
    "additionalProperties": (21, _additional),
    "type": (22, _type),
    "items": (23, _schema_in(1)),
    "allOf": (24, _schemas),
    "properties": (25, _properties),
    "externalDocs": (29, _external_docs),
    "example": (30, _any),
}
_BODY: dict[str, tuple[int, Writer]] = {
    "description": (1, _string), "name": (2, _string), "in": (3, _string), "required": (4, _bool),
    "schema": (5, lambda field, value: _message(field, schema(value))),
}  # fmt: skip
_QUERY: dict[str, tuple[int, Writer]] = {
    "required": (1, _bool), "in": (2, _string), "description": (3, _string), "name": (4, _string),
    "type": (6, _string), "uniqueItems": (20, _bool),
}  # fmt: skip
_PATH: dict[str, tuple[int, Writer]] = {
    "required": (1, _bool), "in": (2, _string), "description": (3, _string), "name": (4, _string),
    "type": (5, _string), "uniqueItems": (19, _bool),
}  # fmt: skip


def schema(value: Obj) -> bytes:
    return _fields(_SCHEMA, value, 31)


def _parameter(value: Obj) -> bytes:
    """openapi.v2.Parameter: a body, or one of the others in the place that says where it is."""
    if value["in"] == "body":
        return _message(1, _fields(_BODY, value, 6))
    number, table = (3, _QUERY) if value["in"] == "query" else (4, _PATH)
    return _message(2, _message(number, _fields(table, value, 23 if number == 3 else 22)))


def _parameters(field: int, values: Iterable[Obj]) -> bytes:
    return b"".join(
        _message(field, _message(2, _string(1, v["$ref"])) if "$ref" in v else _message(1, _parameter(v)))
        for v in values
    )


def _responses(field: int, value: Mapping[str, Obj]) -> bytes:
    out = b""
    for code, response in value.items():
        body = _string(1, response["description"])
        if "schema" in response:
            body += _message(2, _message(1, schema(response["schema"])))
        out += _message(1, _string(1, code) + _message(2, _message(1, body)))
    return _message(field, out)


_OPERATION: dict[str, tuple[int, Writer]] = {
    "tags": (1, _strings), "description": (3, _string), "operationId": (5, _string), "produces": (6, _strings),
    "consumes": (7, _strings), "parameters": (8, _parameters), "responses": (9, _responses), "schemes": (10, _strings),
}  # fmt: skip


def _operation(field: int, value: Obj) -> bytes:
    return _message(field, _fields(_OPERATION, value, 13))


_METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_PATH_ITEM: dict[str, tuple[int, Writer]] = {
    **{method: (number, _operation) for number, method in enumerate(_METHODS, 2)},
    "parameters": (9, _parameters),
}


def path_entries(paths: Mapping[str, Obj]) -> bytes:
    """Entries of `Paths`."""
    return b"".join(
        _message(2, _string(1, path) + _message(2, _fields(_PATH_ITEM, item, 10))) for path, item in paths.items()
    )


def definition_entries(definitions: Mapping[str, Obj]) -> bytes:
    """Entries of `Definitions` (and of `Properties`, which look the same)."""
    return b"".join(_message(1, _string(1, name) + _message(2, schema(value))) for name, value in definitions.items())


def document(head: Obj, paths: bytes, definitions: bytes) -> bytes:
    """The whole document around entries that are encoded already."""
    info = _string(1, head["info"]["title"]) + _string(2, head["info"]["version"])
    parameters = b"".join(
        _message(1, _string(1, name) + _message(2, _parameter(value))) for name, value in head["parameters"].items()
    )
    required = b"".join(
        _message(1, _string(1, name) + _message(2, _strings(1, scopes)))
        for requirement in head["security"]
        for name, scopes in requirement.items()
    )
    known = b"".join(
        _message(1, _string(1, name) + _message(2, _message(2, _api_key(value))))
        for name, value in head["securityDefinitions"].items()
    )
    return b"".join(
        (
            _string(1, head["swagger"]),
            _message(2, info),
            _message(8, paths),
            _message(9, definitions),
            _message(10, parameters),
            _message(12, required),
            _message(13, known),
        )
    )


def _api_key(value: Obj) -> bytes:
    members = ("type", "name", "in", "description")
    return b"".join(_string(number, value[member]) for number, member in enumerate(members, 1))
