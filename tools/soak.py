"""Hours of mixed load on one server, then the question whether anything leaked or went astray.

    python tools/soak.py --minutes 60                                   # starts Wherry
    python tools/soak.py --url https://127.0.0.1:6443 --token T --pid 4711

Writers create, update, patch and delete ConfigMaps; mirrors keep a copy by list and watch as an operator does, with
watches that end and resume all the time. It fails when a mirror differs from the server at the end, when a watch goes
back in time, when an answer is unexpected, or when memory or open files have grown since the first quarter.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import statistics
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.http import Connection, Target
from bench.objects import configmap, dump
from bench.procfs import cpu_seconds, memory_mib
from bench.servers import Started, wherry

NAMESPACE = "soak"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
NAMES = 400
EVERY = 2  # seconds between two looks at memory
FILLING = 1200  # seconds; in a shorter run the server's history may still be filling, which is no leak


class Soak:
    """The state that writers, mirrors and the observer share."""

    def __init__(self, target: Target, end: float):
        self.target = target
        self.end = end
        self.problems: list[str] = []
        self.operations = 0
        self.relists = 0
        self.resumes = 0

    @property
    def going(self) -> bool:
        return time.monotonic() < self.end and not self.problems

    def problem(self, text: str) -> None:
        self.problems.append(text)
        print(f"problem: {text}", file=sys.stderr, flush=True)

    # --- writers ----------------------------------------------------------------------------------------------------

    async def write(self, number: int) -> None:
        rng = random.Random(number)
        connection = await self.target.connect()
        while self.going:
            name = f"cm-{rng.randrange(NAMES)}"
            request, allowed = self._some_write(rng, name)
            status, body = await asyncio.wait_for(connection.ask(request), 60)
            self.operations += 1
            if status not in allowed:
                self.problem(f"a write of {name} was answered {status}: {body[:300]!r}")
            await asyncio.sleep(rng.random() * 0.005)
        connection.close()

    def _some_write(self, rng: random.Random, name: str) -> tuple[bytes, set[int]]:
        request = self.target.request
        kind = rng.choice(("create", "update", "update", "patch", "patch", "delete"))
        body = dump(configmap(NAMESPACE, name, rng.randrange(10_000), picked=rng.random() < 0.1))
        if kind == "create":
            return request("POST", PATH, body), {201, 409}
        if kind == "update":
            return request("PUT", f"{PATH}/{name}", body), {200, 404}
        if kind == "patch":
            patch = dump({"data": {"number": str(rng.randrange(10_000))}})
            return request("PATCH", f"{PATH}/{name}", patch, "application/merge-patch+json"), {200, 404}
        return request("DELETE", f"{PATH}/{name}"), {200, 404}

    # --- mirrors ----------------------------------------------------------------------------------------------------

    async def listed(self, connection: Connection) -> tuple[dict[str, str], str]:
        """Name to resourceVersion, in pages, and the list's own version."""
        found: dict[str, str] = {}
        token = ""
        while True:
            request = self.target.request("GET", f"{PATH}?limit=150{token}")
            status, body = await asyncio.wait_for(connection.ask(request), 60)
            if status == 410:
                found, token = {}, ""
                continue
            document = json.loads(body)
            if status != 200:
                self.problem(f"a list was answered {status}: {body[:300]!r}")
                return found, ""
            for item in document["items"]:
                found[item["metadata"]["name"]] = item["metadata"]["resourceVersion"]
            more = document["metadata"].get("continue")
            if not more:
                return found, document["metadata"]["resourceVersion"]
            token = f"&continue={more}"

    async def mirror(self, number: int, copy: dict[str, str], stop: asyncio.Event) -> None:
        rng = random.Random(1000 + number)
        connection = await self.target.connect()
        version = ""
        while not stop.is_set() and not self.problems:
            if not version:
                fresh, version = await self.listed(connection)
                copy.clear()
                copy.update(fresh)
                self.relists += 1
            version = await self._watch(version, rng.randrange(1, 8), copy, stop)
            self.resumes += 1
        connection.close()

    async def _watch(self, version: str, seconds: int, copy: dict[str, str], stop: asyncio.Event) -> str:
        """One watch until its time is up; the version to resume from, empty when it is too old."""
        stream = Stream()
        connection = await self.target.connect()
        query = f"watch=true&allowWatchBookmarks=true&timeoutSeconds={seconds}&resourceVersion={version}"
        status = await asyncio.wait_for(
            connection.begin(self.target.request("GET", f"{PATH}?{query}"), stream.feed), 60
        )
        end = time.monotonic() + seconds + 2
        try:
            while time.monotonic() < end and not (stop.is_set() and not stream.lines):
                await asyncio.sleep(0.05)
                for line in stream.take():
                    event = json.loads(line)
                    if event["type"] == "ERROR" or status != 200:
                        if event.get("object", event).get("code") != 410:
                            self.problem(f"a watch failed: {line[:300]!r}")
                        return ""
                    version = self._follow(event, version, copy)
        finally:
            connection.close()
        return version

    def _follow(self, event: dict[str, Any], version: str, copy: dict[str, str]) -> str:
        metadata = event["object"]["metadata"]
        newer: str = metadata["resourceVersion"]
        if event["type"] == "BOOKMARK":
            return newer
        if int(newer) <= int(version):
            self.problem(f"a watch went back from {version} to {newer}")
        name = metadata["name"]
        known = name in copy
        if known != (event["type"] != "ADDED"):
            self.problem(f"{event['type']} of {name} at {newer}, which the mirror {'has' if known else 'has not'}")
        if event["type"] == "DELETED":
            copy.pop(name, None)
        else:
            copy[name] = newer
        return newer


