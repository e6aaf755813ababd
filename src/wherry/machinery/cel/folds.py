"""Closures of the comprehensions, one shape per macro: no accumulator lists are copied, loops end early."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from wherry.machinery.cel.ast import Call, Fold, ListNode, Node
from wherry.machinery.cel.errors import CelError, CostExceeded, no_overload
from wherry.machinery.cel.library.collections import map_insert, map_insert_all
from wherry.machinery.cel.values import from_key

if TYPE_CHECKING:
    from wherry.machinery.cel.compiler import Compiler

Eval = Callable[[list[Any]], Any]
_STEP_COST = {"all": 3, "exists": 4, "one": 1, "list": 2, "map": 2}


def fold_closure(compiler: Compiler, node: Fold) -> tuple[Eval, int]:
    if node.kind == "bind":
        return _bind(compiler, node)
    source, cost = compiler.node(node.range)
    first = compiler.slot(node.var)
    second = compiler.slot(node.var2) if node.var2 is not None else 0
    test, value = _body(node)
    condition = compiler.lazy(test) if test is not None else None
    results = [compiler.lazy(v) for v in value]
    compiler.leave(node.var)
    if node.var2 is not None:
        compiler.leave(node.var2)
    step = _STEP_COST[node.kind]
    if node.kind in ("all", "exists"):
        assert condition is not None
        return _quantifier(source, first, second, condition, step, node.kind == "exists"), cost + 2
    if node.kind == "one":
        assert condition is not None
        return _one(source, first, second, condition, step), cost + 3
    if node.kind == "list":
        return _list(source, first, second, condition, results[0], step), cost + 11
    return _map(source, first, second, condition, results, step), cost + 31


def _body(node: Fold) -> tuple[Node | None, list[Node]]:
    """(the test, the parts of a new element) out of the expanded step."""
    step = node.step
    assert isinstance(step, Call)
    if node.kind in ("all", "exists"):
        return step.args[1], []
    if node.kind == "one":
        return step.args[0], []
    test = None
    if step.name == "_?_:_":
        test, inner = step.args[0], step.args[1]
        assert isinstance(inner, Call)
        step = inner
    if node.kind == "list":
        items = step.args[1]
        assert isinstance(items, ListNode)
        return test, [items.items[0]]
    return test, step.args[1:]


def _bind(compiler: Compiler, node: Fold) -> tuple[Eval, int]:
    value = compiler.lazy(node.init)
    at = compiler.slot(node.accu)
    result, cost = compiler.node(node.result)
    compiler.leave(node.accu)

    def run(f: list[Any]) -> Any:
        f[at] = value(f)
        return result(f)

    return run, cost + 10


def _entries(value: Any, two: bool) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, list):
        return iter(enumerate(value)) if two else ((item, None) for item in value)
    if isinstance(value, dict):
        if two:
            return ((from_key(k), v) for k, v in value.items())
        return ((from_key(k), None) for k in value)
    raise no_overload()


def _quantifier(source: Eval, first: int, second: int, test: Eval, step: int, wanted: bool) -> Eval:
    def run(f: list[Any]) -> bool:
        failure: CelError | None = None
        for a, b in _entries(source(f), second != 0):
            f[first] = a
            if second:
                f[second] = b
            f[0] += step
            if f[0] > f[1]:
                raise CostExceeded
            try:
                value = test(f)
            except CostExceeded:
                raise
            except CelError as error:
                failure = failure or error
                continue
            if value is wanted:
                return bool(wanted)
            if value is not True and value is not False:
                failure = failure or no_overload()
        if failure is not None:
            raise failure
        return not wanted

    return run


def _one(source: Eval, first: int, second: int, test: Eval, step: int) -> Eval:
    def run(f: list[Any]) -> bool:
        count = 0
        for a, b in _entries(source(f), second != 0):
            f[first] = a
            if second:
                f[second] = b
            f[0] += step
            if f[0] > f[1]:
                raise CostExceeded
            value = test(f)
            if value is True:
                count += 1
            elif value is not False:
                raise no_overload()
        return count == 1

    return run


def _list(source: Eval, first: int, second: int, test: Eval | None, item: Eval, step: int) -> Eval:
    def run(f: list[Any]) -> list[Any]:
        out: list[Any] = []
        for a, b in _entries(source(f), second != 0):
            f[first] = a
            if second:
                f[second] = b
            f[0] += step
            if f[0] > f[1]:
                raise CostExceeded
            if test is not None:
                value = test(f)
                if value is False:
                    continue
                if value is not True:
                    raise no_overload()
            f[0] += 10
            out.append(item(f))
        return out

    return run


def _map(source: Eval, first: int, second: int, test: Eval | None, parts: list[Eval], step: int) -> Eval:
    def run(f: list[Any]) -> dict[Any, Any]:
        out: dict[Any, Any] = {}
        for a, b in _entries(source(f), second != 0):
            f[first] = a
            if second:
                f[second] = b
            f[0] += step
            if f[0] > f[1]:
                raise CostExceeded
            if test is not None:
                value = test(f)
                if value is False:
                    continue
                if value is not True:
                    raise no_overload()
            if len(parts) == 2:
                map_insert(out, parts[0](f), parts[1](f))
            else:
                map_insert_all(out, parts[0](f))
        return out

    return run
