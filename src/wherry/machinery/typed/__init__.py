"""The typed decoder: request bodies of built-in kinds become exactly what a Go server would make of them.

Second station of a write, after `machinery.bodies` has parsed the bytes: `decoder(group, version, kind).decode(raw)`.
Follows k8s.io/apimachinery/pkg/runtime/serializer/json and sigs.k8s.io/json (case-sensitive, strict errors gathered).
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

from wherry.kit import gojson
from wherry.machinery.builtins import AGGREGATION, EXTENSIONS, go_type_name
from wherry.machinery.kinds import Obj
from wherry.machinery.typed.compile import decoder as type_decoder
from wherry.machinery.typed.context import Context, DecodeError, NeedLiteral
from wherry.machinery.typed.facts import definition

__all__ = ["DecodeError", "Decoded", "Decoder", "NeedLiteral", "decoder"]


class Decoded(NamedTuple):
    obj: Obj
    unknown: list[str]  # strict errors: `unknown field "spec.foo"`, `duplicate field "spec.bar"`


class Decoder:
    """Decodes one kind."""

    __slots__ = ("_closure", "_go_type", "kind")

    def __init__(self, kind: str, go_type: str, keep_empty: bool):
        self.kind = kind
        self._go_type = go_type
        self._closure = type_decoder(go_type, keep_empty)

    def decode(self, raw: Any) -> Decoded:
        """The canonical object; `raw` is used up. Raises DecodeError with Go's text."""
        try:
            return self.attempt(raw)
        except NeedLiteral:  # nobody has the document any more: the digits that Go would write have to do
            found = self.attempt(gojson.literal(raw))
            return Decoded(gojson.plain(found.obj), found.unknown)

    def convert(self, raw: Any) -> Decoded:
        """As `decode`, but for the result of a strategic merge patch: refusals in the words of upstream's converter."""
        try:
            return self.decode(raw)
        except DecodeError:
            from wherry.machinery.typed.unstructured import convert

            return self.decode(convert(self._go_type, raw))

    def attempt(self, raw: Any) -> Decoded:
        """As `decode`, but raises NeedLiteral where the digits of a float matter and are lost."""
        ctx = Context()
        obj = self._closure(raw, None, ctx)
        if ctx.error:
            raise DecodeError(ctx.error)
        return Decoded(obj, ctx.strict)


@cache
def decoder(group: str, version: str, kind: str) -> Decoder:
    """The decoder of a built-in kind; KeyError if its type is not known."""
    go_type = go_type_name(group, version, kind)
    if definition(go_type) is None:
        raise KeyError(f"{group}/{version} {kind}")
    # These two groups are stored as JSON, the others as protobuf, which does not tell empty lists from absent ones.
    return Decoder(kind, go_type, group in (EXTENSIONS, AGGREGATION))
