"""Files that may change while the process runs: certificates, keys, configuration.

One timer looks at modification times of all of them; no file, no timer. A change is told to whoever asked for it, and
an error there ends up in the log: what was in force before stays in force.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from pathlib import Path

log = logging.getLogger("wherry.files")

SECONDS = 1.0

Stamp = tuple[int, int, int]  # inode, size, modification time: a replaced file has another inode


def stamp(path: Path) -> Stamp | None:
    """What tells one version of a file from another; None when it is not there."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


class FileWatch:
    """Tells about changes between `start` and `stop`."""

    def __init__(self, seconds: float = SECONDS):
        self._seconds = seconds
        self._known: list[tuple[tuple[Path, ...], Callable[[], None], list[Stamp | None]]] = []
        self._regular: list[tuple[float, Callable[[], None]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timers: dict[Callable[[], None], asyncio.TimerHandle] = {}
        self._running = False

    def add(self, paths: Iterable[Path], changed: Callable[[], None]) -> None:
        """Call `changed` when one of the files becomes another; none of them, nothing to do."""
        fixed = tuple(paths)
        if not fixed:
            return
        self._known.append((fixed, changed, [stamp(path) for path in fixed]))
        if self._running and self._timer is None:
            self._plan()

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Call `work` now and then, whatever becomes of files."""
        self._regular.append((seconds, work))
        if self._running:
            self._plan_regular(seconds, work)

    def start(self) -> None:
        self._running = True
        for seconds, work in self._regular:
            self._plan_regular(seconds, work)
        if self._known and self._timer is None:
            self._plan()

    def stop(self) -> None:
        self._running = False
        for timer in (self._timer, *self._timers.values()):
            if timer is not None:
                timer.cancel()
        self._timer = None
        self._timers.clear()

    def look(self) -> None:
        """Look now."""
        for paths, changed, before in self._known:
            now = [stamp(path) for path in paths]
            if now == before or None in now:  # a file that is being replaced will be back
                continue
            before[:] = now
            _do(changed, ", ".join(map(str, paths)))

    def _plan_regular(self, seconds: float, work: Callable[[], None]) -> None:
        def tick() -> None:
            _do(work, "a regular check")
            self._plan_regular(seconds, work)

        self._timers[work] = asyncio.get_running_loop().call_later(seconds, tick)

    def _plan(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._tick)

    def _tick(self) -> None:
        self.look()
        if self._running:
            self._plan()


def _do(work: Callable[[], None], what: str) -> None:
    try:
        work()
    except Exception as error:  # what went wrong is for the log: nobody waits for it
        log.error("%s: not taken over: %s", what, error)
