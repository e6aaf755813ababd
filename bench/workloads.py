"""Rollouts on simulated nodes: how long until so many pods in so many Deployments are ready, and what CPU it takes.

python -m bench.workloads                                # 1,000 Deployments of 10 pods on 20 simulated nodes
python -m bench.workloads --deployments 100 --json out.json
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.http import Target
from bench.procfs import cpu_seconds, memory_mib
from bench.servers import TOKEN, free_port

_CONNECTIONS = 8
_LOOK_EVERY = 1.0  # seconds between looks: a list of a thousand deployments is not free
_LIMIT = 900.0


def deployment(number: int, replicas: int) -> bytes:
    name = f"app-{number}"
    container = {"name": "app", "image": "registry.example/app:1", "resources": {"requests": {"cpu": "10m"}}}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "template": template}
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
    return json.dumps(obj).encode()


async def create_all(target: Target, count: int, replicas: int) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        connection = await target.connect()
        for number in numbers:
            path = "/apis/apps/v1/namespaces/default/deployments"
            status, body = await connection.ask(target.request("POST", path, deployment(number, replicas)))
            if status != 201:
                raise RuntimeError(f"deployment {number}: HTTP {status}: {body[:300]!r}")
        connection.close()

    await asyncio.gather(*(worker() for _ in range(_CONNECTIONS)))


async def until_ready(target: Target, count: int, replicas: int) -> None:
    """Look at the deployments until every one has all its replicas available."""
    connection = await target.connect()
    request = target.request("GET", "/apis/apps/v1/namespaces/default/deployments")
    end = time.monotonic() + _LIMIT
    while time.monotonic() < end:
        _, body = await connection.ask(request)
        items = json.loads(body)["items"]
        ready = sum((item.get("status") or {}).get("availableReplicas", 0) == replicas for item in items)
        if ready == count:
            connection.close()
            return
        print(f"  {ready}/{count}", file=sys.stderr, flush=True)
        await asyncio.sleep(_LOOK_EVERY)
    raise RuntimeError(f"not ready after {_LIMIT:.0f} s")


async def started(target: Target, process: subprocess.Popen[bytes]) -> None:
    """Until the nodes are there."""
    while process.poll() is None:
        try:
            connection = await target.connect()
            _, body = await connection.ask(target.request("GET", "/api/v1/nodes"))
            connection.close()
            if json.loads(body).get("items"):
                await asyncio.sleep(1)
                return
        except OSError:
            pass
        await asyncio.sleep(0.05)
    raise RuntimeError("wherry did not start")


async def measure(args: argparse.Namespace) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="bench-workloads-") as text:
        folder, port = Path(text), free_port()
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        command = [sys.executable, "-m", "wherry", "up", "--port", str(port), "--kubeconfig", f"{folder}/kubeconfig"]
        command += ["--token-auth-file", f"{folder}/tokens.csv", "--simulate-nodes", str(args.nodes)]
        command += ["--in-memory"] if args.in_memory else ["--data", f"{folder}/data"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            target = Target(f"https://127.0.0.1:{port}", TOKEN, [process.pid])
            await started(target, process)
            cpu, begin = cpu_seconds(target.pids), time.perf_counter()
            await create_all(target, args.deployments, args.replicas)
            created = time.perf_counter() - begin
            await until_ready(target, args.deployments, args.replicas)
            wall, used = time.perf_counter() - begin, cpu_seconds(target.pids) - cpu
            idle = cpu_seconds(target.pids)
            await asyncio.sleep(args.idle)
            resting = (cpu_seconds(target.pids) - idle) / args.idle if args.idle else 0.0
            pods = args.deployments * args.replicas
            return {
                "pods": pods,
                "created, s": round(created, 2),
                "ready, s": round(wall, 2),
                "CPU, s": round(used, 2),
                "CPU per pod, ms": round(used / pods * 1000, 3),
                "CPU afterwards, share of a core": round(resting, 4),
                "memory at peak, MiB": round(memory_mib(target.pids)["peak"], 1),
            }
        finally:
            process.terminate()
            process.wait(30)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.workloads", description="Measure rollouts.")
    parser.add_argument("--deployments", type=int, default=1000)
    parser.add_argument("--replicas", type=int, default=10)
    parser.add_argument("--nodes", type=int, default=20)
    parser.add_argument("--in-memory", action="store_true", help="keep nothing; the default is durable writes")
    parser.add_argument("--idle", type=float, default=5.0, help="seconds to look at the CPU of doing nothing")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    figures = asyncio.run(measure(args))
    for name, value in figures.items():
        print(f"{name:34} {value:>12,}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
