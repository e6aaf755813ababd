"""The audit webhook: batches of events as an EventList to a server that a kubeconfig names (plugin/pkg/audit/webhook).

Whatever goes wrong, a batch is tried again a few times, each after a longer wait (util/webhook: factor 1.5, a fifth of
jitter, five steps); then it is lost, and counted.
"""

from __future__ import annotations

import asyncio
import base64
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wherry.access.audit.buffer import Batching, Buffered

if TYPE_CHECKING:
    from wherry.access.webhooks import WebhookCaller

STEPS, FACTOR, JITTER = 5, 1.5, 0.2
CALL_SECONDS = 30.0


class WebhookConfigError(ValueError):
    """A kubeconfig that leads to no webhook; says why."""


def read_config(path: Path) -> dict[str, Any]:
    """The cluster and user of a kubeconfig's current context, as `url`, `caBundle`, `token`, `cert` and `key` (PEM).
    Raises WebhookConfigError."""
    import yaml

    try:
        doc = yaml.safe_load(path.read_text("utf-8"))
        contexts = {entry["name"]: entry["context"] for entry in doc.get("contexts") or ()}
        clusters = {entry["name"]: entry["cluster"] for entry in doc.get("clusters") or ()}
        users = {entry["name"]: entry.get("user") or {} for entry in doc.get("users") or ()}
        context = contexts.get(doc.get("current-context")) or {}
        cluster = clusters[context["cluster"]] if context else next(iter(clusters.values()))
        user = users.get(context.get("user")) or {}
        url = str(cluster["server"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise WebhookConfigError(f"initializing audit webhook: {path}: {error}") from None
    except (KeyError, TypeError, AttributeError, StopIteration):
        text = f"initializing audit webhook: {path} is no kubeconfig that names a server"
        raise WebhookConfigError(text) from None
    folder = path.parent
    return {
        "url": url,
        "caBundle": _data(cluster, "certificate-authority", folder),
        "cert": _data(user, "client-certificate", folder),
        "key": _data(user, "client-key", folder),
        "plain": True,
        "token": user.get("token") or _text(user.get("tokenFile"), folder),
    }


def _data(entry: dict[str, Any], name: str, folder: Path) -> str:
    """The base64 of what stands in a kubeconfig itself, or in a file that it names."""
    inline = entry.get(f"{name}-data")
    if inline:
        return str(inline)
    file = entry.get(name)
    if not file:
        return ""
    try:
        return base64.b64encode((folder / file).read_bytes()).decode("ascii")
    except OSError as error:
        raise WebhookConfigError(f"initializing audit webhook: {error}") from None


def _text(file: str | None, folder: Path) -> str:
    try:
        return (folder / file).read_text("utf-8").strip() if file else ""
    except OSError as error:
        raise WebhookConfigError(f"initializing audit webhook: {error}") from None


class Webhook:
    """Delivers batches."""

    def __init__(self, config: dict[str, Any], caller: WebhookCaller, *, initial_backoff: float = 10.0):
        self._config = config
        self._caller = caller
        self._backoff = initial_backoff

    def sink(self, batching: Batching, *, max_event: int = 0) -> Buffered:
        return Buffered("webhook", self.deliver, batching, max_event=max_event)

    async def deliver(self, batch: list[bytes]) -> None:
        """Raises what the last attempt brought."""
        from wherry.access.webhooks import WebhookError

        items = b",".join([line[:-1] for line in batch])
        body = b'{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":[' + items + b"]}"
        wait = self._backoff
        for step in range(STEPS):
            try:
                await self._caller.post(self._config, body, seconds=CALL_SECONDS)
                return
            except WebhookError:
                if step == STEPS - 1:
                    raise
            await asyncio.sleep(wait * (1 + JITTER * random.random()))
            wait *= FACTOR
