"""The loop that decodes one struct: the hottest code of the typed decoder."""

from __future__ import annotations

from typing import Any

from wherry.kit.gojson import Pairs
from wherry.machinery.typed.context import At, Context
from wherry.machinery.typed.scalars import Decode

# field -> (index, class that needs no decoding or None, closure, drop rule, segment)
Rows = dict[str, tuple[int, type | None, Decode, int, str]]


def struct_decoder(name: str, go_type: str, rows: Rows, must: tuple[tuple[str, Any], ...]) -> Decode:
    """The closure of one struct. `must` are the fields that are written even if the document has none of them."""
    order = {key: row[0] for key, row in rows.items()}
    position = order.__getitem__
    get = rows.get

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is not dict:
            if isinstance(raw, Pairs):
                return repeated(raw, at, ctx)
            if raw is not None:
                ctx.mismatch(at, raw, go_type)
            raw = {}
        out: dict[str, Any] = {}
        last = -1
        ordered = True
        for key, value in raw.items():
            row = get(key)
            if row is None:
                ctx.note("unknown field", at, key)
                continue
            index, klass, closure, drop, segment = row
            if value.__class__ is not klass:
                value = closure(value, (at, segment, name), ctx)
            if not value and drop and (drop == 1 or value is None):
                continue
            if index < last:
                ordered = False
            last = index
            out[key] = value
        for key, zero in must:
            if key not in out:
                out[key] = zero() if callable(zero) else zero
                ordered = False
        if ordered:
            return out
        return {key: out[key] for key in sorted(out, key=position)}

    def repeated(raw: Pairs, at: At, ctx: Context) -> Any:
        """A struct whose document names a field twice: later values are decoded into what earlier ones left."""
        merged: dict[str, Any] = {}
        for key, value in raw.pairs:
            row = get(key)
            if row is None:
                ctx.note("unknown field", at, key)
                continue
            if key in merged:
                ctx.note("duplicate field", at, key)
            nothing = row[2](value, (at, row[4], name), ctx) is None  # decoded here for its own strict errors
            if key in merged and (value is not None or not nothing):
                value = merge(merged[key], value)
            merged[key] = value
        return decode(merged, at, Context())

    return decode


def merge(first: Any, second: Any) -> Any:
    """What Go's decoder leaves of two values for one field: objects and items are decoded into the earlier ones."""
    if isinstance(first, dict) and isinstance(second, dict):
        out = plain(first)
        for key, value in second.items():
            out[key] = merge(out[key], value) if key in out else value
        return out
    if isinstance(first, list) and isinstance(second, list):
        common = [merge(a, b) for a, b in zip(first, second, strict=False)]
        return common + second[len(common) :]
    return first if second is None else second


def plain(value: dict[str, Any]) -> dict[str, Any]:
    """An object with repeated keys as Go's decoder would leave it."""
    if not isinstance(value, Pairs):
        return dict(value)
    out: dict[str, Any] = {}
    for key, item in value.pairs:
        out[key] = merge(out[key], item) if key in out else item
    return out
