"""Connections that leave HTTP: the body of a 101 answer, and the bytes it then speaks.

An endpoint that wants the connection for itself (a watch over WebSocket, a runtime's exec, a proxied upgrade) answers
with status 101 and an `Upgrade` as body; `server/connection` sends the head and calls `run` with a `Channel`. RFC 9110,
7.8. Data of the client that came right behind its request is in the channel already.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from wherry.server.http import Request

_HIGH = 1 << 20  # bytes nobody has read yet: the client has to wait
_LOW = 1 << 18


class Channel:
    """The two directions of a connection after its upgrade."""

    def __init__(self, transport: asyncio.Transport, drain: Callable[[], Awaitable[None]]):
        self._transport = transport
        self._drain = drain
        self._buffer: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._ended = False
        self._more: asyncio.Future[None] | None = None

    # --- the connection's side ---------------------------------------------------------------------------------------
    def feed(self, data: bytes) -> None:
        """Bytes from the client."""
        self._buffer.append(data)
        self._size += len(data)
        if self._size > _HIGH and not self._paused:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def end(self) -> None:
        """The client has gone."""
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        if self._more is not None and not self._more.done():
            self._more.set_result(None)
        self._more = None

    # --- the endpoint's side -----------------------------------------------------------------------------------------
    async def read(self) -> bytes:
        """What has come, at least a byte; empty when the client has gone."""
        while not self._buffer:
            if self._ended:
                return b""
            self._more = asyncio.get_running_loop().create_future()
            await self._more
        data = self._buffer.popleft()
        self._size -= len(data)
        if self._paused and self._size < _LOW:
            self._paused = False
            if not self._transport.is_closing():
                self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Send, and wait while the client does not read. Nothing is sent to a client that has gone."""
        if self._ended or self._transport.is_closing():
            return
        self._transport.write(data)
        await self._drain()


class Upgrade:
    """Body of an answer with status 101. It looks like a stream without parts to whoever knows only those."""

    def __aiter__(self) -> Upgrade:
        return self

    async def __anext__(self) -> bytes:
        raise StopAsyncIteration

    async def run(self, channel: Channel) -> None:
        """Speak until done; the connection closes when this returns. Cancelled when the client goes."""
        raise NotImplementedError


def wants(request: Request, protocol: str) -> bool:
    """Whether a request asks for this upgrade (`Connection: ..., Upgrade` and `Upgrade: <protocol>`)."""
    if request.http_version != "1.1" or request.header("upgrade").lower() != protocol:
        return False
    return any(
        token.strip().lower() == "upgrade"
        for name, value in request.headers
        if name == "connection"
        for token in value.split(",")
    )
