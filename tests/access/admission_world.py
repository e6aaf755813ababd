"""A control plane in memory for tests of admission: requests in, (status, body, warnings) out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote

import orjson

from wherry.server.build import build_handler
from wherry.server.handler import ApiHandler
from wherry.server.http import Request
from wherry.storage import open_storage

GROUP = "/apis/admissionregistration.k8s.io/v1"


class World:
    """`call` answers (status, decoded body); `warnings` are those of the last call."""

    def __init__(self, handler: ApiHandler):
        self.handler = handler
        self.warnings: list[str] = []

    async def call(
        self, method: str, path: str, body: Any = None, media: str = "application/json", user: str = ""
    ) -> tuple[int, Any]:
        """`user` is impersonated; nodes as members of their group."""
        raw, _, query = path.partition("?")
        headers = [("authorization", "Bearer t"), ("content-type", media), ("user-agent", "test")]
        if user:
            headers.append(("impersonate-user", user))
            if user.startswith("system:node:"):
                headers.append(("impersonate-group", "system:nodes"))
        data = b"" if body is None else orjson.dumps(body)
        response = await self.handler(Request(method, unquote(raw), raw, query, headers, data))
        self.warnings = [value for name, value in response.headers if name == "warning"]
        content: Any = response.body
        return response.status, orjson.loads(content if isinstance(content, bytes) else b"".join(content))

    async def made(self, path: str, body: Any) -> Any:
        status, answer = await self.call("POST", path, body)
        assert status == 201, answer
        return answer

    async def configmap(self, name: str, query: str = "", **meta: Any) -> tuple[int, Any]:
        """Create a ConfigMap in the namespace `default`."""
        obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **meta}, "data": {"k": "v"}}
        return await self.call("POST", f"/api/v1/namespaces/default/configmaps{query}", obj)


def with_world(test: Callable[[World], Awaitable[None]], **options: Any) -> None:
    """Run a test in a control plane of its own; `options` are those of `build_handler`."""

    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t", **options)
        try:
            await test(World(handler))
        finally:
            await handler.close()
            await storage.close()

    asyncio.run(main())


def rule(resource: str, *operations: str, group: str = "", version: str = "v1", **more: Any) -> dict[str, Any]:
    wanted = list(operations or ("CREATE", "UPDATE"))
    return {"apiGroups": [group], "apiVersions": [version], "operations": wanted, "resources": [resource], **more}


def configuration(kind: str, *hooks: dict[str, Any], name: str = "c") -> dict[str, Any]:
    api = {"apiVersion": "admissionregistration.k8s.io/v1", "kind": f"{kind}WebhookConfiguration"}
    return {**api, "metadata": {"name": name}, "webhooks": list(hooks)}


def hook(server: Any, *rules: dict[str, Any], name: str = "hook.test.dev", **more: Any) -> dict[str, Any]:
    base = {"name": name, "clientConfig": server.config, "admissionReviewVersions": ["v1"], "sideEffects": "None"}
    return {**base, "rules": list(rules or (rule("configmaps"),)), "timeoutSeconds": 2, **more}
