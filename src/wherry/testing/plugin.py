"""The pytest plugin: a true Kubernetes API as a fixture.

pytest loads this module in every run, so it imports nothing of Wherry until a test asks for a fixture.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from wherry.testing.harness import Harness
    from wherry.testing.workspace import Workspace

KEPT = ".wherry-kept"
_READ_AT_IMPORT = ("kubernetes.config.kube_config", "kubernetes_asyncio.config.kube_config")
_FAILED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("wherry")
    group.addoption(
        "--wherry-keep",
        nargs="?",
        const=KEPT,
        metavar="FOLDER",
        help=f"keep the workspaces of failed tests in a folder ({KEPT}) for `wherry up --data`",
    )
    parser.addini("wherry_manifests", "folders and files that every workspace begins with", type="paths", default=[])
    parser.addini("wherry_features", "features that do not run by default, such as workloads", type="args", default=[])
    parser.addini("wherry_simulate_nodes", "how many nodes to simulate", default="0")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        "wherry(manifests=[...]): the workspace of this test begins with these folders, files or texts, too",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    report = yield
    workspace = _workspace_of(item)
    if report.when == "call" and report.failed and workspace is not None:
        item.stash[_FAILED] = True
        lines = workspace.difference()
        if lines:
            report.sections.append((f"changes in {workspace.path}", "\n".join(lines)))
        traffic = [f"{r.status} {r.verb} {r.path}" for r in workspace.traffic][-30:]
        if traffic:
            report.sections.append((f"last requests to {workspace.path}", "\n".join(traffic)))
        if keep := _kept_in(item.config):
            report.sections.append(("kept", f"{workspace.path}: look at it with `wherry up --data {keep}`"))
    return report


def _kept_in(config: pytest.Config) -> Path | None:
    """The data folder of this process, when there is one."""
    keep = config.getoption("--wherry-keep")
    return Path(keep).absolute() / os.environ.get("PYTEST_XDIST_WORKER", "main") if keep else None


def _workspace_of(item: pytest.Item) -> Workspace | None:
    """The test's; somebody else may have a fixture of this name."""
    found: Any = getattr(item, "funcargs", {}).get("workspace")
    return found if type(found).__module__ == "wherry.testing.workspace" else None


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """The control plane of this run (with pytest-xdist of this worker): in memory, without a port until someone asks
    for one. A `wherry.testing.harness.Harness`."""
    from wherry.testing.harness import Harness

    config = request.config
    found = Harness(
        data_dir=_kept_in(config),
        features=config.getini("wherry_features"),
        simulate_nodes=int(config.getini("wherry_simulate_nodes")),
    )
    found.start()
    yield found
    found.stop()


@pytest.fixture
def workspace(
    request: pytest.FixtureRequest, control_plane: Harness, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """A Kubernetes API for this test alone: a workspace that is fresh, or a fork of one to which the manifests of the
    ini file and of the marker `wherry` were applied. A `wherry.testing.workspace.Workspace`."""
    manifests = [*request.config.getini("wherry_manifests")]
    for marker in reversed(list(request.node.iter_markers("wherry"))):
        manifests += marker.kwargs.get("manifests", ())
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower()).strip("-")[:40].strip("-")
    found = control_plane.workspace(name, tmp_path_factory.getbasetemp(), manifests)
    yield found
    if _kept_in(request.config) and request.node.stash.get(_FAILED, False):
        control_plane.front.forget(found.path)
    else:
        control_plane.remove(found)


@pytest.fixture
def kubeconfig(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a kubeconfig whose only context is the test's workspace; `KUBECONFIG` names it meanwhile, also for
    the libraries that read the variable when they are imported."""
    path = workspace.kubeconfig
    monkeypatch.setenv("KUBECONFIG", str(path))
    for name in _READ_AT_IMPORT:
        if name in sys.modules:
            monkeypatch.setattr(sys.modules[name], "KUBE_CONFIG_DEFAULT_LOCATION", str(path), raising=False)
    return path


from wherry.testing.clients import (  # noqa: E402 - fixtures are found by their names in this module
    kr8s_api,
    kubernetes_asyncio_client,
    kubernetes_client,
    lightkube_client,
    pykube_api,
)

__all__ = [
    "control_plane",
    "kr8s_api",
    "kubeconfig",
    "kubernetes_asyncio_client",
    "kubernetes_client",
    "lightkube_client",
    "pykube_api",
    "workspace",
]
