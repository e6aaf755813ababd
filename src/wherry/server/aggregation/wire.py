"""One HTTP/1.1 exchange with an API server beside this one, the answer as a stream.

What is read is bounded by the reader's buffer: whoever does not take the answer lets the other server wait. Connections
are kept for requests that can be repeated, because the other side may close an idle one just as it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from time import monotonic
from typing import NamedTuple

import httptools

from wherry.access.webhooks import Target, WebhookCaller, WebhookError, why

IDLE_SECONDS = 90.0
MAX_IDLE = 8  # connections kept per server
MAX_HEAD = 64 << 10
_PIECE = 65536
_REPEATABLE = frozenset(("GET", "HEAD"))

Headers = Sequence[tuple[str, str]]
_Where = tuple[str, int, str, bytes, bytes, bool]


class Unreachable(Exception):
    """No answer came; the text is what Go's transport would say."""


class Wire(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    def close(self) -> None:
        self.writer.transport.abort()


class Answer:
    """A parser's callbacks, and then the answer: `status`, `headers`, and the body piece by piece."""

    def __init__(self, wire: Wire, *, bodiless: bool):
        self.wire = wire
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.length: int | None = None  # as the other side gave it
        self.upgraded: bytes | None = None  # what came behind the head of a 101
        self.reusable = False
        self._bodiless = bodiless
        self._parser = httptools.HttpResponseParser(self)
        self._parts: list[bytes] = []
        self._until_close = True
        self._complete = False
        self._received = 0

    # --- callbacks ---------------------------------------------------------------------------------------------------
    def on_header(self, name: bytes, value: bytes) -> None:
        text = value.decode("latin-1")
        lowered = name.decode("latin-1").lower()
        self.headers.append((lowered, text))
        if lowered == "content-length" and text.isdigit():
            self.length = int(text)
        if lowered in ("content-length", "transfer-encoding"):
            self._until_close = False

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        if 100 <= self.status < 200 and self.status != 101:  # an interim answer; the real one follows
            self.status, self.headers, self.length, self._until_close = 0, [], None, True
            return
        self._complete = True
        self.reusable = self._parser.should_keep_alive() and not self._until_close

    # --- reading -----------------------------------------------------------------------------------------------------
    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as stopped:
            self.upgraded = data[stopped.args[0] :]
            self._complete = True
        except httptools.HttpParserError:
            raise Unreachable("net/http: HTTP/1.x transport connection broken: malformed HTTP response") from None

    async def head(self) -> bool:
        """Read until the headers are there. False: the other side closed before a byte came."""
        received = 0
        while not self.status:
            data = await self.wire.reader.read(_PIECE)
            if not data:
                if received:
                    raise Unreachable("unexpected EOF")
                return False
            received += len(data)
            self._feed(data)
            if not self.status and received > MAX_HEAD:
                raise Unreachable("net/http: server response headers exceeded 65536 bytes; aborted")
        return True

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body. Raises ConnectionError when it breaks off."""
        if self._bodiless or self.status in (204, 304):
            return
        while True:
            parts, self._parts = self._parts, []
            for part in parts:
                yield part
            if self._complete:
                return
            data = await self.wire.reader.read(_PIECE)
            if not data:
                if self._until_close:
                    return
                raise ConnectionResetError("unexpected EOF")
            self._feed(data)

    @property
    def finished(self) -> bool:
        return self._complete or self._bodiless


class Wires:
    """Connections to the other servers. `close` it with the handler."""

    def __init__(self, caller: WebhookCaller):
        self._caller = caller
        self._idle: dict[_Where, list[tuple[float, Wire]]] = {}

    def close(self) -> None:
        for kept in self._idle.values():
            for _, wire in kept:
                wire.close()
        self._idle.clear()

    async def ask(self, target: Target, method: str, path: str, headers: Headers, body: bytes = b"") -> Answer:
        """The answer once its head is there. Its connection has to be given back with `done`. Raises Unreachable."""
        request = _request(method, path, headers, body)
        if method in _REPEATABLE and (wire := self._kept(target)) is not None:
            answer = Answer(wire, bodiless=method == "HEAD")
            try:
                wire.writer.write(request)
                if await answer.head():
                    return answer
            except (OSError, Unreachable):
                pass
            except BaseException:
                wire.close()
                raise
            wire.close()  # it had been closed while it was idle: once more on a new one
        wire = await self._dial(target)
        answer = Answer(wire, bodiless=method == "HEAD")
        try:
            wire.writer.write(request)
            await wire.writer.drain()
            if await answer.head():
                return answer
            raise Unreachable("EOF")
        except OSError as broken:
            wire.close()
            text = f"read tcp {target.host}:{target.port}: read: connection reset by peer"
            raise Unreachable(text if isinstance(broken, ConnectionError) else str(broken)) from None
        except BaseException:
            wire.close()
            raise

    def done(self, target: Target, answer: Answer) -> None:
        """The answer has been read, or nobody wants the rest."""
        if not (answer.reusable and answer.finished) or answer.upgraded is not None:
            answer.wire.close()
            return
        kept = self._idle.setdefault(_where(target), [])
        if len(kept) >= MAX_IDLE:
            kept.pop(0)[1].close()
        kept.append((monotonic(), answer.wire))

    def _kept(self, target: Target) -> Wire | None:
        kept = self._idle.get(_where(target))
        oldest = monotonic() - IDLE_SECONDS
        while kept:
            since, wire = kept.pop()
            if since >= oldest and not wire.reader.at_eof() and not wire.writer.transport.is_closing():
                return wire
            wire.close()
        return None

    async def _dial(self, target: Target) -> Wire:
        try:
            return Wire(*await self._caller.dial(target, target.host, target.port))
        except OSError as error:
            raise Unreachable(why(error, target.host, target.port)) from None
        except WebhookError as error:
            raise Unreachable(str(error)) from None


def _where(target: Target) -> _Where:
    return target.host, target.port, target.server_name, target.authorities, target.identity, target.unverified


def _request(method: str, path: str, headers: Headers, body: bytes) -> bytes:
    lines = [f"{method} {path} HTTP/1.1\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers if "\r" not in value and "\n" not in value]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(body)}\r\n")
    return ("".join(lines) + "\r\n").encode("latin-1", "replace") + body
