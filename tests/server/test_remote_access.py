"""Who comes in and what they may do, settled by a real webhook over TLS: requests, reviews, admission's expressions,
and what happens when it is gone."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml
from tests.access.webhook_server import Webhook, json_answer, pki, running

from wherry.access.options import AccessOptions
from wherry.access.user import User
from wherry.server.build import build_handler
from wherry.server.handler import ApiHandler
from wherry.server.http import Request
from wherry.storage import open_storage

ROOT = User("root", groups=("system:masters",))
MAPS = "/api/v1/namespaces/default/configmaps"


def answer(document: dict[str, Any]) -> dict[str, Any]:
    """Knows the token `good`, lets jane read configmaps, keeps mallory from everything, and has no other opinion."""
    if document["kind"] == "TokenReview":
        good = document["spec"]["token"] == "good"
        return {**document, "status": {"authenticated": good, "user": {"username": "jane", "groups": ["dev"]}}}
    spec = document["spec"]
    resource = spec.get("resourceAttributes") or {}
    status: dict[str, Any] = {"allowed": False}
    if spec.get("user") == "mallory":
        status = {"allowed": False, "denied": True, "reason": "not you"}
    elif spec.get("user") == "jane" and resource.get("resource") == "configmaps":
        status = {"allowed": True, "reason": "the webhook says so"}
    return {**document, "status": status}


class World:
    def __init__(self, handler: ApiHandler, hook: Webhook):
        self.handler, self.hook = handler, hook

    async def send(
        self, method: str, path: str, body: Any = None, user: User | None = None, token: str = ""
    ) -> tuple[int, Any]:
        headers = [("content-type", "application/json")]
        if token:
            headers.append(("authorization", f"Bearer {token}"))
        data = json.dumps(body).encode() if body is not None else b""
        response = await self.handler(Request(method, path, path, "", headers, data, user=user))
        whole = response.body if isinstance(response.body, bytes) else b"".join(response.body)  # type: ignore[arg-type]
        media = dict(response.headers).get("content-type", "") or dict(response.headers).get("Content-Type", "")
        return response.status, json.loads(whole) if "json" in media else whole.decode()


def run(tmp_path: Path, work: Callable[[World], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with running(json_answer(answer)) as hook:
            cluster = {
                "server": f"https://127.0.0.1:{hook.port}/review",
                "certificate-authority-data": base64.b64encode(pki().authority).decode(),
            }
            path = tmp_path / "kubeconfig"
            path.write_text(yaml.safe_dump({"clusters": [{"name": "c", "cluster": cluster}]}))
            storage = open_storage("memory:")
            options = AccessOptions(
                authorization_mode=("Webhook", "RBAC"),
                authorization_webhook_config_file=path,
                authentication_token_webhook_config_file=path,
            )
            handler = await build_handler(storage, options=options)
            await work(World(handler, hook))
            await handler.close()
            await storage.close()

    asyncio.run(whole())


def test_a_request_by_a_token_that_the_webhook_knows(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        assert (await world.send("GET", MAPS, token="good"))[0] == 200
        asked = len(world.hook.calls)
        assert (await world.send("GET", MAPS, token="good"))[0] == 200
        assert len(world.hook.calls) == asked  # both answers are kept
        status, refused = await world.send("GET", "/api/v1/namespaces/default/secrets", token="good")
        assert status == 403
        assert 'User "jane" cannot list resource "secrets"' in refused["message"]
        assert (await world.send("GET", MAPS, token="bad"))[0] == 401
        assert (await world.send("GET", "/apis", token="good"))[0] == 200  # RBAC comes after

    run(tmp_path, work)


def test_a_no_of_the_webhook_is_final(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        mallory = User("mallory", groups=("system:authenticated",))
        status, refused = await world.send("GET", "/apis", user=mallory)
        assert status == 403
        assert refused["message"] == 'forbidden: User "mallory" cannot get path "/apis": not you'
        assert (await world.send("GET", "/apis", user=User("mallory", groups=("system:masters",))))[0] == 200

    run(tmp_path, work)


def test_reviews_ask_it_too(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        spec = {"user": "jane", "resourceAttributes": {"verb": "get", "resource": "configmaps", "namespace": "default"}}
        head = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview"}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        _, review = await world.send("POST", path, {**head, "spec": spec}, user=ROOT)
        assert review["status"] == {"allowed": True, "reason": "the webhook says so"}
        _, review = await world.send("POST", path, {**head, "spec": {**spec, "user": "mallory"}}, user=ROOT)
        assert review["status"] == {"allowed": False, "denied": True, "reason": "not you"}
        head = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview"}
        path = "/apis/authentication.k8s.io/v1/tokenreviews"
        _, review = await world.send("POST", path, {**head, "spec": {"token": "good"}}, user=ROOT)
        assert review["status"]["user"] == {"username": "jane", "groups": ["dev", "system:authenticated"]}
        _, review = await world.send("POST", path, {**head, "spec": {"token": "bad"}}, user=ROOT)
        assert review["status"] == {"user": {}, "error": "invalid bearer token"}
        head = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview"}
        path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews"
        _, review = await world.send("POST", path, {**head, "spec": {"namespace": "default"}}, token="good")
        assert review["status"]["incomplete"] is True

    run(tmp_path, work)


def test_expressions_of_policies_ask_it_too(tmp_path: Path) -> None:
    """`authorizer` in CEL waits for the webhook's answer, in the middle of admission, and warns once."""
    check = "authorizer.group('').resource('{}').namespace('default').check('get').allowed()"
    spec = {
        "matchConstraints": {
            "resourceRules": [
                {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]}
            ]
        },
        "validations": [
            {"expression": "false", "message": "be warned"},
            {"expression": check.format("configmaps"), "message": "no configmaps"},
            {"expression": check.format("secrets"), "message": "no secrets"},
        ],
    }
    api = "/apis/admissionregistration.k8s.io/v1"
    binding = {"policyName": "p", "validationActions": ["Warn"]}

    async def work(world: World) -> None:
        for resource, body in (("validatingadmissionpolicies", spec), ("validatingadmissionpolicybindings", binding)):
            made = await world.send("POST", f"{api}/{resource}", {"metadata": {"name": "p"}, "spec": body}, user=ROOT)
            assert made[0] == 201, made
        request = Request(
            "POST", MAPS, MAPS, "", [("content-type", "application/json"), ("authorization", "Bearer good")],
            b'{"metadata":{"name":"a"}}',
        )  # fmt: skip
        response = await world.handler(request)
        assert response.status == 201
        warnings = [value for name, value in response.headers if name.lower() == "warning"]
        assert [warning.count("be warned") for warning in warnings] == [1, 0]
        assert "no secrets" in warnings[1]

    run(tmp_path, work)


def test_without_the_webhook_nobody_knows(tmp_path: Path) -> None:
    """Fails open by default: RBAC still counts, and what nobody allows is a fault of the server, not of the caller."""

    async def work(world: World) -> None:
        world.hook.answer = lambda body: (503, "text/plain", b"down")
        eve = User("eve", groups=("system:authenticated",))
        assert (await world.send("GET", "/apis", user=eve))[0] == 200
        status, text = await world.send("GET", MAPS, user=eve)
        assert status == 500
        assert text.startswith(f'Internal Server Error: "{MAPS}": the server is currently unable to handle the request')
        assert (await world.send("GET", MAPS, user=ROOT))[0] == 200
        assert (await world.send("GET", MAPS, token="good"))[0] == 401

    run(tmp_path, work)


def test_a_storm_of_the_same_question_asks_once(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        world.hook.delay = 0.02
        answers = await asyncio.gather(*(world.send("GET", MAPS, token="good") for _ in range(50)))
        assert {status for status, _ in answers} == {200}
        assert len(world.hook.calls) == 2  # one review of the token, one of the request

    run(tmp_path, work)
