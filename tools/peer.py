"""Keep a real kube-apiserver with etcd running, for comparisons, and write a kubeconfig for it.

    python -m tools.peer FOLDER_WITH_BINARIES KUBECONFIG [--controllers]

The folder holds `kube-apiserver` and `etcd`, as KUBEBUILDER_ASSETS does, and with `--controllers` also
`kube-controller-manager`. All run until they are interrupted, on free ports, with a data folder of their own that is
gone afterwards. The conformance suite (`make conformance SERVER=KUBECONFIG`) and tools/differential.py take the
kubeconfig.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import tempfile
from pathlib import Path

import yaml
from bench.servers import TOKEN, free_port, kube

from tools.targets import address


def controller_manager(binary: Path, kubeconfig: Path, folder: Path) -> subprocess.Popen[bytes]:
    """The controllers of a whole cluster, which know no cloud and no nodes."""
    command = [str(binary), "--kubeconfig", str(kubeconfig), "--leader-elect=false", "--cert-dir", str(folder)]
    command += ["--secure-port", str(free_port()), "--bind-address", "127.0.0.1"]
    command += ["--root-ca-file", str(_certificate(folder))]
    with (folder / "log.txt").open("wb") as log:
        return subprocess.Popen(command, stdout=log, stderr=log, stdin=subprocess.DEVNULL)


def _certificate(folder: Path) -> Path:
    """An authority for `kube-root-ca.crt`."""
    from wherry.kit.pki import Pki

    path = folder / "ca.crt"
    path.write_bytes(Pki(None).authority)
    return path


async def main(binaries: Path, path: Path, controllers: bool) -> None:
    async with kube(binaries) as started:
        path.write_text(yaml.safe_dump(address(started.target.url, TOKEN)))
        print(f"{started.name} is ready at {started.target.url}; kubeconfig: {path}", flush=True)
        stop = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        if not controllers:
            await stop.wait()
            return
        with tempfile.TemporaryDirectory(prefix="peer-") as folder:
            manager = controller_manager(binaries / "kube-controller-manager", path, Path(folder))
            await stop.wait()
            manager.terminate()
            manager.wait(15)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("binaries", type=Path)
    parser.add_argument("kubeconfig", type=Path)
    parser.add_argument("--controllers", action="store_true", help="with kube-controller-manager")
    options = parser.parse_args()
    asyncio.run(main(options.binaries, options.kubeconfig, options.controllers))
