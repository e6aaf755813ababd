"""CEL, the Common Expression Language: `compile(expression, env)` gives a `Program`, `program.run(variables)` a value.

    from wherry.machinery.cel import compile, kubernetes, types

    env = kubernetes().extend({"self": types.map_of(types.STRING, types.DYN)})
    compile("self.replicas <= 5", env).run({"self": {"replicas": 3}})  # True

On the path: lexer, parser (with macros), checker, compiler to closures. Everything works on plain JSON values.
"""

from __future__ import annotations

from wherry.machinery.cel import types
from wherry.machinery.cel.env import PER_CALL_LIMIT, Env, Program, compile
from wherry.machinery.cel.environments import everything, kubernetes
from wherry.machinery.cel.errors import CelError, CompileError, CostExceeded

__all__ = [
    "PER_CALL_LIMIT",
    "CelError",
    "CompileError",
    "CostExceeded",
    "Env",
    "Program",
    "compile",
    "everything",
    "kubernetes",
    "types",
]
