"""The ASGI skin: turns what an ASGI server says into a `Request`, and the handler's `Response` back into HTTP.

First step of the path of a request (server/serve -> here -> server/handler). Whoever runs it (Wherry's own server,
Starlette or FastAPI with a mount, another ASGI server) gets the same API. What is refused here (too large, too slow,
too many) is a `Status` object like every other refusal. Protocol: ASGI 3, https://asgi.readthedocs.io/en/latest/specs/.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, TypeGuard, cast
from urllib.parse import quote

import orjson

from wherry.errors import InternalError, StatusError, Timeout
from wherry.kit.pki import Peer
from wherry.server.http import Body, Handler, Request, Response
from wherry.server.limits import InFlight, Limits, busy, is_long_running, too_large
from wherry.server.slices import Sliced, gzipped

log = logging.getLogger("wherry.server")

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Whole = bytes | Sequence[bytes]  # a body that is no stream

_PIECE = 256 * 1024  # long bodies leave in pieces, so that a slow reader holds back only this much
_THREAD = 512 * 1024  # compressing more than this would hold up everyone else; zlib works without the GIL


class ClientGone(Exception):
    """The client closed the connection before its request was complete: there is nobody to answer."""


class ApiApp:
    """An ASGI application around the API's handler."""

    def __init__(self, handler: Handler, limits: Limits | None = None):
        self.handler = handler
        self.limits = limits or Limits()
        self.in_flight = InFlight(self.limits)
        # Where requests share seats by who makes them, that is the bound (as upstream's filters are either or).
        self._counts = getattr(getattr(handler, "api", None), "fairness", None) is None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind = scope["type"]
        if kind == "http":
            await self._http(scope, receive, send)
        elif kind == "lifespan":
            await _lifespan(receive, send)
        elif kind == "websocket":
            # A foreign server has taken the handshake for itself; closing before accepting answers 403.
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            raise ValueError(f"unknown ASGI scope type: {kind}")

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            request = make_request(scope)
            request.body = await read_body(request, receive, self.limits)
            request.disconnected = _disconnection(receive)
        except ClientGone:
            return
        except StatusError as error:
            await send_response(refusal(error, close=True), scope["method"], send)
            return
        response = await self.respond(request)
        body = response.body
        if is_stream(body):
            await _send_stream(response, body, request.method, receive, send)
        else:
            await send_response(response, request.method, send)

    async def respond(self, request: Request) -> Response:
        """The answer to a complete request, refusals included; all that is left to do is to send it."""
        counted = self._counts and not is_long_running(request.path, request.query)
        if counted and not self.in_flight.enter(request.method):
            return refusal(busy())
        try:
            response = await self.handle(request)
            if is_stream(response.body):
                return compress_stream(request, response, self.limits)
            return await compress(request, response, self.limits)
        finally:
            if counted:
                self.in_flight.leave(request.method)

    async def handle(self, request: Request) -> Response:
        """The handler's answer, or the Status of what it raised: a request always gets an answer."""
        try:
            return await self.handler(request)
        except StatusError as error:
            return refusal(error)
        except Exception:
            log.exception("%s %s failed", request.method, request.path)
            return refusal(unexpected())


# --- requests -------------------------------------------------------------------------------------------------------


def make_request(scope: Scope) -> Request:
    """The request without its body."""
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or quote(path, safe="/:@!$&'()*+,;=~").encode("ascii")
    root: str = scope.get("root_path", "")
    if root and (path == root or path.startswith(root.rstrip("/") + "/")):
        # Mounted under a prefix. Servers and frameworks differ in whether they have taken it off already.
        path = path[len(root) :] or "/"
        quoted = quote(root).encode("ascii")
        if raw.startswith(quoted):
            raw = raw[len(quoted) :] or b"/"
    tls: dict[str, Any] = (scope.get("extensions") or {}).get("tls") or {}
    client = scope.get("client")
    return Request(
        method=scope["method"],
        path=path,
        raw_path=raw.decode("latin-1"),
        query=scope.get("query_string", b"").decode("latin-1"),
        headers=[(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]],
        peer_certificate=tls.get("client_cert_der"),
        peer=_peer(tls),
        remote=f"{client[0]}:{client[1]}" if client else "",
        http_version=scope.get("http_version", "1.1"),
    )


def _peer(tls: dict[str, Any]) -> Peer | None:
    """The application's word for who showed a certificate: it has verified it."""
    name, groups = tls.get("client_subject") or ("", ())
    return Peer(name, tuple(groups)) if name else None


async def read_body(request: Request, receive: Receive, limits: Limits) -> bytes:
    """The whole body, bounded in size and time."""
    announced = request.header("content-length")
    if announced.isdigit() and int(announced) > limits.body_bytes:
        raise too_large(limits.body_bytes)
    if announced in ("", "0") and not request.header("transfer-encoding"):
        return b""  # Nothing to wait for; most requests end here.
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _collect(receive, limits.body_bytes)
    except TimeoutError:
        raise Timeout("Timeout: request did not complete within the allotted timeout") from None


async def _collect(receive: Receive, limit: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > limit:
            raise too_large(limit)
        parts.append(part)
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _disconnection(receive: Receive) -> Callable[[], Awaitable[None]]:
    async def disconnected() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    return disconnected


# --- answers --------------------------------------------------------------------------------------------------------


def refusal(error: StatusError, *, close: bool = False) -> Response:
    """The `Status` of an error. `close` ends the connection: the rest of an unread body may still be on its way."""
    headers = [("Content-Type", "application/json")]
    retry = (error.details or {}).get("retryAfterSeconds")
    if retry:
        headers.append(("Retry-After", str(retry)))
    if close:
        headers.append(("Connection", "close"))
    return Response(error.code, headers, orjson.dumps(error.to_status()))


def unexpected() -> InternalError:
    """What the client hears about a fault of ours; the traceback stays in the log."""
    text = "unexpected error; the server's log has the details"
    return InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})


