"""Where a Service leads, and a conversion webhook behind one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from wherry.access.outgoing import Outgoing
from wherry.access.webhooks import WebhookError
from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage

from .webhook_server import json_answer, running

Call = Callable[[str, str, Any], Awaitable[dict[str, Any]]]


def with_plane(test: Callable[[Call, Outgoing], Awaitable[None]]) -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        headers = [("authorization", "Bearer t"), ("content-type", "application/json"), ("user-agent", "t")]

        async def call(method: str, path: str, body: Any) -> dict[str, Any]:
            response = await handler(Request(method, path, path, "", list(headers), orjson.dumps(body)))
            assert isinstance(response.body, bytes)
            assert response.status < 300, response.body
            answer: dict[str, Any] = orjson.loads(response.body)
            return answer

        await call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}})
        outgoing = Outgoing(handler.api.store, handler.api.registry)
        await test(call, outgoing)
        await outgoing.close()
        await handler.close()
        await storage.close()

    asyncio.run(main())


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def endpoint_slice(name: str, port: int, *addresses: tuple[str, bool]) -> dict[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "hook"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": ready}} for address, ready in addresses],
        "ports": [{"name": "https", "port": port}],
    }


SERVICES = "/api/v1/namespaces/ns/services"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/ns/endpointslices"
HTTPS = [{"name": "https", "port": 443}]


def test_ready_endpoints_of_the_port_are_taken() -> None:
    async def test(call: Call, outgoing: Outgoing) -> None:
        with pytest.raises(WebhookError, match=r'^service "hook" not found$'):
            outgoing.resolve("ns", "hook", 443)
        await call("POST", SERVICES, service("hook", ports=HTTPS))
        with pytest.raises(WebhookError, match=r'^no endpoints available for service "hook"$'):
            outgoing.resolve("ns", "hook", 443)
        with pytest.raises(WebhookError, match=r'^no service port 444 found for service "hook"$'):
            outgoing.resolve("ns", "hook", 444)
        await call("POST", SLICES, endpoint_slice("a", 9443, ("192.0.2.1", False), ("192.0.2.2", True)))
        assert outgoing.resolve("ns", "hook", 443) == ("192.0.2.2", 9443)
        await call("POST", SERVICES, service("far", type="ExternalName", externalName="far.example.com"))
        assert outgoing.resolve("ns", "far", 8443) == ("far.example.com", 8443)

    with_plane(test)


def test_a_call_to_a_service_reaches_its_endpoint() -> None:
    async def test(call: Call, outgoing: Outgoing) -> None:
        async with running(json_answer(lambda body: {"got": body})) as hook:
            await call("POST", SERVICES, service("hook", ports=HTTPS))
            # validation lets no loopback address through: the port is the slice's, the host this machine
            await call("POST", SLICES, endpoint_slice("a", hook.port, ("192.0.2.1", True)))
            outgoing.caller._resolve = lambda *asked: ("127.0.0.1", outgoing.resolve(*asked)[1])
            config = {"service": {"name": "hook", "namespace": "ns"}, "caBundle": hook.config["caBundle"]}
            assert orjson.loads(await outgoing.convert(config, b'{"a":1}')) == {"got": {"a": 1}}

    with_plane(test)
