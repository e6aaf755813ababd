"""The load generator's own parts: the client against a server of a few lines, and the arithmetic of the report."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bench.http import Target
from bench.measure import Pool, percentile, run
from bench.objects import configmap, dump, widget
from bench.procfs import cpu_seconds
from bench.report import medians, table


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Echoes the method and the body; in chunks for GET; a stream of lines for a watch."""
    while line := await reader.readline():
        method, path, _ = line.decode().split()
        length = 0
        while (header := await reader.readline()) != b"\r\n":
            if header.lower().startswith(b"content-length:"):
                length = int(header.split(b":")[1])
        body = method.encode() + await reader.readexactly(length)
        if "watch" in path:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\none\nt\r\n3\r\nwo\n\r\n")
        elif method == "GET":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nG\r\n2\r\nET\r\n0\r\n\r\n")
        else:
            status = 500 if b"bad" in body else 201
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body))


def test_requests_answers_and_failures() -> None:
    async def work() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        pool = Pool(Target(f"http://127.0.0.1:{port}", "t", [os.getpid()]))
        assert await pool.ask(pool.target.request("GET", "/x")) == (200, b"GET")
        assert await pool.ask(pool.target.request("POST", "/x", b"body")) == (201, b"POSTbody")
        requests = [pool.target.request("POST", "/x", b"bad" if i % 10 == 0 else b"good") for i in range(50)]
        result = await run(pool, "some", 4, requests)
        assert (result.operations, result.errors) == (50, 5)
        assert result.note.startswith("first error: 500")
        assert result.p50 <= result.p90 <= result.p99
        lines: list[bytes] = []
        watcher = await pool.target.connect()
        assert await watcher.begin(pool.target.request("GET", "/x?watch=true"), lines.append) == 200
        while b"".join(lines).count(b"\n") < 2:
            await asyncio.sleep(0)
        assert b"".join(lines) == b"one\ntwo\n"
        watcher.close()
        pool.close()
        server.close()

    asyncio.run(asyncio.wait_for(work(), 20))


def test_objects_are_of_one_kibibyte() -> None:
    assert len(dump(configmap("bench", "cm-1", 7))) == 1024
    assert len(dump(widget("bench", "wi-1", 7))) == 1024


def test_cpu_of_this_process_is_counted() -> None:
    before = cpu_seconds([os.getpid()])
    sum(range(3_000_000))
    assert cpu_seconds([os.getpid()]) > before


def test_percentiles() -> None:
    ordered = [float(i) for i in range(100)]
    assert [percentile(ordered, share) for share in (0, 0.5, 0.9, 0.99, 1)] == [0, 50, 90, 99, 99]
    assert percentile([], 0.5) == 0


def entry(server: str, round_: int, cpu: float, errors: int = 0) -> dict[str, object]:
    numbers = {"operations": 10, "seconds": 1.0, "rate": 1234.0, "p50": 1.0, "p90": 2.0, "p99": 3.0, "cpu_ms": cpu}
    return {
        "server": server,
        "round": round_,
        "scenario": "get",
        "concurrency": 1,
        "errors": errors,
        "note": "",
    } | numbers


def test_the_table_shows_medians_ratio_and_failures() -> None:
    rounds = [entry("a", 0, 0.1), entry("b", 0, 1.0), entry("a", 1, 0.2, 3), entry("a", 2, 0.9), entry("b", 1, 3.0)]
    found = medians(rounds)
    assert [(e["server"], e["cpu_ms"], e["errors"]) for e in found] == [("a", 0.2, 3), ("b", 2.0, 0)]
    row = table(rounds).splitlines()[2]
    assert row == "| get | 1 | 1,234 (3 failed) | 1 | 3 | 0.2 | 1,234 | 1 | 3 | 2 | 10.0 |"
