"""Two tenants: one lists ten thousand objects again and again over many connections, the other creates objects.

How much longer do the creates take? The flood comes from a process of its own, on the CPU time that others leave, as it
would come from another machine; it reads all that it is sent.

python -m bench.tenants                             # plain lists, tables, a selector that reads everything
python -m bench.tenants --objects 2000 --connections 4 --json out.json
python -m bench.tenants --unfair                    # the server without fairness, for comparison
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.http import Target
from bench.measure import Pool, Result, run
from bench.objects import configmap, dump
from bench.procfs import cpu_seconds
from bench.servers import TOKEN, free_port

QUIET, LOUD = "quiet-tenant-token-0123456789", "loud-tenant-token-0123456789"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
PLAIN = "application/json"
# name -> (what follows the path, accept)
STORMS = {
    "lists": ("", PLAIN),
    "tables": ("", TABLE),
    "selectors": ("?labelSelector=nobody%21%3Dthis,app", PLAIN),
    "fields": ("?fieldSelector=metadata.name!%3Dnobody", PLAIN),
    "watches": ("?watch=true&timeoutSeconds=1", PLAIN),
}


def flood(port: int, path: str, accept: str, connections: int, seconds: float) -> None:
    """Runs in a process of its own: ask, read all, ask again. Prints how many answers and bytes there were."""
    import selectors
    import ssl

    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    head = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {LOUD}\r\nAccept: {accept}\r\n\r\n".encode()
    chosen = selectors.DefaultSelector()
    for _ in range(connections):
        raw = socket.create_connection(("127.0.0.1", port))
        sock = context.wrap_socket(raw)
        sock.sendall(head)
        sock.setblocking(False)
        chosen.register(sock, selectors.EVENT_READ, bytearray())
    answers = received = refused = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for key, _ in chosen.select(0.1):
            sock, last = key.fileobj, key.data
            assert isinstance(sock, ssl.SSLSocket)
            try:
                while data := sock.recv(1 << 18):
                    received += len(data)
                    refused += data.startswith(b"HTTP/1.1 429")
                    last += data[-8:]
                    del last[:-8]
            except (ssl.SSLWantReadError, BlockingIOError):
                pass
            # A chunked body ends so, and a refusal with a line break of its text.
            if last.endswith((b"\r\n0\r\n\r\n", b"later.\n")) or bytes(last) == b"0\r\n\r\n":
                answers += 1
                last.clear()
                sock.sendall(head)
    print(json.dumps({"answers": answers, "bytes": received, "refused": refused}))


async def _prepare(target: Target, objects: int) -> None:
    pool = Pool(target)
    make = target.request
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"}
    for tenant in ("quiet", "loud"):
        subject = {"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": tenant}
        binding = {"metadata": {"name": tenant}, "roleRef": role, "subjects": [subject]}
        await pool.ask(make("POST", "/api/v1/namespaces", dump({"metadata": {"name": tenant}})))
        path = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{tenant}/rolebindings"
        status, body = await pool.ask(make("POST", path, dump(binding)))
        if status != 201:
            raise RuntimeError(f"{path}: {status} {body[:300]!r}")
    path = "/api/v1/namespaces/loud/configmaps"
    bodies = [dump(configmap("loud", f"cm-{number:05d}", number)) for number in range(objects)]
    filled = await run(pool, "filling", 32, [make("POST", path, body) for body in bodies])
    if filled.errors:
        raise RuntimeError(filled.note)
    pool.close()


async def _creates(target: Target, label: str, count: int, concurrency: int) -> Result:
    pool = Pool(target)
    path = "/api/v1/namespaces/quiet/configmaps"
    bodies = [dump(configmap("quiet", f"{label}-{number}", number)) for number in range(count)]
    result = await run(pool, label, concurrency, [target.request("POST", path, body) for body in bodies])
    pool.close()
    return result


async def measure(args: argparse.Namespace) -> list[dict[str, object]]:
    with tempfile.TemporaryDirectory(prefix="bench-tenants-") as text:
        folder, port = Path(text), free_port()
        (folder / "tokens.csv").write_text(
            f"{TOKEN},admin,admin,system:masters\n{QUIET},quiet,quiet\n{LOUD},loud,loud\n"
        )
        command = [sys.executable, "-m", "wherry", "up", "--port", str(port), "--kubeconfig", f"{folder}/kubeconfig"]
        command += ["--token-auth-file", f"{folder}/tokens.csv", "--data", f"{folder}/data"]
        command += ["--enable-priority-and-fairness=false"] if args.unfair else []
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            server.stdout.readline()
            admin = Target(f"https://127.0.0.1:{port}", TOKEN, [server.pid])
            quiet = Target(f"https://127.0.0.1:{port}", QUIET, [server.pid])
            await _prepare(admin, args.objects)
            await _creates(quiet, "warming", 200, 1)
            return [row async for row in _rows(args, quiet, port, server.pid)]
        finally:
            server.terminate()
            server.wait(30)


async def _rows(args: argparse.Namespace, quiet: Target, port: int, pid: int):  # type: ignore[no-untyped-def]
    for number, storm in enumerate(args.storms.split(",")):
        calm = await _creates(quiet, f"calm-{number}", args.creates, args.concurrency)
        query, accept = STORMS[storm]
        path = f"/api/v1/namespaces/loud/configmaps{query}"
        code = "import sys; from bench.tenants import flood; a = sys.argv; "
        code += "flood(int(a[1]), a[2], a[3], int(a[4]), float(a[5]))"
        flooding = [sys.executable, "-c", code, str(port), path, accept, str(args.connections), str(args.seconds)]
        process = subprocess.Popen(flooding, stdout=subprocess.PIPE)
        await asyncio.sleep(2.0)
        cpu, begin = cpu_seconds([pid]), time.perf_counter()
        busy = await _creates(quiet, f"storm-{number}", args.creates, args.concurrency)
        share = (cpu_seconds([pid]) - cpu) / (time.perf_counter() - begin)
        out, _ = await asyncio.get_running_loop().run_in_executor(None, process.communicate)
        seen = json.loads(out)
        yield {
            "storm": storm,
            "quiet p50, ms": round(calm.p50, 2),
            "quiet p99, ms": round(calm.p99, 2),
            "storm p50, ms": round(busy.p50, 2),
            "storm p99, ms": round(busy.p99, 2),
            "p99 ratio": round(busy.p99 / calm.p99, 2),
            "errors": busy.errors,
            "answers to the storm": seen["answers"],
            "refused": seen["refused"],
            "MiB to the storm": round(seen["bytes"] / 2**20),
            "server's CPU, cores": round(share, 2),
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.tenants", description="A storm and another's writes.")
    parser.add_argument("--objects", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=16, help="of the tenant that floods")
    parser.add_argument("--creates", type=int, default=1_000, help="of the other tenant, per measurement")
    parser.add_argument("--concurrency", type=int, default=1, help="of the creates")
    parser.add_argument("--seconds", type=float, default=12.0, help="that a storm lasts")
    parser.add_argument("--storms", default=",".join(STORMS), help="which of them")
    parser.add_argument("--unfair", action="store_true", help="switch fairness off")
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    args = parser.parse_args()
    rows = asyncio.run(measure(args))
    for row in rows:
        print("; ".join(f"{name}: {value}" for name, value in row.items()))
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
