"""The command line: which servers, which scenarios, how often; prints a table and writes JSON.

python -m bench                                    # Wherry alone
KUBEBUILDER_ASSETS=... python -m bench --peer      # Wherry and kube-apiserver with etcd, in turns
python -m bench --url https://127.0.0.1:6443 --token T --pid 4711    # any server that runs already
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import resource
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from bench.http import Target
from bench.load import QUICK, SCENARIOS, Plan, prepare
from bench.measure import Pool, Result
from bench.procfs import memory_mib
from bench.report import table, write_json
from bench.servers import Started, kube, wherry

Server = Callable[[], contextlib.AbstractAsyncContextManager[Started]]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure Kubernetes API servers.")
    parser.add_argument("--quick", action="store_true", help="little of everything, one round: does it run at all")
    parser.add_argument("--only", default="", help=f"scenarios, comma-separated, of: {', '.join(SCENARIOS)}")
    parser.add_argument("--rounds", type=int, help="rounds of which the median is taken (3; quick: 1)")
    parser.add_argument(
        "--peer", action="store_true", help="also kube-apiserver and etcd, found in $KUBEBUILDER_ASSETS"
    )
    parser.add_argument("--peer-only", action="store_true", help="the peer without Wherry")
    parser.add_argument("--url", help="measure a server that runs already")
    parser.add_argument("--token", default="", help="bearer token for --url")
    parser.add_argument("--ca", help="CA file for --url; without it the certificate is not checked")
    parser.add_argument("--pid", type=int, action="append", default=[], help="process of the server (repeatable)")
    parser.add_argument("--json", type=Path, help="write all rounds and the medians to this file")
    parser.add_argument("--table", type=Path, help="write the Markdown table to this file")
    return parser.parse_args()


def chosen_servers(args: argparse.Namespace) -> list[Server]:
    if args.url:

        @contextlib.asynccontextmanager
        async def running() -> AsyncIterator[Started]:
            yield Started(args.url, Target(args.url, args.token, args.pid, args.ca), 0.0)

        return [running]
    servers: list[Server] = [] if args.peer_only else [wherry]
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if args.peer or args.peer_only:
        if not assets or not (Path(assets) / "kube-apiserver").exists():
            sys.exit("--peer needs KUBEBUILDER_ASSETS to name a folder with kube-apiserver and etcd")
        folder = Path(assets)
        servers.append(lambda: kube(folder))
    return servers


async def one_round(server: Server, scenarios: list[str], plan: Plan) -> AsyncIterator[tuple[str, Result]]:
    async with server() as started:
        pids = started.target.pids
        if started.start_seconds:
            milliseconds = started.start_seconds * 1000
            yield started.name, Result("start, ms", 1, 1, 0, 0, 0, milliseconds, milliseconds, milliseconds, None)
        pool = Pool(started.target)
        try:
            await prepare(pool)
            if pids:
                now = memory_mib(pids)
                yield (
                    started.name,
                    Result("memory after start, MiB", 1, 1, 0, 0, 0, now["now"], now["now"], now["peak"], None),
                )
            for scenario in scenarios:
                try:
                    async for result in SCENARIOS[scenario](pool, plan):
                        yield started.name, result
                except (RuntimeError, OSError, TimeoutError) as error:
                    print(f"{started.name}: {scenario} stopped: {error}", file=sys.stderr)
                    pool.close()
            if pids:
                now = memory_mib(pids)
                yield (
                    started.name,
                    Result("memory at the end, MiB", 1, 1, 0, 0, 0, now["now"], now["now"], now["peak"], None),
                )
        finally:
            pool.close()


async def main(args: argparse.Namespace) -> None:
    scenarios = [name for name in args.only.split(",") if name] or list(SCENARIOS)
    unknown = set(scenarios) - set(SCENARIOS)
    if unknown:
        sys.exit(f"unknown scenarios: {', '.join(sorted(unknown))}; known are {', '.join(SCENARIOS)}")
    servers = chosen_servers(args)
    rounds: list[dict[str, Any]] = []
    for number in range(args.rounds or (1 if args.quick else 3)):
        for server in servers:
            async for name, result in one_round(server, scenarios, QUICK if args.quick else Plan()):
                rounds.append({"server": name, "round": number} | result.as_dict())
                cpu = f"{result.cpu_ms:8.3f} ms CPU" if result.cpu_ms is not None else ""
                line = (
                    f"{name} | {result.scenario} @{result.concurrency}: {result.rate:,.0f}/s p50 {result.p50:.2f} {cpu}"
                )
                print(line, result.note, file=sys.stderr, flush=True)
                if args.json:
                    write_json(args.json, rounds)  # after each, so that an interrupted run is not lost
    text = table(rounds)
    if args.table:
        args.table.write_text(text)
    print(text)


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536), hard))  # a thousand watchers need their sockets
    try:
        import uvloop

        uvloop.install()
    except ImportError:
        pass
    asyncio.run(main(arguments()))
