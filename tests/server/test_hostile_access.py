"""Requests that try to get past the door: odd paths, odd headers, odd tokens. Whoever has no rights gets 401, 403 or
404 for what is not there, and never what is."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from wherry.access.options import AccessOptions
from wherry.access.user import User
from wherry.kit.pki import Peer
from wherry.server.build import build_handler
from wherry.server.handler import ApiHandler
from wherry.server.http import Request, Response
from wherry.storage import open_storage

ROOT = User("root", groups=("system:masters",))
EVE = "Bearer eve-token"
SECRETS = "/api/v1/namespaces/kube-system/secrets"


def run(work: Callable[[ApiHandler], Awaitable[None]], **options: Any) -> None:
    async def whole() -> None:
        storage = open_storage("memory:")
        users = {"eve-token": User("eve", groups=("dev",))}
        handler = await build_handler(storage, token="admin-token", options=AccessOptions(users=users, **options))
        await work(handler)
        await handler.close()
        await storage.close()

    asyncio.run(whole())


async def send(
    handler: ApiHandler, raw: str, headers: list[tuple[str, str]] | None = None, method: str = "GET", **more: Any
) -> Response:
    from urllib.parse import unquote

    path, _, query = raw.partition("?")
    body = more.pop("body", None)
    data = json.dumps(body).encode() if body is not None else b""
    given = [*(headers or []), ("content-type", "application/json")]
    return await handler(Request(method, unquote(path), path, query, given, data, **more))


async def make_secret(handler: ApiHandler) -> None:
    secret = {"metadata": {"name": "s"}, "stringData": {"word": "hidden"}}
    made = await send(handler, SECRETS, None, "POST", user=ROOT, body=secret)
    assert made.status == 201


def shown(response: Response) -> bytes:
    body = response.body
    return body if isinstance(body, bytes) else b"".join(body)  # type: ignore[arg-type]


TRICKS = [
    "//api/v1/namespaces/kube-system/secrets/s",
    "/api//v1/namespaces/kube-system/secrets/s",
    "/api/v1/namespaces//kube-system/secrets/s",
    "/api/v1/namespaces/kube-system//secrets/s",
    "/api/v1/namespaces/kube-system/secrets//s",
    "/api/v1/namespaces/kube-system/secrets/s/",
    "/api/v1/namespaces/kube-system/secrets/s//",
    "/api/v1/namespaces/default/../kube-system/secrets/s",
    "/api/v1/namespaces/default/%2e%2e/kube-system/secrets/s",
    "/api/v1/namespaces/default%2f..%2fkube-system/secrets/s",
    "/api/v1/namespaces/kube-system/secrets;x=y/s",
    "/api/v1/namespaces/kube-system/secrets/s;x=y",
    "/API/V1/NAMESPACES/kube-system/SECRETS/s",
    "/api/v1/namespaces/kube-system/Secrets/s",
    "/api/v1/namespaces/kube-system/%73ecrets/s",
    "/%61pi/v1/namespaces/kube-system/secrets/s",
    "/healthz/../api/v1/namespaces/kube-system/secrets/s",
    "/healthz%2f..%2fapi/v1/namespaces/kube-system/secrets/s",
    "/api/../api/v1/namespaces/kube-system/secrets/s",
    "/api/v1/watch/namespaces/kube-system/secrets/s",
    "/api/v1/proxy/namespaces/kube-system/secrets/s",
    "/apis//v1/namespaces/kube-system/secrets/s",
    "/clusters/root/api/v1/namespaces/kube-system/secrets/s",
    "/clusters/root//api/v1/namespaces/kube-system/secrets/s",
    "/clusters/../api/v1/namespaces/kube-system/secrets/s",
    "/clusters/%72oot/api/v1/namespaces/kube-system/secrets/s",
    "/version/../api/v1/namespaces/kube-system/secrets/s",
    "/api/v1/secrets?fieldSelector=metadata.name%3Ds",
    "/api/v1/namespaces/kube-system/secrets/s?namespace=default",
    "/api/v1/namespaces/kube-system/secrets/s\x00",
    "/api/v1/namespaces/kube-system/secrets/s%00",
    "/api/v1/namespaces/kube-system/secrets/s%20",
    "*",
    "",
]


@pytest.mark.parametrize("who", [[], [("authorization", EVE)]], ids=["anonymous", "without rights"])
def test_odd_paths_lead_nowhere(who: list[tuple[str, str]]) -> None:
    async def work(handler: ApiHandler) -> None:
        await make_secret(handler)
        for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "POST", "get", "OPTIONS", "TRACE", "CONNECT", "X"):
            for path in TRICKS:
                response = await send(handler, path, who, method)
                assert response.status in (400, 401, 403, 404, 405, 500), (method, path, response.status)
                assert b"hidden" not in shown(response)
                assert b"aGlkZGVu" not in shown(response)
        kept = await send(handler, f"{SECRETS}/s", user=ROOT)
        assert kept.status == 200  # and nothing of this has deleted it

    run(work)


def test_a_right_to_one_name_is_no_right_to_a_list() -> None:
    """The selector that names an object must be read as the list reads it, escapes and all."""

    async def work(handler: ApiHandler) -> None:
        await make_secret(handler)
        rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["list", "get"], "resourceNames": ["mine"]}
        api = "/apis/rbac.authorization.k8s.io/v1/namespaces/kube-system"
        await send(
            handler, f"{api}/roles", None, "POST", user=ROOT, body={"metadata": {"name": "one"}, "rules": [rule]}
        )
        subject = {"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}
        ref = {"kind": "Role", "name": "one", "apiGroup": "rbac.authorization.k8s.io"}
        body = {"metadata": {"name": "one"}, "roleRef": ref, "subjects": [subject]}
        bound = await send(handler, f"{api}/rolebindings", None, "POST", user=ROOT, body=body)
        assert bound.status == 201
        own = await send(handler, f"{SECRETS}?fieldSelector=metadata.name%3Dmine", [("authorization", EVE)])
        assert own.status == 200
        for selector in (
            "metadata.name%3Ds",
            "metadata.name!%3Dmine",
            "metadata.namespace!%3D%5C,metadata.name%3Dmine",  # a namespace other than ",metadata.name=mine"
            "type!%3D%5C,metadata.name%3Dmine",
            "metadata.name%3Dmine%5C,x",
            "",
        ):
            refused = await send(handler, f"{SECRETS}?fieldSelector={selector}", [("authorization", EVE)])
            assert refused.status == 403, selector
        for query in ("fieldSelector=&fieldSelector=metadata.name%3Dmine", "FieldSelector=metadata.name%3Dmine"):
            assert (await send(handler, f"{SECRETS}?{query}", [("authorization", EVE)])).status == 403

    run(work)


async def whoami(handler: ApiHandler, headers: list[tuple[str, str]], **more: Any) -> str:
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    kind = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    response = await send(handler, path, headers, "POST", body=kind, **more)
    if response.status != 201:
        return str(response.status)
    name: str = json.loads(shown(response))["status"]["userInfo"]["username"]
    return name


def test_headers_that_pretend() -> None:
    async def work(handler: ApiHandler) -> None:
        own = ("authorization", EVE)
        assert await whoami(handler, [own]) == "eve"
        for pretended in (
            [("x-remote-user", "root"), ("x-remote-group", "system:masters")],
            [("x_remote_user", "root")],
            [("impersonate_user", "root")],
            [("x-forwarded-user", "root")],
        ):
            assert await whoami(handler, [own, *pretended]) == "eve"
            assert await whoami(handler, pretended) == "403"
        for impersonated in (
            [("impersonate-user", "root")],
            [("impersonate-user", "eve"), ("impersonate-group", "system:masters")],
            [("impersonate-user", "system:admin"), ("impersonate-uid", "1")],
            [("impersonate-user", "eve"), ("impersonate-extra-scopes", "all")],
            [("impersonate-user", "system:serviceaccount:kube-system:default")],
            [("impersonate-user", "system:node:n1")],
        ):
            assert await whoami(handler, [own, *impersonated]) == "403"
        assert await whoami(handler, [own, ("impersonate-group", "system:masters")]) == "400"
        assert await whoami(handler, [("impersonate-user", "root")]) == "403"

    run(work)


def test_the_first_of_two_authorization_headers_counts() -> None:
    async def work(handler: ApiHandler) -> None:
        eve, admin = ("authorization", EVE), ("authorization", "Bearer admin-token")
        assert await whoami(handler, [eve, admin]) == "eve"
        assert await whoami(handler, [("authorization", "Bearer nobody"), admin]) == "401"
        assert await whoami(handler, [("authorization", f"{EVE}, Bearer admin-token")]) == "401"
        assert await whoami(handler, [("authorization", f"{EVE} Bearer admin-token")]) == "eve"

    run(work)


@pytest.mark.parametrize(
    "token",
    ["x" * 60_000, "a." * 20_000, ".".join(["e30"] * 3), "é" * 100, "eve-token\x00", "..", "admin-toke", "\udcff"],
)
def test_odd_tokens_are_nobodys(token: str) -> None:
    async def work(handler: ApiHandler) -> None:
        assert await whoami(handler, [("authorization", f"Bearer {token}")]) == "401"

    run(work)


def test_a_certificate_and_a_token() -> None:
    """The certificate comes first, as upstream has it; a bad token beside it does no harm, a bad one alone is 401."""

    async def work(handler: ApiHandler) -> None:
        jane = Peer("jane", ("dev",))
        assert await whoami(handler, [("authorization", EVE)], peer=jane) == "jane"
        assert await whoami(handler, [("authorization", "Bearer nobody")], peer=jane) == "jane"
        assert await whoami(handler, [("authorization", EVE)], peer=Peer("x", (), ("u1", "u2"))) == "eve"
        assert await whoami(handler, [], peer=Peer("x", (), ("u1", "u2"))) == "401"

    run(work)


def test_anonymous_by_path_is_by_the_whole_path() -> None:
    async def work(handler: ApiHandler) -> None:
        assert (await send(handler, "/healthz")).status == 401
        assert (await send(handler, "/version", [("authorization", EVE)])).status == 200

    run(work, anonymous_auth=False)


def test_a_certificate_that_has_ended_is_not_nobody() -> None:
    """On a connection that is still open: 401, not anonymous; another credential beside it still counts."""

    async def work(handler: ApiHandler) -> None:
        ended = "x509: certificate has expired or is not yet valid"
        assert await whoami(handler, [], peer_problem=ended) == "401"
        assert await whoami(handler, [("authorization", EVE)], peer_problem=ended) == "eve"
        assert (await send(handler, "/version", peer_problem=ended)).status == 401

    run(work)
