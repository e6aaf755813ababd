"""Bootstrap tokens end on time, and sign the public information while they may."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from typing import Any

import pytest

from wherry.access.chain import ADMIN
from wherry.client import Client
from wherry.errors import NotFound
from wherry.features.bootstraptokens import tokens_reconcile as rules
from wherry.features.bootstraptokens.tokens_controller import MAPS, SECRETS, controllers
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z


def secret(name: str = "abcdef", **changes: str) -> dict[str, Any]:
    words = {"token-id": name, "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true", **changes}
    data = {key: base64.b64encode(value.encode()).decode() for key, value in words.items()}
    return {
        "metadata": {"name": f"bootstrap-token-{name}", "namespace": "kube-system"},
        "type": rules.TYPE,
        "data": data,
    }


def test_when_a_token_is_over() -> None:
    assert rules.left(secret(), NOW) is None
    assert rules.left(secret(expiration="2023-11-14T22:14:20Z"), NOW) == 60
    assert rules.left(secret(expiration="2023-11-14T22:13:19Z"), NOW) == -1
    assert rules.left(secret(expiration="one day"), NOW) == -1


def test_who_may_sign() -> None:
    good = secret()
    others = [
        secret("bbbbbb", **{"usage-bootstrap-signing": "false"}),
        secret("cccccc", expiration="2023-11-14T22:13:19Z"),
        {**secret("dddddd"), "type": "Opaque"},
        {**secret("eeeeee"), "metadata": {"name": "other", "namespace": "kube-system"}},
        {**secret("ffffff"), "metadata": {"name": "bootstrap-token-ffffff", "namespace": "default"}},
    ]
    assert rules.signing([good, *others], NOW) == {"abcdef": "0123456789abcdef"}


def test_a_signature_verifies() -> None:
    head, payload, signature = rules.detached("content", "abcdef", "0123456789abcdef").split(".")
    assert payload == ""
    assert base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)) == b'{"alg":"HS256","kid":"abcdef"}'
    signed = f"{head}.{base64.urlsafe_b64encode(b'content').decode().rstrip('=')}".encode()
    wanted = hmac.digest(b"abcdef.0123456789abcdef", signed, hashlib.sha256)
    assert base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)) == wanted


def test_signatures_come_and_go() -> None:
    tokens = {"abcdef": "0123456789abcdef"}
    signature = rules.detached("k", "abcdef", tokens["abcdef"])
    assert rules.signatures({"data": {"kubeconfig": "k"}}, tokens) == {"jws-kubeconfig-abcdef": signature}
    signed = {"kubeconfig": "k", "jws-kubeconfig-abcdef": signature}
    assert rules.signatures({"data": signed}, tokens) == {}
    assert rules.signatures({"data": {**signed, "jws-kubeconfig-old": "x"}}, tokens) == {"jws-kubeconfig-old": None}
    assert rules.signatures({"data": signed}, {}) == {"jws-kubeconfig-abcdef": None}
    assert rules.signatures({"data": {"jws-kubeconfig-abcdef": signature}}, tokens) == {"jws-kubeconfig-abcdef": None}


def test_in_a_control_plane() -> None:
    async def work() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        client = Client(LocalTransport(handler, ADMIN))
        running = controllers(client, lambda: NOW)
        for controller in running:
            controller.start()
        public = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "cluster-info"},
            "data": {"kubeconfig": "k"},
        }
        made = await client.create(MAPS, public, "kube-public")
        stream = client.watch(MAPS, "kube-public", resourceVersion=made["metadata"]["resourceVersion"])
        await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **secret()}, "kube-system")
        _, signed = await asyncio.wait_for(anext(stream), 5)
        assert set(signed["data"]) == {"kubeconfig", "jws-kubeconfig-abcdef"}
        over = secret("bbbbbb", expiration="2023-11-14T22:13:19Z")
        gone = await client.create(SECRETS, {"apiVersion": "v1", "kind": "Secret", **over}, "kube-system")
        deleted = client.watch(SECRETS, "kube-system", resourceVersion=gone["metadata"]["resourceVersion"])
        assert (await asyncio.wait_for(anext(deleted), 5))[0] == "DELETED"
        with pytest.raises(NotFound):
            await client.get(SECRETS, "bootstrap-token-bbbbbb", "kube-system")
        await client.delete(SECRETS, "bootstrap-token-abcdef", "kube-system")
        _, unsigned = await asyncio.wait_for(anext(stream), 5)
        assert set(unsigned["data"]) == {"kubeconfig"}
        for each in (stream, deleted):
            await each.aclose()  # type: ignore[attr-defined]
        for controller in running:
            await controller.stop()
        await handler.close()
        await storage.close()

    asyncio.run(work())
