"""The authority's certificate in every namespace: published, restored, left alone where a namespace goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from wherry.access.chain import ADMIN
from wherry.client import Client, Kind
from wherry.controlplane.rootca import NAME, RootCertificates, published
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
MAPS = Kind("", "v1", "configmaps")
PEM = "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"

Obj = dict[str, Any]


def run(test: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        client = Client(LocalTransport(handler, ADMIN, "test"))
        certificates = RootCertificates(client, PEM.encode())
        certificates.start()
        async with asyncio.timeout(10):
            await test(client)
        await certificates.stop()
        await handler.close()
        await storage.close()

    asyncio.run(main())


async def until(client: Client, namespace: str, wanted: Callable[[str, Obj], bool]) -> Obj:
    """The first event on a namespace's map that is as wanted."""
    async for event, obj in client.watch(MAPS, namespace, fieldSelector=f"metadata.name={NAME}"):
        if wanted(event, obj):
            return obj
    raise AssertionError("the watch ended")


def test_a_new_namespace_gets_it():
    async def test(client: Client) -> None:
        await client.create(NAMESPACES, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "new"}})
        found = await until(client, "new", lambda event, obj: event == "ADDED")
        assert found["data"] == {"ca.crt": PEM}
        assert found["metadata"]["annotations"]["kubernetes.io/description"]

    run(test)


def test_what_was_changed_or_deleted_comes_back():
    async def test(client: Client) -> None:
        first = await until(client, "default", lambda event, obj: event == "ADDED")
        await client.patch(MAPS, NAME, {"data": {"ca.crt": "wrong", "more": "x"}}, "default")
        await until(client, "default", lambda event, obj: obj["data"] == {"ca.crt": PEM})
        await client.delete(MAPS, NAME, "default")
        again = await until(client, "default", lambda event, obj: obj["metadata"]["uid"] != first["metadata"]["uid"])
        assert again["data"] == {"ca.crt": PEM}

    run(test)


def test_published_keeps_what_others_wrote():
    live = {"metadata": {"name": NAME, "annotations": {"a": "b"}, "labels": {"c": "d"}}, "data": {"ca.crt": "old"}}
    wanted = published(live, PEM)
    assert wanted is not None
    assert wanted["metadata"]["labels"] == {"c": "d"}
    assert wanted["metadata"]["annotations"]["a"] == "b"
    assert published(wanted, PEM) is None
