"""Sets of fields, and their algebra.

A field set *is* its FieldsV1 document: `{"f:spec": {"f:replicas": {}, "f:ports": {".": {}, ...}}}`. An element that
maps to an empty object is a member; one that maps to a non-empty object has children, and is itself a member only when
the object has `"."`. So ownership needs no decoding on the way in and no encoding on the way out. The root is never a
member. Elements are `f:<field>`, `k:<keys as JSON>`, `v:<value as JSON>` and `i:<index>`, spelled canonically, so that
equal elements are equal strings.

Mirrors fieldpath.Set of sigs.k8s.io/structured-merge-diff and its serialization. All functions are pure; results share
subtrees with their arguments, so no field set may be changed once it has left the function that made it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import orjson

from wherry.errors import go_quote
from wherry.kit.gojson import format_float
from wherry.machinery.patch.refusals import go_format, go_json

FieldSet = dict[str, Any]
Path = tuple[str, ...]

SELF = "."
LEAF: FieldSet = {}  # a member without children; shared, never changed


class BadElement(ValueError):
    """A key of a FieldsV1 document that is no path element."""


# --- elements ---------------------------------------------------------------------------------------------------------


def go_json_value(value: Any) -> str:
    """A key or set value as it stands inside an element: JSON with the characters of HTML escaped."""
    if isinstance(value, str) and value.isalnum() and value.isascii():
        return f'"{value}"'
    return format_float(value) if isinstance(value, float) else go_json(value)


def key_element(pairs: list[tuple[str, Any]]) -> str:
    """`k:{"port":80,"protocol":"TCP"}`; `pairs` sorted by name."""
    return "k:{" + ",".join(f"{go_json_value(name)}:{go_json_value(value)}" for name, value in pairs) + "}"


def value_element(value: Any) -> str:
    return "v:" + go_json_value(value)


@lru_cache(maxsize=4096)
def order(element: str) -> tuple[Any, ...]:
    """The sort key of an element: fields, then keys, then values, then indexes."""
    kind, rest = element[:1], element[2:]
    if kind == "f":
        return (0, rest)
    if kind == "k":
        return (1, tuple((name, _value_order(value)) for name, value in sorted(orjson.loads(rest).items())))
    if kind == "v":
        return (2, _value_order(orjson.loads(rest)))
    return (3, int(rest)) if kind == "i" else (-1,)


def _value_order(value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (2, value)
    if isinstance(value, int | float):
        return (0, value)
    if isinstance(value, str):
        return (1, value)
    if isinstance(value, list):
        return (3, tuple(map(_value_order, value)))
    if isinstance(value, dict):
        return (4, tuple((key, _value_order(value[key])) for key in sorted(value)))
    return (5,)


def path_text(path: Path) -> str:
    """A path as errors print it: `.spec.containers[name="a"].image`."""
    return "".join(map(element_text, path))


def element_text(element: str) -> str:
    def text(value: Any) -> str:
        return "null" if value is None else go_quote(value) if isinstance(value, str) else go_format(value)

    kind, rest = element[:1], element[2:]
    if kind == "f":
        return "." + rest
    if kind == "k":
        return "[" + ",".join(f"{name}={text(value)}" for name, value in sorted(orjson.loads(rest).items())) + "]"
    return f"[={text(orjson.loads(rest))}]" if kind == "v" else f"[{rest}]"


# --- reading ----------------------------------------------------------------------------------------------------------


def canonical(document: Any) -> FieldSet:
    """A FieldsV1 document of unknown origin in canonical form; BadElement when a key is none.

    Unknown kinds of elements are dropped, as upstream does."""
    if not isinstance(document, dict):
        return {}
    out = _canonical(document)
    return {key: out[key] for key in sorted(out, key=order) if key != SELF}


def _canonical(document: dict[str, Any]) -> FieldSet:
    out: FieldSet = {}
    for key, child in document.items():
        if key == SELF:
            out[SELF] = LEAF
            continue
        element = _canonical_element(key)
        if element is None:
            continue
        inner = _canonical(child) if isinstance(child, dict) else LEAF
        if list(inner) == [SELF]:
            inner = LEAF
        out[element] = merge_nodes(out[element], inner) if element in out else inner
    return sorted_set(out)


def _canonical_element(key: str) -> str | None:
    if len(key) < 2:
        raise BadElement("key must be 2 characters long:")
    if key[1] != ":":
        raise BadElement(f"missing colon: {key}")
    kind, rest = key[0], key[2:]
    if kind == "f":
        return key
    if kind not in "kvi":
        return None
    try:
        if kind == "i":
            return f"i:{int(rest)}"
        value = orjson.loads(rest)
    except ValueError as error:
        raise BadElement(str(error)) from None
    if kind == "v":
        return value_element(value)
    if not isinstance(value, dict):
        raise BadElement(f"expect {{ or n, but found {rest[:1]}")
    return key_element(sorted(value.items()))


def paths(fields: FieldSet, prefix: Path = ()) -> Iterator[Path]:
    """Every member's path: at each level first the members, then what is below the children, both in order."""
    for key, child in fields.items():
        if key != SELF and (not child or SELF in child):
            yield (*prefix, key)
    for key, child in fields.items():
        if key != SELF and child:
            yield from paths(child, (*prefix, key))


