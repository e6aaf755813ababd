"""Running prepared requests over a number of connections, and what that took on both sides."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.http import Connection, Target
from bench.procfs import cpu_seconds

LIMIT = 300.0  # no measurement takes longer


@dataclass
class Result:
    """One measurement. Latencies in milliseconds; CPU of the server's processes, None when they are not known."""

    scenario: str
    concurrency: int
    operations: int
    errors: int
    seconds: float
    rate: float
    p50: float
    p90: float
    p99: float
    cpu_ms: float | None  # per operation
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def percentile(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return 0.0
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Pool:
    """Connections that stay open across measurements, so that handshakes are not part of them."""

    def __init__(self, target: Target):
        self.target = target
        self._connections: list[Connection] = []

    async def take(self, count: int) -> list[Connection]:
        while len(self._connections) < count:
            missing = min(8, count - len(self._connections))
            self._connections += await asyncio.gather(*(self.target.connect() for _ in range(missing)))
        return self._connections[:count]

    def close(self) -> None:
        for connection in self._connections:
            connection.close()
        self._connections = []

    async def ask(self, request: bytes) -> tuple[int, bytes]:
        return await asyncio.wait_for((await self.take(1))[0].ask(request), 60)


async def run(pool: Pool, scenario: str, concurrency: int, requests: Sequence[bytes], note: str = "") -> Result:
    """Send all requests, `concurrency` at a time."""
    connections = await pool.take(concurrency)
    latencies: list[float] = []
    failures: list[str] = []
    todo = iter(requests)

    async def worker(connection: Connection, todo: Iterator[bytes]) -> None:
        clock = time.perf_counter
        for request in todo:
            begin = clock()
            status, body = await connection.ask(request)
            latencies.append(clock() - begin)
            if status >= 400:
                failures.append(f"{status} {body[:200]!r}")

    cpu, begin = cpu_seconds(pool.target.pids), time.perf_counter()
    workers = [asyncio.create_task(worker(connection, todo)) for connection in connections]
    try:
        await asyncio.wait_for(asyncio.gather(*workers), LIMIT)
    except (TimeoutError, OSError) as error:
        failures.append(repr(error))
        pool.close()
    seconds, cpu = time.perf_counter() - begin, cpu_seconds(pool.target.pids) - cpu
    if failures:
        note = f"{note} first error: {failures[0]}".strip()
    return summary(scenario, concurrency, latencies, seconds, cpu if pool.target.pids else None, len(failures), note)


def summary(
    scenario: str,
    concurrency: int,
    latencies: list[float],
    seconds: float,
    cpu: float | None,
    errors: int = 0,
    note: str = "",
) -> Result:
    ordered = sorted(latency * 1000 for latency in latencies)
    count = len(ordered)
    return Result(
        scenario=scenario,
        concurrency=concurrency,
        operations=count,
        errors=errors,
        seconds=seconds,
        rate=count / seconds if seconds else 0.0,
        p50=percentile(ordered, 0.5),
        p90=percentile(ordered, 0.9),
        p99=percentile(ordered, 0.99),
        cpu_ms=cpu * 1000 / count if cpu is not None and count else None,
        note=note,
    )
