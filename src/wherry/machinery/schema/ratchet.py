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
        """CachedDeepEqual: members that the schema does not know make an object differ, even from itself."""
        if self._unchanged is None:
            self._unchanged = self._equal()
        return self._unchanged

    def _equal(self) -> bool:
        new, old = self.new, self.old
        if isinstance(new, dict) and isinstance(old, dict):
            if len(new) != len(old):
                return False
            children = (self.key(name) for name in new)
            return all(child is not None and child.unchanged() for child in children)
        if isinstance(new, list) and isinstance(old, list) and self.node is not None and self.node.list_type == "map":
            if len(new) != len(old):
                return False
            items = (self.index(position) for position in range(len(new)))
            return all(item is not None and item.unchanged() for item in items)
        return same(new, old)

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
                if isinstance(item, dict) and (identity := self._identity(node, item)) is not None:
                    self._by_key.setdefault(identity, item)
        item = new[position]
        identity = self._identity(node, item) if isinstance(item, dict) else None
        found = self._by_key.get(identity) if identity is not None else None
        return Correlated(item, found, node.items) if found is not None else None

    @staticmethod
    def _identity(node: Node, item: dict[str, Any]) -> str | None:
        """The keys of an item; None where one is missing, which correlates with nothing."""
        if any(key not in item for key in node.list_map_keys):
            return None
        return go_json([item[key] for key in node.list_map_keys])
