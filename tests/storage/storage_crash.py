"""Sudden death: a process writes to a data folder and prints what was acknowledged, until it is killed.

Used by the suite a few times and by `tools/crash_loop.py` many times. Run as a program it is the writer.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from wherry.storage.index import Keep
from wherry.storage.sqlite import SqliteStorage

Acknowledged = list[tuple[str, str, int]]  # verb, key, revision


async def write_until_killed(folder: str) -> None:
    storage = SqliteStorage(folder, Keep(events=200))  # little history, so that rows are deleted all the time
    for number in range(50_000):  # an end, should nobody kill it
        await asyncio.gather(*(_write(storage, f"/root/core/configmaps/a/{number % 20}-{i}") for i in range(8)))


async def _write(storage: SqliteStorage, key: str) -> None:
    pad = "x" * random.randrange(3000)
    if storage.newest(key) is not None and random.random() < 0.3:
        record, verb = await storage.delete(key, lambda _: b"gone"), "delete"
    else:
        record, verb = await storage.put(key, lambda revision: f"{key} {revision} {pad}".encode()), "put"
    os.write(1, f"{verb} {key} {record.revision}\n".encode())


def crash(folder: Path, after_lines: int) -> Acknowledged:
    """Run the writer in a process of its own, kill it once it has acknowledged some writes; all that it had."""
    child = subprocess.Popen([sys.executable, __file__, str(folder)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    lines: list[str] = []
    for line in child.stdout:
        lines.append(line)
        if len(lines) == after_lines:
            child.kill()
    child.wait(20)
    complete = [line.split() for line in lines if line.endswith("\n")]
    return [(verb, key, int(revision)) for verb, key, revision in complete]


def check_after_crash(folder: Path, acknowledged: Sequence[tuple[str, str, int]]) -> None:
    """Every acknowledged write is there, or something newer of the same key; and the history is whole."""
    storage = SqliteStorage(folder)
    try:
        events = storage.events_since(storage.oldest)
        assert [e.revision for e in events] == sorted({e.revision for e in events})
        later = {event.key: event.revision for event in events}  # durable, perhaps not acknowledged any more
        newest = {key: (verb, revision) for verb, key, revision in sorted(acknowledged, key=lambda line: line[2])}
        assert storage.revision >= max(revision for _, revision in newest.values())
        for key, (verb, revision) in newest.items():
            record = storage.get(key)
            if later.get(key, 0) > revision:
                continue
            if verb == "delete":
                assert record is None, (key, revision)
            else:
                assert record is not None, (key, revision)
                assert record.revision == revision
                assert record.value.startswith(f"{key} {revision} ".encode())
    finally:
        asyncio.run(storage.close())


if __name__ == "__main__":
    asyncio.run(write_until_killed(sys.argv[1]))
