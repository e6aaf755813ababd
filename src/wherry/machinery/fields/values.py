"""What the walkers over typed values share: kinds of values, keys of list items, equality, errors.

Mirrors the helpers of sigs.k8s.io/structured-merge-diff/typed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson

from wherry.machinery.fields.nodes import ListType, Node
from wherry.machinery.fields.sets import key_element, value_element

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
_SCALARS = (str, int, float, bool)
_SORTED = orjson.OPT_SORT_KEYS


class TypedError(ValueError):
    """Values that do not fit their type; `causes` are (path, text)."""

    def __init__(self, causes: list[tuple[str, str]]):
        self.causes = causes
        lines = [f"{path}: {text}" if path else text for path, text in causes]
        super().__init__(lines[0] if len(lines) == 1 else "\n".join(["errors:", *(f"  {line}" for line in lines)]))

    @classmethod
    def saying(cls, text: str) -> TypedError:
        return cls([("", text)])


@contextmanager
def doing(what: str) -> Iterator[None]:
    """What was tried goes before what went wrong."""
    try:
        yield
    except TypedError as error:
        raise TypedError.saying(f"{what}: {error}") from None


def atom(node: Node, value: Any) -> str:
    """Which of the types of a node a value takes: map, scalar, list, or `all` when the value does not tell."""
    kind = type(value)
    if kind is dict:
        if node.map is not None:
            return "map"
    elif kind is list:
        if node.list is not None:
            return "list"
    elif node.scalar and kind in _SCALARS:
        return "scalar"
    if node.map is not None:
        return "map" if not node.scalar and node.list is None else "all"
    return "scalar" if node.scalar else "list"


def handled(node: Node, kind: str) -> str:
    """The type that is tried for a value of this atom: of `all` the first there is."""
    return "map" if kind == "all" and node.map is not None else kind


def item_element(list_: ListType, item: Any) -> str:
    """The path element of an item of an associative list; ValueError says why it has none."""
    if list_.key_names:
        if item is None:
            raise ValueError("associative list with keys may not have a null element")
        if not isinstance(item, dict):
            raise ValueError("associative list with keys may not have non-map elements")
        pairs = []
        for name, default in list_.keys:
            value = item.get(name, default) if name in item or default is not None else ABSENT
            if value is not ABSENT:
                pairs.append((name, value))
        if not pairs:
            names = "[" + " ".join(f'"{name}"' for name in list_.key_names) + "]"
            lacks = "and doesn't have default values for any key fields"
            raise ValueError(f"associative list with keys has an element that omits all key fields {names} ({lacks})")
        return key_element(pairs)
    if isinstance(item, dict):
        raise ValueError("associative list without keys has an element that's a map type")
    if isinstance(item, list):
        raise ValueError("not supported: associative list with lists as elements")
    if item is None:
        raise ValueError("associative list without keys has an element that's an explicit null")
    return value_element(item)


def equal(left: Any, right: Any) -> bool:
    """Equality of values: 1 is 1.0 but not true."""
    if left is right:
        return True
    kind = type(left)
    if kind is not type(right):
        return {kind, type(right)} == {int, float} and bool(left == right)
    if left != right:
        return False
    if kind is dict or kind is list:  # Python holds True and 1 equal, so what it calls equal is looked at again
        return orjson.dumps(left, option=_SORTED) == orjson.dumps(right, option=_SORTED) or _equal_inside(left, right)
    return True


def _equal_inside(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return all(equal(value, right[key]) for key, value in left.items())
    return all(map(equal, left, right))
