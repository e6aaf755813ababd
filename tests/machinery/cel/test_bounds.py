"""What explodes ends in an error: depth, size, cost; and nothing of Python leaks out of odd input."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wherry.machinery.cel import CelError, CompileError, CostExceeded, compile, everything, kubernetes, types


def test_deep_nesting() -> None:
    with pytest.raises(CompileError, match="expression recursion limit exceeded: 250"):
        compile("[" * 300 + "]" * 300, kubernetes())
    compile("[" * 200 + "]" * 200, kubernetes())


def test_gigantic_literal() -> None:
    with pytest.raises(CompileError, match="invalid int literal"):
        compile("1" * 5000 + " == 1", kubernetes())


def test_nested_loops_run_out_of_budget() -> None:
    env = everything().extend({"l": types.list_of(types.INT)})
    program = compile("l.all(a, l.all(b, l.all(c, a + b + c >= 0)))", env)
    with pytest.raises(CostExceeded):
        program.run({"l": list(range(1000))})


def test_overflow() -> None:
    with pytest.raises(CelError, match="integer overflow"):
        compile("9223372036854775807 + x > 0", kubernetes().extend({"x": types.INT})).run({"x": 1})


_WORDS = [
    "self",
    "1",
    "'a'",
    "[",
    "]",
    "{",
    "}",
    "(",
    ")",
    ".",
    "?",
    ":",
    "+",
    "-",
    "==",
    "&&",
    "in",
    "has",
    "size",
    ",",
]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(_WORDS), max_size=14).map(" ".join))
def test_any_text_compiles_runs_or_is_refused(text: str) -> None:
    env = kubernetes().extend({"self": types.DYN})
    try:
        compile(text, env).run({"self": {"a": [1, 2]}})
    except (CompileError, CelError):
        pass


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=20))
def test_any_characters(text: str) -> None:
    problem = ""
    try:
        compile(text, kubernetes())
    except CompileError as error:
        problem = str(error)
    assert not problem or problem.startswith("ERROR: <input>:")
