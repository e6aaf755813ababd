"""`wherry history` and `wherry get --at` against a running control plane."""

from __future__ import annotations

import json

from tests.cli.pages import session
from tests.cli.ws.test_command import Shell, fresh, shell

__all__ = ["fresh", "shell"]


def test_the_guide_does_what_it_says(shell: Shell) -> None:
    folder = shell.path.parent / "here"
    folder.mkdir()
    lines = session("how-to/history.md", folder, shell.path).splitlines()
    changed = next(number for number, line in enumerate(lines) if "changed  by kubectl-patch (Update)" in line)
    assert lines[changed + 1] == "    data.tea: 3 -> 4"
    assert "created  by kubectl-create (Update)" in lines[changed + 2]
    assert any(line.startswith("prices ") for line in lines)
    assert "  tea: '3'" in lines


def test_a_time_leads_to_the_revision_of_then(shell: Shell) -> None:
    shell.ws("create", "timed", "--enter")
    shell.kubectl("create", "configmap", "c")
    (made,) = json.loads(shell.run("history", "cm", "c", "-o", "json"))["items"]
    found = json.loads(shell.run("get", "cm", "c", "--at", made["time"], "-o", "json"))["items"]
    assert found[0]["metadata"]["resourceVersion"] == str(made["revision"])
    told = shell.run("fork", ".", "..:then", "--at", made["time"])
    assert f"at revision {made['revision']}." in told


def test_what_cannot_be_is_said_in_one_line(shell: Shell) -> None:
    assert "the server has no kind 'unicorn'" in shell.refused_of("history", "unicorn", "x")
    assert 'configmaps "none" not found' in shell.refused_of("history", "configmap", "none")
    assert "a time is like" in shell.refused_of("get", "configmaps", "--at", "yesterday")
    assert "is not kept any more" in shell.refused_of("get", "configmaps", "--at", "1999-01-01T00:00:00Z")
