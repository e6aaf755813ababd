"""CEL types and how one is assignable to another; the checker's ground.

Follows the rules of cel-go's checker (unification of type parameters, dyn as wildcard, nullable kinds) so that the
same expressions are accepted and refused, in the same words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wherry.machinery.cel.decls import Decl


class Type:
    """One CEL type. `kind` decides; `name` is what `type(x)` shows; `decl` is the schema behind a struct."""

    __slots__ = ("decl", "fields", "kind", "name", "params")

    def __init__(
        self,
        kind: str,
        name: str | None = None,
        params: tuple[Type, ...] = (),
        fields: dict[str, Type] | None = None,
        decl: Decl | None = None,
    ):
        self.kind = kind
        self.name = name or kind
        self.params = params
        self.fields = fields
        self.decl = decl

    def same(self, other: Type) -> bool:
        if self is other:
            return True
        if self.kind != other.kind or self.name != other.name or len(self.params) != len(other.params):
            return False
        return all(a.same(b) for a, b in zip(self.params, other.params, strict=True))

    def __eq__(self, other: object) -> bool:  # equality of CEL type values: by name
        return isinstance(other, Type) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return show(self)


BOOL = Type("bool")
INT = Type("int")
UINT = Type("uint")
DOUBLE = Type("double")
STRING = Type("string")
BYTES = Type("bytes")
NULL = Type("null", "null_type")
DYN = Type("dyn")
ERROR = Type("error", "*error*")
TIMESTAMP = Type("timestamp", "google.protobuf.Timestamp")
DURATION = Type("duration", "google.protobuf.Duration")
TYPE = Type("type")
A = Type("param", "A")
B = Type("param", "B")


def list_of(item: Type) -> Type:
    return Type("list", "list", (item,))


def map_of(key: Type, value: Type) -> Type:
    return Type("map", "map", (key, value))


def optional_of(value: Type) -> Type:
    return Type("opaque", "optional_type", (value,))


def type_of_type(value: Type) -> Type:
    return Type("type", "type", (value,))


def param(name: str) -> Type:
    return Type("param", name)


def struct(name: str, fields: dict[str, Type] | None = None, decl: Decl | None = None) -> Type:
    return Type("struct", name, (), fields, decl)


def opaque(name: str) -> Type:
    return Type("opaque", name)


LIST_A = list_of(A)
MAP_AB = map_of(A, B)
OPTIONAL_A = optional_of(A)
LIST_DYN = list_of(DYN)
MAP_DYN = map_of(DYN, DYN)

_SHOWN = {"null": "null", "timestamp": "timestamp", "duration": "duration", "error": "!error!"}


def show(t: Type) -> str:
    """The type in the words of a compile error."""
    if t.kind in _SHOWN:
        return _SHOWN[t.kind]
    if t.kind == "wrapper":
        return f"wrapper({show(t.params[0])})"
    if t.params:
        return f"{t.name}({', '.join(show(p) for p in t.params)})"
    return t.name


def is_dyn(t: Type) -> bool:
    return t.kind == "dyn" or t.kind == "any"


def is_dyn_or_error(t: Type) -> bool:
    return t.kind in ("dyn", "any", "error")


def unwrap_optional(t: Type) -> tuple[Type, bool]:
    if t.kind == "opaque" and t.name == "optional_type":
        return t.params[0], True
    return t, False


class Mapping:
    """What type parameters stand for, by name."""

    __slots__ = ("found",)

    def __init__(self, found: dict[str, Type] | None = None):
        self.found = found if found is not None else {}

    def copy(self) -> Mapping:
        return Mapping(dict(self.found))

    def substitute(self, t: Type, to_dyn: bool = False) -> Type:
        if t.kind == "param":
            sub = self.found.get(t.name)
            if sub is not None:
                return self.substitute(sub, to_dyn)
            return DYN if to_dyn else t
        if not t.params:
            return t
        params = tuple(self.substitute(p, to_dyn) for p in t.params)
        return (
            t if params == t.params and all(a is b for a, b in zip(params, t.params, strict=True)) else _with(t, params)
        )


def _with(t: Type, params: tuple[Type, ...]) -> Type:
    return Type(t.kind, t.name, params, t.fields, t.decl)


def assignable(m: Mapping, t1: Type, t2: Type) -> Mapping | None:
    """A mapping under which a `t2` may stand where a `t1` is wanted."""
    trial = m.copy()
    return trial if _assignable(trial, t1, t2) else None


def assignable_all(m: Mapping, first: Iterable[Type], second: Iterable[Type]) -> Mapping | None:
    left, right = list(first), list(second)
    if len(left) != len(right):
        return None
    trial = m.copy()
    return trial if all(_assignable(trial, a, b) for a, b in zip(left, right, strict=True)) else None


_NULLABLE = ("opaque", "struct", "timestamp", "duration", "null", "wrapper")


def _assignable(m: Mapping, t1: Type, t2: Type) -> bool:
    if t2.kind == "param":
        valid, known = _substitutes(m, t1, t2)
        if valid:
            return True
        if known:
            return False
    if t1.kind == "param":
        return _substitutes(m, t2, t1)[0]
    if is_dyn_or_error(t1) or is_dyn_or_error(t2):
        return True
    if t1.kind == "null":
        return t2.kind in _NULLABLE
    if t2.kind == "null":
        return t1.kind in _NULLABLE
    if t1.kind == "wrapper" or t2.kind == "wrapper":
        left = t1.params[0] if t1.kind == "wrapper" else t1
        right = t2.params[0] if t2.kind == "wrapper" else t2
        return left.kind == right.kind
    if t1.kind == "type":
        return t2.kind == "type"
    if t1.kind != t2.kind or t1.name != t2.name or len(t1.params) != len(t2.params):
        return False
    return all(_assignable(m, a, b) for a, b in zip(t1.params, t2.params, strict=True))


def _substitutes(m: Mapping, t1: Type, t2: Type) -> tuple[bool, bool]:
    """(whether t1 may stand for the parameter t2, whether t2 had a meaning before)."""
    if t1.same(t2):
        return True, True
    known = m.found.get(t2.name)
    if known is not None:
        if t1.same(known):
            return True, True
        if _assignable(m, t1, known):
            general = most_general(t1, known)
            if _free_in(m, t2, general):
                m.found[t2.name] = general
            return True, True
        return False, True
    if _free_in(m, t2, t1):
        m.found[t2.name] = t1
        return True, False
    return False, False


def _free_in(m: Mapping, t: Type, within: Type) -> bool:
    if t.same(within):
        return False
    if within.kind == "param":
        known = m.found.get(within.name)
        return known is None or _free_in(m, t, known)
    return all(_free_in(m, t, p) for p in within.params)


def most_general(t1: Type, t2: Type) -> Type:
    return t1 if _less_specific(t1, t2) else t2


def _less_specific(t1: Type, t2: Type) -> bool:
    if is_dyn(t1) or t1.kind == "param":
        return True
    if is_dyn(t2) or t2.kind == "param":
        return False
    if t1.kind != t2.kind:
        return False
    if t1.kind in ("list", "map", "opaque"):
        if t1.name != t2.name or len(t1.params) != len(t2.params):
            return False
        return all(_less_specific(a, b) for a, b in zip(t1.params, t2.params, strict=True))
    return t1.kind == "type" or t1.same(t2)


Impl = Callable[..., Any]
