"""`wherry fork` against a running control plane."""

from __future__ import annotations

import json

from tests.cli.pages import session
from tests.cli.ws.test_command import Shell, fresh, shell

__all__ = ["fresh", "shell"]


def test_a_copy_is_made_entered_and_written_to(shell: Shell) -> None:
    shell.ws("create", "origin", "--enter")
    shell.kubectl("create", "configmap", "c", "--from-literal=a=1")
    before = json.loads(shell.kubectl("get", "configmap", "c", "-o", "json"))["metadata"]
    shell.kubectl("delete", "configmap", "c")
    out = shell.run("fork", ".", "..:then", "--at", before["resourceVersion"], "--enter")
    assert out.splitlines() == [
        f'Workspace "root:then" is a copy of "root:origin" at revision {before["resourceVersion"]}.',
        "Current workspace is 'root:then' (type root:universal).",
    ]
    assert json.loads(shell.kubectl("get", "configmap", "c", "-o", "json"))["metadata"]["uid"] == before["uid"]


def test_a_copy_with_uids_of_its_own_tells_of_itself_in_json(shell: Shell) -> None:
    shell.ws("create", "plain")
    made = json.loads(shell.run("fork", "plain", "mine", "--fresh", "-o", "json"))
    assert made["metadata"]["annotations"]["fork.wherry.dev/source"] == "root:plain"
    assert made["status"]["phase"] == "Ready"


def test_what_cannot_be_is_said_in_one_line(shell: Shell) -> None:
    shell.ws("create", "taken")
    assert "there is no workspace root:nowhere" in shell.refused_of("fork", "nowhere", "copy")
    assert 'workspaces.tenancy.kcp.io "taken" already exists' in shell.refused_of("fork", ".", "taken")
    assert "the root is there already" in shell.refused_of("fork", "taken", ":root")
    assert "a whole number above 0" in shell.refused_of("fork", "taken", "copy", "--at=-4")


def test_the_guide_does_what_it_says(shell: Shell) -> None:
    out = session("how-to/fork.md", shell.path.parent, shell.path)
    assert "configmap/prices patched\n4Current workspace is 'root:shop'" in out
    assert "\n3~ configmaps default/prices\n    data.tea: 3 -> 4\n~ configmaps default/prices\nWere written" in out
    assert out.endswith("(type root:universal).\n4")
