"""Object{...} values, for mutating policies: an apply configuration whose parts are named after their places.

Follows k8s.io/apiserver/pkg/cel/mutation/dynamic: any field is allowed when an expression is compiled; that each part
stands where its name says is checked on the value.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import go_quote
from wherry.machinery.cel import types as t
from wherry.machinery.cel.decls import Decl
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.types import Type
from wherry.machinery.cel.values import BoolKey, Optional

ROOT = "Object"


class ObjectValue(dict[str, Any]):
    """The fields of one initializer."""

    __slots__ = ("type_name",)

    def __init__(self, type_name: str, fields: dict[str, Any]):
        super().__init__(fields)
        self.type_name = type_name


class _AnyField(dict[str, Type]):
    """Every name is a field, of a type that is known only when it is there."""

    def get(self, key: str, default: Any = None) -> Type:
        return t.DYN

    def __bool__(self) -> bool:
        return True


class _ObjectDecl(Decl):
    __slots__ = ()

    def build(self, values: dict[str, Any]) -> ObjectValue:
        return ObjectValue(self.type.name, values)


def type_named(name: str) -> Type | None:
    """The type of `Object` or of a part of it, e.g. `Object.spec`; None for other names."""
    if name != ROOT and not name.startswith(f"{ROOT}."):
        return None
    found = t.struct(name, _AnyField())
    found.decl = _ObjectDecl(found)
    return found


def configuration(value: Any) -> dict[str, Any]:
    """The plain document that an expression gave. Raises CelError for parts in the wrong place."""
    if not isinstance(value, ObjectValue):
        raise CelError(f"unsupported return type from ApplyConfiguration expression: {type(value).__name__}")
    wrong = _misplaced(value, ROOT)
    if wrong:
        raise CelError("type mismatch: " + "\n".join(wrong))
    found: dict[str, Any] = plain(value)
    return found


def _misplaced(value: Any, place: str) -> list[str]:
    if isinstance(value, ObjectValue):
        out: list[str] = []
        if value.type_name != place:
            text = f"unexpected type name {go_quote(value.type_name)}, expected {go_quote(place)}"
            out.append(f"{text}, which matches field name path from root Object type")
        return out + [found for name, field in value.items() for found in _misplaced(field, f"{place}.{name}")]
    inner = value if isinstance(value, list) else value.values() if isinstance(value, dict) else ()
    return [found for item in inner for found in _misplaced(item, place)]


def plain(value: Any) -> Any:
    """JSON of what an expression gave, in containers of its own. Raises CelError."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                kind = "types.Bool" if isinstance(key, BoolKey) else "types.Int"
                raise CelError(f"map key {go_quote(str(key))} is of type {kind}, not string")
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, str | bool | int | float):
        return int(value) if isinstance(value, int) and not isinstance(value, bool) else value
    if isinstance(value, Optional):
        raise CelError("an optional is no value of a field")
    return str(value)
