"""WebSocket, the server's half: handshake, frames, and the watch that sends one frame per event.

RFC 6455, without extensions. For a watch as upstream serves it (endpoints/handlers/watch.go HandleWS, wsstream): events
of JSON are text frames with their newline; what the client sends is read and dropped; the end is a close frame 1000.
A bearer token may come as a subprotocol, since browsers cannot set headers (authentication/request/websocket).
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Sequence

from wherry.server.http import Request, Response
from wherry.server.upgrade import Channel, Upgrade, wants

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
NORMAL, PROTOCOL_ERROR, TOO_BIG = 1000, 1002, 1009
MAX_MESSAGE = 1 << 20  # bytes a client may send in one message
_CONTINUATION = 0x0
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_BEARER = "base64url.bearer.authorization.k8s.io."


def is_websocket(request: Request) -> bool:
    return wants(request, "websocket")


# --- handshake -------------------------------------------------------------------------------------------------------


def protocols(request: Request) -> list[str]:
    """The subprotocols a client offers, in order, without one that carries its token."""
    offered = [
        p.strip() for name, value in request.headers if name == "sec-websocket-protocol" for p in value.split(",")
    ]
    return [p for p in offered if p and not p.startswith(_BEARER)]


def bearer(request: Request) -> str:
    """The `Authorization` that a subprotocol stands for, or "". It needs another protocol beside it, for the answer."""
    if not protocols(request):
        return ""
    for name, value in request.headers:
        if name == "sec-websocket-protocol":
            for offered in value.split(","):
                token = offered.strip()
                if token.startswith(_BEARER):
                    return _decoded(token[len(_BEARER) :])
    return ""


def _decoded(text: str) -> str:
    try:
        token = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
    return f"Bearer {token}" if token and "\n" not in token else ""


def switch(request: Request, body: Upgrade, accepted: Sequence[str] | None = None) -> Response:
    """The answer to a handshake: 101, or 400 for one that is not right.

    `accepted` are the subprotocols the endpoint speaks, best first; None takes the first that the client offers."""
    key = request.header("sec-websocket-key")
    if request.header("sec-websocket-version") != "13":
        headers = [("content-type", "text/plain; charset=utf-8"), ("Sec-WebSocket-Version", "13")]
        return Response(400, headers, b"missing or bad WebSocket Version")
    if not _is_key(key):
        return Response(400, [("content-type", "text/plain; charset=utf-8")], b"mismatch challenge/response")
    digest = hashlib.sha1(key.encode() + _GUID, usedforsecurity=False).digest()
    headers = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", base64.b64encode(digest).decode()),
    ]
    offered = protocols(request)
    chosen = offered[:1] if accepted is None else [p for p in accepted if p in offered][:1]
    headers += [("Sec-WebSocket-Protocol", name) for name in chosen]
    return Response(101, headers, body)


def _is_key(key: str) -> bool:
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except (binascii.Error, ValueError):
        return False


# --- frames ----------------------------------------------------------------------------------------------------------


def frame(kind: int, payload: bytes) -> bytes:
    """One unfragmented frame as a server sends it, unmasked."""
    size = len(payload)
    if size < 126:
        return bytes((0x80 | kind, size)) + payload
    if size < 1 << 16:
        return bytes((0x80 | kind, 126)) + size.to_bytes(2, "big") + payload
    return bytes((0x80 | kind, 127)) + size.to_bytes(8, "big") + payload


def unmask(payload: bytes, mask: bytes) -> bytes:
    """XOR with the repeated mask, as one big number."""
    size = len(payload)
    whole = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(whole, "big")).to_bytes(size, "big")


class Broken(Exception):
    """The client broke the protocol; `code` is the close code."""

    def __init__(self, code: int):
        super().__init__(code)
        self.code = code


class WebSocket:
    """An open WebSocket on a channel."""

    def __init__(self, channel: Channel, max_message: int = MAX_MESSAGE):
        self._channel = channel
        self._max = max_message
        self._data = bytearray()
        self._closed = False

    async def send(self, payload: bytes, kind: int = TEXT) -> None:
        if not self._closed:
            await self._channel.write(frame(kind, payload))

    async def close(self, code: int = NORMAL) -> None:
        """Send the close frame; idempotent."""
        if not self._closed:
            await self._channel.write(frame(CLOSE, code.to_bytes(2, "big")))
            self._closed = True

    async def receive(self) -> tuple[int, bytes] | None:
        """The next message as (TEXT or BINARY, payload); None at the end. Pings are answered on the way."""
        try:
            return await self._message()
        except Broken as broken:
            await self.close(broken.code)
            return None

    async def _message(self) -> tuple[int, bytes] | None:
        first, parts, size = 0, [], 0
        while True:
            got = await self._frame()
            if got is None:
                return None
            final, kind, payload = got
            if kind == PING:
                await self.send(payload, PONG)
            elif kind == CLOSE:
                code = int.from_bytes(payload[:2], "big") if len(payload) > 1 else NORMAL
                await self.close(code)
                return None
            elif kind != PONG:
                if (kind == _CONTINUATION) is not bool(first) or kind not in (_CONTINUATION, TEXT, BINARY):
                    raise Broken(PROTOCOL_ERROR)
                first = first or kind
                size += len(payload)
                if size > self._max:
                    raise Broken(TOO_BIG)
                parts.append(payload)
                if final:
                    return first, b"".join(parts)

    async def _frame(self) -> tuple[bool, int, bytes] | None:
        head = await self._exactly(2)
        if head is None:
            return None
        final, reserved, kind = head[0] & 0x80, head[0] & 0x70, head[0] & 0x0F
        size = head[1] & 0x7F
        if reserved or not head[1] & 0x80 or (kind >= CLOSE and (not final or size > 125)):
            raise Broken(PROTOCOL_ERROR)  # clients must mask; control frames are short and whole
        if size > 125:
            extended = await self._exactly(2 if size == 126 else 8)
            if extended is None:
                return None
            size = int.from_bytes(extended, "big")
        if size > self._max:
            raise Broken(TOO_BIG)
        mask = await self._exactly(4)
        payload = await self._exactly(size) if size else b""
        if mask is None or payload is None:
            return None
        return bool(final), kind, unmask(payload, mask)

    async def _exactly(self, count: int) -> bytes | None:
        data = self._data
        while len(data) < count:
            more = await self._channel.read()
            if not more:
                return None
            data += more
        out = bytes(data[:count])
        del data[:count]
        return out


class WatchOverWebSocket(Upgrade):
    """A watch whose events leave as frames."""

    def __init__(self, events: AsyncIterator[bytes]):
        self._events = events

    async def aclose(self) -> None:
        await self._events.aclose()  # type: ignore[attr-defined]

    async def run(self, channel: Channel) -> None:
        socket = WebSocket(channel)
        sending = asyncio.ensure_future(self._send(socket))
        reading = asyncio.ensure_future(self._drop(socket))
        try:
            await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, reading):
                task.cancel()
            await asyncio.gather(sending, reading, return_exceptions=True)
            await self.aclose()
            await socket.close()  # also when the server is stopping; nothing is written to a client that has gone

    async def _send(self, socket: WebSocket) -> None:
        async for lines in self._events:  # as many lines as there were
            for event in lines.splitlines(keepends=True):
                await socket.send(event)

    @staticmethod
    async def _drop(socket: WebSocket) -> None:
        while await socket.receive() is not None:
            pass
