"""A controller: informers feed keys into a queue, a reconciler works them off one by one."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping

from wherry.client import Client, Kind
from wherry.errors import Conflict, StatusError
from wherry.kit.aio import Background
from wherry.runtime.informer import Informer, Key
from wherry.runtime.queue import WorkQueue

log = logging.getLogger("wherry.runtime")

# Makes the world match the object behind a key; returns seconds until it wants to look again, or None.
Reconcile = Callable[[Key], Awaitable[float | None]]


class Controller:
    """One kind, in one namespace or all, and one reconciler. `query` may have selectors for its objects."""

    def __init__(
        self,
        name: str,
        client: Client,
        kind: Kind,
        reconcile: Reconcile,
        namespace: str = "",
        query: Mapping[str, str] | None = None,
    ):
        self.name = name
        self.queue = WorkQueue()
        self.informer = Informer(client, kind, self.queue.add, namespace, query)
        self._reconcile = reconcile
        self._tasks = Background(name)

    def start(self) -> None:
        self._tasks.start(self.informer.run(), name="informer")
        self._tasks.start(self._work(), name="worker")

    async def stop(self) -> None:
        self.queue.close()
        await self._tasks.stop()

    @property
    def idle(self) -> bool:
        """The objects are known and nothing is to be done now or soon."""
        return self.informer.synced.is_set() and self.queue.idle

    async def _work(self) -> None:
        while True:
            key = await self.queue.take()
            assert isinstance(key, tuple)
            failed, again = False, None
            try:
                again = await self._reconcile(key)
            except Conflict:
                failed = True  # somebody was faster: look at what is there now
            except StatusError as error:
                failed = True
                log.info("%s: %s: %s", self.name, "/".join(key).lstrip("/"), error.message)
            except Exception:
                failed = True
                log.exception("%s: %s", self.name, "/".join(key).lstrip("/"))
            self.queue.done(key, failed=failed)
            if again is not None:
                self.queue.add_after(key, again)
