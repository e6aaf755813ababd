"""APIServices come and go with definitions, and are put in order at a start."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from wherry.access.chain import ADMIN
from wherry.client import Client
from wherry.features.apiservices.register_controller import API_SERVICES, DEFINITIONS, RegisterController
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

Obj = dict[str, Any]
SCHEMA = {"openAPIV3Schema": {"type": "object"}}


def definition(*versions: str) -> Obj:
    names = {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"}
    listed = [{"name": v, "served": True, "storage": v == versions[0], "schema": SCHEMA} for v in versions]
    spec = {"group": "example.com", "names": names, "scope": "Namespaced", "versions": listed}
    api = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**api, "metadata": {"name": "widgets.example.com"}, "spec": spec}


def with_controller(test: Callable[[Client, Callable[[], RegisterController]], Awaitable[None]]) -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        client = Client(LocalTransport(handler, ADMIN))
        running: list[RegisterController] = []

        def start() -> RegisterController:
            controller = RegisterController(client)
            controller.start()
            running.append(controller)
            return controller

        try:
            await asyncio.wait_for(test(client, start), 10)
        finally:
            for controller in running:
                await controller.stop()
            await handler.close()
            await storage.close()

    asyncio.run(main())


async def event(client: Client, revision: str, *wanted: tuple[str, str]) -> None:
    """Waits until the watch has shown all of these (type, name)."""
    left = set(wanted)
    stream = client.watch(API_SERVICES, resourceVersion=revision)
    async for kind, obj in stream:
        left.discard((kind, obj["metadata"]["name"]))
        if not left:
            break
    await stream.aclose()  # type: ignore[attr-defined]


def test_definitions_have_their_api_services() -> None:
    async def test(client: Client, start: Callable[[], RegisterController]) -> None:
        start()
        made = await client.create(DEFINITIONS, definition("v1", "v1beta1"))
        at = made["metadata"]["resourceVersion"]
        await event(client, at, ("ADDED", "v1.example.com"), ("ADDED", "v1beta1.example.com"))
        found = await client.get(API_SERVICES, "v1.example.com")
        assert found["metadata"]["labels"] == {"kube-aggregator.kubernetes.io/automanaged": "true"}
        assert found["status"]["conditions"][0]["reason"] == "Local"
        await client.delete(API_SERVICES, "v1.example.com")
        await event(client, found["metadata"]["resourceVersion"], ("ADDED", "v1.example.com"))
        live = await client.get(DEFINITIONS, "widgets.example.com")
        live["spec"]["versions"][1]["served"] = False
        changed = await client.update(DEFINITIONS, live)
        await event(client, changed["metadata"]["resourceVersion"], ("DELETED", "v1beta1.example.com"))

    with_controller(test)


def test_a_start_makes_what_is_missing_and_takes_what_is_spurious() -> None:
    async def test(client: Client, start: Callable[[], RegisterController]) -> None:
        listed = await client.list(API_SERVICES)
        assert len(listed["items"]) == 21  # sown
        await client.delete(API_SERVICES, "v1.apps")
        stale = {"group": "old.example.com", "version": "v1", "groupPriorityMinimum": 1, "versionPriority": 1}
        labels = {"kube-aggregator.kubernetes.io/automanaged": "onstart"}
        meta = {"name": "v1.old.example.com", "labels": labels}
        obj = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": meta, "spec": stale}
        made = await client.create(API_SERVICES, obj)
        start()
        at = made["metadata"]["resourceVersion"]
        await event(client, at, ("ADDED", "v1.apps"), ("DELETED", "v1.old.example.com"))

    with_controller(test)
