"""The loop that decodes one struct: the hottest code of the typed decoder."""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.kit.gojson import Pairs
from wherry.machinery.typed.context import At, Context
from wherry.machinery.typed.scalars import Decode

DECODE, SKIP, STORE = 0, 1, 2  # what becomes of a null: a zero value, nothing, a null


class Row(NamedTuple):
    """One field of a struct, as the loop below wants it."""

    order: int
    klass: type | None  # values of this class need no decoding
    closure: Decode
    empty: bool  # left out when empty
    null: int
    segment: str


Rows = dict[str, Row]


def struct_decoder(name: str, go_type: str, rows: Rows, must: tuple[tuple[int, str, Any], ...]) -> Decode:
    """The closure of one struct. `must` are the fields that are written even if the document has none of them."""
    position = {key: row.order for key, row in rows.items()}.__getitem__
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
            index, klass, closure, empty, null, segment = row
            if value.__class__ is not klass:
                if value is None and null:
                    if null == SKIP:
                        continue
                else:
                    value = closure(value, (at, segment, name), ctx)
            if empty and not value:
                continue
            if index < last:
                ordered = False
            last = index
            out[key] = value
        for index, key, zero in must:
            if key not in out:
                out[key] = zero() if callable(zero) else zero
                if index < last:
                    ordered = False
                last = index
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
            if value is not None:
                row.closure(value, (at, row.segment, name), ctx)  # for its own strict errors
            if key in merged and (value is not None or row.null == DECODE):
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
