"""Pure: when a bootstrap token is over, and what its signature on the public information is.

Follows k8s.io/cluster-bootstrap (util/secrets, token/jws) and pkg/controller/bootstrap.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any

from wherry.kit import times

Obj = dict[str, Any]
TYPE, PREFIX, NAMESPACE = "bootstrap.kubernetes.io/token", "bootstrap-token-", "kube-system"
PUBLIC_NAMESPACE, PUBLIC_NAME = "kube-public", "cluster-info"
SIGNATURE = "jws-kubeconfig-"
_OVER = -1.0


def data_of(secret: Obj, key: str) -> str:
    """A value of a Secret as text, empty when it is not there or no text."""
    try:
        return base64.b64decode((secret.get("data") or {}).get(key) or "").decode("utf-8")
    except ValueError:
        return ""


def left(secret: Obj, now: float) -> float | None:
    """Seconds until a token is over, none left if it is; None for one that does not end. One whose expiry cannot be
    read is over: nobody may use it."""
    until = data_of(secret, "expiration")
    if not until:
        return None
    try:
        return times.parse(until)[0] - now
    except ValueError:
        return _OVER


def is_token(secret: Obj) -> bool:
    return secret.get("type") == TYPE and secret["metadata"].get("namespace") == NAMESPACE


def signing(secrets: Iterable[Obj], now: float) -> dict[str, str]:
    """Id and secret of the tokens that may sign."""
    found: dict[str, str] = {}
    for secret in secrets:
        name, word = data_of(secret, "token-id"), data_of(secret, "token-secret")
        if not is_token(secret) or secret["metadata"]["name"] != PREFIX + name or not word:
            continue
        remaining = left(secret, now)
        if (remaining is None or remaining > 0) and data_of(secret, "usage-bootstrap-signing") == "true":
            found[name] = word
    return found


def detached(content: str, name: str, word: str) -> str:
    """A JSON Web Signature without its payload: HS256, under the token's id."""
    head = _encode(b'{"alg":"HS256","kid":"' + name.encode() + b'"}')
    signed = f"{head}.{_encode(content.encode())}".encode()
    return f"{head}..{_encode(hmac.digest(f'{name}.{word}'.encode(), signed, hashlib.sha256))}"


def signatures(public: Obj, tokens: dict[str, str]) -> dict[str, str | None]:
    """What has to change in the data of the public information; None takes a key away."""
    data: dict[str, str] = public.get("data") or {}
    content = data.get("kubeconfig")
    wanted = {}
    if content:
        wanted = {SIGNATURE + name: detached(content, name, word) for name, word in tokens.items()}
    change: dict[str, str | None] = {key: value for key, value in wanted.items() if data.get(key) != value}
    change.update({key: None for key in data if key.startswith(SIGNATURE) and key not in wanted})
    return change


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
