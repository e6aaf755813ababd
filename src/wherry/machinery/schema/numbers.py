"""Numeric rules of go-openapi/validate: native ranges, bounds and multiples, as float64 and int64 behave in Go."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from wherry.machinery.schema.gotext import INT64_MAX, INT64_MIN, go_float
from wherry.machinery.schema.node import Node

Number = int | float
_SAFE = float(2**53 - 1)
_FLOAT32_LIMIT = float(2**128) * (1 - 2.0**-25)  # from here on rounding to float32 overflows


class Problem(NamedTuple):
    """`bad` is None for problems that upstream reports without a field."""

    bad: Number | None
    text: str


def is_json_integer(value: float) -> bool:
    """swag.IsFloat64AJSONInteger, its relative tolerance for big positive numbers included."""
    if not math.isfinite(value) or abs(value) > _SAFE:
        return False
    whole = float(int(value))
    if value == whole:
        return True
    if value < 0 or whole == 0:
        return False
    return (value - whole) / (value + whole) < 1e-9


def as_go(value: Number) -> Number:
    """Integers beyond int64 are float64 in Go."""
    return value if isinstance(value, float) or INT64_MIN <= value <= INT64_MAX else float(value)


def _to_int(value: Number) -> int:
    """int64(v) for a constraint, which is stored as a float64."""
    number = int(float(value))
    return number if INT64_MIN <= number <= INT64_MAX else INT64_MIN


def _in_range(value: Number, kind: str, form: str) -> bool:
    if kind == "integer":
        if isinstance(value, float):
            if value != math.floor(value):
                return False
            value = int(value)
        low, high = (-(2**31), 2**31 - 1) if form == "int32" else (INT64_MIN, INT64_MAX)
        return low <= value <= high
    if form == "float":
        return abs(float(value)) < _FLOAT32_LIMIT
    return True


def _range_problem(value: Number, kind: str, form: str, prefix: str, path: str) -> Problem | None:
    if _in_range(value, kind, form):
        return None
    tail = f"with format {form} in {path}" if form else f"(default format) in {path}"
    return Problem(None, f"{prefix} value must be of type {kind} {tail}")


def problems(node: Node, value: Number, path: str) -> Iterator[Problem]:
    """Everything wrong with a number, in upstream's order."""
    kind = node.types[0] if len(node.types) == 1 and node.types[0] in ("integer", "number") else ""
    form = node.format if kind else ""
    value = as_go(value)
    found = _range_problem(value, kind, form, "Checked", path)
    if found:
        yield found
    for name, limit, check in (
        ("MultipleOf", node.multiple_of, _multiple),
        ("Minimum boundary", node.minimum, _minimum),
        ("Maximum boundary", node.maximum, _maximum),
    ):
        if limit is None:
            continue
        limit = float(limit)
        found = _range_problem(limit, kind, form, name, path)
        if found:
            yield found
        measured = float(value) if found else value
        wrong = check(node, measured, limit, path)
        factor = _to_int(limit) if isinstance(measured, int) else limit
        if wrong:  # a factor that is no positive number is itself at fault, and shown
            yield Problem(factor if check is _multiple and factor <= 0 else measured, wrong)


def _multiple(node: Node, value: Number, factor: float, path: str) -> str | None:
    if isinstance(value, int):
        whole = _to_int(factor)
        if whole <= 0:
            return f"factor MultipleOf declared for {path} must be positive: {whole}"
        return f"{path} in body should be a multiple of {whole}" if value % whole else None
    if factor <= 0:
        return f"factor MultipleOf declared for {path} must be positive: {go_float(factor)}"
    quotient = 1 / factor * value if factor < 1 else value / factor
    return None if is_json_integer(quotient) else f"{path} in body should be a multiple of {go_float(factor)}"


def _bound(value: Number, limit: float) -> tuple[Number, str]:
    if isinstance(value, int):
        whole = _to_int(limit)
        return whole, str(whole)
    return limit, go_float(limit)


def _minimum(node: Node, value: Number, limit: float, path: str) -> str | None:
    bound, text = _bound(value, limit)
    if value < bound or (node.exclusive_minimum and value == bound):
        return f"{path} in body should be greater than {'' if node.exclusive_minimum else 'or equal to '}{text}"
    return None


def _maximum(node: Node, value: Number, limit: float, path: str) -> str | None:
    bound, text = _bound(value, limit)
    if value > bound or (node.exclusive_maximum and value == bound):
        return f"{path} in body should be less than {'' if node.exclusive_maximum else 'or equal to '}{text}"
    return None
