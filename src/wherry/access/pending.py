"""How plain code asks someone outside: it raises `Pending`, whoever can wait brings the answer, and it is asked again.

Nearly every decision is made from what this process knows, in microseconds. Those that a webhook or an identity
provider must make are the exception, so the path stays free of `await` and pays nothing for them: who brings an answer
keeps it where the next asking finds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")
ROUNDS = 256  # one question asks for several answers (impersonation: one per group), but not for any number


class Pending(Exception):
    """An answer that is not there yet. `bring` fetches it; it does not raise for a failure that is an answer too."""

    def __init__(self, bring: Callable[[], Awaitable[None]]):
        super().__init__()
        self.bring = bring


async def settled(question: Callable[[], T]) -> T:
    """The answer to a question, however many others have to be asked for it."""
    for _ in range(ROUNDS):
        try:
            return question()
        except Pending as pending:
            await pending.bring()
    raise RuntimeError("a question that never settles: what is brought is not kept")
