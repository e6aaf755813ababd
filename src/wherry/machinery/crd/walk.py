"""Walking over the schemas inside a JSONSchemaProps dict, and the questions asked of all of them (SchemaHas)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

Obj = dict[str, Any]


def walk(schema: Obj | None) -> Iterator[Obj]:
    """The schema itself and every schema in it, in upstream's order (maps by key)."""
    if not isinstance(schema, dict):
        return
    yield schema
    items = schema.get("items")
    for child in items if isinstance(items, list) else (items,):
        yield from walk(child)
    for name in ("allOf", "anyOf", "oneOf"):
        for child in schema.get(name) or ():
            yield from walk(child)
    yield from walk(schema.get("not"))
    yield from _values(schema.get("properties"))
    yield from walk(schema.get("additionalProperties"))
    yield from _values(schema.get("patternProperties"))
    yield from walk(schema.get("additionalItems"))
    yield from _values(schema.get("definitions"))
    yield from _values(schema.get("dependencies"))


def _values(schemas: Obj | None) -> Iterator[Obj]:
    for _, child in sorted((schemas or {}).items()):
        yield from walk(child)


def has(schema: Obj | None, wanted: Callable[[Obj], bool]) -> bool:
    return any(wanted(s) for s in walk(schema))


def single_items(schema: Obj) -> Obj | None:
    """`items` where it is one schema, not a list of them."""
    items = schema.get("items")
    return items if isinstance(items, dict) else None
