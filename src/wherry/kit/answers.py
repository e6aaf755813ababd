"""Answers of others, kept for a while: bounded in number and time, and asked for once however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
MANY = 8192


class Answer(NamedTuple, Generic[V]):
    """One answer, and until when it counts."""

    value: V
    until: float


class Answers(Generic[K, V]):
    """`get` what is known, `bring` what is not."""

    def __init__(self, clock: Callable[[], float], many: int = MANY):
        self._clock, self._many = clock, many
        self._known: dict[K, Answer[V]] = {}
        self._asked: dict[K, asyncio.Task[None]] = {}

    def get(self, key: K) -> Answer[V] | None:
        """The answer, unless it is too old."""
        found = self._known.get(key)
        if found is None:
            return None
        if found.until < self._clock():
            del self._known[key]
            return None
        return found

    def put(self, key: K, value: V, seconds: float) -> None:
        """Keep an answer; the oldest makes room for it."""
        self._known.pop(key, None)
        while len(self._known) >= self._many:
            del self._known[next(iter(self._known))]
        self._known[key] = Answer(value, self._clock() + seconds)

    async def bring(self, key: K, fetch: Callable[[], Awaitable[tuple[V, float]]]) -> None:
        """Ask, unless someone is asking already; whoever gives up waiting does not take the answer from the others."""
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.ensure_future(self._fetch(key, fetch))
            task.add_done_callback(lambda _: self._asked.pop(key, None))
        await asyncio.shield(task)

    async def _fetch(self, key: K, fetch: Callable[[], Awaitable[tuple[V, float]]]) -> None:
        value, seconds = await fetch()
        self.put(key, value, seconds)

    def clear(self) -> None:
        self._known.clear()
