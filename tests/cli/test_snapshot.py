"""`wherry snapshot`: a control plane goes into a file while it runs, and out of it again."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.cli.test_up import WHERRY, up

from wherry.cli import main


def kubectl(folder: Path, *words: str) -> str:
    command = [*WHERRY, "kubectl", "--kubeconfig", str(folder / ".wherry/kubeconfig"), *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A snapshot, and the uid and revision of something in it."""
    folder = tmp_path_factory.mktemp("plane")
    with up(folder):
        kubectl(folder, "create", "configmap", "kept", "--from-literal=a=1")
        facts = kubectl(folder, "get", "configmap", "kept", "-o", FACTS)
    file = folder / "all.tgz"
    assert main(["snapshot", "save", str(file), "--data", str(folder / ".wherry")]) == 0
    return file, facts


FACTS = "jsonpath={.metadata.uid} {.metadata.resourceVersion}"


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["snapshot", *words]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_what_was_saved_comes_back_uids_and_revisions_included(
    saved: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, facts = saved
    data = tmp_path / ".wherry"
    assert main(["snapshot", "restore", str(file), "--data", str(data)]) == 0
    capsys.readouterr()
    with up(tmp_path):
        assert kubectl(tmp_path, "get", "configmap", "kept", "-o", FACTS) == facts
        assert "is in use" in refused(capsys, "save", str(tmp_path / "s"), "--data", str(data))
    assert data.stat().st_mode & 0o077 == 0
    assert file.stat().st_mode & 0o077 == 0


def test_nothing_is_overwritten(saved: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, _ = saved
    assert "exists already" in refused(capsys, "save", str(file), "--data", str(file.parent / ".wherry"))
    (tmp_path / "mine").write_text("x")
    assert "is not empty" in refused(capsys, "restore", str(file), "--data", str(tmp_path))
    assert "holds no control plane" in refused(capsys, "save", str(tmp_path / "s"), "--data", str(tmp_path))


def rewritten(file: Path, target: Path, change: dict[str, bytes]) -> None:
    """A copy in which some files are others."""
    with tarfile.open(file) as old, tarfile.open(target, "w:gz") as new:
        for member in old:
            body = old.extractfile(member).read()  # type: ignore[union-attr]
            body = change.get(member.name, body)
            member.size = len(body)
            new.addfile(member, io.BytesIO(body))


def contents(**more: object) -> bytes:
    return json.dumps(
        {"kind": "wherry-snapshot", "version": 1, "format": 1, "taken": "t", "files": [], **more}
    ).encode()


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"token": b"x" * 40}, "does not hold what it lists"),
        ({"contents.json": b"{}"}, "is no snapshot of Wherry"),
        ({"contents.json": contents(version=2)}, "was written by a newer Wherry"),
        (
            {"contents.json": contents(files=[{"name": "../up", "size": 1, "sha256": ""}])},
            "does not hold what it lists",
        ),
    ],
)
def test_what_is_no_snapshot_leaves_nothing(
    saved: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, bytes], text: str
) -> None:
    rewritten(saved[0], tmp_path / "bad.tgz", change)
    assert text in refused(capsys, "restore", str(tmp_path / "bad.tgz"), "--data", str(tmp_path / "data"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tgz"]


def test_a_damaged_or_cut_file_leaves_nothing(
    saved: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.tgz"
    bad.write_bytes(saved[0].read_bytes()[:-2000])
    assert "cut off" in refused(capsys, "restore", str(bad), "--data", str(tmp_path / "data"))
    plain = bytearray(gzip.decompress(saved[0].read_bytes()))
    plain[len(plain) // 2] ^= 1
    bad.write_bytes(gzip.compress(bytes(plain), 1))
    assert "is damaged" in refused(capsys, "restore", str(bad), "--data", str(tmp_path / "data"))
    bad.write_bytes(b"nothing of the kind")
    assert "is no snapshot" in refused(capsys, "restore", str(bad), "--data", str(tmp_path / "data"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.tgz"]
