"""Bearer tokens that someone else knows: a TokenReview goes out, and the answer is kept for a while.

Follows k8s.io/apiserver/plugin/pkg/authenticator/token/webhook, and token/cache for what is kept.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from typing import Any

from wherry.access.chain import Rejected, authenticated
from wherry.access.pending import Pending
from wherry.access.remote import Remote
from wherry.access.user import Known, User
from wherry.access.webhooks import WebhookError
from wherry.kit.answers import Answers

log = logging.getLogger("wherry.access")

SECONDS = 10.0
KEPT_SECONDS = 120.0
_HELD_SECONDS = 1.0  # an answer that is not to be kept is still there for the question that waits for it

Key = tuple[bytes, tuple[str, ...]]
Outcome = Known | Rejected | None


class TokenWebhook:
    """A `chain.TokenAuthenticator`."""

    def __init__(
        self,
        remote: Remote,
        api_audiences: Sequence[str],
        clock: Callable[[], float],
        *,
        version: str = "v1",
        kept_seconds: float = KEPT_SECONDS,
    ):
        self._remote, self._api = remote, tuple(api_audiences)
        self._api_version = f"authentication.k8s.io/{version}"
        self._kept = kept_seconds
        self._answers: Answers[Key, Outcome] = Answers(clock)

    def __call__(self, token: str, audiences: tuple[str, ...]) -> Known | None:
        key = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest(), audiences
        found = self._answers.get(key)
        if found is None:
            raise Pending(lambda: self._bring(key, token, audiences))
        if isinstance(found.value, Rejected):
            raise found.value
        return found.value

    async def _bring(self, key: Key, token: str, audiences: tuple[str, ...]) -> None:
        async def fetch() -> tuple[Outcome, float]:
            spec: dict[str, Any] = {"token": token}
            if audiences:
                spec["audiences"] = list(audiences)
            document = {"apiVersion": self._api_version, "kind": "TokenReview", "metadata": {}, "spec": spec}
            try:
                status = await self._remote.review(document, seconds=SECONDS)
            except WebhookError as error:
                log.error("the authentication webhook: %s", error)
                return Rejected(str(error)), _HELD_SECONDS
            outcome = self._outcome(status, audiences)
            return outcome, self._kept if isinstance(outcome, Known) else _HELD_SECONDS

        await self._answers.bring(key, fetch)

    def _outcome(self, status: dict[str, Any], wanted: tuple[str, ...]) -> Outcome:
        good = tuple(status.get("audiences") or self._api)
        shared = tuple(audience for audience in wanted if audience in good)
        if wanted and not shared:
            return None
        if status.get("authenticated") is not True:
            return Rejected(str(status["error"])) if status.get("error") else None
        user = status.get("user") or {}
        extra = {str(key): tuple(map(str, values)) for key, values in (user.get("extra") or {}).items()}
        groups = tuple(map(str, user.get("groups") or ()))
        made = User(str(user.get("username") or ""), str(user.get("uid") or ""), groups, extra)
        return Known(authenticated(made), shared or good)
