"""Many watchers beside a steady stream of writes: is memory flat, and is any watcher behind?

    python tools/soak_watchers.py --minutes 10 --watchers 200 --rate 100

Every watcher must see the same bytes, one event for every answered write and nothing twice. A watcher's lag is the time
since the oldest write was sent whose event it does not have, so that the write itself counts too. It fails when events
differ, when a watch ends, when a lag is over `--allowed-lag` seconds, when the rate is not reached or when memory has
grown between the second and the last quarter. (In the first quarter the server's history of events fills: no leak.)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.http import Connection, Target
from bench.objects import configmap, dump
from bench.procfs import cpu_seconds, memory_mib
from bench.servers import wherry

NAMESPACE = "soak-watchers"
PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
NAMES = 200
WRITERS = 8
EVERY = 0.5  # seconds between two looks at memory and at watchers that wait


class Watcher:
    """Counts events and keeps a checksum of everything it has seen."""

    def __init__(self, sent: list[float]):
        self.sent = sent
        self.count = 0
        self.sum = 0
        self.worst = 0.0
        self.connection: Connection | None = None

    def feed(self, chunk: bytes) -> None:
        self.look(time.monotonic())
        self.sum = zlib.crc32(chunk, self.sum)
        self.count += chunk.count(b"\n")

    def look(self, now: float) -> float:
        """How long the oldest event that is missing has been missing."""
        lag = now - self.sent[self.count] if self.count < len(self.sent) else 0.0
        self.worst = max(self.worst, lag)
        return lag


class Reader(Watcher):
    """One watcher that also reads: versions must rise by the answered writes, none left out, none twice."""

    def __init__(self, sent: list[float]):
        super().__init__(sent)
        self.versions: list[int] = []
        self._rest = b""

    def feed(self, chunk: bytes) -> None:
        super().feed(chunk)
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self.versions += [int(json.loads(line)["object"]["metadata"]["resourceVersion"]) for line in lines]


class Soak:
    def __init__(self, target: Target, seconds: float, rate: float):
        self.target = target
        self.seconds = seconds
        self.rate = rate
        self.sent: list[float] = []
        self.versions: list[int] = []
        self.samples: list[float] = []
        self.problems: list[str] = []

    async def ask(self, connection: Connection, method: str, path: str, body: bytes = b"") -> bytes:
        status, answer = await asyncio.wait_for(connection.ask(self.target.request(method, path, body)), 60)
        if status not in (200, 201):
            raise RuntimeError(f"{method} {path} was answered {status}: {answer[:300]!r}")
        return answer

    async def fill(self, connection: Connection) -> str:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
        await self.ask(connection, "POST", "/api/v1/namespaces", dump(namespace))
        for number in range(NAMES):
            await self.ask(connection, "POST", PATH, dump(configmap(NAMESPACE, f"cm-{number}")))
        version: str = json.loads(await self.ask(connection, "GET", f"{PATH}?limit=1"))["metadata"]["resourceVersion"]
        return version

    async def watch(self, watcher: Watcher, version: str) -> None:
        watcher.connection = await self.target.connect()
        query = f"watch=true&timeoutSeconds={int(self.seconds) + 600}&resourceVersion={version}"
        request = self.target.request("GET", f"{PATH}?{query}")
        status = await asyncio.wait_for(watcher.connection.begin(request, watcher.feed), 60)
        if status != 200:
            raise RuntimeError(f"a watch was answered {status}")

    async def write(self, number: int, begin: float) -> None:
        """One of the writers: every turn has its time, so that a slow answer does not lower the rate for ever."""
        connection = await self.target.connect()
        turn = number
        while (due := begin + turn / self.rate) < begin + self.seconds:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            name = f"cm-{turn % NAMES}"
            self.sent.append(time.monotonic())
            answer = await self.ask(connection, "PUT", f"{PATH}/{name}", dump(configmap(NAMESPACE, name, turn + 1)))
            self.versions.append(int(json.loads(answer)["metadata"]["resourceVersion"]))
            turn += WRITERS
        connection.close()

    async def observe(self, watchers: list[Watcher], begin: float) -> None:
        pids, shown = self.target.pids, -60.0
        while (now := time.monotonic()) < begin + self.seconds:
            lags = [watcher.look(now) for watcher in watchers]
            self.samples.append(memory_mib(pids)["now"])
            if now - begin - shown >= min(60.0, self.seconds / 4):
                shown = now - begin
                print(
                    f"{shown:6.0f} s  {self.samples[-1]:7.1f} MiB  {cpu_seconds(pids):7.1f} s CPU  "
                    f"{len(self.versions):7} writes  lag now {max(lags) * 1000:6.1f} ms, "
                    f"worst {max(watcher.worst for watcher in watchers) * 1000:6.1f} ms",
                    flush=True,
                )
            await asyncio.sleep(EVERY)

    async def run(self, count: int, allowed_lag: float) -> list[str]:
        connection = await self.target.connect()
        version = await self.fill(connection)
        reader = Reader(self.sent)
        watchers: list[Watcher] = [reader, *(Watcher(self.sent) for _ in range(count - 1))]
        for watcher in watchers:
            await self.watch(watcher, version)
        begin, cpu = time.monotonic(), cpu_seconds(self.target.pids)
        writers = [self.write(number, begin) for number in range(WRITERS)]
        await asyncio.gather(self.observe(watchers, begin), *writers)
        passed, cpu = time.monotonic() - begin, cpu_seconds(self.target.pids) - cpu
        end = time.monotonic() + 10
        while any(watcher.count < len(self.versions) for watcher in watchers) and time.monotonic() < end:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # an event too many would come now
        worst = max(watcher.worst for watcher in watchers)
        events = sum(watcher.count for watcher in watchers)
        print(
            f"{len(self.versions)} writes in {passed:.1f} s ({len(self.versions) / passed:.1f} a second), {events} "
            f"events to {count} watchers, {cpu / passed * 100:.0f} % of a core, worst lag {worst * 1000:.1f} ms"
        )
        self._judge(reader, watchers, passed, worst, allowed_lag)
        return self.problems

    def _judge(self, reader: Reader, watchers: list[Watcher], passed: float, worst: float, allowed: float) -> None:
        if reader.versions != sorted(self.versions):
            self.problems.append(f"{len(reader.versions)} events do not match {len(self.versions)} answered writes")
        different = sum((watcher.count, watcher.sum) != (reader.count, reader.sum) for watcher in watchers)
        if different:
            self.problems.append(f"{different} watchers saw something else than the first")
        if worst > allowed:
            self.problems.append(f"a watcher was {worst:.2f} s behind")
        if len(self.versions) < 0.98 * self.rate * self.seconds or passed > self.seconds * 1.02 + 1:
            self.problems.append(f"only {len(self.versions) / passed:.1f} writes a second")
        quarter = len(self.samples) // 4
        before, after = (
            statistics.median(part) for part in (self.samples[quarter : 2 * quarter], self.samples[-quarter:])
        )
        print(
            f"memory: {before:.1f} MiB in the second quarter, {after:.1f} MiB in the last, peak {max(self.samples):.1f}"
        )
        if after > before * 1.05 + 5:
            self.problems.append(f"memory grew from {before:.1f} to {after:.1f} MiB")


async def main() -> None:
    parser = argparse.ArgumentParser(description="Many watchers beside a steady stream of writes.")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--watchers", type=int, default=200)
    parser.add_argument("--rate", type=float, default=100, help="writes a second")
    parser.add_argument("--allowed-lag", type=float, default=1.0, help="seconds")
    args = parser.parse_args()
    async with wherry() as started:
        problems = await Soak(started.target, args.minutes * 60, args.rate).run(args.watchers, args.allowed_lag)
    if problems:
        sys.exit("failed:\n  " + "\n  ".join(problems))
    print("no problem found")


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
