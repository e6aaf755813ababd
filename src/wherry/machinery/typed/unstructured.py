"""What goes wrong when a strategic merge patch's result is turned into a typed object.

Upstream does not decode it from JSON but converts the maps directly (runtime.DefaultUnstructuredConverter), which has
other words for what does not fit, and is more lenient about numbers. Used only after the ordinary decoder has refused.
"""

from __future__ import annotations

from typing import Any

from wherry.kit.gojson import literal
from wherry.machinery.typed.compile import decoder
from wherry.machinery.typed.context import Context, DecodeError
from wherry.machinery.typed.facts import fields, is_struct, shown, underlying

_BITS = {"int32": 32, "int64": 64, "int": 64}
_SCALARS = frozenset(("string", "bool", "float64", *_BITS))


def _kind(value: Any) -> str:
    """The reflect.Kind of a parsed value."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, str):
        return "string"
    if isinstance(value, int):
        return "int64"
    if isinstance(value, float):
        return "float64"
    return "map" if isinstance(value, dict) else "slice"


def convert(go_type: str, raw: Any) -> Any:
    """`raw` as the ordinary decoder will take it. Raises DecodeError with the converter's text."""
    if raw is None:
        return None
    name = go_type.lstrip("*")
    base = underlying(name)
    if base in _SCALARS:
        return _scalar(name, base, raw)
    if base == "[]uint8":
        return _octets(raw)
    if base.startswith("[]"):
        if not isinstance(raw, list):
            raise DecodeError(f"cannot restore slice from {_kind(raw)}")
        return [convert(base[2:], item) for item in raw]
    if base.startswith("map["):
        if not isinstance(raw, dict):
            raise DecodeError(f"cannot restore map from {_kind(raw)}")
        element = base[base.index("]") + 1 :]
        return {key: convert(element, item) for key, item in raw.items()}
    if not is_struct(base):
        return _own_form(base, raw)
    if not isinstance(raw, dict):
        raise DecodeError(f"cannot restore struct from: {_kind(raw)}")
    out = dict(raw)
    for field in fields(base):  # in the order of the struct, as errors are found
        if field.json in raw:
            out[field.json] = convert(field.type, raw[field.json])
    return out


def _scalar(name: str, base: str, raw: Any) -> Any:
    given = _kind(raw)
    if given == base:
        return raw
    if given == "int64" and base in _BITS:
        bits = _BITS[base]
        return (raw + (1 << (bits - 1))) % (1 << bits) - (1 << (bits - 1))  # Go's conversion wraps
    if given == "int64" and base == "float64":
        return raw
    if given == "float64" and base in _BITS:
        if raw.is_integer():
            return int(raw)
        raise DecodeError(f"cannot convert float64 to {shown(name)}")
    if given == "int64" and base == "string":  # Go could make a character of it, and is kept from doing so
        raise DecodeError(f"cannot convert int64 to {shown(name)}")
    raise DecodeError(f"unrecognized type: {base}")


def _octets(raw: Any) -> Any:
    if not isinstance(raw, str):
        raise DecodeError(f"cannot restore slice from {_kind(raw)}")
    try:
        return _own_form("[]uint8", raw)
    except DecodeError as error:
        raise DecodeError(f"error decoding from json: {error}") from None


def _own_form(base: str, raw: Any) -> Any:
    """Types with a JSON form of their own are decoded from JSON here too, each on its own."""
    ctx = Context()
    found = decoder(base, False)(literal(raw), None, ctx)
    if ctx.error:
        raise DecodeError(ctx.error)
    return found
