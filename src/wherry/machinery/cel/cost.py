"""The worst case of an expression's cost, from the sizes that its types allow: `estimate`.

Follows cel-go's checker/cost.go step by step, because the numbers decide which rules a definition may hold. Sizes and
costs are (least, most) pairs that stick at the largest uint64. Estimates of single functions are in `callcost`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.machinery.cel.ast import Call, Const, Fold, Ident, ListNode, MapNode, Message, Node, Select
from wherry.machinery.cel.types import Type, unwrap_optional

if TYPE_CHECKING:
    from wherry.machinery.cel.env import Program

MAX = (1 << 64) - 1
_SCALARS = ("bool", "double", "duration", "int", "timestamp", "uint")
_ACCUS = ("@result", "__result__")


class Range(NamedTuple):
    """A size or a cost: least and most."""

    low: int
    high: int

    def plus(self, other: Range) -> Range:
        return Range(min(self.low + other.low, MAX), min(self.high + other.high, MAX))

    def times(self, other: Range) -> Range:
        return Range(min(self.low * other.low, MAX), min(self.high * other.high, MAX))

    def scaled(self, factor: float) -> Range:
        return Range(_scale(self.low, factor), _scale(self.high, factor))

    def union(self, other: Range) -> Range:
        return Range(min(self.low, other.low), max(self.high, other.high))


def _scale(value: int, factor: float) -> int:
    x = float(value)
    if x > 0 and factor > 0 and x > 18446744073709551615.0 / factor:
        return MAX
    result = math.ceil(x * factor)
    return MAX if result >= 1 << 64 else result


UNKNOWN = Range(0, MAX)
NOTHING = Range(0, 0)
ONE = Range(1, 1)


def fixed(value: int) -> Range:
    return Range(value, value)


class Entry(NamedTuple):
    """Sizes of the keys and values of a container."""

    kind: str
    key: Range
    value: Range


class _Local(NamedTuple):
    path: tuple[str, ...]
    size: Range | None
    entry: Entry | None


class Part:
    """An operand as the function estimates see it."""

    __slots__ = ("node", "path", "size", "type")

    def __init__(self, type_: Type, path: tuple[str, ...], size: Range | None, node: Node | None):
        self.type, self.path, self.size, self.node = type_, path, size, node


SizeOf = Callable[[tuple[str, ...]], Range | None]


def estimate(program: Program, size_of: SizeOf) -> Range:
    """`size_of` tells the size of what is found at a path such as ("self", "items", "@items")."""
    return Coster(program, size_of).cost(program.node)


class Coster:
    def __init__(self, program: Program, size_of: SizeOf):
        self.types, self.overloads = program.checked.types, program.checked.overloads
        self.size_of = size_of
        self.paths: dict[int, tuple[str, ...]] = {}
        self.sizes: dict[int, Range] = {}
        self.entries: dict[int, Entry] = {}
        self.locals: dict[str, list[_Local]] = {}

    def cost(self, node: Node) -> Range:
        return _DISPATCH[type(node)](self, node)  # type: ignore[no-any-return]

    # --- sizes and paths ---------------------------------------------------------------------------------------------
    def local(self, name: str) -> _Local | None:
        held = self.locals.get(name)
        return held[-1] if held else None

    def path(self, node: Node) -> tuple[str, ...]:
        if isinstance(node, Ident):
            found = self.local(node.name)
            if found is not None:
                return found.path
        return self.paths.get(node.id, ())

    def kind(self, node: Node) -> str:
        return self.types[node.id].kind

    def size(self, node: Node) -> Range | None:
        known = self.sizes.get(node.id)
        if known is not None:
            return known
        literal = _literal_size(node)
        if literal is not None:
            return literal
        path = self.path(node)
        found = self.size_of(path) if path else None
        if found is not None:
            self.sizes[node.id] = found
            return found
        if _is_scalar(self.types[node.id]):
            return ONE
        if isinstance(node, Ident):
            held = self.local(node.name)
            if held is not None:
                return held.size
        return None

    def size_or_unknown(self, node: Node) -> Range:
        found = self.size(node)
        return UNKNOWN if found is None else found

    def entry(self, node: Node) -> Entry | None:
        found = self.entries.get(node.id)
        if found is not None:
            return found
        if isinstance(node, Ident):
            held = self.local(node.name)
            if held is not None:
                return held.entry
        return None

    def part(self, node: Node) -> Part:
        path = self.path(node)
        if path and path[0] in _ACCUS:
            path = ()
        return Part(self.types[node.id], path, self.size(node), node)

    # --- nodes -------------------------------------------------------------------------------------------------------
    def const(self, node: Const) -> Range:
        return NOTHING

    def ident(self, node: Ident) -> Range:
        held = self.local(node.name)
        self.paths[node.id] = held.path if held is not None else (node.name,)
        return ONE

    def select(self, node: Select) -> Range:
        total = self.cost(node.operand) if node.operand.id in self.types else NOTHING
        if node.test:
            return total
        if node.operand.id not in self.types:
            return ONE
        if self.kind(node.operand) in ("map", "struct", "param"):
            total = total.plus(ONE)
        self.paths[node.id] = (*self.path(node.operand), node.field)
        return total

    def call(self, node: Call) -> Range:
        from wherry.machinery.cel.callcost import function_cost

        if node.name == "dyn":
            inner = self.cost(node.args[0])
            self.copy(node, node.args[0])
            return ONE.plus(inner)
        if node.name == "_?._":
            return self.cost(node.args[0]).plus(ONE)
        costs = [self.cost(arg) for arg in node.args]
        parts = [self.part(arg) for arg in node.args]
        overloads = self.overloads.get(node.id)
        if not overloads:
            return NOTHING
        total, target = NOTHING, None
        if node.target is not None:
            total = self.cost(node.target)
            target = self.part(node.target)
        price = Range(MAX, 0)
        result: Range | None = None
        for overload in overloads:
            found, size = function_cost(self, node, overload.id, target, parts, costs)
            price = price.union(found)
            if size is not None:
                result = size if result is None else result.union(size)
            if overload.id in ("index_list", "index_map"):
                entry = self.entry(node.args[0])
                result = entry.value if entry is not None else None
                self.paths[node.id] = (*self.path(node.args[0]), "@items" if overload.id == "index_list" else "@values")
            if result is None:
                result = self.size(node)
        if result is not None:
            self.sizes[node.id] = result
        return total.plus(price)

    def copy(self, node: Node, source: Node) -> None:
        size, entry = self.size(source), self.entry(source)
        if size is not None:
            self.sizes[node.id] = size
        if entry is not None:
            self.entries[node.id] = entry

    def list_(self, node: ListNode) -> Range:
        total = NOTHING
        items = Range(0 if not node.items else MAX, 0)
        for item in node.items:
            total = total.plus(self.cost(item))
            items = items.union(self.size_or_unknown(item))
        self.entries[node.id] = Entry("list", ONE, items)
        return total.plus(fixed(10))

    def map_(self, node: MapNode) -> Range:
        total = NOTHING
        keys = values = Range(0 if not node.entries else MAX, 0)
        for key, value, _ in node.entries:
            total = total.plus(self.cost(key)).plus(self.cost(value))
            keys, values = keys.union(self.size_or_unknown(key)), values.union(self.size_or_unknown(value))
        self.entries[node.id] = Entry("map", keys, values)
        return total.plus(fixed(30))

    def message(self, node: Message) -> Range:
        total = fixed(40)
        for _, value, _, _ in node.fields:
            total = total.plus(self.cost(value))
        return total

    def fold(self, node: Fold) -> Range:
        if node.kind == "bind":
            return self.bind(node)
        total = self.cost(node.range).plus(self.cost(node.init))
        self.push(node.accu, _Local(self.path(node.init), self.size(node.init), self.entry(node.init)))
        self.push_vars(node)
        loop = self.cost(node.cond)
        step = self.cost(node.step)
        self.locals[node.var].pop()
        if node.var2 is not None:
            self.locals[node.var2].pop()
        total = total.plus(self.cost(node.result))
        self.locals[node.accu].pop()
        count = self.size_or_unknown(node.range)
        total = total.plus(count.times(step.plus(loop)))
        if isinstance(node.init, Const):
            size = self.size(node.init)
            if size is not None:
                self.sizes[node.id] = size
        elif isinstance(node.init, ListNode | MapNode):
            self.sizes[node.id] = count
            entry = self.entry(node.step)
            if entry is not None:
                self.entries[node.id] = entry
        return total

    def bind(self, node: Fold) -> Range:
        total = self.cost(node.range).plus(self.cost(node.init))
        self.push(node.accu, _Local(self.path(node.init), self.size(node.init), self.entry(node.init)))
        total = total.plus(self.cost(node.result))
        self.locals[node.accu].pop()
        self.copy(node, node.result)
        return total

    def push(self, name: str, local: _Local) -> None:
        self.locals.setdefault(name, []).append(local)

    def push_vars(self, node: Fold) -> None:
        entry, path = self.entry(node.range), self.path(node.range)
        is_list = (entry.kind if entry is not None else self.kind(node.range)) == "list"
        key = entry.key if entry is not None else None
        value = entry.value if entry is not None else None
        if node.var2 is not None:
            self.push(node.var, _Local((*path, "@indices" if is_list else "@keys"), key, None))
            self.push(node.var2, _Local((*path, "@items" if is_list else "@values"), value, None))
        else:
            local = ((*path, "@items"), value) if is_list else ((*path, "@keys"), key)
            self.push(node.var, _Local(local[0], local[1], None))


def _literal_size(node: Node) -> Range | None:
    if isinstance(node, Const):
        value: Any = node.value
        return fixed(len(value)) if isinstance(value, str | bytes) else ONE
    if isinstance(node, ListNode):
        return fixed(len(node.items))
    if isinstance(node, MapNode):
        return fixed(len(node.entries))
    return None


def _is_scalar(type_: Type) -> bool:
    inner, optional = unwrap_optional(type_)
    return _is_scalar(inner) if optional else type_.kind in _SCALARS


_DISPATCH: dict[type, Any] = {
    Const: Coster.const,
    Ident: Coster.ident,
    Select: Coster.select,
    Call: Coster.call,
    ListNode: Coster.list_,
    MapNode: Coster.map_,
    Message: Coster.message,
    Fold: Coster.fold,
}
