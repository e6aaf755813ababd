"""Another API server serves a group version: a second control plane, over TLS, that believes the first."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from wherry.access.options import AccessOptions
from wherry.access.user import User
from wherry.client import Client, Kind
from wherry.controlplane import ControlPlane
from wherry.errors import NotFound
from wherry.machinery import builtins
from wherry.server.handler import ApiHandler
from wherry.server.http import Request
from wherry.server.local import LocalTransport

Obj = dict[str, Any]
ADMIN = User("kubernetes-admin", groups=("system:masters", "system:authenticated"))
SERVICES = Kind("", "v1", "services")
API_SERVICES = Kind("apiregistration.k8s.io", "v1", "apiservices", namespaced=False)
DEFINITIONS = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
FLUNDERS = Kind("wardle.example.com", "v1alpha1", "flunders")


def definition() -> Obj:
    names = {"plural": "flunders", "singular": "flunder", "kind": "Flunder", "listKind": "FlunderList"}
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object"}}}}
    versions = [{"name": "v1alpha1", "served": True, "storage": True, "schema": schema}]
    spec = {"group": "wardle.example.com", "names": names, "scope": "Namespaced", "versions": versions}
    api = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**api, "metadata": {"name": "flunders.wardle.example.com"}, "spec": spec}


class Pair:
    """The control plane that clients talk to, and the one that serves flunders for it."""

    def __init__(self, main: ControlPlane, other: ControlPlane):
        self.main, self.other = main, other
        self.client = Client(LocalTransport(handler_of(main), ADMIN))

    async def call(self, method: str, path: str, user: User = ADMIN, **headers: str) -> tuple[int, dict[str, str], Any]:
        raw, _, query = path.partition("?")
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        response = await handler_of(self.main)(Request(method, raw, raw, query, named, user=user))
        body: Any = response.body
        if not isinstance(body, bytes):
            body = b"".join([piece async for piece in body] if hasattr(body, "__anext__") else body)
        return response.status, dict(response.headers), body

    async def delegate(self, **spec: Any) -> None:
        """Make the Service and the APIService."""
        service = {"type": "ExternalName", "externalName": "localhost"}
        obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "wardle"}, "spec": service}
        await self.client.create(SERVICES, obj, "default")
        port = int(self.other.url.rpartition(":")[2])
        where = {"namespace": "default", "name": "wardle", "port": port}
        wanted = {"group": "wardle.example.com", "version": "v1alpha1", "service": where}
        wanted |= {"groupPriorityMinimum": 2000, "versionPriority": 200, "caBundle": authority(self.other), **spec}
        meta = {"name": "v1alpha1.wardle.example.com"}
        api = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
        await self.client.create(API_SERVICES, {**api, "metadata": meta, "spec": wanted})

    async def condition(self, status: str, reason: str = "") -> Obj:
        """Waits until the APIService is available or not."""
        revision = (await self.client.list(API_SERVICES))["metadata"]["resourceVersion"]
        live = await self.client.get(API_SERVICES, "v1alpha1.wardle.example.com")
        stream = self.client.watch(API_SERVICES, resourceVersion=revision)
        try:
            while True:
                for each in (live.get("status") or {}).get("conditions") or ():
                    if each["status"] == status and reason in ("", each["reason"]):
                        return dict(each)
                _, live = await anext(stream)
                if live["metadata"]["name"] != "v1alpha1.wardle.example.com":
                    live = {}
        finally:
            await stream.aclose()  # type: ignore[attr-defined]


def handler_of(plane: ControlPlane) -> ApiHandler:
    handler = plane._handler
    assert isinstance(handler, ApiHandler)
    return handler


def authority(plane: ControlPlane) -> str:
    assert plane._serving is not None
    return base64.b64encode(plane._serving.pki.authority).decode()


def with_pair(test: Callable[[Pair], Awaitable[None]], folder: Path) -> None:
    async def main() -> None:
        first = ControlPlane(kubeconfig_path=folder / "first")
        await first.serve()
        assert first._front is not None
        (folder / "proxies.crt").write_text(first._front.authority)
        believes = AccessOptions(requestheader_client_ca_file=folder / "proxies.crt")
        names = ["wardle.default.svc"]
        second = ControlPlane(kubeconfig_path=folder / "second", access=believes, names=names)
        await second.serve()
        try:
            await Client(LocalTransport(handler_of(second), ADMIN)).create(DEFINITIONS, definition())
            await asyncio.wait_for(test(Pair(first, second)), 20)
        finally:
            await second.stop()
            await first.stop()

    asyncio.run(main())


def flunder(name: str) -> Obj:
    return {"apiVersion": "wardle.example.com/v1alpha1", "kind": "Flunder", "metadata": {"name": name}}


def test_objects_live_on_the_other_server_and_watches_come_through(tmp_path: Path) -> None:
    async def test(pair: Pair) -> None:
        await pair.delegate()
        passed = await pair.condition("True")
        assert (passed["reason"], passed["message"]) == ("Passed", "all checks passed")
        made = await pair.client.create(FLUNDERS, flunder("a"), "default")
        stream = pair.client.watch(FLUNDERS, "default", resourceVersion=made["metadata"]["resourceVersion"])
        first = asyncio.ensure_future(anext(stream))
        await pair.client.create(FLUNDERS, flunder("b"), "default")
        kind, seen = await first
        assert (kind, seen["metadata"]["name"]) == ("ADDED", "b")
        watches = handler_of(pair.main).api.watches
        assert watches.by_user == {ADMIN.name: 1}
        await stream.aclose()  # type: ignore[attr-defined]
        assert not watches.open
        there = Client(LocalTransport(handler_of(pair.other), ADMIN))
        assert len((await there.list(FLUNDERS, "default"))["items"]) == 2
        assert handler_of(pair.main).api.store.storage.count("/root/wardle.example.com/") == 0
        with pytest.raises(NotFound, match=r'flunders.wardle.example.com "c" not found'):
            await pair.client.get(FLUNDERS, "c", "default")

    with_pair(test, tmp_path)


def test_the_other_server_knows_who_asks_and_nobody_can_pretend(tmp_path: Path) -> None:
    review = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"

    async def test(pair: Pair) -> None:
        await pair.delegate()
        await pair.condition("True")
        # The first server lets her in; the second one, which has rules of its own, says by whom it thinks it is asked.
        rbac = Kind("rbac.authorization.k8s.io", "v1", "clusterrolebindings", namespaced=False)
        subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "änne"}
        role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"}
        kind = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding"}
        await pair.client.create(rbac, {**kind, "metadata": {"name": "b"}, "subjects": [subject], "roleRef": role})
        anne = User("änne", groups=("system:authenticated",), extra={"a/b%": ("c",)})
        status, _, body = await pair.call("GET", review, anne, x_remote_user="root", x_remote_group="system:masters")
        assert status == 403
        assert 'User "änne" cannot list resource "flunders"' in orjson.loads(body)["message"]
        # The first server's own refusal needs no second.
        status, _, body = await pair.call("GET", review, User("other"))
        assert (status, orjson.loads(body)["message"].split('"')[1]) == (403, "other")

    with_pair(test, tmp_path)


def test_discovery_and_openapi_tell_of_it(tmp_path: Path) -> None:
    async def test(pair: Pair) -> None:
        await pair.delegate()
        await pair.condition("True")
        for _ in range(200):  # documents follow the condition
            _, _, body = await pair.call("GET", "/openapi/v3")
            if "apis/wardle.example.com/v1alpha1" in orjson.loads(body)["paths"]:
                break
            await asyncio.sleep(0.01)
        url = orjson.loads(body)["paths"]["apis/wardle.example.com/v1alpha1"]["serverRelativeURL"]
        _, _, body = await pair.call("GET", url)
        assert "com.example.wardle.v1alpha1.Flunder" in orjson.loads(body)["components"]["schemas"]
        _, _, body = await pair.call("GET", "/openapi/v2")
        document = orjson.loads(body)
        assert "com.example.wardle.v1alpha1.Flunder" in document["definitions"]
        assert any(path.startswith("/apis/wardle.example.com/v1alpha1/") for path in document["paths"])
        media = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"
        status, _, body = await pair.call("GET", "/openapi/v2", accept=media)
        assert status == 200
        assert b"com.example.wardle.v1alpha1.Flunder" in body

        _, _, body = await pair.call("GET", "/apis")
        groups = [group["name"] for group in orjson.loads(body)["groups"]]
        assert groups[0] == "apiregistration.k8s.io"
        at = groups.index("wardle.example.com")  # less than what is built in, more than what definitions have
        assert all(group in builtins.groups() for group in groups[:at])
        assert not any(group in builtins.groups() for group in groups[at:])
        _, _, body = await pair.call("GET", "/apis/wardle.example.com")
        assert orjson.loads(body)["preferredVersion"]["version"] == "v1alpha1"
        _, _, body = await pair.call("GET", "/apis/wardle.example.com/v1alpha1")
        assert orjson.loads(body)["resources"][0]["name"] == "flunders"
        media = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
        _, _, body = await pair.call("GET", "/apis", accept=media)
        item = orjson.loads(body)["items"][at]
        assert item["metadata"]["name"] == "wardle.example.com"
        assert item["versions"][0]["freshness"] == "Current"
        assert item["versions"][0]["resources"][0]["resource"] == "flunders"

    with_pair(test, tmp_path)


def test_why_it_is_not_available(tmp_path: Path) -> None:
    path = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"

    async def test(pair: Pair) -> None:
        wrong = authority(pair.main)
        await pair.delegate(caBundle=wrong)
        failed = await pair.condition("False", "FailedDiscoveryCheck")
        assert "tls: failed to verify certificate: x509: certificate signed by unknown authority" in failed["message"]
        status, headers, body = await pair.call("GET", path)
        assert (status, body, headers["content-type"]) == (503, b"service unavailable\n", "text/plain; charset=utf-8")
        patch: Obj = {"spec": {"caBundle": None, "insecureSkipTLSVerify": True}}
        await pair.client.patch(API_SERVICES, "v1alpha1.wardle.example.com", patch)
        await pair.condition("True")
        await pair.client.delete(SERVICES, "wardle", "default")
        gone = await pair.condition("False", "ServiceNotFound")
        assert gone["message"] == 'service/wardle in "default" is not present'
        ports = [{"name": "https", "port": 1443}]
        obj = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "wardle"}, "spec": {"ports": ports}}
        await pair.client.create(SERVICES, obj, "default")
        port = int(pair.other.url.rpartition(":")[2])
        failed = await pair.condition("False", "ServicePortError")
        assert failed["message"] == f'service/wardle in "default" is not listening on port {port}'
        patch = {"spec": {"service": {"port": 1443}}}
        await pair.client.patch(API_SERVICES, "v1alpha1.wardle.example.com", patch)
        failed = await pair.condition("False", "EndpointsNotFound")
        assert failed["message"] == 'cannot find endpointslices for service/wardle in "default"'
        await pair.client.delete(API_SERVICES, "v1alpha1.wardle.example.com")
        status, _, _ = await pair.call("GET", path)
        assert status == 404

    with_pair(test, tmp_path)


def test_a_server_that_went_is_a_503_with_the_reason(tmp_path: Path) -> None:
    path = "/apis/wardle.example.com/v1alpha1/namespaces/default/flunders"

    async def test(pair: Pair) -> None:
        await pair.delegate()
        await pair.condition("True")
        await pair.other.stop()
        status, _, body = await pair.call("GET", path)
        assert status == 503
        assert body.startswith(b"error trying to reach service: dial tcp") or body == b"service unavailable\n"

    with_pair(test, tmp_path)


def test_connections_that_leave_http_are_tunnelled(tmp_path: Path) -> None:
    async def test(pair: Pair) -> None:
        await pair.delegate()
        await pair.condition("True")
        await pair.client.create(FLUNDERS, flunder("a"), "default")
        context = ssl.create_default_context(cadata=base64.b64decode(authority(pair.main)).decode())
        port = int(pair.main.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("localhost", port, ssl=context, server_hostname="localhost")
        writer.write(
            b"GET /apis/wardle.example.com/v1alpha1/namespaces/default/flunders?watch=1 HTTP/1.1\r\nHost: x\r\n"
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nAuthorization: Bearer "
            + pair.main.token.encode()
            + b"\r\n\r\n"
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"sec-websocket-accept: " in head.lower()
        frame = await reader.readuntil(b'"ADDED"')
        assert frame[0] == 0x81  # a text message
        writer.close()

    with_pair(test, tmp_path)
