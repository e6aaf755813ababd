"""The shell sessions of a page, run as they stand there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from pathlib import Path

from tests.cli.test_up import WHERRY

DOCS = Path(__file__).parents[2] / "docs"
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.M | re.S)


def session(page: str, folder: Path, kubeconfig: Path) -> str:
    """What the ```sh blocks of a page print, one after the other in one shell that ends at the first failure."""
    command = folder / "bin/wherry"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {shlex.join(WHERRY)} "$@"\n')
    command.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "KUBECONFIG": str(kubeconfig),
        "KUBECACHEDIR": str(folder / "cache"),
    }
    script = "set -eu\n" + "".join(_BLOCK.findall((DOCS / page).read_text("utf-8")))
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
