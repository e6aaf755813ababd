"""Simple field paths such as `.spec.color` and `.spec.map['a key']`, checked against a schema.

Follows ValidFieldPath of k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/validation.go: used by selectable
fields and by the `fieldPath` of validation rules.
"""

from __future__ import annotations

from typing import Any, NamedTuple

Obj = dict[str, Any]


class PathError(ValueError):
    """Why a path is not valid."""


class FoundPath(NamedTuple):
    path: str  # as field.Path prints it
    root: str  # first element
    schema: Obj | None


def tokens(text: str) -> list[str]:
    """Delimiters as tokens of their own, all text between them whole, quoted strings whole."""
    out: list[str] = []
    while text:
        if text[0] == "'":
            end = next((i for i in range(1, len(text)) if text[i] == "'" and text[i - 1] != "\\"), None)
            size = len(text) if end is None else end + 1
        elif text[0] in ".[]":
            size = 1
        else:
            size = next((i for i, char in enumerate(text) if char in ".[]"), len(text))
        out.append(text[:size])
        text = text[size:]
    return out


def _unescape(text: str) -> str:
    out: list[str] = []
    chars = iter(text)
    for char in chars:
        if char != "\\":
            out.append(char)
            continue
        following = next(chars, "")
        if following not in ("'", "\\"):
            raise PathError("invalid string literal: invalid escape sequence")
        out.append(following)
    return "".join(out)


def resolve(text: str, schema: Obj, *, brackets: bool = True) -> FoundPath:
    """Follow a path through a schema. Raises PathError with upstream's words."""
    parts = iter(tokens(text))
    path = root = ""
    found: Obj | None = schema
    for token in parts:
        if token not in "[.":
            raise PathError(f"expected [ or . but got: {token}")
        if token == "[" and not brackets:
            raise PathError("array notation is not allowed")
        name = next(parts, None)
        if name is None:
            raise PathError("unexpected end of JSON path")
        if token == "[":
            if len(name) < 2 or name[0] != "'" or name[-1] != "'":
                raise PathError(f"expected single quoted string but got {name}")
            name = _unescape(name[1:-1])
        named, found = _step(found, name)
        path = (f"{path}.{name}" if path else name) if named else f"{path}[{name}]"
        root = root or name
        if token == "[":
            closing = next(parts, None)
            if closing is None:
                raise PathError("unexpected end of JSON path")
            if closing != "]":
                raise PathError(f"expected ] but got {closing}")
    return FoundPath(path, root, found)


def _step(schema: Obj | None, name: str) -> tuple[bool, Obj | None]:
    """(by name, schema below)."""
    if schema is not None and schema.get("properties"):
        child = schema["properties"].get(name)
        if child is not None:
            return True, child
    elif schema is not None and schema.get("additionalProperties") is not None:
        extra = schema["additionalProperties"]
        return False, extra if isinstance(extra, dict) else None
    raise PathError("does not refer to a valid field")
