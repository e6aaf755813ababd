"""Someone outside who is asked: a caller that answers from a table, without a network."""

from __future__ import annotations

import json
from typing import Any

from wherry.access.webhooks import Target, WebhookError


class Outside:
    """Stands where a WebhookCaller stands. `answers` has documents, (status, text) pairs or errors by URL."""

    def __init__(self, **answers: Any):
        self.answers: dict[str, Any] = answers
        self.asked: list[tuple[str, Any]] = []
        self.targets: list[Target] = []

    def __call__(self) -> Any:
        return self

    async def exchange(self, target: Target, body: bytes = b"", *, seconds: float) -> tuple[int, str, bytes]:
        self.asked.append((target.url, json.loads(body) if body else None))
        self.targets.append(target)
        answer = self.answers.get(target.url, (404, "nothing here"))
        if callable(answer):
            answer = answer(json.loads(body) if body else None)
        if isinstance(answer, WebhookError):
            raise answer
        if isinstance(answer, tuple):
            return answer[0], "text/plain", answer[1].encode()
        return 200, "application/json", json.dumps(answer).encode()


class Clock:
    """Time that a test sets."""

    def __init__(self, now: float = 1_000_000.0):
        self.now = now

    def __call__(self) -> float:
        return self.now
