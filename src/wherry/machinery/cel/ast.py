"""Syntax of a CEL expression. Macros are expanded; a `Fold` remembers which macro it came from."""

from __future__ import annotations

from typing import Any


class Node:
    """`at` is the offset of the character that errors point at; `id` keys what the checker learns."""

    __slots__ = ("at", "id")
    at: int
    id: int


class Const(Node):
    __slots__ = ("value",)

    def __init__(self, value: Any, at: int):
        self.value, self.at, self.id = value, at, 0


class Ident(Node):
    __slots__ = ("name",)

    def __init__(self, name: str, at: int):
        self.name, self.at, self.id = name, at, 0


class Select(Node):
    """`operand.field`; `test` for has(operand.field)."""

    __slots__ = ("field", "operand", "test")

    def __init__(self, operand: Node, field: str, at: int, test: bool = False):
        self.operand, self.field, self.test, self.at, self.id = operand, field, test, at, 0


class Call(Node):
    __slots__ = ("args", "name", "target")

    def __init__(self, name: str, args: list[Node], at: int, target: Node | None = None):
        self.name, self.args, self.target, self.at, self.id = name, args, target, at, 0


class ListNode(Node):
    __slots__ = ("items", "optional")

    def __init__(self, items: list[Node], at: int, optional: frozenset[int] = frozenset()):
        self.items, self.optional, self.at, self.id = items, optional, at, 0


class MapNode(Node):
    """Entries are (key, value, optional)."""

    __slots__ = ("entries",)

    def __init__(self, entries: list[tuple[Node, Node, bool]], at: int):
        self.entries, self.at, self.id = entries, at, 0


class Message(Node):
    """`Name{field: value}`; fields are (name, value, optional, position)."""

    __slots__ = ("fields", "name")

    def __init__(self, name: str, fields: list[tuple[str, Node, bool, int]], at: int):
        self.name, self.fields, self.at, self.id = name, fields, at, 0


class Fold(Node):
    """A comprehension. `kind` is the macro: all, exists, one, list, map, bind."""

    __slots__ = ("accu", "cond", "init", "kind", "range", "result", "step", "var", "var2")

    def __init__(
        self,
        kind: str,
        range_: Node,
        var: str,
        var2: str | None,
        accu: str,
        init: Node,
        cond: Node,
        step: Node,
        result: Node,
        at: int,
    ):
        self.kind, self.range, self.var, self.var2 = kind, range_, var, var2
        self.accu, self.init, self.cond, self.step, self.result = accu, init, cond, step, result
        self.at, self.id = at, 0
