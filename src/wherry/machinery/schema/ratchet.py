"""Old values beside new ones, so that an update is not refused for what it did not change.

Follows k8s.io/apiserver/pkg/cel/common (CorrelatedObject): children of objects correlate by key, items of map lists by
their keys, items of all other lists not at all.
"""

from __future__ import annotations

from typing import Any

from wherry.machinery.schema.gotext import go_json
from wherry.machinery.schema.node import Node


def same(left: Any, right: Any) -> bool:
    """reflect.DeepEqual on JSON values: 1, 1.0 and true are three different things."""
    kind = type(left)
    if kind is not type(right):
        return False
    if kind is dict:
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if kind is list:
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


class Correlated:
    """A new value, the old value at the same place, and the structural schema of that place."""

    __slots__ = ("_by_key", "_unchanged", "new", "node", "old")

    def __init__(self, new: Any, old: Any, node: Node | None):
        self.new, self.old, self.node = new, old, node
        self._unchanged: bool | None = None
        self._by_key: dict[str, Any] | None = None

    def unchanged(self) -> bool:
        if self._unchanged is None:
            self._unchanged = same(self.new, self.old)
        return self._unchanged

    def key(self, name: str) -> Correlated | None:
        node, new, old = self.node, self.new, self.old
        if node is None or not isinstance(new, dict) or not isinstance(old, dict) or name not in new or name not in old:
            return None
        child = node.properties.get(name) or node.additional
        return Correlated(new[name], old[name], child) if child is not None else None

    def index(self, position: int) -> Correlated | None:
        node, new, old = self.node, self.new, self.old
        if node is None or node.items is None or node.list_type != "map":
            return None
        if not isinstance(new, list) or not isinstance(old, list):
            return None
        if self._by_key is None:
            self._by_key = {}
            for item in old:
                if isinstance(item, dict):
                    self._by_key.setdefault(self._identity(node, item), item)
        item = new[position]
        found = self._by_key.get(self._identity(node, item)) if isinstance(item, dict) else None
        return Correlated(item, found, node.items) if found is not None else None

    @staticmethod
    def _identity(node: Node, item: dict[str, Any]) -> str:
        return go_json([item.get(key) for key in node.list_map_keys])
