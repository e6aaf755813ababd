"""Functions and their overloads: what a library declares, how a call finds the one that fits its values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import no_overload
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import LISTS, Named, Optional, type_of

Impl = Callable[..., Any]


class Overload:
    __slots__ = ("args", "generic", "id", "impl", "kinds", "member", "result")

    def __init__(self, id_: str, member: bool, args: list[Type], result: Type, impl: Impl):
        self.id, self.member, self.args, self.result, self.impl = id_, member, args, result, impl
        self.generic = any(_has_param(a) for a in args) or _has_param(result)
        self.kinds = tuple(_test(a) for a in args)

    def fits(self, values: tuple[Any, ...]) -> bool:
        return len(values) == len(self.kinds) and all(
            test is None or test(value) for test, value in zip(self.kinds, values, strict=True)
        )


def _has_param(t_: Type) -> bool:
    return t_.kind == "param" or any(_has_param(p) for p in t_.params)


_PY = {"bool": bool, "int": int, "double": float, "string": str, "bytes": bytes}


def _test(t_: Type) -> Callable[[Any], bool] | None:
    kind = t_.kind
    if kind in ("param", "dyn"):
        return None
    if kind in _PY:
        python = _PY[kind]
        return lambda v: type(v) is python
    if kind == "list":
        item = _test(t_.params[0])
        if item is None:
            return lambda v: type(v) in LISTS
        return lambda v: type(v) in LISTS and all(item(x) for x in v)
    if kind == "map":
        return lambda v: isinstance(v, dict)
    if kind == "opaque" and t_.name == "optional_type":
        return lambda v: type(v) is Optional
    if kind in ("struct", "opaque"):
        name = t_.name
        return lambda v: isinstance(v, Named) and v.cel_type.name == name
    if kind == "type":
        return lambda v: isinstance(v, Type)
    return lambda v: type_of(v).kind == kind


class Function:
    __slots__ = ("name", "overloads")

    def __init__(self, name: str):
        self.name = name
        self.overloads: list[Overload] = []

    def call(self, member: bool) -> Impl:
        """A dispatcher by the kinds of the values."""
        candidates = [o for o in self.overloads if o.member == member]

        def dispatch(*values: Any) -> Any:
            for overload in candidates:
                if overload.fits(values):
                    return overload.impl(*values)
            raise no_overload()

        return dispatch


class Library:
    """A set of functions, declared by decoration: `@lib.member("size", "list_size", [LIST_A], INT)`."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: dict[str, Function] = {}
        self.types: dict[str, Type] = {}

    def add(self, name: str, id_: str, args: list[Type], result: Type, impl: Impl, member: bool = False) -> None:
        function = self.functions.get(name)
        if function is None:
            function = self.functions[name] = Function(name)
        function.overloads.append(Overload(id_, member, args, result, impl))

    def fn(self, name: str, id_: str, args: list[Type], result: Type) -> Callable[[Impl], Impl]:
        def declare(impl: Impl) -> Impl:
            self.add(name, id_, args, result, impl)
            return impl

        return declare

    def member(self, name: str, id_: str, args: list[Type], result: Type) -> Callable[[Impl], Impl]:
        def declare(impl: Impl) -> Impl:
            self.add(name, id_, args, result, impl, member=True)
            return impl

        return declare

    def type(self, t_: Type) -> None:
        self.types[t_.name] = t_


def merge(libraries: list[Library]) -> dict[str, Function]:
    """One table of functions; a later library adds overloads to a function of an earlier one."""
    out: dict[str, Function] = {}
    for library in libraries:
        for name, function in library.functions.items():
            found = out.get(name)
            if found is None:
                found = out[name] = Function(name)
            known = {o.id for o in found.overloads}
            found.overloads.extend(o for o in function.overloads if o.id not in known)
    return out


__all__ = ["Function", "Library", "Overload", "merge", "t"]
