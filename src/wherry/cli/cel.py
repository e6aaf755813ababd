"""`wherry cel eval|check`: try an expression; errors point at the column."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any


def cel(options: argparse.Namespace) -> int:
    """0 done, 1 the expression does not compile or failed, 2 input that is no JSON."""
    from wherry.machinery.cel import CelError, CompileError, compile, kubernetes, types

    try:
        given = _variables(options)
    except (OSError, ValueError) as error:
        print(f"wherry cel: {error}", file=sys.stderr)
        return 2
    declared = dict.fromkeys(("self", "oldSelf", "object", "oldObject", "params"), types.DYN)
    env = kubernetes().extend({**declared, **dict.fromkeys(given, types.DYN)})
    try:
        program = compile(options.expression, env)
        if options.action == "check":
            print(types.show(program.result_type))
            return 0
        value, cost = program.run_counted(given)
    except CompileError as error:
        print(error, file=sys.stderr)
        return 1
    except CelError as error:
        print(f"wherry cel: {error}", file=sys.stderr)
        return 1
    print(_shown(value))
    if options.cost:
        print(f"cost {cost}", file=sys.stderr)
    return 0


def _variables(options: argparse.Namespace) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for pair in options.var:
        name, sign, text = pair.partition("=")
        if not sign:
            raise ValueError(f"--var {pair}: expected NAME=JSON")
        given[name] = _parsed(text, f"--var {name}")
    if options.self is not None:
        text = sys.stdin.read() if str(options.self) == "-" else Path(options.self).read_text()
        given["self"] = _parsed(text, str(options.self))
    return given


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON: {error}") from None


def _shown(value: Any) -> str:
    """JSON where the value is JSON, else CEL's own text."""
    from wherry.machinery.cel.errors import CelError
    from wherry.machinery.cel.library.formatting import show
    from wherry.machinery.cel.values import Optional

    if isinstance(value, Optional):
        return f"optional.of({_shown(value.value)})" if value.present else "optional.none()"
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        pass
    try:
        return show(value)
    except CelError:
        return str(value)
