"""What changed between two objects of a type: the fields added, modified and removed.

The heart of every update's managedFields. Mirrors the compare walker of sigs.k8s.io/structured-merge-diff/typed: maps
are compared by key, associative lists by the key of their items, everything else is one leaf; a container that is new
is itself an added field, one that stays is not.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.machinery.fields.nodes import ListType, MapType, Node
from wherry.machinery.fields.sets import LEAF, SELF, FieldSet, merge_nodes, sorted_set
from wherry.machinery.fields.values import ABSENT, TypedError, atom, equal, handled, item_element


class Comparison(NamedTuple):
    added: FieldSet
    modified: FieldSet
    removed: FieldSet


def compare(old: Any, new: Any, node: Node) -> Comparison:
    """Both objects in canonical JSON; pass `node.map.zero` (or the bare kind) for one that does not exist."""
    out = _Differences()
    if not equal(old, new):
        _compare(node, old, new, out)
    return Comparison(*(_root(fields) for fields in (out.added, out.modified, out.removed)))


def _root(fields: FieldSet | None) -> FieldSet:
    if not fields:
        return LEAF
    return {key: child for key, child in fields.items() if key != SELF} if SELF in fields else fields


class _Differences:
    """The three nodes at one path: None (nothing), LEAF (the field), or its children with or without SELF."""

    __slots__ = ("added", "modified", "removed")

    def __init__(self) -> None:
        self.added: FieldSet | None = None
        self.modified: FieldSet | None = None
        self.removed: FieldSet | None = None


def _leaf(old: Any, new: Any, out: _Differences) -> None:
    if old is ABSENT:
        out.added = _with_self(out.added)
    elif new is ABSENT:
        out.removed = _with_self(out.removed)
    elif not equal(old, new):
        out.modified = _with_self(out.modified)


def _with_self(node: FieldSet | None) -> FieldSet:
    if not node:
        return LEAF
    return node if SELF in node else {SELF: LEAF, **node}


def _compare(node: Node, old: Any, new: Any, out: _Differences) -> None:
    """Fill `out` for one path; at least one side is there."""
    left, right = atom(node, old), atom(node, new)
    leaf = False
    if new is ABSENT:
        leaf = _handle(node, handled(node, left), old, new, out)
    elif old is ABSENT or left == right:
        leaf = _handle(node, handled(node, right), old, new, out)
    else:
        _handle(node, handled(node, left), old, new, out)
        leaf = _handle(node, handled(node, right), old, new, out)
    if not leaf:
        if old is ABSENT:
            out.added = _with_self(out.added)
        elif new is ABSENT:
            out.removed = _with_self(out.removed)


def _handle(node: Node, kind: str, old: Any, new: Any, out: _Differences) -> bool:
    """True when the path was handled as a leaf."""
    if kind == "map" and node.map is not None:
        return _map(node.map, old, new, out)
    if kind == "list" and node.list is not None:
        return _list(node.list, old, new, out)
    _leaf(old, new, out)
    return True


def _map(type_: MapType, old: Any, new: Any, out: _Differences) -> bool:
    left: dict[str, Any] = old if isinstance(old, dict) else {}
    right: dict[str, Any] = new if isinstance(new, dict) else {}
    if type_.atomic or not (left or right):
        _leaf(old, new, out)
        return True
    for key, value in right.items():
        before = left.get(key, ABSENT)
        if not equal(before, value):
            _member(type_, key, before, value, out)
    for key, value in left.items():
        if key not in right:
            _member(type_, key, value, ABSENT, out)
    _sort(out)
    return False


def _member(type_: MapType, key: str, old: Any, new: Any, out: _Differences) -> None:
    node = type_.field(key)
    if node is None:
        raise TypedError([(f".{key}", "schema error: invalid atom: inlined")])
    inner = _Differences()
    _compare(node, old, new, inner)
    _adopt(out, "f:" + key, inner)


def _adopt(out: _Differences, element: str, inner: _Differences) -> None:
    if inner.added is not None:
        out.added = _insert(out.added, element, inner.added)
    if inner.modified is not None:
        out.modified = _insert(out.modified, element, inner.modified)
    if inner.removed is not None:
        out.removed = _insert(out.removed, element, inner.removed)


def _insert(fields: FieldSet | None, element: str, node: FieldSet) -> FieldSet:
    if not fields:
        # an empty node of our own; LEAF itself is shared and must not be filled
        return {element: node} if fields is None else {SELF: LEAF, element: node}
    if element in fields and fields[element] is not node:
        node = merge_nodes(fields[element], node)
    fields[element] = node
    return fields


def _sort(out: _Differences) -> None:
    if out.added:
        out.added = sorted_set(out.added)
    if out.modified:
        out.modified = sorted_set(out.modified)
    if out.removed:
        out.removed = sorted_set(out.removed)


def _list(type_: ListType, old: Any, new: Any, out: _Differences) -> bool:
    left: list[Any] = old if isinstance(old, list) else []
    right: list[Any] = new if isinstance(new, list) else []
    if not type_.associative or not (left or right):
        _leaf(old, new, out)
        return True
    before, after = _indexed(type_, left), _indexed(type_, right)
    for element, items in before.items():
        _items(type_, element, items, after.get(element, []), out)
    for element, items in after.items():
        if element not in before:
            _items(type_, element, [], items, out)
    _sort(out)
    return False


def _indexed(type_: ListType, items: list[Any]) -> dict[str, list[Any]]:
    out: dict[str, list[Any]] = {}
    for index, item in enumerate(items):
        try:
            element = item_element(type_, item)
        except ValueError as error:
            raise TypedError([("", f"element {index}: {error}")]) from None
        out.setdefault(element, []).append(item)
    return out


def _items(type_: ListType, element: str, old: list[Any], new: list[Any], out: _Differences) -> None:
    """Items of one key. More than one (which validation would refuse) are one leaf together."""
    inner = _Differences()
    if len(old) <= 1 and len(new) <= 1:
        if old and new and equal(old[0], new[0]):
            return
        _compare(type_.element, old[0] if old else ABSENT, new[0] if new else ABSENT, inner)
    elif len(old) >= 2 and len(new) >= 2:
        if not equal(old, new):
            inner.modified = LEAF
    elif len(old) >= 2:
        if new:
            _compare(type_.element, ABSENT, new[0], inner)
        inner.removed = _with_self(inner.removed)
    else:
        if old:
            _compare(type_.element, old[0], ABSENT, inner)
        inner.added = _with_self(inner.added)
    _adopt(out, element, inner)
