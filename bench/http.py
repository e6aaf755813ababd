"""A minimal HTTP/1.1 client: one request at a time per kept-alive TLS connection, at little cost of its own.

The load generator shares the machine with the server, so every microsecond here would distort the server's figures.
Requests are ready-made bytes; answers are parsed by httptools and handed over as (status, body).
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httptools

Answer = tuple[int, bytes]


class Connection(asyncio.Protocol):
    """One connection. `on_body` set: body bytes go there as they come (watches), instead of into the answer."""

    def __init__(self) -> None:
        self.on_body_chunk: Callable[[bytes], None] | None = None
        self._waiter: asyncio.Future[Answer] | None = None
        self._begun: asyncio.Future[int] | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._chunks: list[bytes] = []
        self._transport: asyncio.Transport | None = None

    async def ask(self, request: bytes) -> Answer:
        """Send a request, wait for the whole answer."""
        self._waiter = asyncio.get_running_loop().create_future()
        self._send(request)
        return await self._waiter

    async def begin(self, request: bytes, on_chunk: Callable[[bytes], None]) -> int:
        """Send a request, wait for the status only; body chunks go to `on_chunk` until `close`."""
        self.on_body_chunk = on_chunk
        self._begun = asyncio.get_running_loop().create_future()
        self._send(request)
        return await self._begun

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _send(self, request: bytes) -> None:
        if self._transport is None or self._transport.is_closing():
            raise ConnectionError("the connection is closed")
        self._transport.write(request)

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, error: Exception | None) -> None:
        for waiter in (self._waiter, self._begun):
            if waiter is not None and not waiter.done():
                waiter.set_exception(error or ConnectionError("the server closed the connection"))

    # httptools

    def on_headers_complete(self) -> None:
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(self._parser.get_status_code())

    def on_body(self, body: bytes) -> None:
        if self.on_body_chunk is not None:
            self.on_body_chunk(body)
        else:
            self._chunks.append(body)

    def on_message_complete(self) -> None:
        chunks, self._chunks = self._chunks, []
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result((self._parser.get_status_code(), b"".join(chunks)))


@dataclass
class Target:
    """A Kubernetes API to talk to: where, as whom, and which processes make it up."""

    url: str
    token: str
    pids: list[int] = field(default_factory=list)
    ca_file: str | None = None  # None: the certificate is not checked, which costs the server the same

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        self.host = parts.hostname or "127.0.0.1"
        self.port = parts.port or (443 if parts.scheme == "https" else 80)
        self.prefix = parts.path.rstrip("/")
        self.tls: ssl.SSLContext | None = None
        if parts.scheme == "https":
            self.tls = ssl.create_default_context(cafile=self.ca_file)
            if self.ca_file is None:
                self.tls.check_hostname = False
                self.tls.verify_mode = ssl.CERT_NONE
            self.tls.set_alpn_protocols(["http/1.1"])

    async def connect(self) -> Connection:
        loop = asyncio.get_running_loop()
        name = self.host if self.tls is not None else None
        _, connection = await asyncio.wait_for(
            loop.create_connection(Connection, self.host, self.port, ssl=self.tls, server_hostname=name), 30
        )
        return connection

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        """The bytes of a request."""
        lines = [
            f"{method} {self.prefix}{path} HTTP/1.1",
            f"Host: {self.host}:{self.port}",
            f"Authorization: Bearer {self.token}",
            f"Accept: {accept}",
            "User-Agent: wherry-bench",
        ]
        if body:
            lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
