"""An operator under churn: every change must reach it once, through restarts of the operator and of the server.

    python tools/churn.py kopf --minutes 10
    python tools/churn.py lightkube --minutes 10

Widgets are created, changed and deleted; each change waits for the operator's answer in the status, so none can hide
behind the next. In each round the operator is stopped, things change without it, and it is started again; then the
server is restarted beside the running operator. At the end the operator's own log is compared with what was done.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from bench.http import Connection, Target  # noqa: E402
from bench.objects import dump  # noqa: E402
from bench.servers import free_port  # noqa: E402

PATH = "/apis/example.com/v1/namespaces/default/widgets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
EXAMPLES = ROOT / "examples/operators"
TOKEN = "churn-0123456789abcdef"
WORKERS = 6
PATIENCE = 60.0
COMMANDS = {
    "kopf": [sys.executable, "-m", "kopf", "run", "--all-namespaces", "--quiet", str(EXAMPLES / "kopf_widgets.py")],
    "lightkube": [sys.executable, str(EXAMPLES / "lightkube_widgets.py")],
}


class Churn:
    def __init__(self, framework: str, folder: Path):
        self.framework = framework
        self.folder = folder
        self.port = free_port()
        self.target = Target(f"https://127.0.0.1:{self.port}", TOKEN)
        self.log = folder / "events.jsonl"
        self.expected: collections.Counter[tuple[str, str, int]] = collections.Counter()
        self.server: subprocess.Popen[str] | None = None
        self.operator: subprocess.Popen[bytes] | None = None
        self.restarts = 0
        self.slowest = 0.0

    # --- processes --------------------------------------------------------------------------------------------------

    def start_server(self) -> None:
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f"{TOKEN},admin,admin,system:masters\n")
        command = [sys.executable, "-m", "wherry", "up", "--data", f"{self.folder}/data", "--port", str(self.port)]
        self.server = subprocess.Popen([*command, "--token-auth-file", str(tokens)], stdout=subprocess.PIPE, text=True)
        assert self.server.stdout is not None
        line = self.server.stdout.readline()
        if not line.startswith("Ready at"):
            raise SystemExit(f"the server did not start: {line!r}")

    def start_operator(self) -> None:
        environment = {**os.environ, "KUBECONFIG": f"{self.folder}/data/kubeconfig", "WIDGET_LOG": str(self.log)}
        with (self.folder / "operator.log").open("ab") as log:
            self.operator = subprocess.Popen(COMMANDS[self.framework], env=environment, stdout=log, stderr=log)

    def stop(self, process: subprocess.Popen[Any] | None) -> None:
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)
        if process.stdout is not None:
            process.stdout.close()

    # --- changes ----------------------------------------------------------------------------------------------------

    async def ask(self, connection: Connection, method: str, path: str, body: Any = None, patch: bool = False) -> Any:
        media = "application/merge-patch+json" if patch else "application/json"
        request = self.target.request(method, path, dump(body) if body is not None else b"", media)
        status, answer = await asyncio.wait_for(connection.ask(request), 30)
        document = json.loads(answer)
        if status not in (200, 201, 404):
            raise SystemExit(f"{method} {path} was answered {status}: {document}")
        return None if status == 404 else document

    async def create(self, connection: Connection, name: str, size: int) -> str:
        body = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": size}}
        uid: str = (await self.ask(connection, "POST", PATH, body))["metadata"]["uid"]
        self.expected["created", uid, size] += 1
        return uid

    async def update(self, connection: Connection, name: str, uid: str, size: int) -> None:
        await self.ask(connection, "PATCH", f"{PATH}/{name}", {"spec": {"size": size}}, patch=True)
        self.expected["updated", uid, size] += 1

    async def delete(self, connection: Connection, name: str, uid: str, size: int) -> None:
        await self.ask(connection, "DELETE", f"{PATH}/{name}")
        self.expected["deleted", uid, size] += 1

    async def settled(self, connection: Connection, name: str, size: int | None) -> None:
        """Until the operator has answered; size None: until the widget is gone."""
        begin = time.monotonic()
        while time.monotonic() < begin + PATIENCE:
            found = await self.ask(connection, "GET", f"{PATH}/{name}")
            if found is None if size is None else found and self._quiet(found, size):
                self.slowest = max(self.slowest, time.monotonic() - begin)
                return
            await asyncio.sleep(0.02)
        raise SystemExit(f"missed: {name} with size {size} was not dealt with in {PATIENCE:.0f} s: {found}")

    def _quiet(self, found: dict[str, Any], size: int) -> bool:
        metadata = found["metadata"]
        if found.get("status", {}).get("observed") != size or not metadata.get("finalizers"):
            return False
        if self.framework == "kopf":  # its own memory of what it has dealt with
            seen = metadata.get("annotations", {}).get("kopf.zalando.org/last-handled-configuration", "{}")
            return bool(json.loads(seen).get("spec", {}).get("size") == size)
        return True

    async def lives(self, worker: int, number: int, seconds: float) -> None:
        """Whole lives of widgets, one after the other, for a while."""
        connection = await self.target.connect()
        end, life = time.monotonic() + seconds, 0
        while time.monotonic() < end:
            name = f"life-{number}-{worker}-{life}"
            uid = await self.create(connection, name, 0)
            await self.settled(connection, name, 0)
            for size in range(1, 4):
                await self.update(connection, name, uid, size)
                await self.settled(connection, name, size)
            await self.delete(connection, name, uid, 3)
            await self.settled(connection, name, None)
            life += 1
        connection.close()

    async def round(self, number: int, seconds: float) -> None:
        connection = await self.target.connect()
        old = [f"old-{number}-{i}" for i in range(9)]
        uids = {name: await self.create(connection, name, 1) for name in old}
        for name in old:
            await self.settled(connection, name, 1)
        await asyncio.gather(*(self.lives(worker, number, seconds) for worker in range(WORKERS)))

        self.stop(self.operator)  # and things go on without it
        new = [f"new-{number}-{i}" for i in range(3)]
        for name in new:
            uids[name] = await self.create(connection, name, 5)
        for name in old[:3]:
            await self.update(connection, name, uids[name], 2)
        for name in old[3:6]:
            await self.delete(connection, name, uids[name], 1)
        if number % 2:
            connection.close()
            self.stop(self.server)
            self.start_server()
            connection = await self.target.connect()
        self.start_operator()
        await self._all(connection, {**dict.fromkeys(new, 5), **dict.fromkeys(old[:3], 2)}, gone=old[3:6])

        connection.close()
        self.stop(self.server)  # beside the running operator
        self.start_server()
        connection = await self.target.connect()
        self.restarts += 1
        for name in old[6:]:
            await self.update(connection, name, uids[name], 7)
        await self._all(connection, dict.fromkeys(old[6:], 7), gone=[])
        sizes = {**dict.fromkeys(new, 5), **dict.fromkeys(old[:3], 2), **dict.fromkeys(old[6:], 7)}
        for name, size in sizes.items():
            await self.delete(connection, name, uids[name], size)
        await self._all(connection, {}, gone=list(sizes))
        connection.close()

    async def _all(self, connection: Connection, there: dict[str, int], gone: list[str]) -> None:
        for name, size in there.items():
            await self.settled(connection, name, size)
        for name in gone:
            await self.settled(connection, name, None)

    # --- the whole --------------------------------------------------------------------------------------------------

    async def run(self, seconds: float) -> str:
        begin = time.monotonic()
        try:
            self.start_server()
            connection = await self.target.connect()
            definition = yaml.safe_load((EXAMPLES / "widgets_crd.yaml").read_text())
            await self.ask(connection, "POST", CRDS, definition)
            connection.close()
            self.start_operator()
            number = 0
            while time.monotonic() < begin + seconds or not number:
                await self.round(number, min(30.0, seconds / 6))
                number += 1
        finally:
            self.stop(self.operator)
            self.stop(self.server)
        self._judge()
        total = sum(self.expected.values())
        return (
            f"{self.framework}: {total} changes in {time.monotonic() - begin:.0f} s, {number} restarts of the operator "
            f"and {self.restarts} of the server beside it, each event once; slowest answer {self.slowest:.2f} s"
        )

    def _judge(self) -> None:
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        seen = collections.Counter((line["what"], line["uid"], line["size"]) for line in lines)
        missed, repeated = self.expected - seen, seen - self.expected
        if missed or repeated:
            some = [*missed.most_common(5), *repeated.most_common(5)]
            raise SystemExit(f"{missed.total()} events missed, {repeated.total()} repeated or strange: {some}")


def main() -> None:
    parser = argparse.ArgumentParser(description="An operator under churn.")
    parser.add_argument("framework", choices=sorted(COMMANDS))
    parser.add_argument("--minutes", type=float, default=10)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="churn-") as text:
        folder = Path(text)
        try:
            print(asyncio.run(Churn(args.framework, folder).run(args.minutes * 60)))
        except (SystemExit, Exception):
            log = folder / "operator.log"
            print(log.read_text(errors="replace")[-3000:] if log.exists() else "", file=sys.stderr)
            raise


if __name__ == "__main__":
    main()