class Stream:
    """Lines out of the chunks of a watch."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.lines += lines

    def take(self) -> list[bytes]:
        lines, self.lines = self.lines, []
        return lines


async def observe(soak: Soak, samples: list[tuple[float, int]]) -> None:
    """Memory and open files every few seconds, a line now and then."""
    pids = soak.target.pids
    begin, shown = time.monotonic(), 0.0
    while soak.going:
        files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids)
        memory = memory_mib(pids)["now"]
        samples.append((memory, files))
        passed = time.monotonic() - begin
        if passed - shown >= 30 or not shown:
            shown = passed or 0.001
            text = f"{passed:6.0f} s  {memory:7.1f} MiB  {files:4} files  {cpu_seconds(pids):8.1f} s CPU"
            print(f"{text}  {soak.operations} writes  {soak.resumes} watches", flush=True)
        await asyncio.sleep(EVERY)


def growth(samples: list[tuple[float, int]]) -> list[str]:
    """The last quarter against the second one: the first is for warming up, when the history fills."""
    quarter = len(samples) // 4
    if len(samples) * EVERY < FILLING:
        return []
    early, late = samples[quarter : 2 * quarter], samples[-quarter:]
    out = []
    before, after = (statistics.median(memory for memory, _ in part) for part in (early, late))
    if after > before * 1.1 + 5:
        out.append(f"memory grew from {before:.1f} to {after:.1f} MiB")
    files_before, files_after = (statistics.median(files for _, files in part) for part in (early, late))
    if files_after > files_before + 20:
        out.append(f"open files grew from {files_before:.0f} to {files_after:.0f}")
    return out


async def soak_server(started: Started, minutes: float, writers: int, mirrors: int) -> list[str]:
    soak = Soak(started.target, time.monotonic() + minutes * 60)
    connection = await started.target.connect()
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await connection.ask(started.target.request("POST", "/api/v1/namespaces", dump(namespace)))
    samples: list[tuple[float, int]] = []
    stop = asyncio.Event()
    copies: list[dict[str, str]] = [{} for _ in range(mirrors)]
    following = [asyncio.create_task(soak.mirror(i, copy, stop)) for i, copy in enumerate(copies)]
    await asyncio.gather(observe(soak, samples), *(soak.write(i) for i in range(writers)))
    truth, _ = await soak.listed(connection)
    end = time.monotonic() + 20
    while any(copy != truth for copy in copies) and time.monotonic() < end:
        await asyncio.sleep(0.2)
    for number, copy in enumerate(copies):
        if copy != truth:
            wrong = [name for name in truth.keys() | copy.keys() if truth.get(name) != copy.get(name)]
            soak.problem(f"mirror {number} differs from the server in {len(wrong)} objects, one is {wrong[0]}")
    stop.set()
    await asyncio.wait(following, timeout=20)
    connection.close()
    print(f"{soak.operations} writes, {soak.resumes} watches, {soak.relists} lists by {mirrors} mirrors")
    return soak.problems + growth(samples)


@contextlib.asynccontextmanager
async def running(args: argparse.Namespace) -> AsyncIterator[Started]:
    yield Started(args.url, Target(args.url, args.token, args.pid), 0.0)


async def main() -> None:
    parser = argparse.ArgumentParser(description="Soak a server.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--writers", type=int, default=8)
    parser.add_argument("--mirrors", type=int, default=6)
    parser.add_argument("--url")
    parser.add_argument("--token", default="")
    parser.add_argument("--pid", type=int, action="append", default=[])
    args = parser.parse_args()
    async with running(args) if args.url else wherry() as started:
        problems = await soak_server(started, args.minutes, args.writers, args.mirrors)
    if problems:
        sys.exit("failed:\n  " + "\n  ".join(problems))
    print("no problem found")


if __name__ == "__main__":
    asyncio.run(main())
