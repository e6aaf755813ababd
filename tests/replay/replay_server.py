"""A handler behind the face of the recorder's HTTP client, on an event loop whose time jumps instead of passing.

`transcript.py`, which comes with the recordings, performs a scenario step by step through an object with `call` and
`token` and waits with the `time` module. Here both are made of one control plane in memory: no socket, no real waiting.
"""

from __future__ import annotations

import asyncio
import importlib.util
from http.client import HTTPMessage
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import unquote

from tools.jumping import JumpingLoop

from wherry.access.options import AccessOptions
from wherry.access.user import User
from wherry.server.asgi import ApiApp
from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage

START = 1_790_000_000.0
TOKEN = "admin-token"
# Who made the recordings: an entry of the recorded server's token file.
ADMIN = User("admin", "3f9b1c1e-6a0b-4a53-9d57-6a6a3f2f4c11", ("system:masters",))


class Clock:
    """What the recorder needs of the `time` module."""

    def __init__(self, loop: JumpingLoop):
        self._loop = loop
        self._zero = START - loop.time()

    def time(self) -> float:
        return self._zero + self._loop.time()

    def sleep(self, seconds: float) -> None:
        self._loop.run_until_complete(asyncio.sleep(seconds))


class Server:
    """One control plane in memory, with the interface of the recorder's `Server`."""

    token = TOKEN

    def __init__(self) -> None:
        self.loop = JumpingLoop()
        self.clock = Clock(self.loop)
        self._storage = open_storage("memory:")
        self._handler = self.loop.run_until_complete(
            build_handler(self._storage, options=AccessOptions(users={TOKEN: ADMIN}), clock=self.clock.time)
        )
        self._app = ApiApp(self._handler)

    def call(
        self, method: str, path: str, headers: dict[str, str], body: bytes | str | None, timeout: float = 40
    ) -> tuple[int, HTTPMessage, bytes]:
        """The answer to a request, a stream read to its end."""
        return self.loop.run_until_complete(self._call(method, path, headers, body))

    async def _call(
        self, method: str, path: str, headers: dict[str, str], body: bytes | str | None
    ) -> tuple[int, HTTPMessage, bytes]:
        raw, _, query = path.partition("?")
        lower = [(name.lower(), value) for name, value in headers.items()]
        data = body.encode() if isinstance(body, str) else body or b""
        response = await self._app.respond(Request(method, unquote(raw), raw, query, lower, data))
        message = HTTPMessage()
        for name, value in response.headers:
            message[name] = value
        content: Any = response.body
        if isinstance(content, list | tuple):
            content = b"".join(content)
        elif not isinstance(content, bytes):
            content = b"".join([part async for part in content])
        return response.status, message, b"" if method == "HEAD" else content

    def close(self) -> None:
        self.loop.run_until_complete(self._handler.close())
        self.loop.run_until_complete(self._storage.close())
        self.loop.close()


def recorder(corpora: Path, server: Server) -> ModuleType:
    """The recorder's module, waiting by the server's clock."""
    spec = importlib.util.spec_from_file_location("transcript", corpora / "transcripts" / "transcript.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.__dict__["time"] = server.clock
    return module
