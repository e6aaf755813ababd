"""How Go prints values in error texts: %v of numbers, encoding/json of anything, and JSON type names.

Used by every module of this room that words an error (k8s.io/apimachinery/pkg/util/validation/field.ErrorBody).
"""

from __future__ import annotations

import json
import math
from typing import Any

from wherry.errors import INVALID, FieldError, go_quote

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
_HTML = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def type_name(value: Any) -> str:
    """The JSON type of a value as go-openapi names it; integers beyond int64 are float64 in Go."""
    kind = type(value)
    if kind is str:
        return "string"
    if kind is bool:
        return "boolean"
    if kind is int:
        return "integer" if INT64_MIN <= value <= INT64_MAX else "number"
    if kind is float:
        return "number"
    if kind is list:
        return "array"
    if kind is dict:
        return "object"
    return "null"


def _digits(value: float) -> tuple[str, str, int]:
    """Sign, shortest digits and decimal exponent of a finite float."""
    mantissa, _, exponent = f"{value!r}".partition("e")
    sign = "-" if mantissa.startswith("-") else ""
    whole, _, fraction = mantissa.lstrip("-").partition(".")
    digits = whole + ("" if fraction == "0" and not exponent else fraction)
    point = len(whole) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    stripped = stripped.rstrip("0")
    return sign, stripped or "0", point if stripped else 1


def _positional(sign: str, digits: str, point: int) -> str:
    if point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    if point >= len(digits):
        return sign + digits + "0" * (point - len(digits))
    return f"{sign}{digits[:point]}.{digits[point:]}"


def go_float(value: float) -> str:
    """A float64 as %v prints it: shortest digits, exponent form below 1e-4 and from 1e6 (strconv 'g')."""
    if not math.isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    sign, digits, point = _digits(float(value))
    exponent = point - 1
    if exponent < -4 or exponent >= 6:
        mark = "-" if exponent < 0 else "+"
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{mark}{abs(exponent):02d}"
    return _positional(sign, digits, point)


def go_decimal(value: float) -> str:
    """A float64 without exponent: strconv.FormatFloat(v, 'f', -1, 64)."""
    return _positional(*_digits(float(value)))


def go_number(value: Any) -> str:
    return go_float(value) if isinstance(value, float) or not INT64_MIN <= value <= INT64_MAX else str(value)


def _json_float(value: float) -> str:
    sign, digits, point = _digits(value)
    exponent = point - 1
    if value != 0 and (abs(value) < 1e-6 or abs(value) >= 1e21):
        mark = "-" if exponent < 0 else "+"
        tail = f".{digits[1:]}" if len(digits) > 1 else ""
        return f"{sign}{digits[0]}{tail}e{mark}{abs(exponent):02d}".replace("e-0", "e-")
    return _positional(sign, digits, point)


def go_json(value: Any) -> str:
    """A value as encoding/json writes it: sorted keys, no spaces, HTML characters escaped."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return "".join(_HTML.get(c, c) for c in text)
    if isinstance(value, int):
        return str(value) if INT64_MIN <= value <= INT64_MAX else _json_float(float(value))
    if isinstance(value, float):
        return _json_float(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{go_json(k)}:{go_json(v)}" for k, v in sorted(value.items())) + "}"
    return "[" + ",".join(go_json(v) for v in value) + "]"


def bad_value(value: Any) -> str:
    """The value part of `Invalid value: ...` (field.Error.ErrorBody)."""
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return go_number(value)
    return go_json(value)


def invalid_value(field: str, value: Any, detail: str) -> FieldError:
    """field.Invalid for values of any JSON type, objects with sorted keys."""
    return FieldError(field, INVALID[0], f"Invalid value: {bad_value(value)}: {detail}")


def duplicate_value(field: str, value: Any) -> FieldError:
    return FieldError(field, "FieldValueDuplicate", f"Duplicate value: {bad_value(value)}")
