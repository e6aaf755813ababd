"""Protobuf bodies: the `k8s` envelope around messages of built-in kinds, in and out.

Follows k8s.io/apimachinery/pkg/runtime/serializer/protobuf: four magic bytes, then a runtime.Unknown that tells kind
and version and holds the message. Custom resources have no protobuf form.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.machinery.builtins import go_type_name
from wherry.machinery.kinds import Obj
from wherry.machinery.protobuf.reader import message, text
from wherry.machinery.protobuf.wire import BYTES, ProtobufError, fields
from wherry.machinery.typed.facts import definition

__all__ = ["MAGIC", "Envelope", "ProtobufError", "decode_message", "encode", "unwrap"]

MAGIC = b"k8s\x00"


class Envelope(NamedTuple):
    api_version: str
    kind: str
    raw: bytes
    content_type: str


def unwrap(body: bytes) -> Envelope:
    """What an envelope holds. Raises ProtobufError with upstream's text."""
    if not body:
        raise ProtobufError("empty data")
    if not body.startswith(MAGIC):
        raise ProtobufError("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")
    if len(body) == len(MAGIC):
        raise ProtobufError("empty body")
    api_version = kind = content_type = ""
    raw = b""
    for number, wire, value in fields(body[len(MAGIC) :], "Unknown"):
        if wire != BYTES:
            if number in (1, 2, 3, 4):
                raise ProtobufError(f"proto: wrong wireType = {wire} for field {_UNKNOWN_FIELDS[number]}")
            continue
        if number == 1:
            for meta_number, meta_wire, item in fields(value, "TypeMeta"):
                if meta_wire == BYTES and meta_number == 1:
                    api_version = text(item, 0)
                elif meta_wire == BYTES and meta_number == 2:
                    kind = text(item, 0)
        elif number == 2:
            raw = value
        elif number == 4:
            content_type = text(value, 0)
    return Envelope(api_version, kind, raw, content_type)


_UNKNOWN_FIELDS = {1: "TypeMeta", 2: "Raw", 3: "ContentEncoding", 4: "ContentType"}


def decode_message(group: str, version: str, kind: str, data: bytes) -> dict[str, Any]:
    """A message as a JSON-shaped dict, not yet canonical. Raises ProtobufError with upstream's text."""
    name = go_type_name(group, version, kind)
    if definition(name) is None:
        raise ProtobufError(f"{kind} has no protobuf form here")
    found: dict[str, Any] = message(name)(data, 0)
    return found


def encode(group: str, version: str, kind: str, obj: Obj) -> bytes:
    """An object in its envelope, ready to be an answer."""
    from wherry.machinery.protobuf.writer import envelope

    return envelope(group, version, kind, obj)
