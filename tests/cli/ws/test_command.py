"""`wherry ws` against a running control plane: walking, making, removing, and kubectl in the same place."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.cli.test_up import WHERRY, up

from wherry.cli import main


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The kubeconfig of a control plane, as it was written."""
    folder = tmp_path_factory.mktemp("plane")
    with up(folder, "--in-memory"):
        yield (folder / ".wherry/kubeconfig").read_text()


class Shell:
    """Runs `wherry ws` with a kubeconfig of its own."""

    def __init__(self, path: Path, capture: pytest.CaptureFixture[str]):
        self.path = path
        self._capture = capture

    def ws(self, *words: str) -> str:
        return self.run("ws", *words)

    def refused(self, *words: str, code: int = 1) -> str:
        return self.refused_of("ws", *words, code=code)

    def run(self, command: str, *words: str) -> str:
        code = main([command, "--kubeconfig", str(self.path), *words])
        out, err = self._capture.readouterr()
        assert code == 0, err
        return out

    def run_any(self, command: str, *words: str, code: int = 1) -> str:
        """With another exit code than 0."""
        assert main([command, "--kubeconfig", str(self.path), *words]) == code
        return self._capture.readouterr().out

    def refused_of(self, command: str, *words: str, code: int = 1) -> str:
        assert main([command, "--kubeconfig", str(self.path), *words]) == code
        out, err = self._capture.readouterr()
        assert out == ""
        assert err.count("\n") == 1
        return err.removeprefix("wherry: ").strip()

    def refused_lines(self, command: str, *words: str) -> list[str]:
        assert main([command, "--kubeconfig", str(self.path), *words]) == 1
        out, err = self._capture.readouterr()
        assert out == ""
        return err.removeprefix("wherry: ").splitlines()

    def kubectl(self, *words: str) -> str:
        environment = {**os.environ, "KUBECONFIG": str(self.path), "KUBECACHEDIR": str(self.path.parent / "cache")}
        command = [*WHERRY, "kubectl", *words]
        done = subprocess.run(
            command, cwd=self.path.parent, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(fresh: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    path = tmp_path / "config"
    path.write_text(fresh)
    return Shell(path, capsys)


def test_one_walks_as_with_cd_and_finds_the_way_back(shell: Shell) -> None:
    assert shell.ws() == "Current workspace is 'root'.\n"
    assert shell.ws("create", "walk") == 'Workspace "walk" (type root:universal) is ready to use.\n'
    assert shell.ws("walk") == "Current workspace is 'root:walk' (type root:universal).\n"
    shell.ws("create", "inner", "--enter")
    assert shell.ws("current", "--short") == "root:walk:inner\n"
    assert shell.ws("..") == "Current workspace is 'root:walk' (type root:universal).\n"
    assert shell.ws("-") == "Current workspace is 'root:walk:inner'.\n"
    assert shell.ws("-") == "Current workspace is 'root:walk'.\n"
    assert shell.ws(":root:walk:inner", "--short") == "root:walk:inner\n"
    assert shell.ws("use", "../..", "--short") == "root\n"
    assert shell.ws(".", "--short") == "root\n"


def test_the_context_that_was_there_first_stays(shell: Shell) -> None:
    before = yaml.safe_load(shell.path.read_text())
    shell.ws("create", "kept", "--enter")
    shell.ws("..")
    config = yaml.safe_load(shell.path.read_text())
    for kind in ("contexts", "clusters", "users"):
        assert before[kind][0] in config[kind]
    assert config["current-context"] == "workspace.kcp.io/current"
    assert shell.path.stat().st_mode & 0o777 == 0o600


def test_kubectl_is_where_one_is(shell: Shell) -> None:
    shell.ws("create", "kube", "--enter")
    shell.kubectl("create", "configmap", "here")
    assert "configmap/here" in shell.kubectl("get", "configmaps", "-o", "name")
    shell.ws("..")
    assert "configmap/here" not in shell.kubectl("get", "configmaps", "-o", "name")


def test_by_host_it_leads_to_the_same_place(shell: Shell) -> None:
    shell.ws("create", "hosted", "--enter")
    shell.ws("create", "deep", "--enter", "--by-host")
    shown = json.loads(shell.ws("current", "-o", "json"))
    assert shown["path"] == "root:hosted:deep"
    assert shown["server"].startswith("https://deep.hosted.localhost:")
    assert shell.ws("list") == "NAME  TYPE  PHASE\n"
    assert shell.ws("..") == "Current workspace is 'root:hosted' (type root:universal).\n"


def test_tree_and_list_show_what_is_below(shell: Shell) -> None:
    shell.ws("create", "forest", "--type", "root:organization", "--enter")
    for name in ("ash", "birch"):
        shell.ws("create", name)
    shell.ws("ash")
    shell.ws("create", "leaf")
    assert shell.ws("tree", "..") == ".\n└── forest\n    ├── ash\n    │   └── leaf\n    └── birch\n"
    assert shell.ws("list") == "NAME  TYPE            PHASE\nleaf  root:universal  Ready\n"
    assert json.loads(shell.ws("list", "-o", "json"))["kind"] == "WorkspaceList"
    found = json.loads(shell.ws("tree", "-o", "json"))
    assert [child["path"] for child in found["children"]] == ["root:forest:ash:leaf"]


def test_create_minds_what_is_there(shell: Shell) -> None:
    shell.ws("create", "twice")
    assert "already exists" in shell.refused("create", "twice")
    assert shell.ws("create", "twice", "--ignore-existing").endswith("already exists.\n")
    shell.ws("create", "twice", "--ignore-existing", "--type", "root:universal")
    assert shell.refused("create", "twice", "--ignore-existing", "--type", "root:organization") == (
        'workspace "twice" cannot be created with type root:organization, '
        "it already exists with different type root:universal"
    )
    assert shell.refused("create", "twice", "--ignore-existing", "--type", "team", code=2) == (
        "--ignore-existing must not be used with non-absolute type path"
    )


def test_contexts_of_their_own(shell: Shell) -> None:
    assert shell.ws("create", "ctx", "--create-context", "mine").endswith('Created context "mine".\n')
    assert shell.ws("current", "--short") == "root\n"
    assert "already exists in kubeconfig" in shell.refused("create-context", "mine")
    assert shell.ws("create-context") == 'Created context "root" and switched to it.\n'
    assert shell.ws("create-context", "mine", "--overwrite") == 'Updated context "mine" and switched to it.\n'


def test_delete_spares_what_is_below_and_where_one_is(shell: Shell) -> None:
    shell.ws("create", "old", "--enter")
    shell.ws("create", "young")
    assert shell.refused("delete", ".").startswith('you are in "root:old"; leave it first')
    shell.ws("..")
    assert "has workspaces below it (young)" in shell.refused("delete", "old")
    assert shell.ws("delete", "old", "--recursive") == 'Workspace "root:old" deleted.\n'
    assert shell.refused("old") == 'workspace "root:old" not found'
    assert shell.refused("delete", ":root") == "the root cannot be deleted"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["nobody"], 1, 'workspace "root:nobody" not found'),
        (["use"], 2, "ws use needs the name of a workspace"),
        (["tree", "a", "b"], 2, "ws tree: 'b' is one name too many"),
        (["tree", "--enter"], 2, "ws tree has no --enter"),
        ([".."], 1, "cannot go up from root"),
        (["a%2fb"], 1, "invalid workspace path: a%2fb"),
        (["-"], 1, "no previous workspace found in kubeconfig"),
        (["~"], 1, "there are no home workspaces here; name one, e.g. :root:team"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(shell: Shell, words: list[str], code: int, text: str) -> None:
    before = shell.path.read_text()
    assert shell.refused(*words, code=code) == text
    assert shell.path.read_text() == before


def test_without_a_server_it_says_so(shell: Shell, tmp_path: Path) -> None:
    lonely = shell.path.read_text().replace("server: https://127.0.0.1:", "server: https://127.0.0.1:1 #")
    shell.path.write_text(lonely)
    assert "does not answer" in shell.refused("tree")
    shell.path = tmp_path / "none"
    assert "there is no" in shell.refused("tree")
