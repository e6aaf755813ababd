"""The three unions inside JSONSchemaProps: a schema or something simpler.

Upstream decodes the schema inside them with a decoder of its own, so strict errors in it are not told, and a type error
ends the decoding at once. What fits neither arm becomes null without a word, except for the boolean one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wherry.machinery.typed.context import At, Context, DecodeError
from wherry.machinery.typed.scalars import Decode

SCHEMA = "apiextensions/v1.JSONSchemaProps"
Compile = Callable[[str, bool], Decode]


def _apart(closure: Decode, raw: Any, at: At) -> Any:
    """Decode with a context of its own; its first error is final, and names the struct that holds the union."""
    inner = Context()
    try:
        value = closure(raw, at, inner)
    except DecodeError as error:
        inner.error = str(error)
    if inner.error:
        struct = at[2] if at else ""
        raise DecodeError(re.sub(r"(?<=Go struct field )\w*(?=\.)", struct, inner.error, count=1))
    return value


def _schema_or_bool(compile_type: Compile) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if isinstance(raw, dict):
            return _apart(compile_type(SCHEMA, True), raw, at)
        if raw.__class__ is bool:
            return raw
        raise DecodeError("boolean or JSON schema expected")

    return decode


def _schema_or(compile_type: Compile, listed: str) -> Decode:
    def decode(raw: Any, at: At, ctx: Context) -> Any:
        if isinstance(raw, dict):
            return _apart(compile_type(SCHEMA, True), raw, at)
        if raw.__class__ is list:
            return _apart(compile_type(listed, True), raw, at) or None
        return None

    return decode


UNIONS: dict[str, Callable[[Compile], Decode]] = {
    "apiextensions/v1.JSONSchemaPropsOrBool": _schema_or_bool,
    "apiextensions/v1.JSONSchemaPropsOrArray": lambda compile_type: _schema_or(compile_type, f"[]{SCHEMA}"),
    "apiextensions/v1.JSONSchemaPropsOrStringArray": lambda compile_type: _schema_or(compile_type, "[]string"),
}