def has(fields: FieldSet, path: Path) -> bool:
    """Whether the path is a member."""
    if not path:
        return False
    for element in path[:-1]:
        fields = fields.get(element, LEAF)
    node = fields.get(path[-1])
    return node is not None and (not node or SELF in node)


def size(fields: FieldSet) -> int:
    return sum(1 for _ in paths(fields))


# --- building ---------------------------------------------------------------------------------------------------------


def sorted_set(fields: FieldSet) -> FieldSet:
    """One level in upstream's order (fields sort as strings; `"."` comes first)."""
    keys = list(fields)
    if len(keys) < 2:
        return fields
    for key in keys:
        if key[0] not in "f.":
            break
    else:
        keys.sort()
        return {key: fields[key] for key in keys}
    keys.sort(key=order)
    return {key: fields[key] for key in keys}


def of_paths(*members: Path) -> FieldSet:
    out: FieldSet = {}
    for path in members:
        node: FieldSet = LEAF
        for element in reversed(path):
            node = {element: node}
        out = union(out, node)
    return out


def of_fields(*members: str) -> FieldSet:
    """From dotted field names: `of_fields("spec", "metadata.labels")`."""
    return of_paths(*(tuple(f"f:{name}" for name in member.split(".")) for member in members))


# --- algebra ----------------------------------------------------------------------------------------------------------
# A "node" is what an element maps to: LEAF (member), or children with or without SELF. Roots have no SELF.


def merge_nodes(left: FieldSet, right: FieldSet) -> FieldSet:
    """The union of two nodes of the same element."""
    if not left:
        return right if not right or SELF in right else {SELF: LEAF, **right}
    if not right:
        return left if SELF in left else {SELF: LEAF, **left}
    return union(left, right)


def union(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of either."""
    if not left or left is right:
        return right
    if not right:
        return left
    out = dict(left)
    for key, child in right.items():
        mine = out.get(key)
        out[key] = child if mine is None else merge_nodes(mine, child)
    return sorted_set(out)


def intersection(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of both."""
    out: FieldSet = {}
    for key, child in left.items():
        other = right.get(key)
        if other is None:
            continue
        if not child or not other:
            if (not child or SELF in child) and (not other or SELF in other):
                out[key] = LEAF
            continue
        inner = intersection(child, other)
        if inner:
            out[key] = as_node(inner)
    return out


def as_node(inner: FieldSet) -> FieldSet:
    """A node that is left with nothing but itself is a plain member."""
    return LEAF if len(inner) == 1 and SELF in inner else inner


def difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of `left` that are not members of `right`: a parent is not its child."""
    if not right or not left:
        return left
    out: FieldSet = {}
    for key, child in left.items():
        other = right.get(key)
        if other is None:
            out[key] = child
        elif key == SELF:
            continue
        elif not child:
            if other and SELF not in other:
                out[key] = LEAF
        elif not other:
            rest = {name: node for name, node in child.items() if name != SELF}
            if rest:
                out[key] = rest
        else:
            rest = difference(child, other)
            if rest:
                out[key] = as_node(rest)
    return out


def recursive_difference(left: FieldSet, right: FieldSet) -> FieldSet:
    """Members of `left` that neither are members of `right` nor are below one."""
    if not right or not left:
        return left
    out: FieldSet = {}
    for key, child in left.items():
        other = right.get(key)
        if other is None:
            out[key] = child
        elif not other or SELF in other:
            continue
        elif not child:
            out[key] = LEAF
        else:
            rest = recursive_difference(child, other)
            if rest:
                out[key] = as_node(rest)
    return out


def leaves(fields: FieldSet) -> FieldSet:
    """Members that have no member below them."""
    return {key: leaves(child) if child else LEAF for key, child in fields.items() if key != SELF}
