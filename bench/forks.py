"""Copies of workspaces in one process: how long one takes and weighs, a thousand at once, differences, one per test.

python -m bench.forks                       # 50,000 objects of 1 KiB; 1,000 forks of 1,000; 1,000 tests
python -m bench.forks --objects 5000 --forks 100 --tests 100 --json out.json
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.objects import configmap
from bench.procfs import memory_mib
from wherry import ControlPlane
from wherry.client import Client, Kind
from wherry.workspaces.fork import SOURCE

WORKSPACES = Kind("tenancy.kcp.io", "v1alpha1", "workspaces", namespaced=False)
MAPS = Kind("", "v1", "configmaps")
BODY = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}
AT_ONCE = 64

Say = Callable[[str, Any], None]


async def make(cp: ControlPlane, name: str, source: str = "") -> float:
    """Milliseconds until `root:name` is there."""
    meta = {"name": name, "annotations": {SOURCE: f"root:{source}"} if source else {}}
    begin = time.perf_counter()
    await cp.client().create(WORKSPACES, {**BODY, "metadata": meta})
    return (time.perf_counter() - begin) * 1000


async def fill(client: Client, count: int) -> None:
    async def one(number: int) -> None:
        await client.create(MAPS, configmap("default", f"cm-{number:06d}", number), "default")

    for start in range(0, count, AT_ONCE):
        await asyncio.gather(*(one(number) for number in range(start, min(count, start + AT_ONCE))))


def memory() -> float:
    gc.collect()
    return memory_mib([os.getpid()])["now"]


async def timed(work: Awaitable[Any]) -> tuple[float, Any]:
    """(milliseconds, what came of it)."""
    begin = time.perf_counter()
    found = await work
    return (time.perf_counter() - begin) * 1000, found


async def different(cp: ControlPlane, before: str, after: str) -> int:
    """How many lines a difference has, over the API."""
    from wherry.server.http import Request

    path = f"/clusters/root:{before}/difference"
    who = [("authorization", f"Bearer {cp.token}")]
    response = await cp.app.handle(Request("GET", path, path, f"with=root:{after}", who))
    return sum([chunk.count(b"\n") async for chunk in response.body])  # type: ignore[union-attr]


async def large(cp: ControlPlane, objects: int, say: Say) -> None:
    await make(cp, "large")
    await fill(cp.client("root:large"), objects)
    say(f"fork of {objects} objects, first, ms", round(await make(cp, "fork-0", "large"), 1))
    before, took = memory(), []
    for number in range(1, 11):
        took.append(await make(cp, f"fork-{number}", "large"))
    say(f"fork of {objects} objects, median of ten, ms", round(statistics.median(took), 1))
    say("MiB more for each", round((memory() - before) / 10, 2))
    ms, lines = await timed(different(cp, "large", "fork-0"))
    say("difference to a fork, ms", round(ms, 1))
    assert lines == 0, lines
    fork = cp.client("root:fork-1")
    for number in range(100):
        name = f"cm-{number:06d}"
        await fork.patch(MAPS, name, {"data": {"changed": "yes"}}, "default")
    ms, lines = await timed(different(cp, "large", "fork-1"))
    say("difference to a fork with 100 changes, ms", round(ms, 1))
    assert lines == 100, lines
    await make(cp, "stranger")
    await fill(cp.client("root:stranger"), objects)
    ms, lines = await timed(different(cp, "large", "stranger"))
    say("difference to one that was filled by itself, ms", round(ms, 1))
    assert lines == 0, lines


async def many(cp: ControlPlane, forks: int, say: Say) -> None:
    await make(cp, "thousand")
    await fill(cp.client("root:thousand"), 1000)
    before = memory()
    begin = time.perf_counter()
    for number in range(forks):
        await make(cp, f"many-{number}", "thousand")
    say(f"{forks} forks of 1000 objects, a second", round(forks / (time.perf_counter() - begin)))
    say("KiB for each", round((memory() - before) * 1024 / forks, 1))
    found = await cp.client(f"root:many-{forks - 1}").list(MAPS, "default")
    assert len(found["items"]) >= 1000


async def suite(cp: ControlPlane, tests: int, say: Say) -> None:
    """What a test does: a fork, a few requests in it, and it goes."""
    await make(cp, "prepared")
    await fill(cp.client("root:prepared"), 100)

    async def test(number: int) -> None:
        await make(cp, f"test-{number}", "prepared")
        client = cp.client(f"root:test-{number}")
        await client.create(MAPS, configmap("default", "mine", number), "default")
        await client.patch(MAPS, "mine", {"data": {"a": "b"}}, "default")
        assert (await client.get(MAPS, "cm-000007", "default"))["data"]
        await cp.client().delete(WORKSPACES, f"test-{number}")

    begin = time.perf_counter()
    for number in range(tests):
        await test(number)
    say("isolated tests a second, one after the other", round(tests / (time.perf_counter() - begin)))


async def measure(args: argparse.Namespace, say: Say) -> None:
    async with ControlPlane() as cp:
        await make(cp, "first")
        await make(cp, "second")  # waits for the template in which the controllers have settled
        await suite(cp, args.tests, say)
        await many(cp, args.forks, say)
        await large(cp, args.objects, say)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.forks", description="Copies of workspaces.")
    parser.add_argument("--objects", type=int, default=50_000, help="in the large workspace, 1 KiB each")
    parser.add_argument("--forks", type=int, default=1_000, help="live at once, of 1,000 objects")
    parser.add_argument("--tests", type=int, default=1_000, help="each with a fork of its own")
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
