"""Others who are asked about requests: a kubeconfig says where they are, a review document goes there and comes back.

Follows k8s.io/apiserver/pkg/util/webhook (kubeconfig, retries). Callers are the TokenReview and the SubjectAccessReview
webhooks.
"""

from __future__ import annotations

import asyncio
import base64
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from wherry.access.webhooks import Target, WebhookCaller, WebhookError, refusal_text
from wherry.errors import ConfigurationError

Obj = dict[str, Any]
STEPS, FIRST_PAUSE, FACTOR, JITTER = 5, 0.5, 1.5, 0.2
_NAMED_FILES = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_RETRIED = (429, 500, 504)


class KubeconfigError(ConfigurationError):
    """A kubeconfig that leads nowhere: says which file and why."""


def files_of_kubeconfig(path: Path) -> tuple[Path, ...]:
    """The file and all that it names: what to look at for changes. Raises KubeconfigError."""
    config = load_kubeconfig(path)
    named = [
        entry[key]
        for where, what in (("clusters", "cluster"), ("users", "user"))
        for each in config.get(where) or ()
        if isinstance(each, dict) and isinstance(entry := each.get(what), dict)
        for key in _NAMED_FILES
        if isinstance(entry.get(key), str)
    ]
    return (path, *(path.parent / name for name in dict.fromkeys(named)))


def load_kubeconfig(path: Path) -> Obj:
    """The document. Raises KubeconfigError."""
    import yaml

    try:
        config = yaml.load(path.read_text("utf-8"), yaml.CSafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise KubeconfigError(f"{path}: {error}") from None
    if not isinstance(config, dict):
        raise KubeconfigError(f"{path}: not a kubeconfig")
    return config


def target_of_kubeconfig(path: Path, context_name: str = "") -> Target:
    """The server of a context, by default the current one, with what to show there. Raises KubeconfigError."""
    config = load_kubeconfig(path)
    try:
        context = _named(config, "contexts", context_name or config.get("current-context"), "context")
        cluster = _named(config, "clusters", context.get("cluster"), "cluster")
        user = _named(config, "users", context.get("user"), "user")
        return _target(cluster, user, path.parent)
    except (OSError, ValueError) as error:
        raise KubeconfigError(f"{path}: {error}") from None
    except (TypeError, AttributeError):
        raise KubeconfigError(f"{path}: not a kubeconfig") from None


def _named(config: Obj, where: str, name: Any, what: str) -> Obj:
    """An entry by name; a file with just one entry need not name it."""
    entries = [each for each in config.get(where) or () if isinstance(each, dict)]
    if not name and len(entries) == 1:
        return entries[0].get(what) or {}
    return next((each.get(what) or {} for each in entries if each.get("name") == name), {})


def _target(cluster: Obj, user: Obj, folder: Path) -> Target:
    parts = urlsplit(str(cluster.get("server") or ""))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("the cluster has no server")
    authorities = _bytes(cluster, "certificate-authority", folder)
    certificate, key = _bytes(user, "client-certificate", folder), _bytes(user, "client-key", folder)
    plain = parts.scheme == "http"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(
        url=parts.geturl(),
        host=parts.hostname,
        port=parts.port or (80 if plain else 443),
        path=path,
        server_name=str(cluster.get("tls-server-name") or parts.hostname),
        authorities=authorities,
        headers=_authorization(user, folder),
        identity=certificate + b"\n" + key if certificate else b"",
        plain=plain,
        unverified=bool(cluster.get("insecure-skip-tls-verify")),
    )


def _bytes(entry: Obj, key: str, folder: Path) -> bytes:
    """What stands in the entry itself, else in the file that it names."""
    if entry.get(f"{key}-data"):
        return base64.b64decode(entry[f"{key}-data"], validate=True)
    return (folder / entry[key]).read_bytes() if entry.get(key) else b""


def _authorization(user: Obj, folder: Path) -> str:
    token = str(user.get("token") or "")
    if user.get("tokenFile"):
        token = (folder / user["tokenFile"]).read_text("ascii").strip()
    if token:
        word = f"Bearer {token}"
    elif user.get("username"):
        pair = f"{user['username']}:{user.get('password') or ''}"
        word = f"Basic {base64.b64encode(pair.encode()).decode('ascii')}"
    else:
        return ""
    if not word.isprintable() or not word.isascii():
        raise ValueError("the user's credentials cannot be a header")
    return f"Authorization: {word}\r\n"


class Remote:
    """One server that reviews; `target` may be exchanged."""

    def __init__(self, target: Target, caller: Callable[[], WebhookCaller], *, first_pause: float = FIRST_PAUSE):
        self.target, self._caller, self._pause = target, caller, first_pause

    async def review(self, document: Obj, *, seconds: float) -> Obj:
        """The status of the document that comes back. Raises WebhookError, after some tries."""
        body, pause = orjson.dumps(document), self._pause
        for step in range(STEPS):
            try:
                return await self._once(body, document, seconds)
            except WebhookError as error:
                again = error.status in _RETRIED or "connection reset" in str(error)
                if not again or step + 1 == STEPS:
                    raise
            await asyncio.sleep(pause * (1 + JITTER * random.random()))
            pause *= FACTOR
        raise AssertionError("unreachable")

    async def _once(self, body: bytes, sent: Obj, seconds: float) -> Obj:
        status, media, answer = await self._caller().exchange(self.target, body, seconds=seconds)
        if not 200 <= status <= 206:
            raise WebhookError(refusal_text(status, media, answer), status=status)
        try:
            document = orjson.loads(answer)
        except ValueError:
            raise WebhookError("the webhook's answer is not JSON") from None
        if not isinstance(document, dict) or document.get("kind") != sent["kind"]:
            raise WebhookError(f"the webhook's answer is no {sent['kind']}")
        found = document.get("status")
        return found if isinstance(found, dict) else {}
