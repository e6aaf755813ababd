"""Random expressions and values, given to cel-cpp (cel-expr-python) as well: the same values, or errors in both."""

from __future__ import annotations

import math
from typing import Any

from cel_expr_python import cel
from cel_expr_python.ext import ext_strings
from hypothesis import given, settings
from tests.machinery.cel.expressions import BINDINGS, VARIABLES, expressions

from wherry.machinery.cel import CelError, compile, everything, types
from wherry.machinery.cel.values import Uint

FAILS = "fails"

_OURS = everything().extend(
    {
        "i": types.INT,
        "j": types.INT,
        "u": types.UINT,
        "d": types.DOUBLE,
        "b": types.BOOL,
        "s": types.STRING,
        "t": types.STRING,
        "l": types.list_of(types.INT),
        "k": types.list_of(types.STRING),
        "m": types.map_of(types.STRING, types.INT),
    }
)


def _type(kind: str) -> cel.Type:
    outer, _, inner = kind.rstrip(")").partition("(")
    if outer == "list":
        return cel.Type.List(cel.Type(inner))
    return cel.Type.Map(*map(cel.Type, inner.split(", "))) if outer == "map" else cel.Type(kind)


_THEIRS = cel.NewEnv(
    variables={name: _type(kind) for name, kind in VARIABLES.items()}, extensions=[ext_strings.ExtStrings()]
)


def ours(text: str, values: dict[str, Any]) -> Any:
    program = compile(text, _OURS)
    try:
        return program.run({**values, "u": Uint(values["u"])})
    except CelError:
        return FAILS


def theirs(text: str, values: dict[str, Any]) -> Any:
    try:
        value = _THEIRS.compile(text).eval(data=values)
    except (RuntimeError, ValueError):
        return FAILS
    if value.type() == cel.Type.ERROR:
        return FAILS
    plain = value.plain_value()
    return bytes(plain) if isinstance(plain, bytearray) else plain


def same(mine: Any, other: Any) -> bool:
    if isinstance(mine, float) and isinstance(other, float):
        return mine == other or (math.isnan(mine) and math.isnan(other))
    return type(mine) in (type(other), Uint) and mine == other


@settings(max_examples=400, deadline=None)
@given(expressions(), BINDINGS)
def test_the_same_values(text: str, values: dict[str, Any]) -> None:
    assert same(ours(text, values), theirs(text, values)), (ours(text, values), theirs(text, values))
