"""The plugin in test runs of its own: with xdist, with warnings as errors, with failures.

Nothing of Wherry runs in this process here: `pytester` forgets what was imported during a test, and then classes would
be there twice.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import wherry

pytest_plugins = ["pytester"]

TESTS = """
import pytest
from wherry.client import Kind

MAPS = Kind("", "v1", "configmaps")

@pytest.mark.parametrize("n", range(12))
def test_alone(workspace, n):
    client = workspace.client()
    assert client.list(MAPS, "default")["items"] == []
    client.create(MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}, "default")

def test_served(kubernetes_client):
    from kubernetes.client import VersionApi
    assert VersionApi(kubernetes_client).get_code().major == "1"
"""
FAILING = """
from wherry.client import Kind

def test_that_fails(workspace):
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "left"}, "data": {"x": "1"}}
    workspace.client().create(Kind("", "v1", "configmaps"), body, "default")
    assert False

def test_that_passes(workspace):
    pass
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """pytest in a process of its own, which takes every warning for an error."""
    source = str(Path(wherry.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (source, os.environ.get("PYTHONPATH")))))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)
    monkeypatch.setenv("PYTEST_PLUGINS", "wherry.testing.plugin")

    def run(text: str, *arguments: str) -> pytest.RunResult:
        pytester.makepyfile(text)
        # pytest-asyncio would warn of settings that a folder of its own does not have
        options = ("-W", "error", "-p", "no:cacheprovider", "-p", "no:asyncio")
        return pytester.runpytest_subprocess(*options, *arguments, timeout=120)

    return run


@pytest.mark.parametrize("workers", ["0", "4"])
def test_tests_do_not_see_each_other_and_nothing_leaks(run, workers: str) -> None:  # type: ignore[no-untyped-def]
    result = run(TESTS, "-n", workers)
    result.assert_outcomes(passed=13)


def test_a_failure_shows_what_changed_and_what_was_asked(run) -> None:  # type: ignore[no-untyped-def]
    result = run(FAILING)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "*changes in root:test-that-fails-1*",
            "+ ConfigMap default/left",
            "*+  x: '1'",
            "*last requests to root:test-that-fails-1*",
            "201 create /api/v1/namespaces/default/configmaps",
        ]
    )


LOOK = """
from pathlib import Path

import pytest
from wherry import ControlPlane
from wherry.client import Kind
from wherry.errors import NotFound

MAPS = Kind("", "v1", "configmaps")

def test_look():
    with ControlPlane(data_dir=Path("kept/main")) as cp:
        assert cp.client("root:test-that-fails-1").get(MAPS, "left", "default")["data"] == {"x": "1"}
        with pytest.raises(NotFound):
            cp.client("root:test-that-passes-2").list(MAPS, "default")
"""


def test_what_a_failed_test_left_is_kept(run) -> None:  # type: ignore[no-untyped-def]
    result = run(FAILING, "--wherry-keep", "kept")
    result.stdout.fnmatch_lines(["root:test-that-fails-1: look at it with `wherry up --data *kept/main`"])
    run(LOOK, "-k", "test_look").assert_outcomes(passed=1)


def test_an_ini_file_says_what_every_workspace_begins_with(run, pytester: pytest.Pytester) -> None:  # type: ignore[no-untyped-def]
    pytester.makeini("[pytest]\nwherry_manifests = deploy\n")
    (pytester.path / "deploy").mkdir()
    (pytester.path / "deploy/map.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: always}\n")
    result = run(
        "from wherry.client import Kind\n"
        "def test_x(workspace):\n"
        "    assert workspace.client().get(Kind('', 'v1', 'configmaps'), 'always', 'default')\n"
    )
    result.assert_outcomes(passed=1)


def test_runs_that_ask_for_nothing_import_nothing(run) -> None:  # type: ignore[no-untyped-def]
    result = run(
        "import sys\n"
        "def test_x():\n"
        "    ours = {m for m in sys.modules if m.startswith('wherry.')}\n"
        "    assert {m for m in ours if not m.startswith(('wherry.testing', 'wherry.kit'))} == set()\n"
    )
    result.assert_outcomes(passed=1)
