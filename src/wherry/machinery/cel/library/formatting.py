"""`"%s".format([...])`: the clauses of cel-go's string formatter."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import LISTS, Duration, Timestamp, Uint, from_key, type_of
from wherry.machinery.schema.gotext import go_float


def format_values(template: str, args: list[Any]) -> str:
    out: list[str] = []
    at, used = 0, 0
    while at < len(template):
        char = template[at]
        if char != "%":
            end = template.find("%", at)
            end = len(template) if end < 0 else end
            out.append(template[at:end])
            at = end
            continue
        if at + 1 == len(template):
            raise CelError("unexpected end of string")
        if template[at + 1] == "%":
            out.append("%")
            at += 2
            continue
        if used >= len(args):
            raise CelError(f"index {used} out of range")
        precision, at = _precision(template, at + 1)
        if at >= len(template):
            raise CelError("could not parse formatting clause: unexpected end of string")
        clause = template[at]
        out.append(_clause(clause, precision, args[used]))
        used += 1
        at += 1
    return "".join(out)


def _precision(template: str, at: int) -> tuple[int | None, int]:
    if template[at] != ".":
        return None, at
    end = at + 1
    while end < len(template) and template[end].isdigit():
        end += 1
    digits = template[at + 1 : end]
    if not digits or len(digits) > 4:
        raise CelError("could not parse formatting clause: error while parsing precision: invalid precision")
    if int(digits) > 1000:
        raise CelError("could not parse formatting clause: precision too large")
    return int(digits), end


def _clause(clause: str, precision: int | None, value: Any) -> str:
    if clause == "s":
        return show(value)
    if clause in "bdoxX":
        return _INTEGERS[clause](value)
    if clause == "f":
        return _fixed(value, 6 if precision is None else precision)
    if clause == "e":
        return _scientific(value, 6 if precision is None else precision)
    raise CelError(f'could not parse formatting clause: unrecognized formatting clause "{clause}"')


def _wrong(what: str, value: Any) -> CelError:
    return CelError(f"error during formatting: {what}, was given {type_of(value).name}")


def show(value: Any) -> str:
    """The text of a value under %s."""
    kind = type(value)
    if kind is str:
        return str(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Uint:
        return str(int(value))
    if kind is float:
        return _special(value) or go_float(value)
    if value is None:
        return "null"
    if kind is bytes:
        return str(value.decode("utf-8", "replace"))
    if isinstance(value, Duration | Timestamp):
        return str(value)
    if isinstance(value, Type):
        return value.name
    if kind in LISTS:
        return "[" + ", ".join(show(item) for item in value) + "]"
    if isinstance(value, dict):
        entries = sorted((show(from_key(k)), show(v)) for k, v in value.items())
        return "{" + ", ".join(f"{k}: {v}" for k, v in entries) + "}"
    what = "string clause can only be used on strings, bools, bytes, ints, doubles, maps, lists, types, durations, "
    what += "and timestamps"
    raise _wrong(what, value)


def _special(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return ""


def _decimal(value: Any) -> str:
    if type(value) is int or type(value) is Uint:
        return str(int(value))
    if type(value) is float and _special(value):
        return _special(value)
    raise _wrong("decimal clause can only be used on integers", value)


def _binary(value: Any) -> str:
    if type(value) is bool:
        return "1" if value else "0"
    if type(value) is int or type(value) is Uint:
        return format(int(value), "b")
    raise _wrong("only integers and bools can be formatted as binary", value)


def _octal(value: Any) -> str:
    if type(value) is int or type(value) is Uint:
        return format(int(value), "o")
    raise _wrong("octal clause can only be used on integers", value)


def _hex(value: Any) -> str:
    if type(value) is int or type(value) is Uint:
        return format(int(value), "x")
    if type(value) is str:
        return str(value.encode().hex())
    if type(value) is bytes:
        return str(value.hex())
    raise _wrong("only integers, byte buffers, and strings can be formatted as hex", value)


_INTEGERS: dict[str, Callable[[Any], str]] = {
    "d": _decimal,
    "b": _binary,
    "o": _octal,
    "x": _hex,
    "X": lambda v: _hex(v).upper(),
}


def _number(value: Any, what: str) -> float:
    if type(value) is float:
        return float(value)
    if type(value) is int or type(value) is Uint:
        return float(value)
    if type(value) is str and value in ("NaN", "Infinity", "-Infinity"):
        return float(value)
    raise _wrong(f"{what} clause can only be used on doubles", value)


def _fixed(value: Any, precision: int) -> str:
    number = _number(value, "fixed-point")
    return _special(number) or f"{number:.{precision}f}"


def _scientific(value: Any, precision: int) -> str:
    number = _number(value, "scientific")
    return _special(number) or f"{number:.{precision}e}"
