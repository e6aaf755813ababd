"""A handler in process, and what the tests of this folder ask of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from wherry.server.build import build_handler
from wherry.server.handler import ApiHandler
from wherry.server.http import Request, Response
from wherry.storage import open_storage

Obj = dict[str, Any]
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
MERGE = "application/merge-patch+json"


class Api:
    """Requests as the administrator; answers parsed."""

    def __init__(self, handler: ApiHandler):
        self.handler = handler

    async def respond(
        self, method: str, path: str, body: Any = None, media: str = "application/json", accept: str = "*/*"
    ) -> Response:
        path, _, query = path.partition("?")
        headers = [("authorization", "Bearer t"), ("content-type", media), ("user-agent", "test/1"), ("accept", accept)]
        data = b"" if body is None else orjson.dumps(body)
        return await self.handler(Request(method, path, path, query, headers, data))

    async def call(self, method: str, path: str, body: Any = None, media: str = "application/json") -> Obj:
        response = await self.respond(method, path, body, media)
        assert isinstance(response.body, bytes | list)
        raw = response.body if isinstance(response.body, bytes) else b"".join(response.body)
        answer: Obj = orjson.loads(raw)
        return answer

    async def make(
        self, name: str, *owners: Obj, block: bool = False, finalizers: list[str] | None = None, **meta: Any
    ) -> Obj:
        """A ConfigMap, owned by others if any are given."""
        meta["name"] = name
        if owners:
            meta["ownerReferences"] = [
                {
                    "apiVersion": "v1",
                    "kind": "ConfigMap",
                    "name": o["metadata"]["name"],
                    "uid": o["metadata"]["uid"],
                    **({"blockOwnerDeletion": True} if block else {}),
                }
                for o in owners
            ]
        if finalizers:
            meta["finalizers"] = finalizers
        return await self.call("POST", CONFIG_MAPS, {"kind": "ConfigMap", "apiVersion": "v1", "metadata": meta})

    async def names(self, query: str = "") -> list[str]:
        """What is left once the collector has nothing to do."""
        await self.handler.settled()
        return [item["metadata"]["name"] for item in (await self.call("GET", CONFIG_MAPS + query))["items"]]

    async def get(self, name: str) -> Obj:
        await self.handler.settled()
        return await self.call("GET", f"{CONFIG_MAPS}/{name}")


def run(test: Callable[[Api], Awaitable[None]]) -> None:
    """Run one asynchronous test against a fresh control plane in memory."""

    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        try:
            await asyncio.wait_for(test(Api(handler)), 20)
        finally:
            await handler.close()
            await storage.close()

    asyncio.run(main())
