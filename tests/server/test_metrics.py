"""The metrics page counts what was asked, and no name that a client invents becomes a label."""

from __future__ import annotations

import asyncio

from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage

TOKEN = [("authorization", "Bearer t")]


def test_requests_are_counted_by_verb_resource_and_code() -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        for path in ("/api/v1/namespaces", "/api/v1/namespaces/nope", '/api/v1/in"vented', "/api/v1/pods/x/in}vented"):
            await handler(Request("GET", path, path, "", TOKEN))
        await handler(Request("GET", "/metrics", "/metrics", "", []))
        await handler(Request("GET", "/metrics", "/metrics", "", [("authorization", "Bearer x")]))
        handler.api.reloads["authorization", "failure"] += 1
        answer = await handler(Request("GET", "/metrics", "/metrics", "", TOKEN))
        assert isinstance(answer.body, bytes)
        page = answer.body.decode().splitlines()
        name = "apiserver_request_total"
        assert f'{name}{{code="200",group="",resource="namespaces",verb="LIST",version="v1"}} 1' in page
        assert f'{name}{{code="404",group="",resource="namespaces",verb="GET",version="v1"}} 1' in page
        assert f'{name}{{code="404",group="",resource="",verb="OTHER",version=""}} 2' in page
        assert f'{name}{{code="403",group="",resource="",verb="GET",version=""}} 1' in page
        assert 'authentication_attempts{result="success"} 5' in page
        assert 'authentication_attempts{result="failure"} 1' in page
        reloads = "config_controller_automatic_reloads_total"
        assert f'apiserver_authorization_{reloads}{{status="failure"}} 1' in page
        assert not any(f"apiserver_authentication_{reloads}" in line for line in page)
        assert not any("vented" in line for line in page)
        await handler.close()
        await storage.close()

    asyncio.run(main())
