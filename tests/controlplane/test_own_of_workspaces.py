"""What a workspace's namespaces and Secrets get from the control plane itself; and what they must not get."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from tests.controlplane.test_request_signer import asked

from wherry.client import Client, Kind
from wherry.controlplane import ControlPlane
from wherry.controlplane.requests import SIGNER
from wherry.server.http import Request

WORKSPACES = Kind("tenancy.kcp.io", "v1alpha1", "workspaces", namespaced=False)
MAPS, SECRETS, ACCOUNTS = Kind("", "v1", "configmaps"), Kind("", "v1", "secrets"), Kind("", "v1", "serviceaccounts")
REQUESTS = Kind("certificates.k8s.io", "v1", "certificatesigningrequests", namespaced=False)


def workspace(name: str) -> dict[str, Any]:
    return {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name}}


async def seen(client: Client, kind: Kind, name: str, ready: Any) -> dict[str, Any]:
    """An object as soon as it is as one wants it."""
    async with asyncio.timeout(10):
        async for event, obj in client.watch(kind, "default", fieldSelector=f"metadata.name={name}"):
            if event != "DELETED" and ready(obj):
                return obj
    raise AssertionError("the watch ended")


def test_a_workspace_has_the_authority_and_tokens_of_its_own() -> None:
    async def scenario() -> None:
        plane = ControlPlane()
        await plane.serve()
        try:
            plane.start_features(("workloads",))
            for name in ("a", "b"):
                await plane.client().create(WORKSPACES, workspace(name))
            here = plane.client("root:a")
            secret = {
                "metadata": {"name": "s", "annotations": {"kubernetes.io/service-account.name": "robot"}},
                "type": "kubernetes.io/service-account-token",
            }
            await here.create(ACCOUNTS, {"metadata": {"name": "robot"}}, "default")
            await here.create(SECRETS, secret, "default")
            authority = (await seen(here, MAPS, "kube-root-ca.crt", lambda obj: True))["data"]["ca.crt"]
            filled = await seen(here, SECRETS, "s", lambda obj: "token" in (obj.get("data") or {}))
            assert base64.b64decode(filled["data"]["ca.crt"]).decode() == authority
            token = base64.b64decode(filled["data"]["token"]).decode()
            assert await status(plane, "a", token) == 403  # known, but without rights
            assert await status(plane, "b", token) == 401
            assert await status(plane, "", token) == 401
        finally:
            await plane.stop()

    asyncio.run(scenario())


async def status(plane: ControlPlane, workspace: str, token: str) -> int:
    path = (f"/clusters/root:{workspace}" if workspace else "") + "/api/v1/namespaces/default/secrets"
    response = await plane.app.handle(Request("GET", path, path, "", [("authorization", f"Bearer {token}")]))
    return response.status


def test_nobody_signs_certificates_that_a_workspace_asks_for() -> None:
    """They would be good everywhere, and who owns a workspace approves what he likes in it."""

    async def scenario() -> None:
        plane = ControlPlane()
        await plane.serve()
        try:
            plane.start_features()
            await plane.client().create(WORKSPACES, workspace("a"))
            here, root = plane.client("root:a"), plane.client()
            await approve(here)
            await approve(root)
            async with asyncio.timeout(10):
                async for _, obj in root.watch(REQUESTS):
                    if "certificate" in (obj.get("status") or {}):
                        break
            assert "certificate" not in (await here.get(REQUESTS, "jane"))["status"]
        finally:
            await plane.stop()

    asyncio.run(scenario())


async def approve(client: Client) -> None:
    """Ask for a certificate and say yes to it."""
    usages = ["client auth", "digital signature"]
    spec = {"request": base64.b64encode(asked()).decode(), "signerName": SIGNER, "usages": usages}
    made = await client.create(REQUESTS, {"metadata": {"name": "jane"}, "spec": spec})
    condition = {"type": "Approved", "status": "True", "reason": "Mine", "message": ""}
    await client.update(REQUESTS, {**made, "status": {"conditions": [condition]}}, "approval")
