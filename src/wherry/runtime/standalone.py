"""A controller that shares its collections with nobody: what the small features of one kind or two have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod

from wherry.client import Client
from wherry.runtime.informer import Key
from wherry.runtime.shared import Shared
from wherry.runtime.workers import Workers


class Standalone(ABC):
    """One per workspace. Subclasses take collections from `_shared` and put keys into the queue of `_workers`."""

    def __init__(self, client: Client, name: str, workers: int = 1):
        self._client = client
        self._shared = Shared(client)
        self._workers = Workers(name, self._shared, self.reconcile, workers)

    def start(self) -> None:
        self._shared.start()
        self._workers.start()

    async def stop(self) -> None:
        await self._workers.stop()
        await self._shared.stop()

    @property
    def idle(self) -> bool:
        """The objects are known and nothing is to be done now or soon."""
        return self._shared.complete and self._workers.queue.idle

    @abstractmethod
    async def reconcile(self, key: Key) -> float | None:
        """Bring one object a step further; the seconds until it should be looked at again, None when all is done.

        A Conflict or any other failure brings the key back after a while."""
