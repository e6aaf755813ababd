"""Uniqueness in lists of type set and map (apiextensions-apiserver/pkg/apiserver/schema/listtype)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.errors import FieldError
from wherry.machinery.schema.gotext import duplicate_value, go_json, invalid_value
from wherry.machinery.schema.node import Node

_UNSPECIFIED = object()


def compile_unique(node: Node) -> Callable[[Any], bool] | None:
    """A quick test that is true only where surely nothing is repeated; None where no list has to be unique."""
    own = _unique_items(node) if node.list_type in ("set", "map") else None
    items = compile_unique(node.items) if node.items is not None else None
    named = [(name, test) for name, child in node.properties.items() if (test := compile_unique(child)) is not None]
    extra = compile_unique(node.additional) if node.additional is not None else None
    if own is None and items is None and not named and extra is None:
        return None

    def check(value: Any) -> bool:
        if type(value) is dict:
            for name, test in named:
                child = value.get(name)
                if child is not None and not test(child):
                    return False
            return extra is None or all(extra(item) for item in value.values())
        if type(value) is list:
            if own is not None and not own(value):
                return False
            return items is None or all(items(item) for item in value)
        return True

    return check


def _unique_items(node: Node) -> Callable[[list[Any]], bool]:
    names = node.list_map_keys

    def unique(value: list[Any]) -> bool:
        try:
            if node.list_type == "set":
                return len(set(value)) == len(value)
            if len(names) == 1:
                name = names[0]
                return len({item.get(name, _UNSPECIFIED) for item in value}) == len(value)
            return len({tuple([item.get(name, _UNSPECIFIED) for name in names]) for item in value}) == len(value)
        except (TypeError, AttributeError):  # an item that is no object, a key that is no scalar
            return False

    return unique


def child_path(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def check_unique_lists(node: Node, value: Any, path: str = "") -> list[FieldError]:
    """ValidateListSetsAndMaps on a whole object."""
    if isinstance(value, list):
        return _check_list(node, value, path) if path else []
    errors: list[FieldError] = []
    if isinstance(value, dict):
        if node.additional is not None:
            for name in sorted(value):
                errors += check_unique_lists(node.additional, value[name], f"{path or '<nil>'}[{name}]")
        for name in sorted(value):
            child = node.properties.get(name)
            if child is not None:
                errors += check_unique_lists(child, value[name], child_path(path, name))
    return errors


def _check_list(node: Node, value: list[Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if node.list_type == "set":
        errors += [duplicate_value(f"{path}[{i}]", value[i]) for i in _repeated(value)]
    elif node.list_type == "map":
        errors += _check_map_list(node, value, path)
    if node.items is not None:
        for index, item in enumerate(value):
            errors += check_unique_lists(node.items, item, f"{path}[{index}]")
    return errors


def _mark(item: Any) -> Any:
    """A hashable that is equal for equal values of equal Go type."""
    return go_json(item) if isinstance(item, dict | list) else (type(item), item)


def _repeated(items: list[Any]) -> list[int]:
    """Indices of the second appearance of each value; third and later ones are not reported."""
    times: dict[Any, int] = {}
    found: list[int] = []
    for index, item in enumerate(items):
        mark = _mark(item)
        count = times.get(mark, 0)
        times[mark] = count + 1
        if count == 1:
            found.append(index)
    return found


def _check_map_list(node: Node, value: list[Any], path: str) -> list[FieldError]:
    for index, item in enumerate(value):
        if item is not None and not isinstance(item, dict):
            detail = "must be an object for an array of list-type map"
            return [invalid_value(f"{path}[{index}]", item, detail)]
    if len(value) <= 1:
        return []
    names = node.list_map_keys
    if len(names) == 1:
        name = names[0]
        keys = [item.get(name, _UNSPECIFIED) if item is not None else _UNSPECIFIED for item in value]
        shown = [{} if key is _UNSPECIFIED else {name: key} for key in keys]
        return [duplicate_value(f"{path}[{i}]", shown[i]) for i in _repeated(keys)]
    combined = [{name: item[name] for name in names if name in item} if item is not None else {} for item in value]
    return [duplicate_value(f"{path}[{i}]", combined[i]) for i in _repeated(combined)]