def is_stream(body: Body) -> TypeGuard[AsyncIterator[bytes]]:
    """Whether a body is sent as it comes. Asked of the concrete types first: an ABC takes microseconds to answer."""
    return not isinstance(body, bytes | list | tuple) and isinstance(body, AsyncIterator)


def body_size(body: Body) -> int:
    """The length of a body that is no stream."""
    return len(body) if isinstance(body, bytes) else sum(map(len, cast(Sequence[bytes], body)))


async def compress(request: Request, response: Response, limits: Limits) -> Response:
    """The answer gzipped where that pays (responsewriters.SerializeObject)."""
    body = cast(Whole, response.body)
    size = body_size(body)
    if size <= limits.gzip_bytes or not accepts_gzip(request.header("accept-encoding")):
        return response
    if any(name.lower() == "content-encoding" for name, _ in response.headers):
        return response
    if size > _THREAD:
        packed = await asyncio.to_thread(_gzip, body, limits.gzip_level)
    else:
        packed = _gzip(body, limits.gzip_level)
    headers = [*response.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return Response(response.status, headers, packed)


def compress_stream(request: Request, response: Response, limits: Limits) -> Response:
    """A long list gzipped as it is written; other streams go out as they are."""
    body = response.body
    if not isinstance(body, Sliced) or not accepts_gzip(request.header("accept-encoding")):
        return response
    body.through(lambda parts: gzipped(parts, limits.gzip_level))
    response.headers = [*response.headers, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding")]
    return response


def accepts_gzip(header: str) -> bool:
    """Whether `Accept-Encoding` lists gzip with a weight above zero."""
    if "gzip" not in header:
        return False
    for item in header.split(","):
        name, _, weight = item.partition(";")
        if name.strip() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _gzip(body: bytes | Sequence[bytes], level: int) -> bytes:
    import zlib

    packer = zlib.compressobj(level, zlib.DEFLATED, 31)  # 31: the gzip container
    parts = [packer.compress(part) for part in ((body,) if isinstance(body, bytes) else body)]
    return b"".join((*parts, packer.flush()))


def encode_headers(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Header fields as bytes. A line break would let a value become a header of its own: it becomes a space."""
    encoded = []
    for name, value in headers:
        if "\n" in value or "\r" in value:
            value = value.replace("\r", " ").replace("\n", " ")
        encoded.append((name.encode("latin-1"), value.encode("latin-1", "replace")))
    return encoded


async def send_response(response: Response, method: str, send: Send) -> None:
    """A complete answer with its Content-Length."""
    body = cast(Whole, response.body)
    size = body_size(body)
    headers = encode_headers(response.headers)
    if response.status != 304 and response.status >= 200:
        headers.append((b"Content-Length", b"%d" % size))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    if method == "HEAD" or response.status in (204, 304):
        await send({"type": "http.response.body", "body": b""})
    elif size <= _PIECE:
        whole = body if isinstance(body, bytes) else b"".join(body)
        await send({"type": "http.response.body", "body": whole})
    else:
        for piece in pieces(body):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def pieces(body: bytes | Sequence[bytes]) -> list[bytes]:
    """A long body cut and joined into pieces of about the same size."""
    out: list[bytes] = []
    gathered: list[bytes] = []
    size = 0
    for part in (body,) if isinstance(body, bytes) else body:
        if len(part) >= _PIECE:
            if gathered:
                out.append(b"".join(gathered))
                gathered, size = [], 0
            out.extend(part[at : at + _PIECE] for at in range(0, len(part), _PIECE))
            continue
        gathered.append(part)
        size += len(part)
        if size >= _PIECE:
            out.append(b"".join(gathered))
            gathered, size = [], 0
    if gathered:
        out.append(b"".join(gathered))
    return out


async def _send_stream(
    response: Response, stream: AsyncIterator[bytes], method: str, receive: Receive, send: Send
) -> None:
    """An answer that lasts: the head at once, each part as it comes, until the stream ends or the client goes."""
    await send({"type": "http.response.start", "status": response.status, "headers": encode_headers(response.headers)})
    # An empty first part makes servers flush the head: clients wait for it before they believe that they watch.
    await send({"type": "http.response.body", "body": b"", "more_body": method != "HEAD"})
    if method == "HEAD":
        await close_stream(stream)
        return
    pump = asyncio.ensure_future(_pump(stream, send))
    gone = asyncio.ensure_future(_disconnection(receive)())
    try:
        await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
        if not gone.done():
            # The end of the stream, or its failure: clients see a clean end either way, and the log the reason.
            await send({"type": "http.response.body", "body": b""})
    finally:
        for task in (pump, gone):
            task.cancel()
        await asyncio.wait((pump, gone))
        await close_stream(stream)


async def _pump(stream: AsyncIterator[bytes], send: Send) -> None:
    try:
        async for part in stream:
            if part:
                await send({"type": "http.response.body", "body": part, "more_body": True})
    except Exception:
        log.exception("a stream failed")


async def close_stream(stream: AsyncIterator[bytes]) -> None:
    """Let a stream give back what it holds, whether or not it ever ran."""
    close = getattr(stream, "aclose", None)
    if close is not None:
        with contextlib.suppress(Exception):
            await close()


async def _lifespan(receive: Receive, send: Send) -> None:
    """Start and stop belong to the control plane; a server that asks only hears yes."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
