"""Bootstrap tokens: `id.secret` of a Secret in kube-system, with which new nodes introduce themselves.

Follows plugin/pkg/auth/authenticator/token/bootstrap. A token that fits no such Secret is not an error here: someone
else may know it.
"""

from __future__ import annotations

import base64
import hmac
import logging
import re
from collections.abc import Callable
from typing import Any

from wherry.access.authentication.audiences import Agnostic
from wherry.access.chain import authenticated
from wherry.access.user import Known, User
from wherry.kit import times

log = logging.getLogger("wherry.access")

TYPE = "bootstrap.kubernetes.io/token"
PREFIX = "bootstrap-token-"
NAMESPACE = "kube-system"
_GROUP = "system:bootstrappers"
_TOKEN = re.compile(r"([a-z0-9]{6})\.([a-z0-9]{16})")
_GROUP_NAME = re.compile(r"system:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]")

Obj = dict[str, Any]
Look = Callable[[str, str, str], Obj | None]  # (resource, namespace, name): the object as it is now


class BootstrapTokens:
    """Authenticates bootstrap tokens."""

    def __init__(self, look: Look, clock: Callable[[], float], agnostic: Agnostic):
        self._look, self._clock, self._agnostic = look, clock, agnostic

    def __call__(self, token: str, audiences: tuple[str, ...]) -> Known | None:
        parts = _TOKEN.fullmatch(token)
        if parts is None:
            return None
        secret = self._look("secrets", NAMESPACE, PREFIX + parts[1])
        if secret is None:
            return None
        unfit, groups = self._unfit(secret, parts[1], parts[2])
        if unfit:
            log.info("bootstrap secret %s matching a bearer token %s", secret["metadata"]["name"], unfit)
            return None
        return self._agnostic(authenticated(User(f"system:bootstrap:{parts[1]}", groups=groups)), audiences)

    def _unfit(self, secret: Obj, name: str, word: str) -> tuple[str, tuple[str, ...]]:
        """What speaks against the token, and else the groups that it brings."""
        if secret["metadata"].get("deletionTimestamp"):
            return "is deleted and awaiting removal", ()
        if secret.get("type") != TYPE:
            return f"has invalid type, expected {TYPE}", ()
        if not hmac.compare_digest(data_of(secret, "token-secret").encode(), word.encode()):
            return "has invalid value for key token-secret", ()
        if data_of(secret, "token-id") != name:
            return "has invalid value for key token-id", ()
        if expired(secret, self._clock()):
            return "has expired", ()
        if data_of(secret, "usage-bootstrap-authentication") != "true":
            return "is not marked usage-bootstrap-authentication=true", ()
        extra = data_of(secret, "auth-extra-groups")
        named = extra.split(",") if extra else []
        for group in named:
            if not _GROUP_NAME.fullmatch(group):
                return f"has invalid value for key auth-extra-groups: {group}", ()
        return "", tuple(sorted({_GROUP, *named}))


def data_of(secret: Obj, key: str) -> str:
    """A value of a Secret as text, empty when it is not there or no text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "").decode("utf-8")
    except ValueError:
        return ""


def expired(secret: Obj, now: float) -> bool:
    """Whether a token is over; one whose expiry cannot be read is (cluster-bootstrap/util/secrets.HasExpired)."""
    until = data_of(secret, "expiration")
    if not until:
        return False
    try:
        return now > times.parse(until)[0]
    except ValueError:
        return True
