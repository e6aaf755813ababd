"""The kubeconfig that a start writes: what `wherry ws` put there leads on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.cli.ws.contexts import CURRENT, PREVIOUS, Contexts
from wherry.controlplane import kubeconfig
from wherry.kit.pki import KeyPair


def rendered(port: int, authority: bytes = b"ca") -> str:
    client = KeyPair(b"certificate", b"key")
    return kubeconfig.render(server=f"https://127.0.0.1:{port}", authority=authority, client=client, token="t")


def servers(path: Path) -> dict[str, Any]:
    return {each["name"]: each["cluster"]["server"] for each in yaml.safe_load(path.read_text())["clusters"]}


@pytest.fixture
def walked(tmp_path: Path) -> Path:
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, rendered(1))
    Contexts(path).go("https://127.0.0.1:1/clusters/root:a")
    Contexts(path).go("https://b.a.localhost:1")
    return path


def test_where_one_was_is_kept_under_the_new_address(walked: Path) -> None:
    kubeconfig.write(walked, rendered(2, b"new"), keep=True)
    assert servers(walked) == {
        "wherry": "https://127.0.0.1:2",
        CURRENT: "https://b.a.localhost:2",
        PREVIOUS: "https://127.0.0.1:2/clusters/root:a",
    }
    config = yaml.safe_load(walked.read_text())
    assert config["current-context"] == CURRENT
    assert len({each["cluster"]["certificate-authority-data"] for each in config["clusters"]}) == 1


def test_somebody_elses_server_is_left_alone(walked: Path) -> None:
    Contexts(walked).add("far", "https://far.example.com:1", overwrite=False, enter=False)
    kubeconfig.write(walked, rendered(2), keep=True)
    assert servers(walked)["far"] == "https://far.example.com:1"


@pytest.mark.parametrize("before", ["", "workspace.kcp.io/", "clusters: [workspace.kcp.io/]", "{"])
def test_what_is_no_kubeconfig_of_ours_is_replaced(tmp_path: Path, before: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(before)
    kubeconfig.write(path, rendered(2), keep=True)
    assert path.read_text() == rendered(2)


def test_a_plane_that_forgets_everything_keeps_no_place(walked: Path) -> None:
    kubeconfig.write(walked, rendered(2))
    assert walked.read_text() == rendered(2)
