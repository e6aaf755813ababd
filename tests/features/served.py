"""A control plane in memory with the controllers that a test is about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from wherry.access.chain import ADMIN
from wherry.client import Client
from wherry.feature import Runnable
from wherry.server.build import build_handler
from wherry.server.handler import ApiHandler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage


@asynccontextmanager
async def served(*controllers: Callable[[Client], Runnable]) -> AsyncIterator[tuple[Client, ApiHandler]]:
    """The administrator's client and the API; the controllers run meanwhile."""
    storage = open_storage("memory:")
    handler = await build_handler(storage)
    client = Client(LocalTransport(handler, ADMIN))
    running = [make(client) for make in controllers]
    for controller in running:
        controller.start()
    try:
        yield client, handler
    finally:
        for controller in running:
            await controller.stop()
        await handler.close()
        await storage.close()
