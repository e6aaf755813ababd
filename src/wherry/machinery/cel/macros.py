"""The macros: calls that the parser turns into folds, presence tests and conditionals."""

from __future__ import annotations

from collections.abc import Callable

from wherry.machinery.cel.ast import Call, Const, Fold, Ident, ListNode, MapNode, Node, Select

ACCU = "@result"
_ACCU_NAMES = (ACCU, "__result__")


class MacroError(Exception):
    def __init__(self, at: int, message: str):
        super().__init__(message)
        self.at = at


class Expander:
    def expand(self, name: str, target: Node | None, args: list[Node], at: int) -> Node | None:
        """What the call stands for, None if it is no macro."""
        if target is None:
            if name == "has" and len(args) == 1:
                return _has(args[0], at)
            return None
        if isinstance(target, Ident) and target.name == "cel" and name == "bind" and len(args) == 3:
            return _bind(args, at)
        rule = _MEMBERS.get((name, len(args)))
        return rule(target, args, at) if rule is not None else None


def _has(arg: Node, at: int) -> Node:
    if not isinstance(arg, Select) or arg.test:
        raise MacroError(arg.at, "invalid argument to has() macro")
    return Select(arg.operand, arg.field, at, test=True)


def _bind(args: list[Node], at: int) -> Node:
    if not isinstance(args[0], Ident):
        raise MacroError(args[0].at, "cel.bind() variable names must be simple identifiers")
    return bind(args[0].name, args[1], args[2], at)


def bind(name: str, value: Node, result: Node, at: int) -> Fold:
    return Fold("bind", ListNode([], at), "#unused", None, name, value, Const(False, at), Ident(name, at), result, at)


def _name(arg: Node, message: str) -> str:
    if not isinstance(arg, Ident):
        raise MacroError(arg.at, message)
    if arg.name in _ACCU_NAMES:
        raise MacroError(arg.at, "iteration variable overwrites accumulator variable")
    return arg.name


def _one_var(args: list[Node], message: str) -> tuple[str, None, list[Node]]:
    return _name(args[0], message), None, args[1:]


def _two_vars(args: list[Node]) -> tuple[str, str, list[Node]]:
    message = "argument must be a simple name"
    for arg in args[:2]:
        if not isinstance(arg, Ident):
            raise MacroError(arg.at, message)
    first, second = args[0], args[1]
    assert isinstance(first, Ident)
    assert isinstance(second, Ident)
    if first.name == second.name:
        raise MacroError(second.at, f"duplicate variable name: {first.name}")
    return _name(first, message), _name(second, message), args[2:]


def _vars(args: list[Node], two: bool, message: str) -> tuple[str, str | None, list[Node]]:
    return _two_vars(args) if two else _one_var(args, message)


def _accu(at: int) -> Ident:
    return Ident(ACCU, at)


def _quantifier(kind: str, two: bool) -> Callable[[Node, list[Node], int], Node]:
    def make(target: Node, args: list[Node], at: int) -> Node:
        var, var2, rest = _vars(args, two, "argument must be a simple name")
        test = rest[0]
        if kind == "all":
            cond: Node = Call("@not_strictly_false", [_accu(at)], at)
            step: Node = Call("_&&_", [_accu(at), test], at)
            return Fold(kind, target, var, var2, ACCU, Const(True, at), cond, step, _accu(at), at)
        if kind == "exists":
            cond = Call("@not_strictly_false", [Call("!_", [_accu(at)], at)], at)
            step = Call("_||_", [_accu(at), test], at)
            return Fold(kind, target, var, var2, ACCU, Const(False, at), cond, step, _accu(at), at)
        step = Call("_?_:_", [test, Call("_+_", [_accu(at), Const(1, at)], at), _accu(at)], at)
        result = Call("_==_", [_accu(at), Const(1, at)], at)
        return Fold("one", target, var, var2, ACCU, Const(0, at), Const(True, at), step, result, at)

    return make


def _collect(two: bool, filtering: bool) -> Callable[[Node, list[Node], int], Node]:
    def make(target: Node, args: list[Node], at: int) -> Node:
        var, var2, rest = _vars(args, two, "argument is not an identifier")
        value = args[0] if filtering else rest[-1]
        step: Node = Call("_+_", [_accu(at), ListNode([value], at)], at)
        if filtering or len(rest) == 2:
            step = Call("_?_:_", [rest[0], step, _accu(at)], at)
        return Fold("list", target, var, var2, ACCU, ListNode([], at), Const(True, at), step, _accu(at), at)

    return make


def _transform_map(entry: bool) -> Callable[[Node, list[Node], int], Node]:
    def make(target: Node, args: list[Node], at: int) -> Node:
        var, var2, rest = _two_vars(args)
        parts = [_accu(at), rest[-1]] if entry else [_accu(at), Ident(var, at), rest[-1]]
        step: Node = Call("cel.@mapInsert", list(parts), at)
        if len(rest) == 2:
            step = Call("_?_:_", [rest[0], step, _accu(at)], at)
        return Fold("map", target, var, var2, ACCU, MapNode([], at), Const(True, at), step, _accu(at), at)

    return make


def _opt_map(flat: bool) -> Callable[[Node, list[Node], int], Node]:
    def make(target: Node, args: list[Node], at: int) -> Node:
        name = "optFlatMap" if flat else "optMap"
        if not isinstance(args[0], Ident):
            raise MacroError(args[0].at, f"{name}() variable name must be a simple identifier")
        bound = bind(args[0].name, Call("value", [], at, target), args[1], at)
        some: Node = bound if flat else Call("optional.of", [bound], at)
        return Call("_?_:_", [Call("hasValue", [], at, target), some, Call("optional.none", [], at)], at)

    return make


_MEMBERS: dict[tuple[str, int], Callable[[Node, list[Node], int], Node]] = {
    ("all", 2): _quantifier("all", False),
    ("exists", 2): _quantifier("exists", False),
    ("exists_one", 2): _quantifier("one", False),
    ("existsOne", 2): _quantifier("one", False),
    ("all", 3): _quantifier("all", True),
    ("exists", 3): _quantifier("exists", True),
    ("exists_one", 3): _quantifier("one", True),
    ("existsOne", 3): _quantifier("one", True),
    ("map", 2): _collect(False, False),
    ("map", 3): _collect(False, False),
    ("filter", 2): _collect(False, True),
    ("transformList", 3): _collect(True, False),
    ("transformList", 4): _collect(True, False),
    ("transformMap", 3): _transform_map(False),
    ("transformMap", 4): _transform_map(False),
    ("transformMapEntry", 3): _transform_map(True),
    ("transformMapEntry", 4): _transform_map(True),
    ("optMap", 2): _opt_map(False),
    ("optFlatMap", 2): _opt_map(True),
}
