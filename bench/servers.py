"""Starting and stopping the servers that are compared, each on free loopback ports with a folder of its own.

All are measured with durable writes (fsync before the answer) and with authorization by RBAC rules.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bench.http import Target

TOKEN = "bench-" + "0123456789abcdef" * 2
START_LIMIT = 120.0


@dataclass
class Started:
    """A running server, and how long it took until it was ready."""

    name: str
    target: Target
    start_seconds: float


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.asynccontextmanager
async def wherry() -> AsyncIterator[Started]:
    """`wherry up` with its data in a folder, in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="bench-wherry-") as text:
        folder, port = Path(text), free_port()
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        command = [sys.executable, "-m", "wherry", "up", "--data", f"{folder}/data", "--port", str(port)]
        command += ["--kubeconfig", f"{folder}/kubeconfig", "--token-auth-file", f"{folder}/tokens.csv"]
        _compile()
        async with _running([command], port, folder) as (pids, seconds):
            yield Started("wherry", Target(f"https://127.0.0.1:{port}", TOKEN, pids), seconds)


@functools.cache
def _compile() -> None:
    """Bytecode, as an installed package has it: a first start from sources would measure the compiler."""
    package = importlib.util.find_spec("wherry")
    assert package is not None
    places = package.submodule_search_locations or []
    subprocess.run([sys.executable, "-m", "compileall", "-q", *places], env=_environment(), check=True, timeout=120)


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@contextlib.asynccontextmanager
async def kube(binaries: Path) -> AsyncIterator[Started]:
    """kube-apiserver with etcd, from a folder like KUBEBUILDER_ASSETS."""
    with tempfile.TemporaryDirectory(prefix="bench-kube-") as text:
        folder, port = Path(text), free_port()
        client, peer = f"http://127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}"
        _service_account_key(folder / "sa.key")
        (folder / "tokens.csv").write_text(f'{TOKEN},admin,admin,"system:masters"\n')
        etcd = [str(binaries / "etcd"), "--data-dir", f"{folder}/etcd", "--log-level", "error"]
        etcd += ["--listen-client-urls", client, "--advertise-client-urls", client]
        etcd += [
            "--listen-peer-urls",
            peer,
            "--initial-advertise-peer-urls",
            peer,
            "--initial-cluster",
            f"default={peer}",
        ]
        server = [str(binaries / "kube-apiserver"), "--etcd-servers", client, "--secure-port", str(port)]
        server += ["--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--cert-dir", f"{folder}/certs"]
        server += ["--service-cluster-ip-range", "10.0.0.0/24", "--service-account-issuer", "https://127.0.0.1"]
        server += [
            "--service-account-signing-key-file",
            f"{folder}/sa.key",
            "--service-account-key-file",
            f"{folder}/sa.key",
        ]
        server += ["--token-auth-file", f"{folder}/tokens.csv", "--authorization-mode", "RBAC"]
        server += ["--endpoint-reconciler-type", "none"]
        async with _running([etcd, server], port, folder) as (pids, seconds):
            yield Started("kube-apiserver + etcd", Target(f"https://127.0.0.1:{port}", TOKEN, pids), seconds)


def _service_account_key(path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(65537, 2048)
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )


@contextlib.asynccontextmanager
async def _running(commands: list[list[str]], port: int, folder: Path) -> AsyncIterator[tuple[list[int], float]]:
    """Start the commands in order, wait until /readyz says yes, stop them in reverse order afterwards."""
    processes: list[subprocess.Popen[bytes]] = []
    logs = [folder / f"log-{number}.txt" for number in range(len(commands))]
    begin = time.perf_counter()
    try:
        for command, log in zip(commands, logs, strict=True):
            with log.open("wb") as file:
                process = subprocess.Popen(
                    command, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=_environment()
                )
            processes.append(process)
        await _ready(Target(f"https://127.0.0.1:{port}", TOKEN), processes, logs)
        yield [process.pid for process in processes], time.perf_counter() - begin
    finally:
        for process in reversed(processes):
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(15)


async def _ready(target: Target, processes: list[subprocess.Popen[bytes]], logs: list[Path]) -> None:
    end = time.monotonic() + START_LIMIT
    request = target.request("GET", "/readyz")
    while True:
        for process, log in zip(processes, logs, strict=True):
            if process.poll() is not None or time.monotonic() > end:
                tail = log.read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{process.args!r} did not become ready (exit code {process.poll()}):\n{tail}")
        try:
            connection = await target.connect()
            status, _ = await asyncio.wait_for(connection.ask(request), 10)
            connection.close()
            if status == 200:
                return
        except (OSError, TimeoutError):
            pass
        await asyncio.sleep(0.005)
