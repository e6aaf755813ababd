"""A webhook for tests: a real HTTPS server on this machine, with a certificate of its own authority."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any

import orjson

from wherry.kit.pki import Pki

Answer = Callable[[Any], tuple[int, str, bytes]]


@cache
def pki() -> Pki:
    return Pki(None)


class Webhook:
    """`answer` gets the decoded body and gives (status, media type, bytes); `calls` keeps what came."""

    def __init__(self, answer: Answer):
        self.answer = answer
        self.calls: list[Any] = []
        self.paths: list[str] = []
        self.moved: dict[str, tuple[int, str]] = {}  # path -> status and Location of a redirect
        self.connections = 0
        self.port = 0
        self.delay = 0.0
        self.hang_up = False  # close each connection after its first answer, without saying so

    @property
    def config(self) -> dict[str, Any]:
        return {
            "url": f"https://127.0.0.1:{self.port}/convert",
            "caBundle": base64.b64encode(pki().authority).decode(),
        }

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                lines = request.decode().split("\r\n")
                lengths = [line for line in lines if line.lower().startswith("content-length:")]
                body = orjson.loads(await reader.readexactly(int(lengths[0].split(":")[1]))) if lengths else None
                path = lines[0].split(" ")[1]
                self.calls.append(body)
                self.paths.append(path)
                if self.delay:
                    await asyncio.sleep(self.delay)
                status, media, data = self.answer(body)
                if path in self.moved:
                    status, location = self.moved[path]
                    media += f"\r\nLocation: {location}"
                head = f"HTTP/1.1 {status} X\r\nContent-Type: {media}\r\nContent-Length: {len(data)}\r\n\r\n"
                writer.write(head.encode() + data)
                await writer.drain()
                if self.hang_up:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(answer: Answer, names: tuple[str, ...] = ("127.0.0.1", "hook.ns.svc")) -> Any:
    hook = Webhook(answer)
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0, ssl=pki().server_context(names))
    hook.port = server.sockets[0].getsockname()[1]
    try:
        yield hook
    finally:
        server.close()


def json_answer(make: Callable[[Any], Any]) -> Answer:
    return lambda body: (200, "application/json", orjson.dumps(make(body)))
