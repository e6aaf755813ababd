"""The in-process transport: requests to the handler itself, as a named user, through the same door (law 5)."""

from __future__ import annotations

from collections.abc import AsyncIterator

from wherry.access.user import User
from wherry.server.http import Handler, Request, Response
from wherry.server.slices import Sliced


class LocalTransport:
    """A `client.Transport`; `user` is who the caller is, and what it may do is decided like for anyone else."""

    def __init__(self, handler: Handler, user: User, user_agent: str = "wherry"):
        self._handler = handler
        self._user = user
        self._agent = user_agent

    def _request(self, method: str, path: str, query: str, media: str = "", body: bytes = b"") -> Request:
        headers = [("accept", "application/json"), ("user-agent", self._agent)]
        if media:
            headers.append(("content-type", media))
        return Request(method, path, path, query, headers, body, user=self._user)

    async def call(self, method: str, path: str, query: str, media: str, body: bytes) -> tuple[int, bytes]:
        response = await self._handler(self._request(method, path, query, media, body))
        if isinstance(response.body, Sliced):
            return response.status, await response.body.whole()
        return response.status, _whole(response)

    async def stream(self, path: str, query: str) -> AsyncIterator[bytes]:
        response = await self._handler(self._request("GET", path, query))
        if not isinstance(response.body, AsyncIterator):
            import orjson

            from wherry.client import from_status

            raise from_status(response.status, orjson.loads(_whole(response)))
        try:
            async for chunk in response.body:
                for line in chunk.splitlines():
                    yield line
        finally:
            close = getattr(response.body, "aclose", None)
            if close is not None:
                await close()


def _whole(response: Response) -> bytes:
    body = response.body
    if isinstance(body, bytes):
        return body
    if isinstance(body, AsyncIterator):
        raise TypeError("a stream has no end to wait for")
    return b"".join(body)
