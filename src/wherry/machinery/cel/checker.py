"""Gives every node a type and every call its overloads, or says why not in cel-go's words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.ast import Call, Const, Fold, Ident, ListNode, MapNode, Message, Node, Select
from wherry.machinery.cel.errors import Issue
from wherry.machinery.cel.parser import RESERVED
from wherry.machinery.cel.registry import Function, Overload
from wherry.machinery.cel.types import Mapping, Type, assignable, assignable_all, show
from wherry.machinery.cel.values import type_of

if TYPE_CHECKING:
    from wherry.machinery.cel.env import Env


class Checked:
    """What is known of an expression: types and overloads by node, names that were resolved."""

    __slots__ = ("overloads", "types", "used")

    def __init__(self) -> None:
        self.types: dict[int, Type] = {}
        self.overloads: dict[int, list[Overload]] = {}
        self.used: set[str] = set()  # declared variables that occur


def number(node: Node, next_id: int = 1) -> int:
    """Give every node an id, also where the same node stands twice (the first place wins)."""
    stack = [node]
    while stack:
        current = stack.pop()
        if current.id:
            continue
        current.id = next_id
        next_id += 1
        stack.extend(children(current))
    return next_id


def children(node: Node) -> list[Node]:
    if isinstance(node, Select):
        return [node.operand]
    if isinstance(node, Call):
        return [*node.args, node.target] if node.target is not None else node.args
    if isinstance(node, ListNode):
        return node.items
    if isinstance(node, MapNode):
        return [part for key, value, _ in node.entries for part in (key, value)]
    if isinstance(node, Message):
        return [value for _, value, _, _ in node.fields]
    if isinstance(node, Fold):
        return [node.range, node.init, node.cond, node.step, node.result]
    return []


def qualified_name(node: Node) -> str:
    """`a.b.c` for a chain of plain selections, else empty."""
    parts: list[str] = []
    while isinstance(node, Select) and not node.test:
        parts.append(node.field)
        node = node.operand
    if not isinstance(node, Ident):
        return ""
    parts.append(node.name)
    return ".".join(reversed(parts))


class Checker:
    def __init__(self, env: Env):
        self.env = env
        self.out = Checked()
        self.issues: list[Issue] = []
        self.mapping = Mapping()
        self.scopes: list[dict[str, Type]] = []
        self.fresh = 0

    def run(self, node: Node) -> Checked:
        self.check(node)
        for key, found in self.out.types.items():
            if found.params or found.kind == "param":
                self.out.types[key] = self.mapping.substitute(found, True)
        return self.out

    # --- parts -------------------------------------------------------------------------------------------------------
    def error(self, node: Node, message: str) -> None:
        self.issues.append(Issue(node.at, message))

    def of(self, node: Node) -> Type:
        return self.out.types[node.id]

    def assign(self, wanted: Type, given: Type) -> bool:
        found = assignable(self.mapping, wanted, given)
        if found is None:
            return False
        self.mapping = found
        return True

    def new_var(self) -> Type:
        self.fresh += 1
        return t.param(f"_var{self.fresh - 1}")

    def local(self, name: str) -> Type | None:
        for scope in reversed(self.scopes):
            found = scope.get(name)
            if found is not None:
                return found
        return None

    def variable(self, name: str) -> Type | None:
        if not name.startswith("."):
            found = self.local(name)
            if found is not None:
                return found
        resolved = self.env.resolve(name)
        if resolved is None:
            return None
        self.out.used.add(resolved[0])
        return resolved[1]

    # --- nodes -------------------------------------------------------------------------------------------------------
    def check(self, node: Node) -> Type:
        found = self.out.types.get(node.id)
        if found is not None and not isinstance(node, Fold):
            return found
        result: Type = _DISPATCH[type(node)](self, node)
        self.out.types[node.id] = result
        return result

    def const(self, node: Const) -> Type:
        return type_of(node.value)

    def ident(self, node: Ident) -> Type:
        found = self.variable(node.name)
        if found is not None:
            return found
        self.error(node, f"undeclared reference to '{node.name}' (in container '{self.env.container}')")
        return t.ERROR

    def select(self, node: Select) -> Type:
        name = "" if node.test else qualified_name(node)
        if name and self.local(name.partition(".")[0]) is None:
            found = self.env.resolve(name)
            if found is not None:
                self.out.used.add(found[0])
                return found[1]
        result = self.field(node, node.operand, node.field, False)
        return t.BOOL if node.test else self.mapping.substitute(result)

    def field(self, node: Node, operand: Node, field: str, optional: bool) -> Type:
        operand_type = self.mapping.substitute(self.check(operand))
        target, was_optional = t.unwrap_optional(operand_type)
        result = t.ERROR
        if target.kind == "map":
            result = target.params[1]
        elif target.kind == "struct":
            fields = target.fields or {}
            found = fields.get(field) or (fields.get(f"__{field}__") if field in RESERVED else None)
            if found is not None:
                result = found
            else:
                self.error(node, f"undefined field '{field}'")
        elif target.kind == "param":
            self.assign(t.DYN, target)
            result = t.DYN
        else:
            if not t.is_dyn_or_error(target):
                self.error(node, f"type '{show(target)}' does not support field selection")
            result = t.DYN
        return t.optional_of(result) if was_optional or optional else result

    def call(self, node: Call) -> Type:
        if node.name == "_?._":
            field = node.args[1]
            assert isinstance(field, Const)
            self.out.types[field.id] = t.STRING
            return self.mapping.substitute(self.field(node, node.args[0], field.value, True))
        args = [self.check(arg) for arg in node.args]
        if node.target is None:
            function = self.env.function(node.name)
            if function is None:
                self.error(node, f"undeclared reference to '{node.name}' (in container '{self.env.container}')")
                return t.ERROR
            return self.resolve(node, function, None, args)
        prefix = qualified_name(node.target)
        if prefix:
            function = self.env.function(f"{prefix}.{node.name}")
            if function is not None:
                node.name, node.target = function.name, None
                return self.resolve(node, function, None, args)
        target = self.check(node.target)
        function = self.env.function(node.name)
        if function is not None:
            return self.resolve(node, function, target, args)
        self.error(node, f"undeclared reference to '{node.name}' (in container '{self.env.container}')")
        return t.ERROR

    def resolve(self, node: Call, function: Function, target: Type | None, args: list[Type]) -> Type:
        if function.name in ("_&&_", "_||_"):
            return self.logical(node, function, args)
        given = args if target is None else [target, *args]
        member = target is not None
        result: Type | None = None
        found: list[Overload] = []
        for overload in function.overloads:
            if overload.member != member:
                continue
            wanted, produced = overload.args, overload.result
            if overload.generic:
                fresh = Mapping({name: self.new_var() for name in _PARAMS})
                wanted = [fresh.substitute(w) for w in wanted]
                produced = fresh.substitute(produced)
            trial = assignable_all(self.mapping, given, wanted)
            if trial is None:
                continue
            self.mapping = trial
            found.append(overload)
            produced = self.mapping.substitute(produced)
            if result is None:
                result = produced
            elif not t.is_dyn(result) and not produced.same(result):
                result = t.DYN
        if result is None:
            shown = [show(self.mapping.substitute(g, True)) for g in given]
            signature = f"{shown[0]}.({', '.join(shown[1:])})" if member else f"({', '.join(shown)})"
            self.error(node, f"found no matching overload for '{function.name}' applied to '{signature}'")
            return t.ERROR
        self.out.overloads[node.id] = found
        return result

    def logical(self, node: Call, function: Function, args: list[Type]) -> Type:
        self.out.overloads[node.id] = [function.overloads[0]]
        bad = False
        for arg, type_ in zip(node.args, args, strict=True):
            if not self.assign(t.BOOL, type_):
                self.error(arg, f"expected type 'bool' but found '{show(type_)}'")
                bad = True
        return t.ERROR if bad else t.BOOL

    def list_(self, node: ListNode) -> Type:
        joined: Type | None = None
        for i, item in enumerate(node.items):
            found = self.check(item)
            if i in node.optional:
                found = self.unwrapped(item, found)
            joined = self.join(item, joined, found)
        return t.list_of(joined if joined is not None else self.new_var())

    def unwrapped(self, node: Node, found: Type) -> Type:
        inner, optional = t.unwrap_optional(found)
        if not optional and not t.is_dyn(inner):
            self.error(node, f"expected type '{show(t.optional_of(inner))}' but found '{show(inner)}'")
        return inner

    def map_(self, node: MapNode) -> Type:
        keys: Type | None = None
        values: Type | None = None
        for key, value, optional in node.entries:
            keys = self.join(key, keys, self.check(key))
            found = self.check(value)
            if optional:
                found = self.unwrapped(value, found)
            values = self.join(value, values, found)
        if keys is None or values is None:
            return t.map_of(self.new_var(), self.new_var())
        return t.map_of(keys, values)

    def join(self, node: Node, previous: Type | None, current: Type) -> Type:
        if previous is None:
            return current
        if self.assign(previous, current):
            return t.most_general(previous, current)
        return t.DYN

    def message(self, node: Message) -> Type:
        found = self.env.message(node.name)
        if found is None:
            self.error(node, f"undeclared reference to '{node.name}' (in container '{self.env.container}')")
            for _, value, _, _ in node.fields:
                self.check(value)
            return t.ERROR
        for name, value, optional, at in node.fields:
            given = self.check(value)
            if optional:
                given = self.unwrapped(value, given)
            wanted = (found.fields or {}).get(name) if found.fields is not None else t.DYN
            if wanted is None:
                self.issues.append(Issue(at, f"undefined field '{name}'"))
            elif not self.assign(wanted, given):
                text = f"expected type of field '{name}' is '{show(wanted)}' but provided type is '{show(given)}'"
                self.issues.append(Issue(at, text))
        return found

    def fold(self, node: Fold) -> Type:
        range_type = self.mapping.substitute(self.check(node.range))
        accu_type = self.check(node.init)
        first, second = self.range_types(node, range_type)
        self.scopes.append({node.accu: accu_type})
        inner = {node.var: first}
        if node.var2 is not None:
            inner[node.var2] = second
        self.scopes.append(inner)
        self.expect(node.cond, t.BOOL)
        self.expect(node.step, accu_type)
        self.scopes.pop()
        result = self.check(node.result)
        self.scopes.pop()
        return self.mapping.substitute(result)

    def expect(self, node: Node, wanted: Type) -> None:
        found = self.check(node)
        if not self.assign(wanted, found):
            self.error(node, f"expected type '{show(self.mapping.substitute(wanted))}' but found '{show(found)}'")

    def range_types(self, node: Fold, range_type: Type) -> tuple[Type, Type]:
        two = node.var2 is not None
        if range_type.kind == "list":
            item = range_type.params[0]
            return (t.INT, item) if two else (item, item)
        if range_type.kind == "map":
            return range_type.params[0], range_type.params[1]
        if range_type.kind in ("dyn", "any", "error", "param"):
            self.assign(t.DYN, range_type)
            return t.DYN, t.DYN
        text = f"expression of type '{show(range_type)}' cannot be range of a comprehension"
        self.error(node.range, f"{text} (must be list, map, or dynamic)")
        return t.ERROR, t.ERROR


_PARAMS = ("A", "B")
_DISPATCH: dict[type, Any] = {
    Const: Checker.const,
    Ident: Checker.ident,
    Select: Checker.select,
    Call: Checker.call,
    ListNode: Checker.list_,
    MapNode: Checker.map_,
    Message: Checker.message,
    Fold: Checker.fold,
}
