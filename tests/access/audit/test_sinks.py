"""The log file and its rotation, buffers that overflow, and the webhook."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import pytest
from tests.access.webhook_server import pki, running

from wherry.access.audit.auditor import Auditor
from wherry.access.audit.buffer import Batching, Buffered
from wherry.access.audit.logfile import LogFile, Rotation
from wherry.access.audit.options import AuditError, AuditOptions, LogOptions, WebhookOptions, make_auditor
from wherry.access.audit.policy import Level, everything
from wherry.access.audit.webhook import Webhook, read_config
from wherry.access.webhooks import WebhookCaller

LINE = b"x" * 99 + b"\n"


def test_a_full_file_is_put_aside_and_old_ones_go(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    rotation = Rotation(backups=2, age=1)
    rotation.bytes = 250
    log = LogFile(str(tmp_path / "audit.log"), rotation, now=lambda: now[0])
    for _ in range(9):
        assert log.take(LINE)
        now[0] += 1
    assert (tmp_path / "audit.log").stat().st_size == 100
    assert [path.stat().st_size for _, path in log.backups()] == [200, 200]
    assert {path.name for _, path in log.backups()} == {
        "audit-2023-11-14T22-13-28.000.log", "audit-2023-11-14T22-13-26.000.log",
    }  # fmt: skip
    now[0] += 2 * 86_400
    log.tidy()
    assert log.backups() == []


def test_rotated_files_are_compressed(tmp_path: Path) -> None:
    import gzip

    rotation = Rotation(compress=True)
    rotation.bytes = 150
    log = LogFile(str(tmp_path / "a.log"), rotation)
    for _ in range(3):
        log.take(LINE)
    assert all(gzip.decompress(path.read_bytes()) == LINE for _, path in log.backups())
    assert len(log.backups()) == 2


def test_the_log_is_private_and_goes_on_where_it_ended(tmp_path: Path) -> None:
    path = tmp_path / "new" / "audit.log"
    LogFile(str(path)).take(LINE)
    LogFile(str(path)).take(LINE)
    assert path.read_bytes() == 2 * LINE
    assert path.stat().st_mode & 0o777 == 0o600


def test_lines_that_cannot_be_written_are_counted_and_strict_sinks_say_so(tmp_path: Path) -> None:
    for strict in (False, True):
        log = LogFile("/dev/full", strict=strict)
        auditor = Auditor(everything(Level.METADATA), [log])
        assert auditor.tell({"a": 1}, Level.METADATA) is not strict
        assert auditor.losses() == {"log": 1}


def test_a_full_buffer_loses_the_newest_and_counts_them() -> None:
    got: list[bytes] = []

    async def slow(batch: list[bytes]) -> None:
        got.extend(batch)

    async def scenario() -> None:
        sink = Buffered("slow", slow, Batching(buffer=3, size=2, wait=0.0, qps=0.0))
        auditor = Auditor(everything(Level.METADATA), [sink])
        auditor.start()
        for number in range(5):
            auditor.tell({"n": number}, Level.METADATA)
        await auditor.stop()
        assert [json.loads(line)["n"] for line in got] == [0, 1, 2]
        assert auditor.losses() == {"slow": 2}

    asyncio.run(scenario())


def test_batches_wait_for_company_but_not_for_ever() -> None:
    batches: list[int] = []

    async def deliver(batch: list[bytes]) -> None:
        batches.append(len(batch))

    async def scenario() -> None:
        sink = Buffered("b", deliver, Batching(size=3, wait=0.02, qps=0.0))
        sink.start()
        for _ in range(4):
            sink.take(LINE)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert batches == [3]
        while len(batches) < 2:
            await asyncio.sleep(0.005)
        assert batches == [3, 1]
        await sink.stop()

    asyncio.run(scenario())


def test_long_events_lose_their_objects_and_then_go() -> None:
    lines: list[dict[str, Any]] = []

    class Sink:
        name, strict, max_event = "s", False, 200

        def take(self, line: bytes) -> bool:
            lines.append(json.loads(line))
            return True

        def start(self) -> None: ...

        async def stop(self) -> None: ...

    auditor = Auditor(everything(Level.REQUEST), [Sink()])
    auditor.tell({"requestObject": "x" * 500, "verb": "create"}, Level.REQUEST)
    auditor.tell({"verb": "x" * 500}, Level.METADATA)
    assert lines == [{"verb": "create", "annotations": {"audit.k8s.io/truncated": "true"}}]
    assert auditor.losses() == {"s": 0, "truncate": 1}


def kubeconfig(folder: Path, server: str, authority: bytes) -> Path:
    path = folder / "hook.yaml"
    doc = {
        "clusters": [
            {
                "name": "c",
                "cluster": {"server": server, "certificate-authority-data": base64.b64encode(authority).decode()},
            }
        ],
        "users": [{"name": "u", "user": {"token": "s3cret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.write_text(json.dumps(doc))
    return path


def test_the_webhook_gets_lists_of_events_and_is_asked_again(tmp_path: Path) -> None:
    async def scenario() -> None:
        answers = iter((500, 200))
        async with running(lambda _: (next(answers), "application/json", b"{}")) as server:
            path = kubeconfig(tmp_path, f"https://127.0.0.1:{server.port}/audit", pki().authority)
            config = read_config(path)
            assert config["token"] == "s3cret"
            caller = WebhookCaller()
            sink = Webhook(config, caller, initial_backoff=0.001).sink(Batching(wait=0.0, qps=0.0))
            auditor = Auditor(everything(Level.METADATA), [sink])
            auditor.start()
            auditor.tell({"kind": "Event", "n": 1}, Level.METADATA)
            auditor.tell({"kind": "Event", "n": 2}, Level.METADATA)
            await auditor.stop()
            await caller.close()
        bodies = server.calls
        assert bodies[0] == bodies[1]
        assert bodies[1]["kind"] == "EventList"
        assert bodies[1]["apiVersion"] == "audit.k8s.io/v1"
        assert [event["n"] for event in bodies[1]["items"]] == [1, 2]
        assert auditor.losses() == {"webhook": 0}

    asyncio.run(scenario())


def test_a_webhook_that_is_down_costs_events_not_requests(tmp_path: Path) -> None:
    async def scenario() -> None:
        config = {"url": "http://127.0.0.1:1/", "plain": True}
        sink = Webhook(config, WebhookCaller(), initial_backoff=0.0).sink(Batching(wait=0.0, qps=0.0))
        auditor = Auditor(everything(Level.METADATA), [sink])
        auditor.start()
        assert auditor.tell({"kind": "Event"}, Level.METADATA)
        await auditor.stop()
        assert auditor.losses() == {"webhook": 1}

    asyncio.run(scenario())


def test_configurations_that_do_not_work_say_why(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n- level: Metadata\n")
    assert make_auditor(AuditOptions(log=LogOptions("x"))) is None
    empty = tmp_path / "empty.yaml"
    empty.write_text("{}")
    for options, text in (
        (AuditOptions(tmp_path / "none"), "failed to read"),
        (AuditOptions(policy, LogOptions(str(policy / "log"))), "cannot be opened"),
        (AuditOptions(policy, LogOptions(str(tmp_path / "l"), megabytes=-1)), "--audit-log-maxsize -1"),
        (AuditOptions(policy, webhook=WebhookOptions(empty)), "is no kubeconfig that names a server"),
    ):
        with pytest.raises(AuditError, match=text):
            make_auditor(options)
