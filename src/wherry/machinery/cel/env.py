"""An environment: variables, functions and types an expression may use; `compile` and `Program`, the public face."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.ast import Call, Const, ListNode, MapNode, Node
from wherry.machinery.cel.checker import Checked, Checker, children, number
from wherry.machinery.cel.errors import CelError, CompileError, CostExceeded, Issue
from wherry.machinery.cel.library.regex import compiled
from wherry.machinery.cel.library.times import parse_duration, parse_timestamp
from wherry.machinery.cel.parser import parse
from wherry.machinery.cel.registry import Function, Library, merge
from wherry.machinery.cel.types import Type

PER_CALL_LIMIT = 1_000_000
_STD_TYPES: dict[str, Type] = {
    "bool": t.BOOL,
    "bytes": t.BYTES,
    "double": t.DOUBLE,
    "int": t.INT,
    "list": t.LIST_DYN,
    "map": t.MAP_DYN,
    "null_type": t.NULL,
    "string": t.STRING,
    "type": t.TYPE,
    "uint": t.UINT,
    "google.protobuf.Timestamp": t.TIMESTAMP,
    "google.protobuf.Duration": t.DURATION,
}


class Env:
    """`variables` gives declared names their types. `homogeneous` refuses lists of mixed types."""

    def __init__(
        self,
        variables: Mapping[str, Type] | None = None,
        libraries: tuple[Library, ...] = (),
        *,
        container: str = "",
        homogeneous: bool = True,
        checked: bool = True,
        macros: bool = True,
        messages: Mapping[str, Type] | None = None,
        parent: Env | None = None,
    ):
        self.variables = dict(variables or {})
        self.container = container
        self.homogeneous = homogeneous
        self.checked = checked
        self.macros = macros
        self.messages = dict(messages or {})
        self.functions: dict[str, Function] = merge(list(libraries)) if parent is None else parent.functions
        self.types: dict[str, Type] = dict(_STD_TYPES) if parent is None else parent.types
        if parent is None:
            for library in libraries:
                self.types.update(library.types)

    def extend(self, variables: Mapping[str, Type], messages: Mapping[str, Type] | None = None) -> Env:
        """The same functions with more variables."""
        return Env(
            {**self.variables, **variables},
            container=self.container,
            homogeneous=self.homogeneous,
            checked=self.checked,
            macros=self.macros,
            messages={**self.messages, **(messages or {})},
            parent=self,
        )

    def candidates(self, name: str) -> list[str]:
        """A name as seen from the container, the innermost first."""
        if name.startswith("."):
            return [name[1:]]
        if not self.container:
            return [name]
        parts = self.container.split(".")
        return [".".join([*parts[:i], name]) for i in range(len(parts), -1, -1)]

    def resolve(self, name: str) -> tuple[str, Type] | None:
        """(full name, type) of a variable or of a type's name."""
        for candidate in self.candidates(name):
            found = self.variables.get(candidate)
            if found is not None:
                return candidate, found
            known = self.types.get(candidate)
            if known is not None:
                return candidate, t.type_of_type(known)
        return None

    def function(self, name: str) -> Function | None:
        if name in self.functions:
            return self.functions[name]
        for candidate in self.candidates(name):
            found = self.functions.get(candidate)
            if found is not None:
                return found
        return None

    def message(self, name: str) -> Type | None:
        for candidate in self.candidates(name):
            found = self.messages.get(candidate)
            if found is not None:
                return found
        return None

    def compile(self, source: str) -> Program:
        return compile(source, self)


