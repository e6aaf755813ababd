"""The fields that a new object's creator owns, straight from the object to FieldsV1: the hot path of every create.

The same as comparing with an empty object and dropping what is never owned (`comparison`, `managed`), in one pass that
builds nothing but the answer. A test holds the two together.
"""

from __future__ import annotations

from typing import Any

from wherry.machinery.fields.nodes import ListType, MapType, Node
from wherry.machinery.fields.sets import LEAF, SELF, FieldSet, as_node, recursive_difference, sorted_set
from wherry.machinery.fields.values import TypedError, equal, item_element

# metadata that nobody owns (stripMetaManager of k8s.io/apimachinery/pkg/util/managedfields)
UNOWNED_METADATA = frozenset(
    (
        "name",
        "namespace",
        "creationTimestamp",
        "selfLink",
        "uid",
        "clusterName",
        "generation",
        "managedFields",
        "resourceVersion",
    )
)
UNOWNED_ROOT = frozenset(("apiVersion", "kind"))


def created(obj: dict[str, Any], node: Node, reset: FieldSet) -> FieldSet:
    """What the creator owns. `reset` are the fields that the strategy drops from this endpoint."""
    type_ = node.map
    if type_ is None:
        return LEAF
    out: FieldSet = {}
    zero = type_.zero
    for key in sorted(obj):
        if key in UNOWNED_ROOT:
            continue
        element = "f:" + key
        gone = reset.get(element)
        if gone is not None and (not gone or SELF in gone):
            continue
        value = obj[key]
        if key == "metadata":
            fields = _metadata(type_, value)
        elif key in zero:
            fields = _changed(_member(type_, key), zero[key], value)
        else:
            fields = _added(_member(type_, key), value)
        if gone and fields:
            left = recursive_difference(fields, gone)
            fields = as_node(left) if left else None
        if fields is not None:
            out[element] = fields
    return out


def _member(type_: MapType, key: str) -> Node:
    node = type_.field(key)
    if node is None:
        raise TypedError([(f".{key}", "field not declared in schema")])
    return node


def _metadata(type_: MapType, meta: Any) -> FieldSet | None:
    node = type_.field("metadata")
    if node is None or node.map is None or not isinstance(meta, dict):
        return None
    out: FieldSet = {}
    for key in sorted(meta):
        if key not in UNOWNED_METADATA:
            out["f:" + key] = _added(_member(node.map, key), meta[key])
    return out or None


def _changed(node: Node, zero: Any, value: Any) -> FieldSet | None:
    """A field that an empty object has as well: owned where it differs, and never as a container."""
    if isinstance(zero, dict) and isinstance(value, dict) and node.map is not None and not node.map.atomic:
        out: FieldSet = {}
        for key in sorted(value):
            member = _member(node.map, key)
            fields = _changed(member, zero[key], value[key]) if key in zero else _added(member, value[key])
            if fields is not None:
                out["f:" + key] = fields
        return out or None
    if zero is None and value and isinstance(value, dict | list):
        fields = _added(node, value)
        return {key: child for key, child in fields.items() if key != SELF} if fields else fields
    return None if equal(zero, value) else LEAF


def _added(node: Node, value: Any) -> FieldSet:
    """Everything in a value that was not there before."""
    if isinstance(value, dict):
        map_ = node.map
        if map_ is not None:
            return _added_map(map_, value)
    elif isinstance(value, list):
        if node.list is not None:
            return _added_list(node.list, value)
    elif node.scalar or value is None:
        return LEAF
    return LEAF  # a value of another kind than its type is one field


def _added_map(type_: MapType, value: dict[str, Any]) -> FieldSet:
    if type_.atomic or not value:
        return LEAF
    out: FieldSet = {SELF: LEAF}
    if not type_.names:
        element = type_.element
        if element is not None and element.map is None and element.list is None:
            for key in sorted(value):
                out["f:" + key] = LEAF
            return out
    for key in sorted(value):
        out["f:" + key] = _added(_member(type_, key), value[key])
    return out


def _added_list(type_: ListType, value: list[Any]) -> FieldSet:
    if not type_.associative or not value:
        return LEAF
    out: FieldSet = {SELF: LEAF}
    element = type_.element
    for index, item in enumerate(value):
        try:
            key = item_element(type_, item)
        except ValueError as error:
            raise TypedError([("", f"element {index}: {error}")]) from None
        out[key] = LEAF if key in out else _added(element, item)
    return sorted_set(out)
