"""`wherry diff` against a running control plane."""

from __future__ import annotations

import json

import pytest
import yaml
from tests.cli.ws.test_command import Shell, fresh, shell

from wherry.cli import main

__all__ = ["fresh", "shell"]


@pytest.fixture
def changed(shell: Shell) -> Shell:
    """A workspace and a copy in which something was changed."""
    shell.ws("create", "one", "--ignore-existing", "--type", "root:universal", "--enter")
    if "prices" not in shell.kubectl("get", "configmaps", "-o", "name"):
        shell.kubectl("create", "configmap", "prices", "--from-literal=tea=3", "--from-literal=milk=1")
        shell.run("fork", ".", "../other", "--enter")
        shell.kubectl("patch", "configmap", "prices", "--patch", '{"data": {"tea": "4", "milk": null, "jam": "2"}}')
        shell.kubectl("create", "namespace", "new")
    shell.ws(":root")
    return shell


def test_nothing_is_said_of_what_is_the_same(changed: Shell) -> None:
    assert changed.run("diff", "one", "one") == ""
    assert changed.run("diff", "one", "one", "-o", "summary") == "no difference\n"


def diff(shell: Shell, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["diff", "--kubeconfig", str(shell.path), *words]) == 1
    return capsys.readouterr().out


def test_what_is_different_is_told_in_lines(changed: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    lines = diff(changed, capsys, "one", "other").splitlines()
    at = lines.index("~ configmaps default/prices")
    assert lines[at + 1 : at + 4] == [
        "    data.jam: 2 (added)",
        "    data.milk: 1 (removed)",
        "    data.tea: 3 -> 4",
    ]
    assert "+ namespaces new" in lines


def test_there_are_forms_for_programs(changed: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(diff(changed, capsys, "one", "other", "-o", "json"))["items"]
    assert list(yaml.safe_load_all(diff(changed, capsys, "one", "other", "-o", "yaml"))) == found
    summary = diff(changed, capsys, "one", "other", "-o", "summary").splitlines()
    assert "configmaps: 1 changed" in summary
    assert summary[-1].startswith("total: ")


def test_trouble_is_told_from_a_difference(shell: Shell) -> None:
    assert "there is no workspace root:nowhere" in shell.refused_of("diff", ".", "nowhere", code=2)
