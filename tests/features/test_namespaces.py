"""A namespace that is deleted loses its content: pods first, since what they use is to outlast them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.features.served import served

from wherry.client import Kind
from wherry.errors import NotFound
from wherry.features.namespaces.namespace_controller import NAMESPACES, PODS, NamespaceController

MAPS, ACCOUNTS = Kind("", "v1", "configmaps"), Kind("", "v1", "serviceaccounts")
HELD = "example.com/held"


def obj(kind: str, name: str, **more: Any) -> dict[str, Any]:
    meta = {"name": name, **more.pop("metadata", {})}
    return {"apiVersion": "v1", "kind": kind, "metadata": meta, **more}


def test_content_goes_after_the_last_pod() -> None:
    async def scenario() -> None:
        async with served(NamespaceController) as (client, _):
            await client.create(NAMESPACES, obj("Namespace", "n"))
            await client.create(ACCOUNTS, obj("ServiceAccount", "default"), "n")
            await client.create(MAPS, obj("ConfigMap", "used"), "n")
            spec = {"containers": [{"name": "c", "image": "i"}]}
            await client.create(PODS, obj("Pod", "p", metadata={"finalizers": [HELD]}, spec=spec), "n")
            events = client.watch(NAMESPACES)
            await client.delete(NAMESPACES, "n")
            told: dict[str, str] = {}
            while "pods. has 1 resource instances" not in told.get("NamespaceContentRemaining", ""):
                _, namespace = await anext(events)
                told = {c["type"]: c["message"] for c in (namespace.get("status") or {}).get("conditions") or ()}
            assert told["NamespaceFinalizersRemaining"].endswith(f"{HELD} in 1 resource instances")
            assert await client.get(MAPS, "used", "n")
            await client.patch(PODS, "p", {"metadata": {"finalizers": None}}, "n")
            while (await anext(events))[0] != "DELETED":
                pass
            with pytest.raises(NotFound):
                await client.get(MAPS, "used", "n")

    asyncio.run(asyncio.wait_for(scenario(), 10))
