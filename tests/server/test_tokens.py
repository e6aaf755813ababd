"""Tokens over the API: asked for, shown, reviewed, and bound to what they were asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson
import pytest

from wherry.access.chain import ADMIN
from wherry.client import Client, Kind
from wherry.errors import BadRequest, Conflict, Invalid, NotFound
from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

ACCOUNTS, SECRETS = Kind("", "v1", "serviceaccounts"), Kind("", "v1", "secrets")
TOKEN = ACCOUNTS.path("default", "sa", "token")
REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"


def run(test: Callable[[Client, Any], Awaitable[None]]) -> None:
    async def go() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="admin")
        client = Client(LocalTransport(handler, ADMIN, "test"))
        await client.create(ACCOUNTS, {"metadata": {"name": "sa"}}, "default")
        try:
            await test(client, handler)
        finally:
            await handler.close()
            await storage.close()

    asyncio.run(go())


async def review(client: Client, token: str, *audiences: str) -> dict[str, Any]:
    made = await client.request("POST", REVIEWS, None, {"spec": {"token": token, "audiences": list(audiences)}})
    status: dict[str, Any] = made["status"]
    return status


def test_a_token_authenticates_until_its_secret_goes():
    async def test(client: Client, handler: Any) -> None:
        await client.create(SECRETS, {"metadata": {"name": "s"}}, "default")
        ref = {"kind": "Secret", "apiVersion": "v1", "name": "s"}
        made = await client.request("POST", TOKEN, None, {"spec": {"boundObjectRef": ref}})
        assert made["spec"]["expirationSeconds"] == 3600
        shown = Request(
            "GET", "/api/v1/nodes", "/api/v1/nodes", "", [("authorization", f"Bearer {made['status']['token']}")], b""
        )
        answer = await handler(shown)
        assert answer.status == 403
        assert "system:serviceaccount:default:sa" in orjson.loads(b"".join([answer.body]))["message"]
        await client.delete(SECRETS, "s", "default")
        assert (await handler(shown)).status == 401
        status = await review(client, made["status"]["token"])
        assert status["error"] == "[invalid bearer token, service account token has been invalidated]"

    run(test)


def test_reviews_of_other_tokens():
    async def test(client: Client, handler: Any) -> None:
        status = await review(client, "admin")
        assert status["authenticated"]
        assert status["user"]["username"] == "kubernetes-admin"
        assert await review(client, "admin", "vault") == {"user": {}, "error": "invalid bearer token"}
        with pytest.raises(BadRequest, match="token is required"):
            await review(client, "")

    run(test)


@pytest.mark.parametrize(
    ("body", "error", "text"),
    [
        ({"spec": {"expirationSeconds": 599}}, Invalid, "less than 10 minutes"),
        ({"metadata": {"name": "other"}}, Invalid, "must match the service account name"),
        ({"metadata": {"uid": "x"}}, Conflict, "the UID in the token request"),
        ({"spec": {"boundObjectRef": {"kind": "ConfigMap", "apiVersion": "v1"}}}, BadRequest, "Kind=ConfigMap"),
        ({"spec": {"boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": "x"}}}, NotFound, "pods"),
        ({"spec": {"boundObjectRef": {"kind": "Secret", "apiVersion": "v1"}}}, BadRequest, "Name parameter required"),
    ],
)
def test_refusals(body: dict[str, Any], error: type[Exception], text: str):
    async def test(client: Client, handler: Any) -> None:
        with pytest.raises(error, match=text):
            await client.request("POST", TOKEN, None, body)

    run(test)


def test_the_issuers_documents():
    async def test(client: Client, handler: Any) -> None:
        (key,) = (await client.request("GET", "/openid/v1/jwks"))["keys"]
        assert (key["alg"], key["crv"]) == ("ES256", "P-256")
        document = await client.request("GET", "/.well-known/openid-configuration")
        assert document["issuer"] == "https://kubernetes.default.svc.cluster.local"
        assert document["jwks_uri"].endswith("/openid/v1/jwks")

    run(test)
