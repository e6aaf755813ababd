"""Checked syntax to Python closures.

Each closure takes the frame `[cost, limit, variables, ...locals]`. A node's fixed cost is added once by the nearest
ancestor that runs it unconditionally; only branches, folds and calls whose cost depends on sizes touch the counter at
run time. Operators on kinds known by the checker skip the dispatch on values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.ast import Call, Const, Fold, Ident, ListNode, MapNode, Message, Node, Select
from wherry.machinery.cel.checker import Checked, qualified_name
from wherry.machinery.cel.closures import (
    INTEGER,
    SCALAR,
    Eval,
    Lazy,
    any_index,
    charged,
    check_pattern,
    deep_converter,
    differ_scalars,
    equal_scalars,
    invoke,
    invoke_priced,
    raw_name,
    selector,
    tester,
    unbound,
)
from wherry.machinery.cel.errors import CelError, CostExceeded, no_overload
from wherry.machinery.cel.folds import fold_closure
from wherry.machinery.cel.library.collections import optional_index
from wherry.machinery.cel.registry import Overload
from wherry.machinery.cel.runcost import call_cost
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import NONE, Optional, equal, from_key, map_key

if TYPE_CHECKING:
    from wherry.machinery.cel.env import Env

_CONVERSIONS = frozenset(["bool", "bytes", "double", "duration", "int", "string", "timestamp", "uint"])


class Compiler:
    def __init__(self, env: Env, checked: Checked):
        self.env = env
        self.checked = checked
        self.slots: dict[str, list[int]] = {}  # locals by name, innermost last
        self.size = 3

    def compile(self, node: Node) -> tuple[Eval, int]:
        """(closure, fixed cost)."""
        evaluate, cost = self.node(node)
        extra = self.size - 3
        if not extra:
            return evaluate, cost

        def entry(f: list[Any]) -> Any:
            f.extend([None] * extra)
            return evaluate(f)

        return entry, cost

    def node(self, node: Node) -> tuple[Eval, int]:
        return _DISPATCH[type(node)](self, node)  # type: ignore[no-any-return]

    def kind(self, node: Node) -> str:
        found = self.checked.types.get(node.id)
        return found.kind if found is not None else "dyn"

    def lazy(self, node: Node) -> Eval:
        """A closure that adds its own fixed cost, for what may not run."""
        evaluate, cost = self.node(node)
        return charged(evaluate, cost)

    def slot(self, name: str) -> int:
        at = self.size
        self.size += 1
        self.slots.setdefault(name, []).append(at)
        return at

    def leave(self, name: str) -> None:
        self.slots[name].pop()

    # --- leaves ------------------------------------------------------------------------------------------------------
    def const(self, node: Const) -> tuple[Eval, int]:
        value = node.value
        return lambda f: value, 0

    def ident(self, node: Ident) -> tuple[Eval, int]:
        held = self.slots.get(node.name)
        if held:
            at = held[-1]
            return lambda f: f[at], 1
        return self.global_(node.name)

    def global_(self, name: str) -> tuple[Eval, int]:
        resolved = self.env.resolve(name)
        if resolved is not None and resolved[0] not in self.env.variables:
            type_ = resolved[1].params[0]
            return lambda f: type_, 1
        names = [resolved[0]] if resolved is not None else self.env.candidates(name)

        def read(f: list[Any]) -> Any:
            variables = f[2]
            for candidate in names:
                if candidate in variables:
                    value = variables[candidate]
                    return value(f) if isinstance(value, Lazy) else value
            raise CelError(f"no such attribute(s): {', '.join(names)}")

        if len(names) == 1:
            only = names[0]

            def read_one(f: list[Any]) -> Any:
                try:
                    value = f[2][only]
                except KeyError:
                    raise CelError(f"no such attribute(s): {only}") from None
                return value(f) if type(value) is Lazy else value

            return read_one, 1
        return read, 1

    def select(self, node: Select) -> tuple[Eval, int]:
        if not node.test:
            name = qualified_name(node)
            if name and not self.slots.get(name.partition(".")[0]):
                if self.env.resolve(name) is not None:
                    return self.global_(name)
                if not self.env.checked and (found := self.unchecked_path(node, name)) is not None:
                    return found
        operand, cost = self.node(node.operand)
        type_ = self.checked.types.get(node.operand.id, t.DYN)
        target, optional = t.unwrap_optional(type_)
        if node.test:
            return tester(operand, raw_name(target, node.field)), cost
        if target.kind == "struct" and target.decl is not None and not optional:
            return self.struct_field(operand, target, node.field), cost + 1
        return selector(operand, node.field), cost + 1

    def unchecked_path(self, node: Select, name: str) -> tuple[Eval, int] | None:
        """Without types `a.b` may be the variable a.b or a field of a: the longest name that is given."""
        operand, cost = self.node(node.operand)
        chosen = selector(operand, node.field)

        def read(f: list[Any]) -> Any:
            return f[2][name] if name in f[2] else chosen(f)

        return read, cost + 1

    def struct_field(self, operand: Eval, type_: Type, field: str) -> Eval:
        assert type_.decl is not None
        raw = type_.decl.raw_name(field)
        convert = type_.decl.converter(field)
        if convert is None:

            def read(f: list[Any]) -> Any:
                try:
                    return operand(f)[raw]
                except (KeyError, TypeError):
                    raise CelError(f"no such key: {field}") from None

            return read

        def read_converted(f: list[Any]) -> Any:
            try:
                value = operand(f)[raw]
            except (KeyError, TypeError):
                raise CelError(f"no such key: {field}") from None
            return convert(value)

        return read_converted

    # --- calls -------------------------------------------------------------------------------------------------------
    def call(self, node: Call) -> tuple[Eval, int]:
        special = _SPECIAL.get(node.name)
        if special is not None and node.target is None:
            return special(self, node)  # type: ignore[no-any-return]
        target, args = node.target, node.args
        if target is not None and not self.checked.types and (prefix := qualified_name(target)):
            function = self.env.function(f"{prefix}.{node.name}")
            if function is not None:
                return self.plain(Call(function.name, args, node.at), None, args)
        return self.plain(node, target, args)

    def plain(self, node: Call, target: Node | None, args: list[Node]) -> tuple[Eval, int]:
        operands = args if target is None else [target, *args]
        parts = [self.node(operand) for operand in operands]
        cost = sum(part[1] for part in parts)
        closures = [part[0] for part in parts]
        overloads = self.checked.overloads.get(node.id)
        impl = self.implementation(node, target is not None, operands, overloads)
        ids = [o.id for o in overloads] if overloads else [""]
        if node.name in _CONVERSIONS and len(operands) == 1 and isinstance(operands[0], Const):
            value = impl(operands[0].value)
            return lambda f: value, 0
        if node.name in ("find", "findAll", "matches") and len(operands) >= 2 and isinstance(operands[1], Const):
            check_pattern(operands[1].value)
        fast = self.fast(node, operands, closures)
        if fast is not None:
            return fast, cost + 1
        price = call_cost(node.name, ids[0])
        if price is None:
            return invoke(impl, closures), cost + 1
        return invoke_priced(impl, closures, price), cost

    def implementation(
        self, node: Call, member: bool, operands: list[Node], overloads: list[Overload] | None
    ) -> Callable[..., Any]:
        if overloads is not None and len(overloads) == 1 and self.certain(overloads[0], operands):
            return overloads[0].impl
        function = self.env.function(node.name)
        if function is None:
            return unbound(node.name)
        return function.call(member)

    def certain(self, overload: Overload, operands: list[Node]) -> bool:
        """Whether the values will be of the declared kinds, so that nothing has to be tested."""
        for wanted, operand in zip(overload.args, operands, strict=True):
            if wanted.kind in ("param", "dyn"):
                continue
            found = self.checked.types.get(operand.id, t.DYN)
            if found.kind != wanted.kind or (wanted.kind in ("struct", "opaque") and found.name != wanted.name):
                return False
            if any(
                p.kind == "dyn" and w.kind not in ("param", "dyn")
                for p, w in zip(found.params, wanted.params, strict=False)
            ):
                return False
        return True

    def fast(self, node: Call, operands: list[Node], closures: list[Eval]) -> Eval | None:
        """Operators on scalars that are known to be of one kind."""
        if len(operands) != 2:
            return None
        kinds = (self.kind(operands[0]), self.kind(operands[1]))
        if kinds[0] != kinds[1]:
            return None
        if kinds[0] in ("int", "double") and node.name in SCALAR:
            return SCALAR[node.name](closures[0], closures[1])
        if kinds[0] == "int" and node.name in INTEGER:
            return INTEGER[node.name](closures[0], closures[1])
        if kinds[0] == "bool" and node.name in ("_==_", "_!=_"):
            return SCALAR[node.name](closures[0], closures[1])
        return None

    # --- operators that do not run all of their operands -----------------------------------------------------------
    def and_(self, node: Call) -> tuple[Eval, int]:
        left, cost = self.node(node.args[0])
        right = self.lazy(node.args[1])

        def run(f: list[Any]) -> Any:
            try:
                first = left(f)
            except CostExceeded:
                raise
            except CelError:
                if right(f) is False:
                    return False
                raise
            if first is False:
                return False
            second = right(f)
            if first is True and (second is True or second is False):
                return second
            if second is False:
                return False
            raise no_overload()

        return run, cost

    def or_(self, node: Call) -> tuple[Eval, int]:
        left, cost = self.node(node.args[0])
        right = self.lazy(node.args[1])

        def run(f: list[Any]) -> Any:
            try:
                first = left(f)
            except CostExceeded:
                raise
            except CelError:
                if right(f) is True:
                    return True
                raise
            if first is True:
                return True
            second = right(f)
            if first is False and (second is True or second is False):
                return second
            if second is True:
                return True
            raise no_overload()

        return run, cost

    def conditional(self, node: Call) -> tuple[Eval, int]:
        test, cost = self.node(node.args[0])
        yes, no = self.lazy(node.args[1]), self.lazy(node.args[2])

        def run(f: list[Any]) -> Any:
            value = test(f)
            if value is True:
                return yes(f)
            if value is False:
                return no(f)
            raise no_overload()

        return run, cost

    def not_(self, node: Call) -> tuple[Eval, int]:
        operand, cost = self.node(node.args[0])

        def run(f: list[Any]) -> bool:
            value = operand(f)
            if value is True:
                return False
            if value is False:
                return True
            raise no_overload()

        return run, cost + 1

    def equals(self, node: Call) -> tuple[Eval, int]:
        return self.equality(node, True)

    def differs(self, node: Call) -> tuple[Eval, int]:
        return self.equality(node, False)

    def equality(self, node: Call, wanted: bool) -> tuple[Eval, int]:
        (left, cost), (right, more) = self.node(node.args[0]), self.node(node.args[1])
        kinds = self.kind(node.args[0]), self.kind(node.args[1])
        cost += more
        if kinds[0] == kinds[1] and kinds[0] in ("int", "double", "bool"):
            return (equal_scalars(left, right) if wanted else differ_scalars(left, right)), cost + 1
        left, right = self.deep(node.args[0], left), self.deep(node.args[1], right)
        price = call_cost(node.name, "equals")
        assert price is not None

        def run(f: list[Any]) -> bool:
            a, b = left(f), right(f)
            f[0] += price((a, b), True)
            return equal(a, b) is wanted

        return run, cost

    def deep(self, node: Node, evaluate: Eval) -> Eval:
        """Values of structs and their containers compare by what their schema says, sets without order for one."""
        type_ = self.checked.types.get(node.id)
        convert = deep_converter(type_) if type_ is not None else None
        return (lambda f: convert(evaluate(f))) if convert is not None else evaluate

    def index(self, node: Call) -> tuple[Eval, int]:
        (container, cost), (key, more) = self.node(node.args[0]), self.node(node.args[1])
        kind = self.kind(node.args[0])
        if kind == "map" and self.kind(node.args[1]) == "string":

            def by_name(f: list[Any]) -> Any:
                values, name = container(f), key(f)
                try:
                    return values[name]
                except KeyError:
                    raise CelError(f"no such key: {name}") from None

            return by_name, cost + more + 1
        function = self.env.function("_[_]")
        assert function is not None
        dispatch = function.call(False)
        return invoke(any_index(dispatch), [container, key]), cost + more + 1

    def optional_select(self, node: Call) -> tuple[Eval, int]:
        operand, cost = self.node(node.args[0])
        field = node.args[1]
        assert isinstance(field, Const)
        target, _ = t.unwrap_optional(self.checked.types.get(node.args[0].id, t.DYN))
        name = raw_name(target, field.value)
        convert = target.decl.converter(field.value) if target.decl is not None else None

        def run(f: list[Any]) -> Any:
            value = operand(f)
            if type(value) is Optional:
                if not value.present:
                    return NONE
                value = value.value
            if not isinstance(value, dict):
                raise no_overload()
            if name not in value:
                return NONE
            found = value[name]
            return Optional(True, convert(found) if convert is not None else found)

        return run, cost + 1

    def optional_index_(self, node: Call) -> tuple[Eval, int]:
        parts = [self.node(arg) for arg in node.args]
        return invoke(optional_index, [p[0] for p in parts]), sum(p[1] for p in parts) + 1

    # --- literals ----------------------------------------------------------------------------------------------------
    def list_(self, node: ListNode) -> tuple[Eval, int]:
        if not node.optional and all(isinstance(item, Const) for item in node.items):
            values = [item.value for item in node.items if isinstance(item, Const)]
            return (lambda f: values), 0 if values else 10
        parts = [self.node(item) for item in node.items]
        closures = [part[0] for part in parts]
        cost = 10 + sum(part[1] for part in parts)
        if not node.optional:
            return (lambda f: [c(f) for c in closures]), cost
        optional = node.optional

        def run(f: list[Any]) -> list[Any]:
            out = []
            for i, closure in enumerate(closures):
                value = closure(f)
                if i in optional:
                    if type(value) is not Optional:
                        raise no_overload()
                    if not value.present:
                        continue
                    value = value.value
                out.append(value)
            return out

        return run, cost

    def map_(self, node: MapNode) -> tuple[Eval, int]:
        parts = [(self.node(key), self.node(value), optional) for key, value, optional in node.entries]
        cost = 30 + sum(key[1] + value[1] for key, value, _ in parts)
        entries = [(key[0], value[0], optional) for key, value, optional in parts]

        def run(f: list[Any]) -> dict[Any, Any]:
            out: dict[Any, Any] = {}
            for key, value, optional in entries:
                name, found = map_key(key(f)), value(f)
                if optional:
                    if type(found) is not Optional:
                        raise no_overload()
                    if not found.present:
                        continue
                    found = found.value
                if name in out:
                    raise CelError(f"Failed with repeated key: {from_key(name)}")
                out[name] = found
            return out

        return run, cost

    def message(self, node: Message) -> tuple[Eval, int]:
        parts = [(name, self.node(value), optional) for name, value, optional, _ in node.fields]
        cost = 40 + sum(part[1] for _, part, _ in parts)
        type_ = self.env.message(node.name)
        build = type_.decl.build if type_ is not None and type_.decl is not None else (lambda values: values)
        fields = [(name, part[0], optional) for name, part, optional in parts]

        def run(f: list[Any]) -> Any:
            out: dict[str, Any] = {}
            for name, value, optional in fields:
                found = value(f)
                if optional:
                    if type(found) is not Optional:
                        raise no_overload()
                    if not found.present:
                        continue
                    found = found.value
                out[name] = found
            return build(out)

        return run, cost

    def fold(self, node: Fold) -> tuple[Eval, int]:
        return fold_closure(self, node)


_SPECIAL: dict[str, Any] = {
    "_&&_": Compiler.and_,
    "_||_": Compiler.or_,
    "_?_:_": Compiler.conditional,
    "!_": Compiler.not_,
    "_==_": Compiler.equals,
    "_!=_": Compiler.differs,
    "_[_]": Compiler.index,
    "_?._": Compiler.optional_select,
    "_[?_]": Compiler.optional_index_,
}
_DISPATCH: dict[type, Any] = {
    Const: Compiler.const,
    Ident: Compiler.ident,
    Select: Compiler.select,
    Call: Compiler.call,
    ListNode: Compiler.list_,
    MapNode: Compiler.map_,
    Message: Compiler.message,
    Fold: Compiler.fold,
}
