"""A structural schema ready to run: prune, default, coerce and validate as closures made once.

The store holds one `Structural` per served version of a custom resource (through `machinery.crd.strategy`).
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError
from wherry.machinery.schema.defaulting import Filler, compile_default
from wherry.machinery.schema.embedded import coerce_embedded, has_embedded, validate_embedded
from wherry.machinery.schema.listtype import check_unique_lists, compile_unique
from wherry.machinery.schema.node import Node
from wherry.machinery.schema.prune import Pruner, compile_prune
from wherry.machinery.schema.quick import Check, compile_check
from wherry.machinery.schema.ratchet import Correlated
from wherry.machinery.schema.values import field_errors, validate_value

Obj = dict[str, Any]


def _nothing(value: Any) -> None:
    return None


def _unchanged(value: Any) -> bool:
    return False


def _unique(value: Any) -> bool:
    return True


class Structural:
    """One compiled schema. All methods are cheap when there is nothing to do.

    Each part is compiled when it is first used (law 4): a start with a hundred definitions compiles none of them.
    """

    __slots__ = ("_check", "_embedded", "_fill", "_node", "_prune", "_raw", "_unique")

    def __init__(self, schema: dict[str, Any] | Node, preserve_unknown: bool):
        self._raw = schema
        self._node: Node | None = schema if isinstance(schema, Node) else None
        self._embedded: bool | None = None
        self._prune: Pruner = _nothing if preserve_unknown else self._first_prune
        self._fill: Filler = self._first_fill
        self._check: Check = self._first_check
        self._unique: Check = self._first_unique

    @property
    def node(self) -> Node:
        """The parsed schema."""
        node = self._node
        if node is None:
            assert not isinstance(self._raw, Node)
            node = self._node = Node(self._raw)
        return node

    def _first_prune(self, value: Any) -> list[str] | None:
        self._prune = compile_prune(self.node, root=True) or _nothing
        return self._prune(value)

    def _first_fill(self, value: Any) -> bool:
        self._fill = compile_default(self.node) or _unchanged
        return self._fill(value)

    def _first_check(self, value: Any) -> bool:
        self._check = compile_check(self.node)
        return self._check(value)

    def _first_unique(self, value: Any) -> bool:
        self._unique = compile_unique(self.node) or _unique
        return self._unique(value)

    def _has_embedded(self) -> bool:
        found = self._embedded
        if found is None:
            found = self._embedded = has_embedded(self.node)
        return found

    def prune(self, obj: Obj) -> list[str]:
        """Drop unknown fields in place; their paths, sorted, in the form of strict decoding errors."""
        paths = self._prune(obj)
        return sorted(paths) if paths else []

    def default(self, obj: Obj) -> bool:
        """Set defaults and settle nulls in place; whether anything changed."""
        return self._fill(obj)

    def default_applied(self, obj: Obj) -> bool:
        """Set defaults in place as for an applied object, whose nulls stay for validation to see."""
        fill = compile_default(self.node, nulls=False)
        return fill is not None and fill(obj)

    def coerce_embedded(self, obj: Obj, *, drop_invalid: bool = False) -> list[str]:
        """Bring metadata of embedded resources to canonical form; unknown paths. Raises BadRequest texts as ValueError.

        The root's own metadata is not touched: see `objectmeta.coerce_object_meta`.
        """
        return coerce_embedded(self.node, obj, drop_invalid=drop_invalid) if self._has_embedded() else []

    def validate_schema(
        self, value: Any, old: Any = None, *, prefix: str = "", ratchet: Correlated | None = None
    ) -> list[FieldError]:
        """The value validation alone; with `old` (or `ratchet`), what did not change is not complained about."""
        if self._check(value):
            return []
        if old is not None:
            ratchet = Correlated(value, old, self.node)
        return field_errors(validate_value(self.node, value, "", ratchet), prefix)

    def validate_embedded(self, obj: Obj) -> list[FieldError]:
        return validate_embedded(self.node, obj) if self._has_embedded() else []

    def validate_lists(self, obj: Obj, old: Obj | None = None) -> list[FieldError]:
        """List sets and maps; an update is not refused for repetitions that were there before."""
        if self._unique(obj) or (old is not None and check_unique_lists(self.node, old)):
            return []
        return check_unique_lists(self.node, obj)

    def validate(self, obj: Obj, old: Obj | None = None) -> list[FieldError]:
        """Schema, embedded resources and list types, in the order of upstream's strategy."""
        return self.validate_schema(obj, old) + self.validate_embedded(obj) + self.validate_lists(obj, old)


def compile_schema(schema: dict[str, Any], *, preserve_unknown: bool = False) -> Structural:
    """Compile a JSONSchemaProps dict as a definition stores it."""
    return Structural(schema, preserve_unknown)
