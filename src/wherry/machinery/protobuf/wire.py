"""The protobuf wire format: tags, varints, lengths; and the errors of gogo's generated readers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}
EOF = "unexpected EOF"


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


def fields(data: bytes, message: str) -> Iterator[tuple[int, int, Any]]:
    """(number, wire type, value) of every field: an int for varints and fixed widths, bytes for the rest."""
    pos, size = 0, len(data)
    while pos < size:
        byte = data[pos]
        if byte < 0x80:
            tag, pos = byte, pos + 1
        else:
            tag, pos = varint(data, pos)
        number, wire = tag >> 3, tag & 7
        if wire == 4:
            raise ProtobufError(f"proto: {message}: wiretype end group for non-group")
        if not 0 < number < 1 << 31:
            raise ProtobufError(f"proto: {message}: illegal tag {number} (wire type {tag})")
        if wire == BYTES:
            length, pos = varint(data, pos)
            if length >= 1 << 63:
                raise ProtobufError("proto: negative length found during unmarshaling")
            if pos + length > size:
                raise ProtobufError(EOF)
            yield number, wire, data[pos : pos + length]
            pos += length
        elif wire == VARINT:
            value, pos = varint(data, pos)
            yield number, wire, value
        elif wire in _FIXED:
            width = _FIXED[wire]
            if pos + width > size:
                raise ProtobufError(EOF)
            yield number, wire, int.from_bytes(data[pos : pos + width], "little")
            pos += width
        elif wire == 3:
            pos = _skip_group(data, pos)
        else:
            raise ProtobufError(f"proto: illegal wireType {wire}")


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
