"""Structural defaulting (apiextensions-apiserver/pkg/apiserver/schema/defaulting), compiled to closures.

One pass does what upstream does in two: nulls that are not allowed go away or become the default, missing fields get
their default. Defaults are completed at compile time with the defaults of their own fields, so none is walked again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.schema.node import Node

Filler = Callable[[Any], None]  # mutates an object or a list


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

    def fill(value: Any) -> None:
        if type(value) is dict:
            fill_object(value)
        elif fill_list is not None and type(value) is list:
            fill_list(value)

    return fill


def _list_filler(items: Node, nulls: bool) -> Filler:
    inner = compile_default(items, nulls=nulls)
    default = completed_default(items)
    replace = not items.nullable and default is not None

    def fill(value: list[Any]) -> None:
        for index, item in enumerate(value):
            if item is None:
                if replace:
                    value[index] = copy_json(default)
            elif inner is not None and (type(item) is dict or type(item) is list):
                inner(item)

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

    def fix_null(value: dict[str, Any], name: str) -> None:
        if name in named:
            if name not in keep_null and (nulls or name in defaulted):
                del value[name]  # a default, if there is one, is put back below
        elif not extra_nullable:
            if extra_default is not None:
                value[name] = copy_json(extra_default)
            elif nulls:
                del value[name]

    defaulted = frozenset(name for name, _ in scalars + containers)

    def fill(value: dict[str, Any]) -> None:
        empty: list[str] | None = None
        for name, item in value.items():
            if item is None:
                empty = [name] if empty is None else [*empty, name]
            elif type(item) is dict or type(item) is list:
                fill_child = lookup(name)
                if fill_child is not None:
                    fill_child(item)
                elif extra_fill is not None and name not in named:
                    extra_fill(item)
        if empty is not None:
            for name in empty:
                fix_null(value, name)
        for name, default in scalars:
            if name not in value:
                value[name] = default
        for name, default in containers:
            if name not in value:
                value[name] = copy_json(default)

    return fill
