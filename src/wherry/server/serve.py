"""The listening socket and everything connected to it: start, sweep, stop.

Owned by the composition root. TLS comes ready made (`kit/tls.py`); each client is a
`server/connection.Connection`. One sweep a second looks at all deadlines, so that requests pay for no timers.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from typing import Any

from wherry.kit.tls import ServerTls
from wherry.server.asgi import ApiApp
from wherry.server.connection import Connection

log = logging.getLogger("wherry.server")

BACKLOG = 1024
SWEEP_SECONDS = 1.0
GRACE_SECONDS = 1.0


class ListenError(Exception):
    """The address cannot be listened on: says why, and how to choose another."""


def listen(bind: str, port: int) -> socket.socket:
    """A listening socket, at once and before anything else starts, so that a taken port costs no work."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and bind == "::":
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # one socket for both families
        sock.bind((bind, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            why = f"port {port} on {bind} is taken; choose another with --port (0 takes a free one)"
        elif error.errno == errno.EACCES:
            why = f"port {port} on {bind} is not allowed for this user; choose one above 1023 with --port"
        else:
            why = f"cannot listen on {bind}:{port}: {error.strerror or error}; choose an address with --bind"
        raise ListenError(why) from None
    except OverflowError:
        sock.close()
        raise ListenError(f"{port} is not a port; choose one from 0 to 65535 with --port") from None
    return sock


class Server:
    """HTTP(S) on one socket."""

    def __init__(
        self,
        app: ApiApp,
        sock: socket.socket,
        tls: ServerTls | None,
        *,
        sweep_seconds: float = SWEEP_SECONDS,
    ):
        self.app = app
        self.connections: set[Connection] = set()
        self.stopping = False
        self.loop: asyncio.AbstractEventLoop
        self._sock = sock
        self.tls = tls
        self._sweep_seconds = sweep_seconds
        self._listener: asyncio.Server | None = None
        self._sweep: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        return int(self._sock.getsockname()[1])

    async def start(self) -> None:
        self.loop = asyncio.get_running_loop()
        if self.loop.get_exception_handler() is None:  # an application that we are part of may have its own
            self.loop.set_exception_handler(_quiet)
        timeouts: dict[str, Any] = {}
        if self.tls is not None:
            timeouts = {"ssl_handshake_timeout": self.app.limits.header_seconds, "ssl_shutdown_timeout": 1.0}
        self._listener = await self.loop.create_server(
            lambda: Connection(self),
            sock=self._sock,
            ssl=self.tls.context if self.tls is not None else None,
            **timeouts,
        )
        self._sweep = self.loop.call_later(self._sweep_seconds, self._swept)

    def _swept(self) -> None:
        now = self.loop.time()
        for connection in tuple(self.connections):
            connection.expire(now)
        self._sweep = self.loop.call_later(self._sweep_seconds, self._swept)

    async def stop(self) -> None:
        """Stop listening, end streams well, give answers on their way a second, then cut what is left."""
        self.stopping = True
        if self._sweep is not None:
            self._sweep.cancel()
        if self._listener is None:
            self._sock.close()
            return
        self._listener.close()
        for connection in tuple(self.connections):
            connection.stop()
        end = self.loop.time() + GRACE_SECONDS
        while self.connections and self.loop.time() < end:
            await asyncio.sleep(0.01)
        for connection in tuple(self.connections):
            connection.abort()
        await asyncio.sleep(0)


def _quiet(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A client that hangs up in the middle of TLS, or speaks something else, is no event for the log."""
    error = context.get("exception")
    if isinstance(error, ssl.SSLError | ConnectionError | TimeoutError) and "transport" in context:
        log.debug("%s: %s", context.get("message"), error)
        return
    loop.default_exception_handler(context)
