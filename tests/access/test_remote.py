"""Kubeconfigs of webhooks: where they lead, what is shown there, and what is wrong with them."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.access.remote import KubeconfigError, target_of_kubeconfig


def write(folder: Path, cluster: dict[str, Any], user: dict[str, Any] | None = None, **more: Any) -> Path:
    path = folder / "kubeconfig"
    config = {
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
        **more,
    }
    path.write_text(yaml.safe_dump(config))
    return path


def test_the_server_and_its_path(tmp_path: Path) -> None:
    target = target_of_kubeconfig(write(tmp_path, {"server": "https://r.example:8443/review?a=b"}))
    assert (target.host, target.port, target.path) == ("r.example", 8443, "/review?a=b")
    assert target.url == "https://r.example:8443/review?a=b"
    assert (target.server_name, target.plain, target.unverified, target.headers) == ("r.example", False, False, "")


def test_what_is_shown_there(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_bytes(b"CA")
    (tmp_path / "token").write_text("secret\n")
    cluster = {"server": "https://r", "certificate-authority": "ca.pem", "tls-server-name": "other"}
    data = {key: base64.b64encode(value).decode() for key, value in (("cert", b"CERT"), ("key", b"KEY"))}
    user = {"tokenFile": "token", "client-certificate-data": data["cert"], "client-key-data": data["key"]}
    target = target_of_kubeconfig(write(tmp_path, cluster, user))
    assert (target.authorities, target.server_name, target.identity) == (b"CA", "other", b"CERT\nKEY")
    assert target.headers == "Authorization: Bearer secret\r\n"
    basic = target_of_kubeconfig(write(tmp_path, {"server": "http://r"}, {"username": "a", "password": "b"}))
    assert (basic.headers, basic.plain, basic.port) == ("Authorization: Basic YTpi\r\n", True, 80)


@pytest.mark.parametrize(
    ("cluster", "user", "why"),
    [
        ({}, {}, "the cluster has no server"),
        ({"server": "ftp://r"}, {}, "the cluster has no server"),
        ({"server": "https://r", "certificate-authority": "nowhere"}, {}, "nowhere"),
        ({"server": "https://r", "certificate-authority-data": "!"}, {}, "kubeconfig"),
        ({"server": "https://r"}, {"token": "a\r\nX-Remote-User: root"}, "cannot be a header"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any], why: str) -> None:
    with pytest.raises(KubeconfigError, match=why):
        target_of_kubeconfig(write(tmp_path, cluster, user))


@pytest.mark.parametrize("text", ["", "[]", "a: [", "clusters: 7"])
def test_a_file_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "k").write_text(text)
    with pytest.raises(KubeconfigError):
        target_of_kubeconfig(tmp_path / "k")
