"""Wiring: look at tokens when they come, change or end, and at the public information when either changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wherry.client import Client, Kind
from wherry.errors import NotFound
from wherry.feature import Runnable
from wherry.features.bootstraptokens import tokens_reconcile as rules
from wherry.features.bootstraptokens.tokens_reconcile import Obj
from wherry.kit.clock import here
from wherry.runtime import Controller
from wherry.runtime.informer import Key

SECRETS, MAPS = Kind("", "v1", "secrets"), Kind("", "v1", "configmaps")
_PUBLIC = (rules.PUBLIC_NAMESPACE, rules.PUBLIC_NAME)


def controllers(client: Client, clock: Callable[[], float] | None = None) -> Sequence[Runnable]:
    """One that ends tokens and one that signs."""
    clock = clock or here().time

    async def clean(key: Key) -> float | None:
        signer.queue.add(_PUBLIC)  # whatever happened to a token may change who signs
        secret = cleaner.informer.objects.get(key)
        if secret is None or not rules.is_token(secret):
            return None
        remaining = rules.left(secret, clock())
        if remaining is None or remaining > 0:
            return remaining
        meta = secret["metadata"]
        options = {"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}}
        try:
            await client.delete(SECRETS, key[1], key[0], options)
        except NotFound:
            pass  # gone already
        return None

    async def sign(key: Key) -> float | None:
        public = signer.informer.objects.get(key)
        if public is None or key != _PUBLIC:
            return None
        await cleaner.informer.synced.wait()
        tokens: list[Obj] = list(cleaner.informer.objects.values())
        change = rules.signatures(public, rules.signing(tokens, clock()))
        if change:
            version = {"resourceVersion": public["metadata"]["resourceVersion"]}
            await client.patch(MAPS, key[1], {"metadata": version, "data": change}, key[0])
        return None

    cleaner = Controller("token-cleaner", client, SECRETS, clean, rules.NAMESPACE)
    signer = Controller("bootstrap-signer", client, MAPS, sign, rules.PUBLIC_NAMESPACE)
    return [cleaner, signer]
