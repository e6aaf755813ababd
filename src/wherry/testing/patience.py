"""Waiting without sleeping: whoever waits is woken by every write."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from wherry.errors import StatusError
from wherry.storage.api import Event, Storage

T = TypeVar("T")
# A program may do something that writes nothing: then it is looked at again after so many seconds.
_LOOK_AGAIN = 0.05


class Writes:
    """Counts what is written. A `storage.Follower`."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def events(self, space: Storage, events: Sequence[Event]) -> None:
        with self._changed:
            self.count += len(events)
            self._changed.notify_all()

    def made(self, space: Storage) -> None:
        """A space begins with what it is a copy of."""

    def dropped(self, space: Storage) -> None:
        """Nobody waits for that."""

    def wait(self, seen: int, seconds: float) -> None:
        """Until more than `seen` has been written, `seconds` at most."""
        with self._changed:
            self._changed.wait_for(lambda: self.count > seen, seconds)


def eventually(writes: Writes, check: Callable[[], T], timeout: float) -> T:
    """What `check` gives as soon as that is true; refusals of the API and failed assertions in it mean not yet.

    Raises the last of those after `timeout` seconds, AssertionError when there was none."""
    until = time.monotonic() + timeout
    while True:
        seen, last = writes.count, None
        try:
            found = check()
            if found:
                return found
        except (StatusError, AssertionError) as error:
            last = error
        left = until - time.monotonic()
        if left <= 0:
            raise last or _never(check, timeout)
        writes.wait(seen, min(left, _LOOK_AGAIN))


async def eventually_async(writes: Writes, check: Callable[[], Awaitable[T]], timeout: float) -> T:
    """`eventually` for a check that is awaited."""
    until = time.monotonic() + timeout
    while True:
        seen, last = writes.count, None
        try:
            found = await check()
            if found:
                return found
        except (StatusError, AssertionError) as error:
            last = error
        left = until - time.monotonic()
        if left <= 0:
            raise last or _never(check, timeout)
        await asyncio.to_thread(writes.wait, seen, min(left, _LOOK_AGAIN))


def _never(check: Callable[[], object], timeout: float) -> AssertionError:
    name = getattr(check, "__name__", repr(check))
    return AssertionError(f"{name} was not true within {timeout:g} s")
