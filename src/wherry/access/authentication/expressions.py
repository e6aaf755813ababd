"""CEL over the claims of a token and over the user made of them (k8s.io/apiserver/pkg/authentication/cel).

Imported when a configuration uses expressions, and not before.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from wherry.access.user import User
from wherry.machinery.cel import types as t
from wherry.machinery.cel.ast import Call, Const, Ident, Node, Select
from wherry.machinery.cel.checker import children
from wherry.machinery.cel.decls import escape
from wherry.machinery.cel.env import Env, Program
from wherry.machinery.cel.environments import kubernetes
from wherry.machinery.cel.errors import CelError, CompileError

_S, _SL = t.STRING, t.list_of(t.STRING)
_USER = t.struct("kubernetes.UserInfo", {"username": _S, "uid": _S, "groups": _SL, "extra": t.map_of(_S, _SL)})


class Claims(dict[str, Any]):
    """A JSON object that is also found by the escaped names of its keys (`claims.example__dot__com`)."""

    def __contains__(self, key: object) -> bool:
        return super().__contains__(self._known(key))

    def __getitem__(self, key: Any) -> Any:
        return super().__getitem__(self._known(key))

    def get(self, key: Any, default: Any = None) -> Any:
        return super().get(self._known(key), default)

    def _known(self, key: Any) -> Any:
        if isinstance(key, str) and "__" in key and not super().__contains__(key):
            return next((own for own in self if escape(own) == key), key)
        return key


def as_claims(value: Any) -> Any:
    """JSON as Go's decoder gives it to expressions: every number is a double."""
    if isinstance(value, dict):
        return Claims({key: as_claims(each) for key, each in value.items()})
    if isinstance(value, list):
        return [as_claims(each) for each in value]
    return float(value) if type(value) is int else value


@cache
def _environment(variable: str) -> Env:
    kind = t.map_of(t.STRING, t.DYN) if variable == "claims" else _USER
    return kubernetes().extend({variable: kind})


class Expression:
    """One expression over `claims` or `user`."""

    def __init__(self, source: str, variable: str, *, condition: bool = False):
        """Raises ValueError with upstream's text for one that does not compile."""
        self.source, self._variable = source, variable
        try:
            self._program: Program = _environment(variable).compile(source).plan()
        except CompileError as error:
            raise ValueError(f"compilation failed: {error}") from None
        except CelError as error:
            raise ValueError(f"program instantiation failed: {error}") from None
        if condition and self._program.result_type != t.BOOL:
            raise ValueError("must evaluate to bool")

    def value(self, given: Any) -> Any:
        """Raises ValueError."""
        try:
            return self._program.run({self._variable: given})
        except CelError as error:
            raise ValueError(f"expression '{self.source}' resulted in error: {error}") from None

    def holds(self, given: Any, message: str) -> None:
        """Raises ValueError unless it is true."""
        value = self.value(given)
        if type(value) is not bool:
            raise ValueError("validation expression must return a boolean")
        if not value:
            raise ValueError(f"validation expression '{self.source}' failed: {message}")

    def mentions(self, field: str) -> bool:
        """Whether it reads `claims.<field>`."""
        return any(_reads(node, self._variable, field) for node in _nodes(self._program.node))


def _nodes(node: Node) -> Iterator[Node]:
    yield node
    for child in children(node):
        yield from _nodes(child)


def _reads(node: Node, variable: str, field: str) -> bool:
    if isinstance(node, Select):
        return node.field == field and isinstance(node.operand, Ident) and node.operand.name == variable
    if isinstance(node, Call) and node.name == "_?._" and len(node.args) == 2:
        what, name = node.args
        named = isinstance(name, Const) and name.value == field
        return named and isinstance(what, Ident) and what.name == variable
    return False


def texts(value: Any) -> tuple[str, ...]:
    """A text or a list of texts; what is empty counts as absent. Raises ValueError for anything else."""
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,) if value else ()
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return tuple(each for each in value if each)
    raise ValueError("expression must return a string or a list of strings")


def user_value(user: User) -> dict[str, Any]:
    """The user as expressions see it."""
    extra = Claims({key: list(values) for key, values in user.extra.items()})
    return {"username": user.name, "uid": user.uid, "groups": list(user.groups), "extra": extra}
