"""Values of a type: whether they fit, and which fields they set.

Mirrors the validating and the field-set walker of sigs.k8s.io/structured-merge-diff/typed; the texts reach clients when
an apply is refused.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import go_quote
from wherry.machinery.fields.nodes import BOOLEAN, NUMERIC, STRING, ListType, MapType, Node
from wherry.machinery.fields.sets import LEAF, SELF, FieldSet, element_text, sorted_set
from wherry.machinery.fields.values import TypedError, atom, handled, item_element
from wherry.machinery.patch.refusals import go_float, go_format

Causes = list[tuple[str, str]]


def check(value: Any, node: Node, allow_duplicates: bool = False) -> None:
    """TypedError when the value does not fit the type."""
    causes: Causes = []
    _check(node, value, "", causes, allow_duplicates)
    if causes:
        raise TypedError(causes)


def _check(node: Node, value: Any, path: str, causes: Causes, duplicates: bool) -> None:
    if node.scalar == STRING and isinstance(value, str):
        return
    kind = handled(node, atom(node, value))
    if kind == "map" and node.map is not None:
        _check_map(node.map, value, path, causes, duplicates)
    elif kind == "list" and node.list is not None:
        _check_list(node.list, value, path, causes, duplicates)
    else:
        text = scalar_fault(node.scalar, value)
        if text:
            causes.append((path, text))


def scalar_fault(scalar: str, value: Any, prefix: str = "") -> str:
    """What is wrong with a scalar, or nothing."""
    if value is None:
        return ""
    if scalar == NUMERIC:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return f"{prefix}expected numeric (int or float), got {_go_type(value)}"
    elif scalar == STRING:
        if not isinstance(value, str):
            return f"{prefix}expected string, got &value.valueUnstructured{{Value:{go_syntax(value)}}}"
    elif scalar == BOOLEAN:
        if not isinstance(value, bool):
            return f"{prefix}expected boolean, got {_shown(value)}"
    elif isinstance(value, dict | list):
        return f"{prefix}expected any scalar, got {_shown(value)}"
    return ""


def _check_map(type_: MapType, value: Any, path: str, causes: Causes, duplicates: bool) -> None:
    if value is None:
        return
    if not isinstance(value, dict):
        causes.append((path, f"expected map, got {_shown(value)}"))
        return
    for key, item in value.items():
        node = type_.field(key)
        if node is None:
            causes.append((f"{path}.{key}", "field not declared in schema"))
            return
        _check(node, item, f"{path}.{key}", causes, duplicates)


def _check_list(type_: ListType, value: Any, path: str, causes: Causes, duplicates: bool) -> None:
    if value is None:
        return
    if not isinstance(value, list):
        causes.append((path, f"expected list, got {_shown(value)}"))
        return
    seen: set[str] = set()
    for index, item in enumerate(value):
        if not type_.associative:
            element = f"i:{index}"
        else:
            try:
                element = item_element(type_, item)
            except ValueError as error:
                causes.append((path, f"element {index}: {error}"))
                return
            if element in seen and not duplicates:
                causes.append((path, f"duplicate entries for key {element_text(element)}"))
            seen.add(element)
        _check(type_.element, item, path + element_text(element), causes, duplicates)


def _go_type(value: Any) -> str:
    names: dict[type, str] = {str: "string", bool: "bool", list: "[]interface {}", dict: "map[string]interface {}"}
    return names.get(type(value), "<nil>")


def _shown(value: Any) -> str:
    """A value as Go's %v prints the pointer to the struct that wraps it."""
    return "&{" + go_format(value) + "}"


def go_syntax(value: Any) -> str:
    """A JSON value as Go's %#v prints it."""
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return go_quote(value)
    if isinstance(value, dict):
        inner = ", ".join(f"{go_quote(key)}:{go_syntax(value[key])}" for key in sorted(value))
        return f"map[string]interface {{}}{{{inner}}}"
    if isinstance(value, list):
        return "[]interface {}{" + ", ".join(map(go_syntax, value)) + "}"
    return go_float(value) if isinstance(value, float) else str(value)


# --- the fields of a value --------------------------------------------------------------------------------------------


def to_set(value: Any, node: Node) -> FieldSet:
    """The fields that a value sets, as its applier comes to own them."""
    fields = _set(node, value)
    if not fields:
        return LEAF
    return {key: child for key, child in fields.items() if key != SELF} if SELF in fields else fields


def _set(node: Node, value: Any) -> FieldSet | None:
    """LEAF for a member, children, or None for nothing."""
    if node.map is None and node.list is None:
        return LEAF
    kind = handled(node, atom(node, value))
    if kind == "map" and node.map is not None:
        return _set_of_map(node.map, value)
    if kind == "list" and node.list is not None:
        return _set_of_list(node.list, value)
    return LEAF


def _set_of_map(type_: MapType, value: Any) -> FieldSet | None:
    if type_.atomic:
        return LEAF
    if not isinstance(value, dict):
        return None
    out: FieldSet = {}
    names = type_.names
    for key, item in value.items():
        node = type_.field(key)
        if node is None:
            raise TypedError([(f".{key}", "schema error: invalid atom: inlined")])
        fields = _set(node, item)
        if item is None or item == {} or key not in names:
            fields = _member(fields)
        if fields is not None:
            out["f:" + key] = fields
    return sorted_set(out) or None


def _member(fields: FieldSet | None) -> FieldSet:
    if not fields:
        return LEAF
    return fields if SELF in fields else {SELF: LEAF, **fields}


def _set_of_list(type_: ListType, value: Any) -> FieldSet | None:
    if not type_.associative:
        return LEAF
    if not isinstance(value, list):
        return None
    out: FieldSet = {}
    for index, item in enumerate(value):
        try:
            element = item_element(type_, item)
        except ValueError as error:
            raise TypedError([("", f"element {index}: {error}")]) from None
        # of repeated items only the key is owned
        out[element] = LEAF if element in out else _member(_set(type_.element, item))
    return sorted_set(out) or None


def ensure_named(fields: FieldSet, node: Node | None) -> FieldSet:
    """With every declared field that has members below it as a member too."""
    out: FieldSet = {}
    map_ = node.map if node is not None else None
    list_ = node.list if node is not None else None
    for key, child in fields.items():
        if not child or key == SELF:
            out[key] = child
            continue
        inner: Node | None = None
        is_named = False
        if key[0] == "f" and map_ is not None:
            inner, is_named = map_.field(key[2:]), key[2:] in map_.names
        elif key[0] == "k" and list_ is not None:
            inner = list_.element
        below = ensure_named(child, inner)
        out[key] = {SELF: LEAF, **below} if is_named and SELF not in below else below
    return out
