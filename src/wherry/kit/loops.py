"""Event loops: the fast one, one that goes by a clock which can be moved, and either in a thread of its own."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from wherry.kit.clock import Clock

T = TypeVar("T")
MakeLoop = Callable[[], asyncio.AbstractEventLoop]


def fast_loop() -> MakeLoop | None:
    """uvloop's, None (asyncio's own) where there is none."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: MakeLoop = uvloop.new_event_loop
    return factory


class ClockLoop(asyncio.SelectorEventLoop):
    """Timers go by `clock`: when it is moved, call `moved`, and what became due runs at once."""

    def __init__(self, clock: Clock):
        self._clock_of_timers = clock
        super().__init__(selectors.DefaultSelector())

    def time(self) -> float:
        return self._clock_of_timers.monotonic()

    def moved(self) -> None:
        """Look at the timers again. From any thread."""
        self.call_soon_threadsafe(lambda: None)


class Stopped(RuntimeError):
    """The loop that was to carry something out has ended."""


class LoopThread:
    """An event loop in a thread between `start` and `stop`."""

    def __init__(self, name: str, make: MakeLoop | None = None):
        self._make = make or asyncio.new_event_loop
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._ready = threading.Event()
        self.loop: asyncio.AbstractEventLoop

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def _main(self) -> None:
        self.loop = self._make()
        with asyncio.Runner(loop_factory=lambda: self.loop) as runner:
            runner.get_loop().call_soon(self._ready.set)
            self.loop.run_forever()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run in the loop, wait for it here. Raises what it raises, Stopped after `stop`. Never call it in the loop's
        own thread."""
        if self.loop.is_closed():
            work.close()
            raise Stopped("it has stopped")
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def stop(self) -> None:
        """End the loop; tasks that are left are cancelled, the thread is gone then."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
