"""Dropping of fields that a schema does not name (apiextensions-apiserver/pkg/apiserver/schema/pruning).

Compiled to closures that return the dropped paths relative to their own value, so that no path text is made unless
something is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.schema.node import META_FIELDS, Node

Pruner = Callable[[Any], "list[str] | None"]  # mutates its argument; None when nothing was dropped


def join(head: str, tail: str) -> str:
    return head + tail if tail.startswith("[") else f"{head}.{tail}"


def compile_prune(node: Node, *, root: bool) -> Pruner | None:
    """None when there is nothing to look at, as for scalars kept as they are."""
    if node.preserve:
        return _preserving(node, root)
    return _pruning(node, root)


def prune_all(value: Any) -> list[str] | None:
    """A value for which there is no schema: objects lose every field, lists are searched."""
    if isinstance(value, dict):
        dropped = list(value)
        value.clear()
        return dropped
    found: list[str] = []
    if isinstance(value, list):
        for index, item in enumerate(value):
            found.extend(join(f"[{index}]", path) for path in prune_all(item) or ())
    return found


def _child_pruners(node: Node) -> dict[str, Pruner | None]:
    return {name: compile_prune(child, root=False) for name, child in node.properties.items()}


def _pruning(node: Node, root: bool) -> Pruner:
    embedded = root or node.embedded
    if not (embedded or node.properties or node.has_additional or node.items is not None):
        return prune_all  # a scalar, or an object without fields
    children = _child_pruners(node)
    if embedded:
        children.update(dict.fromkeys(META_FIELDS))
    named = frozenset(children)
    active = {name: pruner for name, pruner in children.items() if pruner is not None}
    lookup = active.get
    item = compile_prune(node.items, root=False) if node.items is not None else prune_all
    extra: Pruner | None = None
    if node.has_additional:
        extra = compile_prune(node.additional, root=False) if node.additional is not None else prune_all
    open_map = node.has_additional

    def prune_dict(value: dict[str, Any]) -> list[str] | None:
        found: list[str] | None = None
        unknown: list[str] | None = None
        for name, inner in value.items():
            pruner = lookup(name)
            if pruner is None:
                if name in named:
                    continue
                if not open_map:
                    unknown = [name] if unknown is None else [*unknown, name]
                    continue
                pruner = extra
            if pruner is not None and (type(inner) is dict or type(inner) is list):
                paths = pruner(inner)
                if paths:
                    found = found or []
                    found.extend(join(name, path) for path in paths)
        if unknown is not None:
            for name in unknown:
                del value[name]
            found = (found or []) + unknown
        return found

    def prune(value: Any) -> list[str] | None:
        if type(value) is dict:
            return prune_dict(value)
        if type(value) is not list or item is None:
            return None
        return _each(value, item)

    return prune


def _each(value: list[Any], item: Pruner) -> list[str] | None:
    found: list[str] = []
    for index, element in enumerate(value):
        if type(element) is dict or type(element) is list:
            paths = item(element)
            if paths:
                found.extend(join(f"[{index}]", path) for path in paths)
    return found or None


def _preserving(node: Node, root: bool) -> Pruner | None:
    """Unknown fields stay, but what is named below is still pruned (skipPrune)."""
    embedded = root or node.embedded
    active = {name: pruner for name, pruner in _child_pruners(node).items() if pruner is not None}
    if embedded:
        for name in META_FIELDS:
            active.pop(name, None)
    extra: Pruner | None = None
    if node.has_additional:
        extra = compile_prune(node.additional, root=False) if node.additional is not None else prune_all
    item = _preserving(node.items, False) if node.items is not None else None
    if not active and extra is None and item is None:
        return None
    named = frozenset(node.properties) | (META_FIELDS if embedded else frozenset())

    def prune(value: Any) -> list[str] | None:
        if type(value) is list:
            return _each(value, item) if item is not None else None
        if type(value) is not dict:
            return None
        found: list[str] = []
        for name, inner in value.items():
            pruner = active.get(name)
            if pruner is None and name not in named:
                pruner = extra
            if pruner is not None:
                found.extend(join(name, path) for path in pruner(inner) or ())
        return found or None

    return prune
