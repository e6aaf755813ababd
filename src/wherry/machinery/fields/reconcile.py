"""Owned fields after a change of schema: what was granular may have become atomic, and back.

Mirrors sigs.k8s.io/structured-merge-diff/typed.ReconcileFieldSetWithSchema: an owner of anything below a container that
is atomic now owns the container; what was owned as atomic stays as it is.
"""

from __future__ import annotations

from wherry.machinery.fields.nodes import DEDUCED, Node
from wherry.machinery.fields.sets import LEAF, SELF, FieldSet


def reconcile(fields: FieldSet, node: Node) -> FieldSet:
    """The same object when nothing changes."""
    type_ = node.map
    if type_ is None or not fields:
        return fields
    return _children(fields, node)


def _children(fields: FieldSet, node: Node) -> FieldSet:
    """The children of a container of this type (of all types of a node the map goes first, as upstream)."""
    changed: FieldSet | None = None
    for element, child in fields.items():
        if element == SELF or not child:
            continue
        inner = _type_at(node, element)
        if inner is None:
            continue
        fitted = _fitted(child, inner)
        if fitted is not child:
            changed = dict(fields) if changed is None else changed
            changed[element] = fitted
    return fields if changed is None else changed


def _type_at(node: Node, element: str) -> Node | None:
    if node.map is not None:
        return node.map.field(element[2:]) if element[0] == "f" else node.map.element
    if node.list is not None:
        return node.list.element
    return None


def _fitted(child: FieldSet, node: Node) -> FieldSet:
    """A node with children, fitted to its type."""
    if node.map is not None:
        if node.map.element is DEDUCED and not node.map.names:
            return child
        if node.map.atomic:
            return LEAF
        return _children(child, node)
    if node.list is not None:
        return _children(child, node) if node.list.associative else LEAF
    return child
