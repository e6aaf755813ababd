"""A `client.Transport` for commands: one request after the other, to the server of a kubeconfig's context."""

from __future__ import annotations

import http.client
import socket
from collections.abc import AsyncIterator
from pathlib import Path

from wherry.access.remote import target_of_kubeconfig
from wherry.access.webhooks import WebhookError, tls_context
from wherry.errors import ConfigurationError

SECONDS = 60.0


class Wire:
    """`base` is the server's URL path before `/clusters/...`; `context` one of the kubeconfig, else the current one."""

    def __init__(self, kubeconfig: Path, base: str, context: str = ""):
        self._target = target_of_kubeconfig(kubeconfig, context)
        self._base = base
        self._connection: http.client.HTTPConnection | None = None

    async def call(self, method: str, path: str, query: str, media: str, body: bytes) -> tuple[int, bytes]:
        """Raises ConfigurationError when nobody answers."""
        whole = f"{self._base}{path}" + (f"?{query}" if query else "")
        name, _, value = self._target.headers.strip().partition(": ")
        headers = {"Accept": "application/json", "Content-Type": media, "User-Agent": "wherry-ws"}
        if name:
            headers[name] = value
        try:
            if self._connection is None:
                self._connection = self._connect()
            self._connection.request(method, whole, body or None, headers)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException, WebhookError) as error:
            raise ConfigurationError(f"{self._target.url} does not answer: {error}") from None

    def stream(self, path: str, query: str) -> AsyncIterator[bytes]:
        raise NotImplementedError("commands do not watch")

    def _connect(self) -> http.client.HTTPConnection:
        target = self._target
        # Such names are this machine's, whether or not its resolver knows (RFC 6761).
        host = "127.0.0.1" if target.host.endswith(".localhost") else target.host
        sock = socket.create_connection((host, target.port), SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # head and body go out in two writes
        if not target.plain:
            sock = tls_context(target).wrap_socket(sock, server_hostname=target.server_name)
        connection = http.client.HTTPConnection(host, target.port)
        connection.sock = sock
        return connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
