"""Paths of workspaces as they are typed, and URLs that lead to them."""

from __future__ import annotations

import pytest

from wherry.cli.ws.place import BadPath, Place, place_of, resolve


@pytest.mark.parametrize(
    ("asked", "path"),
    [
        (":", "root"),
        (":root", "root"),
        (":root:x:y", "root:x:y"),
        ("c", "root:a:b:c"),
        ("c:d", "root:a:b:c:d"),
        ("c/d/", "root:a:b:c:d"),
        (".", "root:a:b"),
        (".:c", "root:a:b:c"),
        ("..", "root:a"),
        ("../..", "root"),
        ("..:x:.:y", "root:a:x:y"),
        (":2a1b3c4d", "2a1b3c4d"),
    ],
)
def test_paths_are_read_as_by_cd(asked: str, path: str) -> None:
    assert resolve(asked, "root:a:b") == path


@pytest.mark.parametrize("asked", ["..:..:..", ":..", "A", "a b", "a::b", "*", "-x", "a:%2e%2e", ":root:", "a\n"])
def test_bad_paths_are_refused(asked: str) -> None:
    if asked == ":root:":
        assert resolve(asked, "root:a:b") == "root"  # as a folder's name may end in a slash
        return
    with pytest.raises(BadPath):
        resolve(asked, "root:a:b")


@pytest.mark.parametrize(
    ("server", "base", "path"),
    [
        ("https://127.0.0.1:6443", "https://127.0.0.1:6443", "root"),
        ("https://127.0.0.1:6443/", "https://127.0.0.1:6443", "root"),
        ("https://h:1/clusters/root:a", "https://h:1", "root:a"),
        ("https://h:1/clusters/root:a/", "https://h:1", "root:a"),
        ("https://h/behind/a/proxy/clusters/x1", "https://h/behind/a/proxy", "x1"),
        ("https://app.team.localhost:6443", "https://127.0.0.1:6443", "root:team:app"),
        ("https://root.localhost", "https://127.0.0.1", "root"),
        ("https://[::1]:6443/clusters/root:a", "https://[::1]:6443", "root:a"),
    ],
)
def test_a_servers_url_says_which_workspace_it_shows(server: str, base: str, path: str) -> None:
    assert place_of(server) == Place(base, path)


def test_a_place_by_host_leads_back_to_itself() -> None:
    here = Place("https://127.0.0.1:6443", "root:team")
    for path in ("root", "root:team", "root:team:app"):
        assert place_of(here.host_url(path)) == Place(here.base, path)
