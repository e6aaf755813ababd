"""A control plane as a part of somebody's ASGI application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.errors import ServiceUnavailable
from wherry.server.asgi import Receive, Scope, Send, refusal, send_response

if TYPE_CHECKING:
    from wherry.controlplane.plane import ControlPlane


class Mounted:
    """An ASGI 3 application. Where it stands alone, it starts with the server and stops with it; where it is mounted,
    nobody tells it: then the application around it enters the control plane (`async with`)."""

    def __init__(self, plane: ControlPlane):
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http" and not self._plane.running:
            refused = ServiceUnavailable("the control plane has not started")
            await send_response(refusal(refused, close=True), scope["method"], send)
        else:
            await self._plane.app(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            await self._plane.__aenter__()
        except Exception as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._plane.stop()
        await send({"type": "lifespan.shutdown.complete"})
