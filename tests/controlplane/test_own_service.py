"""The Service `kubernetes`: made at start, its endpoints mended, its address nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wherry.access.chain import ADMIN
from wherry.client import Client, Kind
from wherry.controlplane import own_service
from wherry.errors import Invalid
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

SERVICES = Kind("", "v1", "services")
ENDPOINTS = Kind("", "v1", "endpoints")
SLICES = Kind("discovery.k8s.io", "v1", "endpointslices")


def run(test: Callable[[Client], Awaitable[None]]) -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        await test(Client(LocalTransport(handler, ADMIN, "test")))
        await handler.close()
        await storage.close()

    asyncio.run(main())


def test_what_is_there_after_a_look():
    async def test(client: Client) -> None:
        await own_service.OwnService(client, "192.0.2.7", 7443).look()
        service = await client.get(SERVICES, "kubernetes", "default")
        assert service["spec"]["clusterIP"] == "10.0.0.1"
        assert service["spec"]["ports"] == [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 7443}]
        assert service["metadata"]["labels"] == {"component": "apiserver", "provider": "kubernetes"}
        found = await client.get(ENDPOINTS, "kubernetes", "default")
        ports = [{"name": "https", "port": 7443, "protocol": "TCP"}]
        assert found["subsets"] == [{"addresses": [{"ip": "192.0.2.7"}], "ports": ports}]
        piece = await client.get(SLICES, "kubernetes", "default")
        assert (piece["addressType"], piece["ports"]) == ("IPv4", ports)
        assert piece["endpoints"] == [{"addresses": ["192.0.2.7"], "conditions": {"ready": True}}]

    run(test)


def test_a_second_look_writes_nothing():
    async def test(client: Client) -> None:
        own = own_service.OwnService(client, "192.0.2.7", 7443)
        await own.look()
        before = [await client.get(kind, "kubernetes", "default") for kind in (SERVICES, ENDPOINTS, SLICES)]
        await own.look()
        assert [await client.get(kind, "kubernetes", "default") for kind in (SERVICES, ENDPOINTS, SLICES)] == before

    run(test)


def test_a_server_that_moved_corrects_its_endpoints_and_what_was_deleted_returns():
    async def test(client: Client) -> None:
        await own_service.OwnService(client, "192.0.2.7", 7443).look()
        await client.delete(SERVICES, "kubernetes", "default")
        await own_service.OwnService(client, "2001:db8::7", 8443).look()
        assert (await client.get(SERVICES, "kubernetes", "default"))["spec"]["ports"][0]["targetPort"] == 8443
        found = await client.get(ENDPOINTS, "kubernetes", "default")
        assert found["subsets"][0]["addresses"] == [{"ip": "2001:db8::7"}]
        piece = await client.get(SLICES, "kubernetes", "default")
        assert (piece["addressType"], piece["endpoints"][0]["addresses"]) == ("IPv6", ["2001:db8::7"])

    run(test)


def test_the_address_is_taken_once():
    async def test(client: Client) -> None:
        spec = {"clusterIP": own_service.ADDRESS, "ports": [{"port": 1}]}
        other = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "other"}, "spec": spec}
        await own_service.OwnService(client, "192.0.2.7", 7443).look()
        with pytest.raises(Invalid, match="provided IP is already allocated"):
            await client.create(SERVICES, other, "default")

    run(test)


@pytest.mark.parametrize("bind", ["192.0.2.7", "2001:db8::7"])
def test_an_address_of_the_network_is_advertised_as_it_is(bind: str):
    assert own_service.advertised(bind) == bind


@pytest.mark.parametrize("bind", ["127.0.0.1", "0.0.0.0", "::", "::1", "localhost", ""])
def test_a_loopback_address_is_never_advertised(bind: str):
    assert not own_service.advertised(bind).startswith(("127.", "::1", "0.", "fe80"))


def test_looks_go_on_after_a_refusal():
    class Refusing(own_service.OwnService):
        looks = 0

        async def look(self) -> None:
            self.looks += 1
            if self.looks == 1:
                raise Invalid("no")
            done.set()

    done = asyncio.Event()

    async def main() -> None:
        nobody: Any = None
        own = Refusing(nobody, "192.0.2.7", 7443, interval=0.001)
        own.start()
        async with asyncio.timeout(5):
            await done.wait()
        await own.stop()

    asyncio.run(main())
