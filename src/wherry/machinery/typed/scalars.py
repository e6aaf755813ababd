"""Decoders of the types that are not structs: numbers, strings, bytes, and the types with a JSON form of their own.

Each takes (parsed value, place, context) and returns what Go would write for it again. A null leaves a scalar at its
zero value, as Go's decoder does.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Any

from wherry.kit.gojson import kind_name, number_text
from wherry.kit.quantity import QuantityError, canonical
from wherry.kit.times import TimeError, normal_micro_time, normal_time
from wherry.machinery.typed.context import At, Context, DecodeError, NeedLiteral, mismatch_text

Decode = Callable[[Any, At, Context], Any]


def string(go_type: str) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is str:
            return raw
        if raw is not None:
            ctx.mismatch(at, raw, go_type)
        return ""

    return decode


def boolean(go_type: str) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is bool:
            return raw
        if raw is not None:
            ctx.mismatch(at, raw, go_type)
        return False

    return decode


def integer(go_type: str, low: int, high: int) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is int and low <= raw <= high:
            return raw
        if raw is not None:
            ctx.mismatch(at, raw, go_type, quote_number=kind_name(raw) == "number")
        return 0

    return decode


def floating(go_type: str) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is float or raw.__class__ is int:
            return raw
        if raw is not None:
            if kind_name(raw) == "number":
                if raw in (float("inf"), float("-inf")):
                    ctx.mismatch(at, raw, go_type, quote_number=True)
                    return 0
                return float(raw)
            ctx.mismatch(at, raw, go_type)
        return 0

    return decode


def anything(raw: Any, at: At, ctx: Context) -> Any:
    """RawExtension, FieldsV1, JSON: kept as sent."""
    return raw


def quantity(raw: Any, at: At, ctx: Context) -> Any:
    if raw.__class__ is str:
        text = raw
    elif raw is None:
        return "0"
    elif raw.__class__ is float:
        raise NeedLiteral  # the digits as sent decide about the form that is kept
    elif raw.__class__ is bool or isinstance(raw, dict | list):
        # Read as text, as upstream does: it never matches.
        text = "true" if raw is True else "false" if raw is False else "{}"
    else:
        text = number_text(raw)
    try:
        return canonical(text)
    except QuantityError as error:
        raise DecodeError(str(error)) from None


def int_or_string(raw: Any, at: At, ctx: Context) -> Any:
    if raw.__class__ is str:
        return raw
    if raw.__class__ is int and -(1 << 31) <= raw < 1 << 31:
        return raw
    if raw is None:
        return 0
    raise DecodeError(mismatch_text(at, raw, "int32", quote_number=kind_name(raw) == "number"))


def _timestamp(normalize: Callable[[str], str | None]) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is str:
            try:
                return normalize(raw)
            except TimeError as error:
                raise DecodeError(str(error)) from None
        if raw is None:
            return None
        raise DecodeError(mismatch_text(at, raw, "string"))

    return decode


time = _timestamp(normal_time)
micro_time = _timestamp(normal_micro_time)


# --- bytes -----------------------------------------------------------------------------------------------------------

_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def base64_fault(text: str) -> int:
    """Where Go's base64.StdEncoding stops reading, -1 if it does not; line breaks are skipped."""
    data = text.encode()
    size, pos = len(data), 0
    while True:
        taken = 0
        while taken < 4:
            if pos == size:
                return -1 if taken == 0 else pos - taken
            char = chr(data[pos])
            pos += 1
            if char in "\r\n":
                continue
            if char in _ALPHABET:
                taken += 1
                continue
            if char != "=" or taken < 2:
                return pos - 1
            if taken == 2:
                while pos < size and data[pos] in b"\r\n":
                    pos += 1
                if pos == size:
                    return size
                if data[pos] != ord("="):
                    return pos - 1
                pos += 1
            while pos < size and data[pos] in b"\r\n":
                pos += 1
            return pos if pos < size else -1


def _bytes_of(text: str, ctx: Context) -> Any:
    """Base64 in its canonical form, or a soft error."""
    try:
        if base64.b64encode(binascii.a2b_base64(text, strict_mode=True)).decode() == text:
            return text
    except (ValueError, binascii.Error):
        pass
    fault = base64_fault(text)
    if fault >= 0:
        ctx.soft(f"illegal base64 data at input byte {fault}")
        return None
    return base64.b64encode(base64.b64decode(text.replace("\r", "").replace("\n", ""))).decode()


def octets(go_type: str) -> Decode:
    """[]byte: a base64 string, or, as Go has it, an array of small numbers."""

    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if raw.__class__ is str:
            return _bytes_of(raw, ctx)
        if raw is None:
            return None
        if raw.__class__ is list:
            one = integer("uint8", 0, 255)
            return base64.b64encode(bytes(one(item, (at, i, ""), ctx) for i, item in enumerate(raw))).decode()
        ctx.mismatch(at, raw, go_type)
        return None

    return decode
