"""A work queue: each key once, one worker per key at a time, retries with growing delay (client-go's workqueue)."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable

_FIRST_DELAY = 0.005  # seconds
_MAX_DELAY = 30.0
_SOON = 60.0  # seconds: whoever wants to look again within them is not done


class WorkQueue:
    """Keys to be reconciled. A key added while it is worked on comes back when that is done."""

    def __init__(self) -> None:
        self._waiting: dict[Hashable, None] = {}
        self._working: set[Hashable] = set()
        self._again: set[Hashable] = set()
        self._failures: dict[Hashable, int] = {}
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    @property
    def idle(self) -> bool:
        """Nothing is to be done now or soon."""
        if self._waiting or self._working:
            return False
        horizon = asyncio.get_running_loop().time() + _SOON
        return all(timer.when() > horizon for timer in self._timers.values())

    def add(self, key: Hashable) -> None:
        if key in self._working:
            self._again.add(key)
        else:
            self._waiting[key] = None
            self._wake.set()

    def add_after(self, key: Hashable, seconds: float) -> None:
        """Add later; an earlier timer for the same key is replaced."""
        old = self._timers.pop(key, None)
        if old is not None:
            old.cancel()
        self._timers[key] = asyncio.get_running_loop().call_later(seconds, self._due, key)

    def _due(self, key: Hashable) -> None:
        self._timers.pop(key, None)
        self.add(key)

    async def take(self) -> Hashable:
        while not self._waiting:
            self._wake.clear()
            await self._wake.wait()
        key = next(iter(self._waiting))
        del self._waiting[key]
        self._working.add(key)
        return key

    def done(self, key: Hashable, *, failed: bool = False) -> None:
        """Finish a key that `take` gave; a failed one comes back after a delay that doubles each time."""
        self._working.discard(key)
        if failed:
            count = self._failures[key] = self._failures.get(key, 0) + 1
            self.add_after(key, min(_FIRST_DELAY * 2 ** (count - 1), _MAX_DELAY))
        else:
            self._failures.pop(key, None)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
