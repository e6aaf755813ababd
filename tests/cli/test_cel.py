"""`wherry cel`."""

from __future__ import annotations

import pytest

from wherry.cli import main


def test_eval(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cel", "eval", "self.a.map(x, x * 2)", "--var", 'self={"a": [1, 2]}']) == 0
    assert capsys.readouterr().out == "[2, 4]\n"


def test_error_points_at_the_column(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cel", "check", "1 + 'a'"]) == 1
    assert capsys.readouterr().err == (
        "ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'\n | 1 + 'a'\n | ..^\n"
    )


def test_input_that_is_no_json() -> None:
    assert main(["cel", "eval", "1", "--var", "x=nope"]) == 2
