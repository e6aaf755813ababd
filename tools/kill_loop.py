"""Kill `wherry up` with SIGKILL under write load over HTTP, again and again; every answered write must be there after.

    python tools/kill_loop.py [times]        # 100 by default; fails on the first loss

Each writer owns some names, so that for each of them the last answered write is known and at most one more was on its
way when the server died: that one may be there or not, anything else is a loss.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.http import Target
from bench.objects import configmap, dump

PATH = "/api/v1/namespaces/default/configmaps"
WRITERS = 16
NAMES = 8  # of each writer
TOKEN = "kill-loop-0123456789abcdef"
FRESH = 25  # mostly folders with a past, sometimes a new one

State = str | None  # the number in the object, None when there is none


class Ledger:
    """What the server has answered, and what was on its way."""

    def __init__(self) -> None:
        self.known: dict[str, State] = {}
        self.underway: dict[str, State] = {}
        self.newest = 0
        self.answered = 0

    def check(self, items: list[dict[str, object]], version: int) -> None:
        found: dict[str, State] = {item["metadata"]["name"]: item["data"]["number"] for item in items}  # type: ignore[index]
        for name in sorted(self.known.keys() | self.underway.keys() | found.keys()):
            allowed = {self.known.get(name)}
            if name in self.underway:
                allowed.add(self.underway[name])
            if found.get(name) not in allowed:
                raise SystemExit(f"lost: {name} is {found.get(name)!r}, expected one of {allowed!r}")
        if version < self.newest:
            raise SystemExit(f"the server went back from {self.newest} to {version}")
        self.known, self.underway = dict(found), {}


def start(folder: Path) -> tuple[subprocess.Popen[str], Target]:
    folder.mkdir(exist_ok=True)
    tokens = folder / "tokens.csv"
    tokens.write_text(f"{TOKEN},admin,admin,system:masters\n")
    command = [sys.executable, "-m", "wherry", "up", "--data", f"{folder}/data", "--port", "0"]
    process = subprocess.Popen([*command, "--token-auth-file", str(tokens)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    ready = re.match(r"Ready at (\S+) ", line)
    if ready is None:
        process.kill()
        raise SystemExit(f"the server did not start again: {line!r}")
    return process, Target(ready[1], TOKEN, [process.pid])


async def check(target: Target, ledger: Ledger) -> None:
    connection = await target.connect()
    status, body = await asyncio.wait_for(connection.ask(target.request("GET", PATH)), 30)
    connection.close()
    if status != 200:
        raise SystemExit(f"the list was answered {status}: {body[:300]!r}")
    document = json.loads(body)
    mine = [item for item in document["items"] if item["metadata"]["name"].startswith("kill-")]
    ledger.check(mine, int(document["metadata"]["resourceVersion"]))


async def write(target: Target, ledger: Ledger, number: int, rng: random.Random) -> None:
    """Until the server is gone."""
    try:
        connection = await target.connect()
        while True:
            name = f"kill-{number}-{rng.randrange(NAMES)}"
            wanted: State = str(rng.randrange(10**9))
            body = dump(configmap("default", name, int(wanted)))
            if ledger.known.get(name) is None:
                request = target.request("POST", PATH, body)
            elif rng.random() < 0.2:
                request, wanted = target.request("DELETE", f"{PATH}/{name}"), None
            else:
                request = target.request("PUT", f"{PATH}/{name}", body)
            ledger.underway[name] = wanted
            status, answer = await connection.ask(request)
            if status not in (200, 201):
                raise SystemExit(f"a write of {name} was answered {status}: {answer[:300]!r}")
            del ledger.underway[name]
            ledger.known[name] = wanted
            ledger.answered += 1
            metadata = json.loads(answer).get("metadata", {})
            ledger.newest = max(ledger.newest, int(metadata.get("resourceVersion", 0)))
    except OSError:
        return


async def round_of(folder: Path, ledger: Ledger, rng: random.Random) -> float:
    """Start, check, write, kill; how long the start took until everything was checked."""
    begin = time.monotonic()
    process, target = start(folder)
    try:
        await check(target, ledger)
        took = time.monotonic() - begin
        writers = [asyncio.ensure_future(write(target, ledger, n, random.Random(rng.random()))) for n in range(WRITERS)]
        await asyncio.wait(writers, timeout=rng.uniform(0.05, 0.6), return_when=asyncio.FIRST_EXCEPTION)
        os.kill(process.pid, signal.SIGKILL)
        await asyncio.wait_for(asyncio.gather(*writers), 30)
    finally:
        process.kill()
        process.wait(10)
        if process.stdout is not None:
            process.stdout.close()
    return took


async def loop(times: int, seed: int, folder: Path) -> str:
    """A sentence about what was done; SystemExit at the first loss."""
    rng = random.Random(seed)
    answered, slowest, ledger = 0, 0.0, Ledger()
    for number in range(times):
        if number % FRESH == 0:
            data, ledger = folder / str(number), Ledger()
        before = ledger.answered
        slowest = max(slowest, await round_of(data, ledger, rng))
        answered += ledger.answered - before
        if number % FRESH == FRESH - 1 or number == times - 1:
            process, target = start(data)
            await check(target, ledger)
            process.terminate()
            process.communicate(timeout=15)
    return f"{times} kills, {answered} answered writes, none lost; slowest restart with its check {slowest:.2f} s"


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="kill-loop-") as text:
        print(asyncio.run(loop(int(sys.argv[1]) if len(sys.argv) > 1 else 100, random.randrange(10**6), Path(text))))
