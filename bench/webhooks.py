"""Writes while the webhook that judges them comes, goes and hangs: what is refused or let through, and how fast.

python -m bench.webhooks                 # failurePolicy Fail and Ignore, each with the webhook up, gone, silent, back
python -m bench.webhooks --creates 2000 --concurrency 32 --json out.json

The webhook is an HTTPS server in this process (that of the tests), the API server a process of its own. A silent
webhook takes connections and never answers; its timeout is one second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.access.webhook_server import Webhook, json_answer, pki

from bench.http import Target
from bench.measure import Pool, Result, run
from bench.objects import configmap, dump
from bench.servers import TOKEN, free_port

TIMEOUT = 1  # seconds
CONFIGURATIONS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"
MAPS = "/api/v1/namespaces/default/configmaps"


def allowed(review: Any) -> Any:
    response = {"uid": review["request"]["uid"], "allowed": True}
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}


class Judge:
    """A webhook at one port that can go and come back."""

    def __init__(self) -> None:
        self.hook = Webhook(json_answer(allowed))
        self.hook.port = free_port()
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[Any]] = set()

    async def up(self) -> None:
        self._hang_up()
        self.hook.delay = 0.0
        if self._server is None:
            context = pki().server_context(("127.0.0.1",))
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.hook.port, ssl=context)

    async def gone(self) -> None:
        assert self._server is not None
        self._server.close()
        self._server = None
        self._hang_up()

    async def silent(self) -> None:
        await self.up()
        self.hook.delay = 3600.0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(self.hook.serve(reader, writer))
        self._serving.add(task)
        await asyncio.wait([task])
        self._serving.discard(task)

    def _hang_up(self) -> None:
        for task in self._serving:
            task.cancel()


def configuration(hook: Webhook, policy: str) -> dict[str, Any]:
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
    webhook = {
        "name": "judge.example.com",
        "clientConfig": hook.config,
        "rules": [rule],
        "failurePolicy": policy,
        "timeoutSeconds": TIMEOUT,
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
    }
    return {"metadata": {"name": "judge"}, "webhooks": [webhook]}


@asynccontextmanager
async def server() -> AsyncIterator[Target]:
    with tempfile.TemporaryDirectory(prefix="bench-webhooks-") as text:
        folder, port = Path(text), free_port()
        (folder / "tokens.csv").write_text(f"{TOKEN},admin,admin,system:masters\n")
        command = [sys.executable, "-m", "wherry", "up", "--port", str(port), "--kubeconfig", f"{folder}/kubeconfig"]
        command += ["--token-auth-file", f"{folder}/tokens.csv", "--data", f"{folder}/data"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert process.stdout is not None
            process.stdout.readline()
            yield Target(f"https://127.0.0.1:{port}", TOKEN, [process.pid])
        finally:
            process.terminate()
            process.wait(30)


async def creates(target: Target, label: str, count: int, concurrency: int) -> Result:
    pool = Pool(target)
    bodies = [dump(configmap("default", f"{label}-{number}", number)) for number in range(count)]
    result = await run(pool, label, concurrency, [target.request("POST", MAPS, body) for body in bodies])
    pool.close()
    return result


async def measure(args: argparse.Namespace) -> list[Result]:
    results: list[Result] = []
    async with server() as target:
        ask = Pool(target).ask
        for policy in ("Fail", "Ignore"):
            judge = Judge()
            await judge.up()
            status, body = await ask(target.request("POST", CONFIGURATIONS, dump(configuration(judge.hook, policy))))
            if status != 201:
                raise RuntimeError(f"{status} {body[:300]!r}")
            phases: list[tuple[str, Callable[[], Awaitable[None]], int]] = [
                ("up", judge.up, args.creates),
                ("gone", judge.gone, args.creates),
                ("back", judge.up, args.creates),
                ("silent", judge.silent, 4 * args.concurrency),
                ("answering again", judge.up, args.creates),
            ]
            for phase, change, count in phases:
                await change()
                label = f"{policy.lower()}-{phase.replace(' ', '-')}"
                results.append(await creates(target, label, count, args.concurrency))
            await judge.gone()
            await ask(target.request("DELETE", f"{CONFIGURATIONS}/judge"))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.webhooks", description="Writes and a webhook that fails.")
    parser.add_argument("--creates", type=int, default=1_000, help="per phase")
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    results = asyncio.run(measure(args))
    for row in results:
        passed = row.operations - row.errors
        figures = f"{row.rate:7.0f}/s  p50 {row.p50:7.1f} ms  p99 {row.p99:7.1f} ms"
        print(f"{row.scenario:24}let through {passed:5} of {row.operations:5}  {figures}")
    if args.json:
        args.json.write_text(json.dumps([row.as_dict() for row in results], indent=1) + "\n")


if __name__ == "__main__":
    main()
