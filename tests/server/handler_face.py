"""A control plane in memory as a synchronous caller sees it: one request in, one parsed answer out."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import orjson

from wherry.server.asgi import ApiApp
from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage

Obj = dict[str, Any]
JSON, YAML = "application/json", "application/yaml"
MERGE, PATCH = "application/merge-patch+json", "application/json-patch+json"
STRATEGIC, APPLY = "application/strategic-merge-patch+json", "application/apply-patch+yaml"
MAPS = "/api/v1/namespaces/default/configmaps"


@dataclass
class Answer:
    status: int
    media: str
    warnings: list[str]
    body: bytes

    @property
    def doc(self) -> Any:
        return orjson.loads(self.body)

    @property
    def message(self) -> str:
        found: str = self.doc["message"]
        return found


class Face:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.storage = open_storage("memory:")
        self.handler = self.loop.run_until_complete(build_handler(self.storage, token="t"))
        self.app = ApiApp(self.handler)

    def close(self) -> None:
        self.loop.run_until_complete(self.handler.close())
        self.loop.run_until_complete(self.storage.close())
        self.loop.close()

    def __call__(
        self, method: str, path: str, body: Any = None, media: str = JSON, accept: str = JSON, agent: str = "test/1"
    ) -> Answer:
        raw, _, query = path.partition("?")
        headers = [("authorization", "Bearer t"), ("accept", accept), ("user-agent", agent), ("content-type", media)]
        data = body.encode() if isinstance(body, str) else b"" if body is None else orjson.dumps(body)
        return self.loop.run_until_complete(self._call(Request(method, unquote(raw), raw, query, headers, data)))

    async def _call(self, request: Request) -> Answer:
        response = await self.app.respond(request)
        content: Any = response.body
        if isinstance(content, list | tuple):
            content = b"".join(content)
        elif not isinstance(content, bytes):
            content = b"".join([part async for part in content])
        headers = [(name.lower(), value) for name, value in response.headers]
        warnings = [value for name, value in headers if name == "warning"]
        return Answer(response.status, dict(headers)["content-type"], warnings, content)

    def config_map(self, name: str, **more: Any) -> Obj:
        """Made, as stored."""
        meta = {"name": name, **more.pop("metadata", {})}
        made = self("POST", MAPS, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, **more})
        assert made.status == 201, made.body
        found: Obj = made.doc
        return found


def applied(name: str, **more: Any) -> Obj:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **more.pop("metadata", {})}, **more}


def warning(text: str) -> str:
    escaped = text.replace('"', '\\"')
    return f'299 - "{escaped}"'
