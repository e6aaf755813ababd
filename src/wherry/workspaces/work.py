"""Things that must be brought a step further: one task for each at a time, and again when it changed meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from wherry.kit.aio import Background

log = logging.getLogger("wherry.workspaces")

K = TypeVar("K", bound=Hashable)


class Work(Generic[K]):
    """`bring` takes one thing a step further; what it raises is logged and ends nobody else's work."""

    def __init__(self, owner: str, bring: Callable[[K], Awaitable[None]]):
        self._bring = bring
        self._tasks = Background(owner)
        self._busy: dict[K, asyncio.Task[None]] = {}
        self._again: set[K] = set()

    def look(self, which: K) -> None:
        """Something about it changed."""
        if which in self._busy:
            self._again.add(which)
            return
        self._busy[which] = self._tasks.start(self._work(which), name=str(which))

    async def settled(self, which: K, patience: float) -> None:
        """Wait until something that was just written has got as far as it gets by itself."""
        task = self._busy.get(which)
        if task is not None:
            await asyncio.wait((task,), timeout=patience)

    async def idle(self) -> None:
        """Wait until nothing is left to do."""
        while self._busy:
            await asyncio.wait(tuple(self._busy.values()))

    async def stop(self) -> None:
        await self._tasks.stop()

    async def _work(self, which: K) -> None:
        while True:
            self._again.discard(which)
            try:
                await self._bring(which)
            except Exception:
                log.exception("%s", which)
            if which not in self._again:
                self._busy.pop(which, None)  # at once: a look in between would wait for a task that has ended
                return
