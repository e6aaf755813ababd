"""Time as a thing one can hand over: the system's clock, and one that tests set.

Rooms that need the time take a `Clock`, so that a test moves the hands instead of sleeping. Who is deep inside of a
control plane and was given none asks `here`: tasks inherit the clock under which they were started. How Kubernetes
writes time is in `kit/times`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Clock(Protocol):
    def time(self) -> float:
        """Seconds since 1970, for what is shown and stored."""

    def monotonic(self) -> float:
        """Seconds that never jump, for what is measured and waited for."""


class SystemClock:
    """The machine's own clock."""

    __slots__ = ()

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class SetClock:
    """A clock that stands still until `advance` moves it."""

    __slots__ = ("_monotonic", "_time")

    def __init__(self, start: float = 1_700_000_000.0):
        self._time = start
        self._monotonic = 0.0

    def time(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        self._time += seconds
        self._monotonic += seconds


class ShiftedClock:
    """The machine's clock, and what `advance` added to it."""

    __slots__ = ("_ahead",)

    def __init__(self) -> None:
        self._ahead = 0.0

    def time(self) -> float:
        return time.time() + self._ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


_here: ContextVar[Clock] = ContextVar("clock", default=SystemClock())  # noqa: B039 - it has no state


def here() -> Clock:
    """The clock of whoever runs this task."""
    return _here.get()


@contextmanager
def use(clock: Clock) -> Iterator[None]:
    """What is started inside goes by this clock."""
    token = _here.set(clock)
    try:
        yield
    finally:
        _here.reset(token)
