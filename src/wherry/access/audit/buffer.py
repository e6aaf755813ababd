"""A bounded buffer before a slow listener, and the task that empties it in batches (plugin/pkg/audit/buffered).

When it is full the newest event is lost, at once and counted: a listener that hangs must not hold up requests nor fill
the memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

log = logging.getLogger("wherry.audit")

Deliver = Callable[[list[bytes]], Awaitable[None]]
STOP_SECONDS = 5.0  # for the last batches, when the server goes


@dataclass(frozen=True, slots=True)
class Batching:
    """Upstream's figures. `qps` 0: as fast as they go."""

    buffer: int = 10_000  # events
    size: int = 400  # events of a batch
    wait: float = 30.0  # seconds until a batch goes that is not full
    qps: float = 10.0  # batches per second, on average
    burst: int = 15
    max_bytes: int = 10 << 20  # of a batch; 0: no bound


class Buffered:
    """A sink (`auditor.Sink`) that hands batches to `deliver`."""

    strict = False

    def __init__(self, name: str, deliver: Deliver, batching: Batching, *, max_event: int = 0):
        self.name = name
        self.max_event = max_event
        self.failed = 0  # events that could not be delivered
        self._deliver = deliver
        self._batching = batching
        self._queue: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None
        self._more = asyncio.Event()
        self._full = asyncio.Event()  # enough for a batch
        self._stopping = False
        self._tokens = float(batching.burst)
        self._counted = 0.0

    def __len__(self) -> int:
        return len(self._queue)

    def take(self, line: bytes) -> bool:
        queue = self._queue
        if len(queue) >= self._batching.buffer:
            return False
        queue.append(line)
        if len(queue) == 1:
            self._more.set()
        if len(queue) >= self._batching.size:
            self._full.set()
        return True

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"audit {self.name}")

    async def stop(self) -> None:
        self._stopping = True
        self._more.set()
        self._full.set()
        task, self._task = self._task, None
        if task is not None:
            _, late = await asyncio.wait((task,), timeout=STOP_SECONDS)
            if late:
                task.cancel()
                await asyncio.wait((task,))

    async def _run(self) -> None:
        while True:
            await self._more.wait()
            if not self._stopping and self._batching.wait:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._batching.wait):
                        await self._full.wait()
            batch = self._batch()
            if batch:
                await self._throttle()
                try:
                    await self._deliver(batch)
                except Exception as error:
                    self.failed += len(batch)
                    log.error("audit events for %s are lost: %s", self.name, error)
            elif self._stopping:
                return

    def _batch(self) -> list[bytes]:
        queue, batching = self._queue, self._batching
        batch: list[bytes] = []
        size = 0
        while queue and len(batch) < batching.size:
            size += len(queue[0])
            if batch and batching.max_bytes and size > batching.max_bytes:
                break
            batch.append(queue.popleft())
        if not queue:
            self._more.clear()
        if len(queue) < batching.size:
            self._full.clear()
        if self._stopping:
            self._more.set()
            self._full.set()
        return batch

    async def _throttle(self) -> None:
        """A bucket of tokens, one a batch."""
        qps = self._batching.qps
        if not qps:
            return
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._tokens = min(float(self._batching.burst), self._tokens + (now - self._counted) * qps)
        self._counted = now
        self._tokens -= 1
        if self._tokens < 0 and not self._stopping:
            await asyncio.sleep(-self._tokens / qps)
