"""The protobuf wire format: tags, varints, lengths; and the errors of gogo's generated readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
EOF = "unexpected EOF"
NEGATIVE = "proto: negative length found during unmarshaling"


class ProtobufError(ValueError):
    """Bytes that are no such message; the message is upstream's."""


def varint(data: bytes, pos: int) -> tuple[int, int]:
    """(value, next position); at most ten bytes."""
    result = shift = 0
    size = len(data)
    while True:
        if shift >= 64:
            raise ProtobufError("proto: integer overflow")
        if pos >= size:
            raise ProtobufError(EOF)
        byte = data[pos]
        pos += 1
        result |= (byte & 0x7F) << shift
        if byte < 0x80:
            return result & 0xFFFFFFFFFFFFFFFF, pos
        shift += 7


def one(data: bytes, pos: int, message: str) -> tuple[int, int, Any, int]:
    """(number, wire type, value, next position) of the field at `pos`.

    The value is an int for varints and fixed widths, bytes for the rest. Groups, which only unknown fields can be, have
    wire type -1.
    """
    size = len(data)
    tag, pos = varint(data, pos)
    number, wire = tag >> 3, tag & 7
    if wire == 4:
        raise ProtobufError(f"proto: {message}: wiretype end group for non-group")
    if not 0 < number < 1 << 31:
        raise ProtobufError(f"proto: {message}: illegal tag {number} (wire type {tag})")
    if wire == BYTES:
        length, pos = varint(data, pos)
        if length >= 1 << 63:
            raise ProtobufError(NEGATIVE)
        if pos + length > size:
            raise ProtobufError(EOF)
        return number, wire, data[pos : pos + length], pos + length
    if wire == VARINT:
        value, pos = varint(data, pos)
        return number, wire, value, pos
    if wire in _FIXED:
        end = pos + _FIXED[wire]
        if end > size:
            raise ProtobufError(EOF)
        return number, wire, int.from_bytes(data[pos:end], "little"), end
    if wire == 3:
        return number, -1, None, _skip_group(data, pos)
    raise ProtobufError(f"proto: illegal wireType {wire}")


def fields(data: bytes, message: str) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of every field."""
    pos, size = 0, len(data)
    while pos < size:
        number, wire, value, pos = one(data, pos, message)
        yield number, wire, value


def _skip_group(data: bytes, pos: int) -> int:
    """Past a group, which only unknown fields can be."""
    depth = 1
    while depth:
        tag, pos = varint(data, pos)
        wire = tag & 7
        if wire == VARINT:
            _, pos = varint(data, pos)
        elif wire == BYTES:
            length, pos = varint(data, pos)
            pos += length
        elif wire in _FIXED:
            pos += _FIXED[wire]
        elif wire == 3:
            depth += 1
        elif wire == 4:
            depth -= 1
        else:
            raise ProtobufError(f"proto: illegal wireType {wire}")
        if pos > len(data):
            raise ProtobufError(EOF)
    return pos


def signed(value: int, bits: int) -> int:
    """A varint as a two's complement integer."""
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> (bits - 1) else value


# --- writing ---------------------------------------------------------------------------------------------------------


def put_varint(value: int) -> bytes:
    value &= 0xFFFFFFFFFFFFFFFF
    if value < 0x80:
        return bytes((value,))
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def put_tag(number: int, wire: int) -> bytes:
    return put_varint(number << 3 | wire)


def put_bytes(tag: bytes, data: bytes) -> bytes:
    return tag + put_varint(len(data)) + data
