"""The small closures that `compiler` puts together: selection, calls, guarded arithmetic, values computed when read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.cel.errors import CelError, CostExceeded, no_overload
from wherry.machinery.cel.library.regex import compiled
from wherry.machinery.cel.library.std import index_list, index_map
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import MAX_INT, MIN_INT, NONE, MapList, Named, Optional

Eval = Callable[[list[Any]], Any]


class Lazy:
    """A variable that is computed when it is first read."""

    __slots__ = ("done", "make", "value")

    def __init__(self, make: Callable[[list[Any]], Any]):
        self.make, self.done, self.value = make, False, None

    def __call__(self, f: list[Any]) -> Any:
        if not self.done:
            self.value = self.make(f)
            self.done = True
        return self.value


def charged(evaluate: Eval, cost: int) -> Eval:
    if not cost:
        return evaluate

    def run(f: list[Any]) -> Any:
        f[0] += cost
        return evaluate(f)

    return run


def unbound(name: str) -> Callable[..., Any]:
    def call(*values: Any) -> Any:
        raise CelError(f"unbound function: {name}")

    return call


def check_pattern(pattern: Any) -> None:
    if isinstance(pattern, str):
        compiled(pattern)


def raw_name(type_: Type, field: str) -> str:
    return type_.decl.raw_name(field) if type_.decl is not None else field


def deep_converter(type_: Type) -> Callable[[Any], Any] | None:
    if type_.kind == "struct" and type_.decl is not None:
        return type_.decl.deep
    if type_.kind == "list":
        item = deep_converter(type_.params[0])
        return None if item is None else lambda items: same_list(items, list(map(item, items)))
    if type_.kind == "map":
        value = deep_converter(type_.params[1])
        return None if value is None else lambda items: dict(zip(items, map(value, items.values()), strict=True))
    return None


def same_list(old: Any, new: list[Any]) -> list[Any]:
    if type(old) is list:
        return new
    out: list[Any] = type(old)(new)
    if isinstance(old, MapList) and isinstance(out, MapList):
        out.keys = old.keys
    return out


def tester(operand: Eval, field: str) -> Eval:
    def run(f: list[Any]) -> bool:
        value = operand(f)
        if type(value) is Optional:
            if not value.present:
                return False
            value = value.value
        if isinstance(value, dict):
            return field in value
        raise no_overload()

    return run


def selector(operand: Eval, field: str) -> Eval:
    def run(f: list[Any]) -> Any:
        value = operand(f)
        if type(value) is dict:
            try:
                found = value[field]
            except KeyError:
                raise CelError(f"no such key: {field}") from None
            return found(f) if type(found) is Lazy else found
        if type(value) is Optional:
            return optional_field(value, field)
        if isinstance(value, Named):
            return getattr(value, "field", no_field)(field)
        if isinstance(value, dict):
            if field in value:
                found = value[field]
                return found(f) if type(found) is Lazy else found
            raise CelError(f"no such key: {field}")
        raise no_overload()

    return run


def no_field(field: str) -> Any:
    raise no_overload()


def optional_field(value: Optional, field: str) -> Optional:
    if not value.present:
        return NONE
    if not isinstance(value.value, dict):
        raise CelError(f"no such key: {field}")
    return Optional(True, value.value[field]) if field in value.value else NONE


def any_index(dispatch: Callable[..., Any]) -> Callable[[Any, Any], Any]:
    def index(container: Any, key: Any) -> Any:
        if isinstance(container, dict):
            return index_map(container, key)
        if isinstance(container, list) and isinstance(key, int | float) and type(key) is not bool:
            return index_list(container, key)
        return dispatch(container, key)

    return index


def invoke(impl: Callable[..., Any], closures: list[Eval]) -> Eval:
    if len(closures) == 1:
        only = closures[0]
        return lambda f: impl(only(f))
    if len(closures) == 2:
        first, second = closures
        return lambda f: impl(first(f), second(f))
    return lambda f: impl(*[c(f) for c in closures])


def invoke_priced(impl: Callable[..., Any], closures: list[Eval], price: Callable[[Any, Any], int]) -> Eval:
    def run(f: list[Any]) -> Any:
        values = [c(f) for c in closures]
        result = impl(*values)
        f[0] += price(values, result)
        if f[0] > f[1]:
            raise CostExceeded
        return result

    return run


def equal_scalars(a: Eval, b: Eval) -> Eval:
    return lambda f: a(f) == b(f)


def differ_scalars(a: Eval, b: Eval) -> Eval:
    return lambda f: a(f) != b(f)


SCALAR: dict[str, Callable[[Eval, Eval], Eval]] = {
    "_==_": equal_scalars,
    "_!=_": differ_scalars,
    "_<_": lambda a, b: lambda f: a(f) < b(f),
    "_<=_": lambda a, b: lambda f: a(f) <= b(f),
    "_>_": lambda a, b: lambda f: a(f) > b(f),
    "_>=_": lambda a, b: lambda f: a(f) >= b(f),
}


def checked_add(a: Eval, b: Eval) -> Eval:
    def run(f: list[Any]) -> int:
        value: int = a(f) + b(f)
        if MIN_INT <= value <= MAX_INT:
            return value
        raise CelError("integer overflow")

    return run


def checked_sub(a: Eval, b: Eval) -> Eval:
    def run(f: list[Any]) -> int:
        value: int = a(f) - b(f)
        if MIN_INT <= value <= MAX_INT:
            return value
        raise CelError("integer overflow")

    return run


INTEGER: dict[str, Callable[[Eval, Eval], Eval]] = {"_+_": checked_add, "_-_": checked_sub}
