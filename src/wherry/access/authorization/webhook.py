"""The webhook authorizer: a SubjectAccessReview goes out, and its answer counts for a while.

Follows k8s.io/apiserver/plugin/pkg/authorizer/webhook: match conditions first, what is kept, and what a failure means.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import orjson

from wherry.access.authorization.settings import WebhookSettings
from wherry.access.chain import Rules
from wherry.access.pending import Pending
from wherry.access.remote import Remote
from wherry.access.user import NO_OPINION, Attributes, Decision, User
from wherry.access.webhooks import WebhookError
from wherry.kit.answers import Answers

log = logging.getLogger("wherry.access")

Obj = dict[str, Any]
_HELD_SECONDS = 1.0  # an answer that is not to be kept is still there for the question that waits for it
_LONG = 10_000  # of attributes that callers choose: longer ones are not kept (shouldCache)


class WebhookAuthorizer:
    """An authorizer."""

    def __init__(self, remote: Remote, settings: WebhookSettings, clock: Callable[[], float]):
        self._remote, self._settings = remote, settings
        self._answers: Answers[bytes, Decision] = Answers(clock)

    def __call__(self, asked: Attributes) -> Decision:
        spec = review_spec(asked)
        if self._settings.conditions:
            from wherry.access.authorization.conditions import match

            try:
                if not match(list(self._settings.conditions), spec):
                    return NO_OPINION
            except ValueError as error:
                return self._failed(str(error))
        key = orjson.dumps(spec, option=orjson.OPT_SORT_KEYS)
        found = self._answers.get(key)
        if found is None:
            raise Pending(lambda: self._bring(key, asked, spec))
        return found.value

    def rules(self, user: User, namespace: str, workspace: str) -> Rules:
        """A webhook cannot be asked for everything that it would allow."""
        return Rules(error="webhook authorizer does not support user rule resolution", incomplete=True)

    async def _bring(self, key: bytes, asked: Attributes, spec: Obj) -> None:
        async def fetch() -> tuple[Decision, float]:
            try:
                status = await self._remote.review(self._document(spec), seconds=self._settings.timeout)
            except WebhookError as error:
                log.error("the authorization webhook %s: %s", self._settings.name, error)
                return self._failed(str(error)), _HELD_SECONDS
            kept = self._settings.authorized_ttl if status.get("allowed") is True else self._settings.unauthorized_ttl
            return _decision(status), kept if kept and _short(asked) else _HELD_SECONDS

        await self._answers.bring(key, fetch)

    def _document(self, spec: Obj) -> Obj:
        sent = dict(spec)
        if self._settings.version == "v1beta1" and "groups" in sent:
            sent["group"] = sent.pop("groups")  # as that version calls it
        version = f"authorization.k8s.io/{self._settings.version}"
        return {"apiVersion": version, "kind": "SubjectAccessReview", "metadata": {}, "spec": sent}

    def _failed(self, error: str) -> Decision:
        return Decision(False, denied=self._settings.deny_on_failure, error=error)


def _decision(status: Obj) -> Decision:
    reason = str(status.get("reason") or "")
    allowed, denied = status.get("allowed") is True, status.get("denied") is True
    if allowed and denied:
        error = "webhook subject access review returned both allow and deny response"
        return Decision(False, reason, True, error)
    return Decision(allowed, reason, denied)


def _short(asked: Attributes) -> bool:
    given = (asked.namespace, asked.verb, asked.group, asked.version, asked.resource, asked.subresource, asked.name)
    return sum(map(len, given)) + len(asked.path) < _LONG


def review_spec(asked: Attributes) -> Obj:
    """The spec of a SubjectAccessReview; what is empty is left out, as Go leaves it out."""
    user = asked.user
    spec: Obj = {}
    if asked.resource_request:
        given = (
            ("namespace", asked.namespace), ("verb", asked.verb), ("group", asked.group), ("version", asked.version),
            ("resource", asked.resource), ("subresource", asked.subresource), ("name", asked.name),
        )  # fmt: skip
        spec["resourceAttributes"] = {key: value for key, value in given if value}
        if asked.selectors is not None:
            spec["resourceAttributes"].update(asked.selectors.as_api())
    else:
        spec["nonResourceAttributes"] = {"path": asked.path, "verb": asked.verb}
    if user.name:
        spec["user"] = user.name
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    if user.uid:
        spec["uid"] = user.uid
    return spec
