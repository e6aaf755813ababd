"""One client's connection: HTTP/1.1 from bytes to `Request`, and from `Response` to bytes.

Stands before `server/asgi.ApiApp.respond` when Wherry listens itself. A general ASGI server pays for scopes, messages
and queues that no API request needs; here the C parser's callbacks fill a Request, and a complete answer leaves in one
write, which over TLS is one record and one system call. RFC 9112; the parser is httptools (llhttp).
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sized
from typing import TYPE_CHECKING, Any, Protocol, cast
from urllib.parse import unquote

import httptools

from wherry.errors import BadRequest, StatusError, Timeout
from wherry.kit.tls import Identity
from wherry.server.asgi import Whole, body_size, close_stream, is_stream, pieces, refusal
from wherry.server.http import Request, Response
from wherry.server.limits import is_long_running, too_large
from wherry.server.upgrade import Channel, Upgrade

if TYPE_CHECKING:
    from wherry.server.serve import Server

log = logging.getLogger("wherry.server")

_WHOLE = 256 * 1024  # answers up to this size are joined with their head and leave in one write
# Written out: `http` and `email.utils` have these too, for several milliseconds of every start.
_PHRASES = {
    101: "Switching Protocols", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content",
    301: "Moved Permanently", 302: "Found", 304: "Not Modified", 307: "Temporary Redirect",
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
    406: "Not Acceptable", 409: "Conflict", 410: "Gone", 413: "Request Entity Too Large",
    415: "Unsupported Media Type", 422: "Unprocessable Entity", 429: "Too Many Requests",
    431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
    502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout",
}  # fmt: skip
_STATUS_LINES = {code: f"HTTP/1.1 {code} {phrase}\r\n".encode() for code, phrase in _PHRASES.items()}
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_LAST_CHUNK = b"0\r\n\r\n"
_NO_BODY = (204, 304)
_METHOD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+) [^ \r\n]+ HTTP/1\.[01]\r?\n")
_PIPELINED = 8  # requests that may wait their turn before the connection is read no further

_NOBODY = Identity()  # a connection without a client's certificate
_names: dict[bytes, str] = {}  # header names as sent -> lower case; clients use few


class _Date:
    """The Date header, made once a second."""

    second = 0
    line = b""

    @classmethod
    def header(cls) -> bytes:
        now = int(time.time())
        if now != cls.second:
            cls.second = now
            cls.line = f"Date: {http_date(now)}\r\n".encode()
        return cls.line


def http_date(seconds: int) -> str:
    """RFC 9110, 5.6.7; not strftime, which speaks the language of the user."""
    at = time.gmtime(seconds)
    clock = f"{at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
    return f"{_DAYS[at.tm_wday]}, {at.tm_mday:02} {_MONTHS[at.tm_mon - 1]} {at.tm_year} {clock} GMT"


class Held(Protocol):
    """The sending half of a watch: it keeps what comes while it is held."""

    held: bool
    queue: Sized

    def flush(self) -> None: ...


class Pushing(Protocol):
    """A stream that can write by itself (`server.watching`)."""

    def attach(self, sink: Callable[[bytes], None], on_close: Callable[[], None]) -> Held: ...


class Connection(asyncio.Protocol):
    """Parser callbacks in, writes out. One request is answered at a time; more that arrive wait in order."""

    def __init__(self, server: Server):
        self._server = server
        self._loop = server.loop
        self._app = server.app
        self._limits = server.app.limits
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._remote = ""
        self._identity = _NOBODY
        # The request being read.
        self._completed = False  # a request has become whole in what was read last
        self._method = ""  # of a request whose method the parser does not know
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._head_bytes = 0
        self._in_head = True
        self._body: list[bytes] = []
        self._body_bytes = 0
        # The request being answered, and those behind it.
        self._task: asyncio.Task[None] | None = None
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._current: Request | None = None
        self._late = False  # the answer has not begun in time
        self._streaming = False
        self._closing = False  # no further request is read; the connection ends after the answer
        self._refusal: StatusError | None = None  # waits for the answers before it
        self._lost: asyncio.Event | None = None
        self._can_write: asyncio.Future[None] | None = None
        self._watcher: Held | None = None
        self._channel: Channel | None = None  # of a request that asks to leave HTTP: what follows it is not HTTP
        self.deadline = self._loop.time() + self._limits.header_seconds

    # --- asyncio.Protocol -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's TLS transport quacks like asyncio.Transport without being one.
        self._transport = cast(asyncio.Transport, transport)
        self._server.connections.add(self)
        peer = transport.get_extra_info("peername")
        if isinstance(peer, tuple):
            self._remote = f"[{peer[0]}]:{peer[1]}" if ":" in peer[0] else f"{peer[0]}:{peer[1]}"
        # Verified by OpenSSL during the handshake; read once per connection.
        if self._server.tls is not None:
            self._identity = self._server.tls.identify(transport.get_extra_info("ssl_object"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._server.connections.discard(self)
        self._closing = True
        if self._channel is not None:
            self._channel.end()
        self._waiting.clear()
        self._parser = None  # it holds a reference to us
        self._transport = None
        if self._lost is not None:
            self._lost.set()
        self.resume_writing()
        if self._streaming and self._task is not None:
            self._task.cancel()

    def pause_writing(self) -> None:
        self._can_write = self._loop.create_future()
        self.deadline = self._loop.time() + self._limits.stalled_seconds

    def resume_writing(self) -> None:
        if self._can_write is not None and not self._can_write.done():
            self._can_write.set_result(None)
        self._can_write = None
        if self._watcher is not None:
            self._watcher.held = False
            self._watcher.flush()
        self.deadline = 0.0 if self._task is not None else self._loop.time() + self._limits.idle_seconds

    def data_received(self, data: bytes) -> None:
        if self._channel is not None:
            self._channel.feed(data)
            return
        if self._closing:
            return
        self._completed = False
        try:
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserInvalidMethodError:
                if self._completed or self._head_bytes or not self._feed_with_known_method(data):
                    raise
        except httptools.HttpParserUpgrade as stopped:
            # The request itself was complete and has been handed on.
            if self._channel is not None and (rest := data[stopped.args[0] :]):
                self._channel.feed(rest)
        except httptools.HttpParserError:
            if not self._closing:
                self._refuse(BadRequest("the request is not valid HTTP/1.1"))
            return
        if self._in_head and not self._completed and not self._closing:  # what ended a request was its body
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.header_bytes:
                self._refuse(_head_too_large())

    def _feed_with_known_method(self, data: bytes) -> bool:
        """The parser knows a fixed list of methods, but any token is one and has to be answered like an API server
        answers it. Only where the whole request line has come at once."""
        found = _METHOD.match(data)
        if found is None:
            return False
        self._method = found[1].decode("ascii")
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(b"POST" + data[found.end(1) :])
        return True

    # --- parser callbacks -------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url = b""
        self._headers = []
        self._head_bytes = 0
        self._in_head = True
        self._body = []
        self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        known = _names.get(name)
        if known is None:
            known = name.decode("latin-1").lower()
            if len(_names) < 1000:
                _names[name] = known
        self._headers.append((known, value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._closing:
            return
        size = len(self._url)
        announced, expects = "", ""
        for name, value in self._headers:
            size += len(name) + len(value)
            if name == "content-length":
                announced = value
            elif name == "expect":
                expects = value.lower()
        if size > self._limits.header_bytes:
            self._refuse(_head_too_large())
            return
        if announced and int(announced) > self._limits.body_bytes:
            self._refuse(too_large(self._limits.body_bytes))
            return
        if expects == "100-continue" and self._task is None and self._transport is not None:
            self._transport.write(_CONTINUE)
        self.deadline = self._loop.time() + self._limits.body_seconds

    def on_body(self, body: bytes) -> None:
        if self._closing:
            return
        self._body_bytes += len(body)
        if self._body_bytes > self._limits.body_bytes:
            self._refuse(too_large(self._limits.body_bytes))
            return
        self._body.append(body)

    def on_message_complete(self) -> None:
        self._completed = True
        self._in_head = True
        if self._closing:
            return
        parser = self._parser
        keep_alive = parser.should_keep_alive() and not parser.should_upgrade() and not self._server.stopping
        if parser.should_upgrade() and self._transport is not None:
            self._channel = Channel(self._transport, self._drained)
        request = self._make_request()
        if request is None:
            return
        if not keep_alive:
            self._closing = True
        if self._task is None:
            self._start(request, keep_alive)
        else:
            self._waiting.append((request, keep_alive))
            if len(self._waiting) >= _PIPELINED and self._transport is not None:
                self._transport.pause_reading()

    def _make_request(self) -> Request | None:
        raw, _, query = self._url.decode("latin-1").partition("?")
        if not raw.startswith("/"):
            raw, query = _absolute_form(self._url)
            if not raw:
                self._refuse(BadRequest("the request target is not a path"))
                return None
        body = self._body
        method, self._method = self._method, ""
        identity = self._identity
        if identity.der is not None and self._server.tls is not None:  # a certificate ends, an authority may go
            identity = self._identity = self._server.tls.current(identity)
        return Request(
            method=method or self._parser.get_method().decode("ascii"),
            path=unquote(raw) if "%" in raw else raw,
            raw_path=raw,
            query=query,
            headers=self._headers,
            body=b"".join(body) if len(body) != 1 else body[0],
            peer_certificate=identity.der,
            peer=identity.peer,
            proxy=identity.proxy,
            peer_problem=identity.problem,
            remote=self._remote,
            http_version=self._parser.get_http_version(),
            disconnected=self._disconnected,
        )

    # --- answering --------------------------------------------------------------------------------------------------

    def _start(self, request: Request, keep_alive: bool) -> None:
        self._current = request
        self.deadline = self._loop.time() + self._limits.request_seconds  # until the answer begins
        self._task = self._loop.create_task(self._answer(request, keep_alive))

    async def _disconnected(self) -> None:
        if self._transport is None:
            return
        if self._lost is None:
            self._lost = asyncio.Event()
        await self._lost.wait()

    async def _answer(self, request: Request, keep_alive: bool) -> None:
        try:
            response = await self._app.respond(request)
            self.deadline = 0.0
            keep_alive = keep_alive and not self._server.stopping
            body = response.body
            if isinstance(body, Upgrade):
                keep_alive = False
                await self._upgraded(request, response, body)
            elif is_stream(body):
                keep_alive = await self._send_stream(request, response, body, keep_alive)
            else:
                await self._send(request.method, response, keep_alive)
        except Exception:
            # The answer could not be written; what the handler raises became a Status long before.
            log.exception("%s %s: sending the answer failed", request.method, request.path)
            keep_alive = False
        except asyncio.CancelledError:
            keep_alive = False
            if self._late and self._transport is not None:
                late = refusal(Timeout("Timeout: request did not complete within the allotted timeout"))
                body = cast(bytes, late.body)
                self._transport.write(self._head(late, f"Content-Length: {len(body)}\r\n", False) + body)
        self._finish(keep_alive)

    def _finish(self, keep_alive: bool) -> None:
        self._task = None
        transport = self._transport
        if transport is None:
            return
        if self._refusal is not None and keep_alive and not self._waiting:
            self._refuse(self._refusal)
        elif not keep_alive or self._server.stopping:
            self._closing = True
            self._waiting.clear()
            self.deadline = self._loop.time() + self._limits.close_seconds
            transport.close()
        elif self._waiting:
            self._start(*self._waiting.popleft())
            transport.resume_reading()
        else:
            self.deadline = self._loop.time() + self._limits.idle_seconds

    async def _send(self, method: str, response: Response, keep_alive: bool) -> None:
        body = cast(Whole, response.body)
        size = body_size(body)
        length = "" if response.status in _NO_BODY else f"Content-Length: {size}\r\n"
        head = self._head(response, length, keep_alive)
        transport = self._transport
        if transport is None:
            return
        if method == "HEAD" or response.status in _NO_BODY:
            transport.write(head)
        elif size <= _WHOLE:
            transport.write(head + body if isinstance(body, bytes) else b"".join((head, *body)))
        else:
            transport.write(head)
            for piece in pieces(body):
                if self._transport is None:
                    return
                transport.write(piece)
                if self._can_write is not None:
                    await self._can_write

    async def _send_stream(
        self, request: Request, response: Response, stream: AsyncIterator[bytes], keep_alive: bool
    ) -> bool:
        """Write parts as they come, each in one write. True when the connection can be used again."""
        chunked = request.http_version != "1.0"
        transport = self._transport
        if transport is None:
            await close_stream(stream)
            return False
        framing = "Transfer-Encoding: chunked\r\n" if chunked else ""
        transport.write(self._head(response, framing, keep_alive and chunked))
        if request.method == "HEAD":
            await close_stream(stream)
            return keep_alive and chunked
        self._streaming = True
        try:
            if chunked and hasattr(stream, "attach"):
                await self._pushed(cast(Pushing, stream), transport)
            else:
                async for part in stream:
                    if part:
                        transport.write(b"%x\r\n%b\r\n" % (len(part), part) if chunked else part)
                        if self._can_write is not None:
                            await self._can_write
        except asyncio.CancelledError:
            keep_alive = False  # The client has gone, or the server is stopping: the latter still ends the stream well.
        except Exception:
            log.exception("%s %s: the stream failed", request.method, request.path)
            keep_alive = False
        finally:
            self._streaming = False
            await close_stream(stream)
        if self._transport is not None and chunked:
            transport.write(_LAST_CHUNK)
        return keep_alive and chunked

    async def _drained(self) -> None:
        if self._can_write is not None:
            await self._can_write

    async def _upgraded(self, request: Request, response: Response, upgrade: Upgrade) -> None:
        """The endpoint speaks for itself from here on; the connection ends when it has done."""
        transport, channel = self._transport, self._channel
        if transport is None or channel is None:
            await close_stream(upgrade)
            return
        transport.write(self._head(response, "", True))
        self._streaming = True
        try:
            await upgrade.run(channel)
        except asyncio.CancelledError:
            pass  # The client has gone, or the server is stopping.
        except Exception:
            log.exception("%s %s: the upgraded connection failed", request.method, request.path)
        finally:
            self._streaming = False
            await close_stream(upgrade)

    async def _pushed(self, stream: Pushing, transport: asyncio.Transport) -> None:
        """A watch writes by itself: no task wakes up per event, and an event is framed once for all its watchers."""
        ended: asyncio.Future[None] = self._loop.create_future()

        def push(data: bytes) -> None:
            transport.write(data)
            watcher = self._watcher
            if self._can_write is not None and watcher is not None:
                watcher.held = True

        def close() -> None:
            if not ended.done():
                ended.set_result(None)

        try:
            self._watcher = watcher = stream.attach(push, close)
            watcher.held = self._can_write is not None
            await ended
            while watcher.queue and self._transport is not None:
                if self._can_write is not None:
                    await self._can_write
                watcher.held = False
                watcher.flush()
        finally:
            self._watcher = None

    def _head(self, response: Response, framing: str, keep_alive: bool) -> bytes:
        parts = []
        for name, value in response.headers:
            if "\n" in value or "\r" in value:  # a line break would start a header of its own
                value = value.replace("\r", " ").replace("\n", " ")
            if name == "Connection" and value == "close":
                keep_alive = False
                self._closing = True
                continue
            parts.append(f"{name}: {value}\r\n")
        parts.append(framing)
        parts.append("\r\n" if keep_alive else "Connection: close\r\n\r\n")
        line = _STATUS_LINES.get(response.status) or b"HTTP/1.1 %d \r\n" % response.status
        return b"".join((line, _Date.header(), "".join(parts).encode("latin-1", "replace")))

    def _refuse(self, error: StatusError) -> None:
        """Answer what cannot become a request, after the answers that are still due, and end the connection."""
        self._closing = True
        if self._task is not None:
            self._refusal = error
            return
        transport = self._transport
        if transport is None:
            return
        response = refusal(error)
        body = cast(bytes, response.body)
        transport.write(self._head(response, f"Content-Length: {len(body)}\r\n", False) + body)
        # Not closed at once: with data unread, closing resets the connection and the client may lose the answer.
        self.deadline = self._loop.time() + self._limits.close_seconds

    # --- the server's side ------------------------------------------------------------------------------------------

    def expire(self, now: float) -> None:
        """Called now and then: end a connection that has been idle, half a request or unread for too long."""
        if self.deadline and now > self.deadline and self._transport is not None:
            request = self._current
            if self._task is not None and request is not None and not self._streaming and self._can_write is None:
                self.deadline = 0.0
                if not is_long_running(request.path, request.query):
                    self._late = True
                    self._task.cancel()
                return
            if not self._in_head and self._task is None and not self._closing:
                self._refuse(Timeout("Timeout: request did not complete within the allotted timeout"))
            elif self._can_write is not None or self._transport.is_closing():
                self._transport.abort()
            else:
                self._transport.close()
                self.deadline = now + self._limits.close_seconds

    def stop(self) -> None:
        """The server is going: idle connections close, streams end well, answers that are due still leave."""
        if self._task is None:
            if self._transport is not None:
                self._transport.close()
        elif self._streaming:
            self._task.cancel()

    def abort(self) -> None:
        if self._task is not None:
            self._task.cancel()
        if self._transport is not None:
            self._transport.abort()


def _absolute_form(url: bytes) -> tuple[str, str]:
    """Path and query of `GET http://host/path HTTP/1.1`, which proxies send (RFC 9112, 3.2.2)."""
    try:
        parsed = httptools.parse_url(url)
    except httptools.HttpParserInvalidURLError:
        return "", ""
    return (parsed.path or b"/").decode("latin-1") if parsed.schema else "", (parsed.query or b"").decode("latin-1")


def _head_too_large() -> StatusError:
    return StatusError("Request header fields too large", reason="RequestHeaderFieldsTooLarge", code=431)