class Program:
    """A compiled expression. `run(variables)` evaluates it; it holds no state and may be shared."""

    __slots__ = ("_evaluate", "checked", "env", "node", "result_type", "source", "static_cost")

    def __init__(self, source: str, node: Node, checked: Checked, env: Env):
        self.source, self.node, self.checked, self.env = source, node, checked, env
        self.result_type: Type = checked.types.get(node.id, t.DYN)
        self._evaluate: Callable[[list[Any]], Any] | None = None
        self.static_cost = 0

    @property
    def uses(self) -> set[str]:
        """Declared variables that the expression mentions."""
        return self.checked.used

    def plan(self) -> Program:
        """Build the closures now. Raises CelError where a constant part cannot be evaluated."""
        if self._evaluate is None:
            from wherry.machinery.cel.compiler import Compiler

            self._evaluate, self.static_cost = Compiler(self.env, self.checked).compile(self.node)
        return self

    def run(self, variables: Mapping[str, Any], limit: int = PER_CALL_LIMIT) -> Any:
        """The value. Raises CelError."""
        return self.run_counted(variables, limit)[0]

    def run_counted(self, variables: Mapping[str, Any], limit: int = PER_CALL_LIMIT) -> tuple[Any, int]:
        """(the value, what it cost)."""
        if self._evaluate is None:
            self.plan()
        frame: list[Any] = [self.static_cost, limit, variables]
        assert self._evaluate is not None
        try:
            value = self._evaluate(frame)
        except RecursionError:
            raise CelError("expression recursion limit exceeded") from None
        except (OverflowError, MemoryError) as error:
            raise CelError(f"evaluation failed: {error}") from None
        if frame[0] > limit:
            raise CostExceeded
        return value, frame[0]


def compile(source: str, env: Env) -> Program:
    """Parse and check `source` in `env`. Raises CompileError, whose text points at the column."""
    if sys.getrecursionlimit() < 20_000:
        sys.setrecursionlimit(20_000)  # 250 levels of nesting are allowed; pure Python frames do not use the C stack
    node = parse(source, env.macros, quoted=not env.homogeneous)
    number(node)
    if not env.checked:
        return Program(source, node, Checked(), env)
    checker = Checker(env)
    checked = checker.run(node)
    if checker.issues:
        raise CompileError(source, _unique(checker.issues))
    issues = [*_literals(node), *mixed_literals(node, checked)] if env.homogeneous else []
    if issues:
        raise CompileError(source, sorted(issues, key=lambda i: i.at))
    return Program(source, node, checked, env)


def _unique(issues: list[Issue]) -> list[Issue]:
    return list(dict.fromkeys(sorted(issues, key=lambda i: i.at)))


def _literals(node: Node) -> list[Issue]:
    """Constant patterns, times and durations that cannot be."""
    out: list[Issue] = []
    stack = [node]
    seen: set[int] = set()
    while stack:
        current = stack.pop()
        if current.id in seen:
            continue
        seen.add(current.id)
        stack.extend(reversed(children(current)))
        if isinstance(current, Call) and current.name in _CHECKED_LITERALS and current.args:
            arg = current.args[-1]
            if isinstance(arg, Const) and isinstance(arg.value, str) and not _CHECKED_LITERALS[current.name](arg.value):
                out.append(Issue(arg.at, f"invalid {current.name} argument"))
    return sorted(out, key=lambda i: i.at)


def mixed_literals(node: Node, checked: Checked) -> list[Issue]:
    """Lists and maps whose entries are of different types, outside of format()."""
    out: list[Issue] = []
    seen: set[int] = set()
    stack = [node]
    while stack:
        current = stack.pop()
        if current.id in seen or (isinstance(current, Call) and current.name == "format"):
            continue
        seen.add(current.id)
        stack.extend(children(current))
        if isinstance(current, ListNode):
            out += _mixed(current.items, current.optional, checked)
        elif isinstance(current, MapNode):
            optional = frozenset(i for i, entry in enumerate(current.entries) if entry[2])
            out += _mixed([key for key, _, _ in current.entries], frozenset(), checked)
            out += _mixed([value for _, value, _ in current.entries], optional, checked)
    return out


def _mixed(nodes: list[Node], optional: frozenset[int], checked: Checked) -> list[Issue]:
    first: Type | None = None
    for i, node in enumerate(nodes):
        found = checked.types[node.id]
        if i in optional and found.params:
            found = found.params[0]
        if first is None:
            first = found
        elif not first.same(found):
            return [Issue(node.at, f"expected type '{t.show(first)}' but found '{t.show(found)}'")]
    return []


def _pattern_ok(text: str) -> bool:
    try:
        compiled(text)
    except CelError:
        return False
    return True


def _time_ok(text: str) -> bool:
    try:
        return parse_timestamp(text) is not None
    except CelError:
        return False


_CHECKED_LITERALS: dict[str, Callable[[str], bool]] = {
    "matches": _pattern_ok,
    "timestamp": _time_ok,
    "duration": lambda text: parse_duration(text) is not None,
}
