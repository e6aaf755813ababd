"""Features that read audit events get them, with or without a policy of the operator."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from wherry.access.chain import ADMIN
from wherry.access.user import User
from wherry.client import Client, Kind
from wherry.controlplane.features import Features
from wherry.feature import Feature
from wherry.runtime.audit import AuditReader
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage


class Reader:
    audit_name, audit_level = "reader", "Request"

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.some = asyncio.Event()

    def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def audited(self, events: list[bytes]) -> None:
        self.events += map(orjson.loads, events)
        self.some.set()


def test_a_feature_reads_what_is_done() -> None:
    async def scenario() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        reader = Reader()
        assert isinstance(reader, AuditReader)
        features = Features(handler, [Feature("reading", "system:reading", lambda _: [reader])])
        features.start()
        client = Client(LocalTransport(handler, User("ann", groups=ADMIN.groups), "test"))
        made = {"metadata": {"name": "a", "namespace": "default"}, "data": {"k": "v"}}
        await client.create(Kind("", "v1", "configmaps", namespaced=True), made, namespace="default")
        await asyncio.wait_for(reader.some.wait(), 5)
        (event,) = [event for event in reader.events if event["user"]["username"] == "ann"]
        assert event["requestObject"]["data"] == {"k": "v"}
        assert handler.api.auditor is not None
        assert handler.api.auditor.losses() == {"reader": 0}
        await features.stop()
        await handler.api.auditor.stop()
        await handler.close()
        await storage.close()

    asyncio.run(scenario())
