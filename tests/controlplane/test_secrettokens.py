"""Secrets of ServiceAccounts: completed once, for the account that is there, and gone with it."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from wherry.access.chain import ADMIN, Credentials, Rejected
from wherry.client import Client
from wherry.controlplane.secrettokens import ACCOUNTS, NAME, SECRETS, TYPE, UID, SecretTokens, belongs, missing
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

ACCOUNT = {"metadata": {"name": "robot", "namespace": "ns", "uid": "u1"}}


def secret(data: dict[str, str] | None = None, **notes: str) -> dict[str, Any]:
    meta = {"name": "s", "namespace": "ns", "resourceVersion": "5", "annotations": notes}
    return {"metadata": meta, "type": TYPE, "data": data or {}}


def test_whose_a_secret_is() -> None:
    assert belongs(secret(**{NAME: "robot"}), ACCOUNT)
    assert belongs(secret(**{NAME: "robot", UID: "u1"}), ACCOUNT)
    assert not belongs(secret(**{NAME: "robot", UID: "u0"}), ACCOUNT)
    assert not belongs(secret(**{NAME: "other"}), ACCOUNT)


def test_what_is_missing_is_added() -> None:
    patch = missing(secret(), ACCOUNT, b"CA", lambda account, secret: "token")
    assert patch == {
        "metadata": {"resourceVersion": "5", "annotations": {NAME: "robot", UID: "u1"}},
        "data": {"ca.crt": "Q0E=", "namespace": "bnM=", "token": "dG9rZW4="},
    }
    whole = {"ca.crt": "Q0E=", "namespace": "b3RoZXI=", "token": "eA=="}
    assert missing(secret(whole), ACCOUNT, b"CA", lambda account, secret: "token") is None
    stale = missing(secret({**whole, "ca.crt": "eA=="}), ACCOUNT, b"CA", lambda account, secret: "token")
    assert stale is not None
    assert stale["data"] == {"ca.crt": "Q0E="}


def test_in_a_control_plane() -> None:
    async def work() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        client = Client(LocalTransport(handler, ADMIN))
        accounts = handler.api.accounts
        assert accounts is not None
        running = SecretTokens(client, accounts.legacy, b"CA")
        running.start()
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "robot"}}
        await client.create(ACCOUNTS, account, "default")
        meta = {"name": "s", "annotations": {NAME: "robot"}}
        asked = {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": TYPE}
        made = await client.create(SECRETS, asked, "default")
        stream = client.watch(SECRETS, "default", resourceVersion=made["metadata"]["resourceVersion"])
        _, filled = await asyncio.wait_for(anext(stream), 5)
        token = base64.b64decode(filled["data"]["token"]).decode()
        user = handler.api.chain.authenticate(Credentials(f"Bearer {token}"))
        assert user.name == "system:serviceaccount:default:robot"
        await client.delete(ACCOUNTS, "robot", "default")
        with pytest.raises(Rejected):
            handler.api.chain.authenticate(Credentials(f"Bearer {token}"))
        kind, _ = await asyncio.wait_for(anext(stream), 5)
        assert kind == "DELETED"
        await stream.aclose()  # type: ignore[attr-defined]
        await running.stop()
        await handler.close()
        await storage.close()

    asyncio.run(work())
