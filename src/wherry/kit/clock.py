"""Time as a thing one can hand over: the system's clock, one that tests set, and the two ways Kubernetes writes time.

Rooms that need the time take a `Clock`, so that a test moves the hands instead of sleeping. The formats follow
metav1.Time (whole seconds) and metav1.MicroTime (always six digits) in k8s.io/apimachinery/pkg/apis/meta/v1.
"""

from __future__ import annotations

import time
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


_last_second = -1
_last_text = ""


def rfc3339(seconds: float) -> str:
    """`2024-05-01T12:00:00Z`. The text of the newest second is kept: a busy server asks thousands of times for it."""
    global _last_second, _last_text
    whole = int(seconds // 1)
    if whole != _last_second:
        _last_text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(whole))
        _last_second = whole
    return _last_text


def rfc3339_micro(seconds: float) -> str:
    """`2024-05-01T12:00:00.000000Z`, as Leases and Events carry it."""
    whole = int(seconds // 1)
    micros = min(int((seconds - whole) * 1_000_000), 999_999)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)) + f".{micros:06d}Z"
