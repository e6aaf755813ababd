"""An event loop for a control plane in memory whose time jumps instead of passing."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any


class JumpingLoop(asyncio.SelectorEventLoop):
    """Where a loop would sleep until its next timer, this one sets its clock forward: no test waits."""

    def __init__(self) -> None:
        super().__init__(_Impatient(self))
        self.offset = 0.0

    def time(self) -> float:
        return super().time() + self.offset


class _Impatient(selectors.DefaultSelector):  # type: ignore[misc,valid-type]
    def __init__(self, loop: JumpingLoop):
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout > 0:
            found = super().select(0)
            if not found:
                self._loop.offset += timeout
            return found
        return super().select(timeout)
