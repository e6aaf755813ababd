"""Putting an applied configuration into a live object, and taking fields out of one.

Mirrors the merging and the removing walker of sigs.k8s.io/structured-merge-diff/typed. Nothing is copied that does not
change; arguments are left as they are.
"""

from __future__ import annotations

from typing import Any

from wherry.machinery.fields.nodes import ListType, MapType, Node
from wherry.machinery.fields.sets import LEAF, SELF, FieldSet, element_text
from wherry.machinery.fields.typed import scalar_fault
from wherry.machinery.fields.values import ABSENT, TypedError, atom, handled, item_element


def merge(live: Any, config: Any, node: Node) -> Any:
    """`live` with everything that `config` says; TypedError for values that cannot be merged."""
    return _merge(node, live, config, "")


def _merge(node: Node, left: Any, right: Any, path: str) -> Any:
    if right is ABSENT:
        return left
    if left is ABSENT:
        return right
    kind = handled(node, atom(node, right))
    if kind == "map" and node.map is not None:
        return _merge_map(node.map, left, right, path)
    if kind == "list" and node.list is not None:
        return _merge_list(node.list, left, right, path)
    faults = scalar_fault(node.scalar, left, "lhs: "), scalar_fault(node.scalar, right, "rhs: ")
    if all(faults):
        raise TypedError([(path, fault) for fault in faults])
    return right


def _merge_map(type_: MapType, old: Any, new: Any, path: str) -> Any:
    left: dict[str, Any] = old if isinstance(old, dict) else {}
    right: dict[str, Any] = new if isinstance(new, dict) else {}
    if type_.atomic or not (left or right):
        return new
    out = dict(left)
    for key, value in right.items():
        node = type_.field(key)
        if node is None:
            raise TypedError([(f"{path}.{key}", "schema error: invalid atom: inlined")])
        merged = _merge(node, left.get(key, ABSENT), value, f"{path}.{key}")
        if merged is ABSENT:
            out.pop(key, None)
        else:
            out[key] = merged
    return out or ABSENT


def _merge_list(type_: ListType, old: Any, new: Any, path: str) -> Any:
    left: list[Any] = old if isinstance(old, list) else []
    right: list[Any] = new if isinstance(new, list) else []
    if not type_.associative or not (left or right):
        return new
    return _Lists(type_, left, right, path).merged() or ABSENT


class _Lists:
    """Two associative lists on their way to one: items that both have are merged, in the order of the configuration
    where it differs from the live one."""

    def __init__(self, type_: ListType, left: list[Any], right: list[Any], path: str):
        self.type = type_
        self.path = path
        self.left = left
        self.right_names, self.right_items = self.index(right, False)
        self.left_names, self.left_items = self.index(left, True)
        self.shared = [name for name in self.right_names if name in self.left_items]
        self.done: set[str] = set()
        self.out: list[Any] = []

    def index(self, items: list[Any], duplicates: bool) -> tuple[list[str], dict[str, Any]]:
        names: list[str] = []
        seen: dict[str, Any] = {}
        for at, item in enumerate(items):
            try:
                name = item_element(self.type, item)
            except ValueError as error:
                raise TypedError([(self.path, f"element {at}: {error}")]) from None
            if name in seen and not duplicates:
                raise TypedError([(self.path, f"duplicate entries for key {element_text(name)}")])
            seen[name] = None if name in seen else item  # repeated live items are not merged with the new one
            names.append(name)
        return names, seen

    def take(self, name: str, left: Any, right: Any) -> None:
        merged = _merge(self.type.element, left, right, self.path + element_text(name))
        if merged is not ABSENT:
            self.out.append(merged)

    def take_right(self, name: str) -> None:
        self.done.add(name)
        self.take(name, self.left_items.get(name, ABSENT), self.right_items[name])

    def merged(self) -> list[Any]:
        left, right = self.left_names, self.right_names
        at_left = at_right = 0
        shared = iter(self.shared)
        next_shared = next(shared, None)
        while at_left < len(left) or at_right < len(right):
            if at_left < len(left) and at_right < len(right):
                name = left[at_left]
                if name == right[at_right]:
                    self.take_right(name)
                    at_left += 1
                    at_right += 1
                    next_shared = next(shared, None)
                    continue
                if name in self.right_items and next_shared is not None and next_shared != name:
                    at_left += 1  # shared, but not the one whose turn it is
                    continue
            if at_left < len(left):
                name = left[at_left]
                if name not in self.right_items:
                    self.take(name, self.left[at_left], ABSENT)
                    at_left += 1
                    continue
                if name in self.done:
                    at_left += 1
            if at_right < len(right):
                name = right[at_right]
                self.take_right(name)
                at_right += 1
                if next_shared == name:
                    next_shared = next(shared, None)
        return self.out


# --- removing ---------------------------------------------------------------------------------------------------------


def remove(value: Any, fields: FieldSet, node: Node) -> Any:
    """The value without these fields; what loses everything becomes null, as upstream."""
    kind = handled(node, atom(node, value))
    if kind == "map" and node.map is not None:
        return _remove_from_map(node.map, value, fields)
    if kind == "list" and node.list is not None:
        return _remove_from_list(node.list, value, fields)
    return value


def _is_member(node: FieldSet | None) -> bool:
    return node is not None and (not node or SELF in node)


def _below(node: FieldSet | None) -> FieldSet:
    """The members below an element."""
    if not node:
        return LEAF
    return {key: child for key, child in node.items() if key != SELF} if SELF in node else node


def _remove_from_map(type_: MapType, value: Any, fields: FieldSet) -> Any:
    if not isinstance(value, dict) or not value or type_.atomic:
        return None
    out: dict[str, Any] = {}
    for key, item in value.items():
        gone = fields.get("f:" + key)
        if _is_member(gone):
            continue
        inner = _below(gone)
        node = type_.field(key)
        out[key] = remove(item, inner, node) if inner and node is not None else item
    return out or None


def _remove_from_list(type_: ListType, value: Any, fields: FieldSet) -> Any:
    if not isinstance(value, list) or not value or not type_.associative:
        return None
    out: list[Any] = []
    for item in value:
        gone = fields.get(item_element(type_, item))
        if _is_member(gone):
            continue
        inner = _below(gone)
        out.append(remove(item, inner, type_.element) if inner else item)
    return out or None
