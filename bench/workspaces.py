"""Ten thousand workspaces in one process: made, filled, listed while others churn, found after a restart, deleted.

python -m bench.workspaces                        # 10,000, each with 5 definitions and 20 objects
python -m bench.workspaces --count 1000 --json out.json
python -m bench.workspaces --empty                # without filling them
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.http import Target
from bench.measure import Pool, Result, run
from bench.objects import configmap, definition, dump
from bench.procfs import cpu_seconds, memory_mib
from bench.servers import TOKEN, free_port

WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
MAPS = "/api/v1/namespaces/default/configmaps"
FIRST = 99_999  # a workspace that is made before the others
QUIET_SECONDS = 8.0  # until the controllers of a new workspace sleep
BATCH = 500  # workspaces that are filled between two looks


class Server:
    """`wherry up` over a data folder, which can be started again."""

    def __init__(self, folder: Path):
        self._folder, self._port = folder, free_port()
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> float:
        """Seconds until it says that it is ready."""
        command = [sys.executable, "-m", "wherry", "up", "--port", str(self._port), "--data", f"{self._folder}/data"]
        command += ["--kubeconfig", f"{self._folder}/kubeconfig", "--token-auth-file", f"{self._folder}/tokens.csv"]
        begin = time.perf_counter()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        return time.perf_counter() - begin

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(60)
            self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def target(self) -> Target:
        return Target(f"https://127.0.0.1:{self._port}", TOKEN, [self.pid])

    def memory_kib(self) -> float:
        return memory_mib([self.pid])["now"] * 1024


def name(number: int) -> str:
    return f"ws-{number:05d}"


def workspace(number: int) -> bytes:
    body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name(number)}}
    return dump(body)


def contents(target: Target, number: int, definitions: int, objects: int) -> Iterator[list[bytes]]:
    """The requests that fill a workspace, in two steps: what is of a kind needs the kind."""
    place = f"/clusters/root:{name(number)}"
    plurals = [f"things{each}" for each in range(definitions)]
    yield [target.request("POST", place + CRDS, dump(definition(p, f"Thing{n}"))) for n, p in enumerate(plurals)]
    bodies = [configmap("default", f"cm-{each}", each) for each in range(objects)]
    yield [target.request("POST", place + MAPS, dump(body)) for body in bodies]


async def fill(target: Target, numbers: range, definitions: int, objects: int, concurrency: int) -> tuple[float, int]:
    """(seconds, writes)."""
    pool = Pool(target)
    begin, writes = time.perf_counter(), 0
    for step in range(2):
        requests: list[bytes] = []
        for number in numbers:
            requests += list(contents(target, number, definitions, objects))[step]
        result = await run(pool, f"filling {numbers.start}", concurrency, requests)
        if result.errors:
            raise RuntimeError(result.note)
        writes += result.operations
    pool.close()
    return time.perf_counter() - begin, writes


async def calm(server: Server) -> None:
    """Wait until nothing is done in the background: the controllers sleep and the collector has been round."""
    await asyncio.sleep(QUIET_SECONDS)
    while True:
        cpu = cpu_seconds([server.pid])
        await asyncio.sleep(1.0)
        if cpu_seconds([server.pid]) - cpu < 0.1:
            return


async def listed(target: Target, count: int, busy: bool) -> Result:
    """Lists in one workspace, alone or while eight connections write into the others."""
    pool = Pool(target)
    path = f"/clusters/root:{name(0)}{MAPS}"
    stop = False

    async def churn(worker: int) -> None:
        other = Pool(target)
        turn = 0
        while not stop:
            where = f"/clusters/root:{name(1 + (worker + 8 * turn) % (count - 1))}{MAPS}"
            body = dump(configmap("default", f"churn-{worker}-{turn}", turn))
            await other.ask(target.request("POST", where, body))
            turn += 1
        other.close()

    workers = [asyncio.create_task(churn(worker)) for worker in range(8)] if busy else []
    result = await run(pool, "busy" if busy else "alone", 1, [target.request("GET", path)] * 500)
    stop = True
    await asyncio.gather(*workers)
    pool.close()
    return result


async def first_request(target: Target, number: int) -> float:
    """Milliseconds until a workspace answers that nobody has asked since the start."""
    pool = Pool(target)
    await pool.ask(target.request("GET", "/version"))
    begin = time.perf_counter()
    status, body = await pool.ask(target.request("GET", f"/clusters/root:{name(number)}{MAPS}"))
    if status != 200:
        raise RuntimeError(f"{status} {body[:300]!r}")
    pool.close()
    return (time.perf_counter() - begin) * 1000


async def deleted(target: Target, count: int, concurrency: int) -> float:
    """Seconds until all are gone."""
    pool = Pool(target)
    await pool.ask(target.request("DELETE", f"{WORKSPACES}/{name(FIRST)}"))
    begin = time.perf_counter()
    await run(pool, "delete", concurrency, [target.request("DELETE", f"{WORKSPACES}/{name(n)}") for n in range(count)])
    while True:
        _, body = await pool.ask(target.request("GET", f"{WORKSPACES}?limit=1"))
        if not json.loads(body)["items"]:
            break
        await asyncio.sleep(0.2)
    pool.close()
    return time.perf_counter() - begin


async def measure(args: argparse.Namespace, say: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-workspaces-") as text:
        server = Server(Path(text))
        try:
            server.start()
            await _measure(args, server, say)
        finally:
            server.stop()


async def _measure(args: argparse.Namespace, server: Server, say: Any) -> None:
    count, target = args.count, server.target()
    pool = Pool(target)
    await pool.ask(target.request("POST", WORKSPACES, workspace(FIRST)))  # makes the template
    before = server.memory_kib()
    made = await run(
        pool, "create", args.concurrency, [target.request("POST", WORKSPACES, workspace(n)) for n in range(count)]
    )
    pool.close()
    if made.errors:
        raise RuntimeError(made.note)
    say("created a second", round(made.rate))
    say("create p50, ms", round(made.p50, 2))
    say("create p99, ms", round(made.p99, 2))
    say("create CPU, ms", made.cpu_ms)
    say("KiB per empty workspace at once", round((server.memory_kib() - before) / count, 1))
    await calm(server)
    empty = server.memory_kib()
    say("KiB per empty workspace", round((empty - before) / count, 1))
    if not args.empty:
        seconds, writes = 0.0, 0
        for start in range(0, count, BATCH):
            numbers = range(start, min(count, start + BATCH))
            more, done = await fill(target, numbers, args.definitions, args.objects, args.concurrency)
            seconds, writes = seconds + more, writes + done
        say("writes a second while filling", round(writes / seconds))
        say("KiB per filled workspace at once", round((server.memory_kib() - before) / count, 1))
        await calm(server)
        say("KiB per filled workspace", round((server.memory_kib() - before) / count, 1))
    for busy in (False, True):
        found = await listed(target, count, busy)
        when = "while others churn" if busy else "alone"
        say(f"list {when} p50, ms", round(found.p50, 2))
        say(f"list {when} p99, ms", round(found.p99, 2))
    server.stop()
    say("restart, s", round(server.start(), 2))
    target = server.target()
    say("first request to a workspace after it, ms", round(await first_request(target, count // 2), 1))
    say("KiB per workspace after it", round((server.memory_kib() - before) / count, 1))
    say("all deleted, s", round(await deleted(target, count, args.concurrency), 1))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.workspaces", description="Many workspaces in one process.")
    parser.add_argument("--count", type=int, default=10_000, help="workspaces")
    parser.add_argument("--definitions", type=int, default=5, help="in each")
    parser.add_argument("--objects", type=int, default=20, help="in each")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--empty", action="store_true", help="do not fill them")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    figures: dict[str, Any] = {}

    def say(what: str, value: Any) -> None:
        figures[what] = value
        print(f"{what}: {value}", flush=True)

    asyncio.run(measure(args, say))
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
