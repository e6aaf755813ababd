"""The status of quotas follows what is there, also where definitions come and things go."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from wherry.access.chain import ADMIN
from wherry.client import Client, Kind
from wherry.features.quotas.quota_controller import QUOTAS, QuotaController
from wherry.features.quotas.quota_reconcile import kinds, matters
from wherry.machinery.quota.evaluators import GroupResource
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

Obj = dict[str, Any]
MAPS = Kind("", "v1", "configmaps")
LEASES = Kind("coordination.k8s.io", "v1", "leases")


class Nothing:
    now = 0.0

    def get(self, resource: GroupResource, namespace: str, name: str) -> None:
        return None

    def objects(self, resource: GroupResource, namespace: str) -> tuple[()]:
        return ()


def with_controller(test: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        client = Client(LocalTransport(handler, ADMIN))
        controller = QuotaController(client)
        controller.start()
        try:
            await asyncio.wait_for(test(client), 10)
        finally:
            await controller.stop()
            await handler.close()
            await storage.close()

    asyncio.run(main())


def quota(hard: Obj) -> Obj:
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q"}, "spec": {"hard": hard}}


def named(kind: str, name: str, version: str = "v1", **more: Any) -> Obj:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **more}


async def until(client: Client, wanted: Obj, revision: str) -> str:
    """Waits for the status to show this usage; the revision at which it did."""
    stream = client.watch(QUOTAS, "default", resourceVersion=revision)
    try:
        async for _, obj in stream:
            if (obj.get("status") or {}).get("used") == wanted:
                return str(obj["metadata"]["resourceVersion"])
    finally:
        await stream.aclose()  # type: ignore[attr-defined]
    raise AssertionError("the watch ended")


def test_the_status_is_filled_in_and_what_goes_is_free_again() -> None:
    async def test(client: Client) -> None:
        await client.create(MAPS, named("ConfigMap", "before"), "default")
        made = await client.create(QUOTAS, quota({"configmaps": "2", "pods": "4"}), "default")
        at = await until(client, {"configmaps": "1", "pods": "0"}, made["metadata"]["resourceVersion"])
        await client.create(MAPS, named("ConfigMap", "a"), "default")
        await client.delete(MAPS, "before", "default")
        at = await until(client, {"configmaps": "2", "pods": "0"}, at)  # admission
        at = await until(client, {"configmaps": "1", "pods": "0"}, at)  # the controller
        patch = {"spec": {"hard": {"configmaps": None}}}
        await client.patch(QUOTAS, "q", patch, "default")
        await until(client, {"pods": "0"}, at)

    with_controller(test)


def test_kinds_of_any_group_are_counted() -> None:
    async def test(client: Client) -> None:
        lease = named("Lease", "l", "coordination.k8s.io/v1")
        await client.create(LEASES, lease, "default")
        made = await client.create(QUOTAS, quota({"count/leases.coordination.k8s.io": "1"}), "default")
        at = await until(client, {"count/leases.coordination.k8s.io": "1"}, made["metadata"]["resourceVersion"])
        await client.delete(LEASES, "l", "default")
        await until(client, {"count/leases.coordination.k8s.io": "0"}, at)

    with_controller(test)


def test_which_kinds_a_quota_counts() -> None:
    found = kinds(["requests.cpu", "secrets", "count/w.example.com", "requests.storage"], Nothing())
    assert found == {("", "pods"), ("", "secrets"), ("example.com", "w"), ("", "persistentvolumeclaims")}
    assert kinds(["made.up"], Nothing()) == set()
    devices = ("resource.k8s.io", "deviceclasses")
    assert devices in kinds(["requests.example.com/gpu"], Nothing())


def test_which_changes_matter() -> None:
    maps, pods = ("", "configmaps"), ("", "pods")
    there = {"metadata": {}, "spec": {}}
    assert not matters(maps, None, there, 0)
    assert not matters(maps, there, {**there, "data": {}}, 0)
    assert matters(maps, there, None, 0)
    assert matters(pods, there, {**there, "status": {"phase": "Succeeded"}}, 0)
    assert matters(pods, there, {**there, "spec": {"activeDeadlineSeconds": 1}}, 0)
    assert not matters(pods, there, {**there, "status": {"phase": "Running"}}, 0)
    service = {"metadata": {}, "spec": {"type": "NodePort"}}
    assert matters(("", "services"), service, {"metadata": {}, "spec": {"type": "ClusterIP"}}, 0)
