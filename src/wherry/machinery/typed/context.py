"""What one decoding gathers: strict errors in document order, and the first type error.

Where a value stands is a chain of (parent, segment, struct): built while descending because it costs next to nothing,
and read only when something is wrong. Texts follow sigs.k8s.io/json.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import go_quote
from wherry.kit.gojson import Literal, kind_name, number_text

# (parent, segment, name of the struct that has the field); segment is a field name, an index or a map key
At = tuple[Any, Any, str] | None

MOST_STRICT_ERRORS = 100


class DecodeError(ValueError):
    """The document does not fit the type; the message is Go's."""


class NeedLiteral(Exception):
    """The digits of a number matter and were lost: parse again with a reader that keeps them, then decode again."""


class Embedded(str):
    """A field that belongs to an embedded struct: errors name it with the embedding, strict errors without."""

    __slots__ = ("go_path",)
    go_path: str


class Key(str):
    """A map key: part of strict paths, not of type errors."""

    __slots__ = ()


def strict_path(at: At, last: str) -> str:
    """`spec.containers[0].foo`."""
    parts = [last]
    while at is not None:
        segment = at[1]
        parts.append(f"[{segment}]" if segment.__class__ is int else segment)
        at = at[0]
    out = ""
    for part in reversed(parts):
        if part.startswith("[") and part.endswith("]") and part[1:-1].isdigit():
            out += part
        else:
            out += f".{part}" if out else part
    return out


def go_field(at: At) -> tuple[str, str]:
    """(struct, path) as in `Go struct field Container.spec.containers.name`."""
    struct = ""
    parts: list[str] = []
    while at is not None:
        segment = at[1]
        if segment.__class__ is not int and segment.__class__ is not Key:
            if not parts:
                struct = at[2]
            parts.append(segment.go_path if segment.__class__ is Embedded else segment)
        at = at[0]
    return struct, ".".join(reversed(parts))


class Context:
    """One decoding of one document."""

    __slots__ = ("error", "strict")

    def __init__(self) -> None:
        self.strict: list[str] = []
        self.error = ""  # the first error that lets decoding go on, as Go's decoder keeps it

    def note(self, what: str, at: At, key: str) -> None:
        """A strict error: `unknown field` or `duplicate field`; repeats and those beyond a hundred are dropped."""
        text = f"{what} {go_quote(strict_path(at, key))}"
        if len(self.strict) < MOST_STRICT_ERRORS and text not in self.strict:
            self.strict.append(text)

    def soft(self, text: str) -> None:
        """An error after which Go's decoder goes on; only the first is told."""
        if not self.error:
            self.error = text

    def mismatch(self, at: At, value: Any, go_type: str, *, quote_number: bool = False) -> None:
        """`json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool`."""
        self.soft(mismatch_text(at, value, go_type, quote_number=quote_number))


def mismatch_text(at: At, value: Any, go_type: str, *, quote_number: bool = False) -> str:
    """The text of Go's UnmarshalTypeError; `quote_number` where the number is of the right kind but does not fit."""
    word = kind_name(value)
    if quote_number:
        if value.__class__ is float:
            raise NeedLiteral
        word = f"number {number_text(value)}"
    struct, path = go_field(at)
    if not path:
        return f"json: cannot unmarshal {word} into Go value of type {go_type}"
    return f"json: cannot unmarshal {word} into Go struct field {struct}.{path} of type {go_type}"


__all__ = ["At", "Context", "DecodeError", "Embedded", "Key", "Literal", "NeedLiteral", "go_field", "mismatch_text"]
