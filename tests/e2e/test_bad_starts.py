"""Starts that cannot succeed end with code 1 and one line that says why."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def start(folder: Path) -> str:
    command = [sys.executable, "-m", "wherry", "up", "--port", "0", "--data", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("wherry: ")
    return done.stderr


def test_a_folder_of_a_newer_version(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("999\n")
    assert "newer" in start(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["format"]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert "file" in start(tmp_path / "file" / "data")
