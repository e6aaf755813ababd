"""Workers on one queue of keys: the part of a controller that is left when its collections are shared."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from wherry.errors import Conflict, StatusError
from wherry.kit.aio import Background
from wherry.runtime.informer import Key
from wherry.runtime.queue import WorkQueue
from wherry.runtime.shared import Shared

log = logging.getLogger("wherry.runtime")


class Workers:
    """`count` reconciliations side by side, each of another key; they begin when every collection is there."""

    def __init__(self, name: str, shared: Shared, reconcile: Callable[[Key], Awaitable[float | None]], count: int = 5):
        self.name = name
        self.queue = WorkQueue()
        self._shared = shared
        self._reconcile = reconcile
        self._count = count
        self._tasks = Background(name)

    def start(self) -> None:
        for number in range(self._count):
            self._tasks.start(self._work(), name=f"worker {number}")

    async def stop(self) -> None:
        self.queue.close()
        await self._tasks.stop()

    async def _work(self) -> None:
        await self._shared.synced()
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
            if again is not None and not failed:
                self.queue.add_after(key, again)
