"""Storage that is in use stays until it is not; storage that nobody uses goes at once."""

from __future__ import annotations

import asyncio
from typing import Any

from wherry.access.chain import ADMIN
from wherry.client import Client
from wherry.features.storageprotection import protection_reconcile as rules
from wherry.features.storageprotection.protection_controller import CLAIMS, controllers
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

Obj = dict[str, Any]
CLAIM: Obj = {
    "apiVersion": "v1",
    "kind": "PersistentVolumeClaim",
    "metadata": {"name": "c"},
    "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
}


def pod(phase: str = "Running", node: str = "n", claim: str = "c") -> Obj:
    volume = {"name": "v", "persistentVolumeClaim": {"claimName": claim}}
    return {"metadata": {"name": "p"}, "spec": {"nodeName": node, "volumes": [volume]}, "status": {"phase": phase}}


def test_who_uses_a_claim() -> None:
    claim = {"metadata": {"name": "c"}}
    assert rules.claim_in_use(claim, [pod()])
    assert not rules.claim_in_use(claim, [pod("Succeeded"), pod(node=""), pod(claim="other")])
    ephemeral = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "volumes": [{"name": "v", "ephemeral": {}}]}}
    assert rules.claim_in_use({"metadata": {"name": "p-v"}}, [ephemeral])


def test_only_our_finalizer_goes() -> None:
    obj = {"metadata": {"resourceVersion": "5", "deletionTimestamp": "x", "finalizers": ["a/b", rules.CLAIM]}}
    assert rules.waits(obj, rules.CLAIM)
    assert not rules.waits(obj, rules.VOLUME)
    assert rules.without(obj, rules.CLAIM) == {"metadata": {"resourceVersion": "5", "finalizers": ["a/b"]}}


def test_an_unused_claim_goes_once_it_is_deleted() -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        client = Client(LocalTransport(handler, ADMIN))
        running = controllers(client)
        for controller in running:
            controller.start()
        made = await client.create(CLAIMS, CLAIM, "default")
        assert made["metadata"]["finalizers"] == [rules.CLAIM]
        revision = made["metadata"]["resourceVersion"]
        stream = client.watch(CLAIMS, "default", resourceVersion=revision)
        await client.delete(CLAIMS, "c", "default")
        kinds = [(await asyncio.wait_for(anext(stream), 5))[0] for _ in range(2)]
        assert kinds == ["MODIFIED", "DELETED"]
        await stream.aclose()  # type: ignore[attr-defined]
        for controller in running:
            await controller.stop()
        await handler.close()
        await storage.close()

    asyncio.run(main())
