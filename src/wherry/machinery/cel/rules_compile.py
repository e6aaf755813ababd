"""Validation rules of one schema place: compiled, with what they may cost (apiserver/schema/cel/compilation.go)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.cost import Range, estimate
from wherry.machinery.cel.decls import MAX_REQUEST, Decl
from wherry.machinery.cel.env import Env, Program
from wherry.machinery.cel.environments import kubernetes
from wherry.machinery.cel.errors import CelError, CompileError

Obj = dict[str, Any]


@dataclass(slots=True)
class Compiled:
    """One rule. `problem` and `message_problem` say why it or its messageExpression does not compile."""

    rule: Obj
    program: Program | None = None
    problem: str = ""
    uses_old: bool = False
    cost: int = 0
    message: Program | None = None
    message_problem: str = ""
    message_cost: int = 0


class RuleCompiler:
    """Compiles the rules of places with one declaration each; environments are made once per declaration."""

    def __init__(self, decl: Decl):
        self.decl = decl
        self._envs: dict[bool, Env] = {}

    def env(self, optional_old: bool) -> Env:
        if optional_old not in self._envs:
            own = self.decl.type
            old = t.optional_of(own) if optional_old else own
            self._envs[optional_old] = kubernetes().extend({"self": own, "oldSelf": old})
        return self._envs[optional_old]

    @property
    def cardinality(self) -> int:
        """How often the value can occur in one request at most."""
        return MAX_REQUEST // (self.decl.min_size + 1)

    def size_of(self, path: tuple[str, ...]) -> Range | None:
        current: Decl | None = self.decl
        for name in path[1:]:
            assert current is not None
            if name == "@keys":
                if current.type.kind != "map":
                    return None
                current = Decl(t.STRING, MAX_KEY, 2)
            elif name in ("@items", "@values"):
                current = current.item
            else:
                current = current.fields.get(name)
            if current is None:
                return None
        assert current is not None
        return Range(0, current.max_elements)

    def compile(self, rule: Obj) -> Compiled:
        out = Compiled(rule)
        source = rule.get("rule") or ""
        if not source.strip():
            return out
        env = self.env(bool(rule.get("optionalOldSelf")))
        try:
            program = env.compile(source)
        except CompileError as error:
            out.problem = f"compilation failed: {error}"
            return out
        if program.result_type.kind != "bool":
            out.problem = "cel expression must evaluate to a bool"
            return out
        out.uses_old = "oldSelf" in program.uses
        try:
            program.plan()
        except CelError as error:
            out.problem = f"program instantiation failed: {error}"
            return out
        out.program = program
        out.cost = estimate(program, self.size_of).high
        if rule.get("messageExpression"):
            self._message(rule["messageExpression"], env, out)
        return out

    def _message(self, source: str, env: Env, out: Compiled) -> None:
        try:
            program = env.compile(source)
        except CompileError as error:
            out.message_problem = f"messageExpression compilation failed: {error}"
            return
        if program.result_type.kind != "string":
            out.message_problem = "messageExpression must evaluate to a string"
            return
        try:
            program.plan()
        except CelError as error:
            out.message_problem = f"messageExpression instantiation failed: {error}"
            return
        out.message = program
        out.message_cost = estimate(program, self.size_of).high


MAX_KEY = 0  # keys of maps have no declared length upstream either
