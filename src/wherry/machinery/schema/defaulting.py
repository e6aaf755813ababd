"""Structural defaulting (apiextensions-apiserver/pkg/apiserver/schema/defaulting), compiled to closures.

One pass does what upstream does in two: nulls that are not allowed go away or become the default, missing fields get
their default. Defaults are completed at compile time with the defaults of their own fields, so none is walked again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.schema.node import Node

Filler = Callable[[Any], bool]  # mutates an object or a list; whether anything changed


def copy_json(value: Any) -> Any:
    """A deep copy of a JSON value, cheaper than copy.deepcopy."""
    if type(value) is dict:
        return {key: copy_json(item) for key, item in value.items()}
    if type(value) is list:
        return [copy_json(item) for item in value]
    return value


def completed_default(node: Node) -> Any:
    """The default of a node with the defaults inside it filled in."""
    value = copy_json(node.default)
    if isinstance(value, dict | list):
        fill = compile_default(node, nulls=False)
        if fill is not None:
            fill(value)
    return value


def compile_default(node: Node, *, nulls: bool = True) -> Filler | None:
    """None when neither defaults nor nulls can ever matter below. With `nulls` false, nulls without default stay."""
    if node.items is None and not node.properties and node.additional is None:
        return None
    fill_object = _object_filler(node, nulls)
    fill_list = _list_filler(node.items, nulls) if node.items is not None else None

    def fill(value: Any) -> bool:
        if type(value) is dict:
            return fill_object(value)
        return fill_list is not None and type(value) is list and fill_list(value)

    return fill


def _list_filler(items: Node, nulls: bool) -> Filler:
    inner = compile_default(items, nulls=nulls)
    default = completed_default(items)
    replace = not items.nullable and default is not None

    def fill(value: list[Any]) -> bool:
        changed = False
        for index, item in enumerate(value):
            if item is None:
                if replace:
                    value[index] = copy_json(default)
                    changed = True
            elif inner is not None and (type(item) is dict or type(item) is list) and inner(item):
                changed = True
        return changed

    return fill


def _object_filler(node: Node, nulls: bool) -> Filler:
    scalars: list[tuple[str, Any]] = []
    containers: list[tuple[str, Any]] = []
    for name, child in node.properties.items():
        if child.default is not None:
            value = completed_default(child)
            (containers if isinstance(value, dict | list) else scalars).append((name, value))
    inner = {name: compile_default(child, nulls=nulls) for name, child in node.properties.items()}
    lookup = {name: fill for name, fill in inner.items() if fill is not None}.get
    keep_null = frozenset(name for name, child in node.properties.items() if child.nullable)
    named = frozenset(node.properties)
    extra = node.additional
    extra_fill = compile_default(extra, nulls=nulls) if extra is not None else None
    extra_default = completed_default(extra) if extra is not None else None
    extra_nullable = extra is None or extra.nullable

    def fix_null(value: dict[str, Any], name: str) -> bool:
        if name in named:
            if name in keep_null or not (nulls or name in defaulted):
                return False
            del value[name]  # a default, if there is one, is put back below
            return True
        if extra_nullable:
            return False
        if extra_default is not None:
            value[name] = copy_json(extra_default)
        elif nulls:
            del value[name]
        return nulls or extra_default is not None

    defaulted = frozenset(name for name, _ in scalars + containers)

    def fill(value: dict[str, Any]) -> bool:
        changed = False
        empty: list[str] | None = None
        for name, item in value.items():
            if item is None:
                empty = [name] if empty is None else [*empty, name]
            elif type(item) is dict or type(item) is list:
                fill_child = lookup(name)
                if fill_child is None and name not in named:
                    fill_child = extra_fill
                if fill_child is not None and fill_child(item):
                    changed = True
        if empty is not None:
            for name in empty:
                changed = fix_null(value, name) or changed
        for name, default in scalars:
            if name not in value:
                value[name] = default
                changed = True
        for name, default in containers:
            if name not in value:
                value[name] = copy_json(default)
                changed = True
        return changed

    return fill
