"""Secrets of type kubernetes.io/service-account-token get their token, and go with their ServiceAccount
(pkg/controller/serviceaccount/tokens_controller.go).

A controller like any other, but for the key that signs: that is why it lives here and not among the features.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from wherry.client import Client, Kind
from wherry.errors import NotFound
from wherry.runtime import Controller
from wherry.runtime.informer import Key

USER = "system:serviceaccount:kube-system:tokens-controller"
TYPE = "kubernetes.io/service-account-token"
NAME, UID = "kubernetes.io/service-account.name", "kubernetes.io/service-account.uid"
SECRETS, ACCOUNTS = Kind("", "v1", "secrets"), Kind("", "v1", "serviceaccounts")

Obj = dict[str, Any]
Issue = Callable[[Obj, Obj], str]  # (account, secret): a token of the old kind


def belongs(secret: Obj, account: Obj) -> bool:
    """Whether a Secret is of an account; one that names another uid is of a namesake that is gone."""
    notes = secret["metadata"].get("annotations") or {}
    meta = account["metadata"]
    return notes.get(NAME) == meta["name"] and notes.get(UID) in (None, "", meta["uid"])


def missing(secret: Obj, account: Obj, authority: bytes, issue: Issue) -> Obj | None:
    """The patch that completes a Secret; None for a complete one."""
    data, meta = secret.get("data") or {}, secret["metadata"]
    added: dict[str, str] = {}
    if data.get("ca.crt") != _encoded(authority):
        added["ca.crt"] = _encoded(authority)
    if not data.get("namespace"):
        added["namespace"] = _encoded(meta["namespace"].encode())
    if not data.get("token"):
        added["token"] = _encoded(issue(account, secret).encode())
    if not added:
        return None
    notes = {NAME: account["metadata"]["name"], UID: account["metadata"]["uid"]}
    return {"metadata": {"resourceVersion": meta["resourceVersion"], "annotations": notes}, "data": added}


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


class SecretTokens:
    """One per workspace."""

    def __init__(self, client: Client, issue: Issue, authority: bytes):
        self._client, self._issue, self._authority = client, issue, authority
        query = {"fieldSelector": f"type={TYPE}"}
        self._secrets = Controller("secrettokens", client, SECRETS, self._complete, query=query)
        self._accounts = Controller("secrettokens of accounts", client, ACCOUNTS, self._account)

    def start(self) -> None:
        self._secrets.start()
        self._accounts.start()

    async def stop(self) -> None:
        await self._secrets.stop()
        await self._accounts.stop()

    @property
    def idle(self) -> bool:
        return self._secrets.idle and self._accounts.idle

    async def _account(self, key: Key) -> float | None:
        """An account came or went: its Secrets are to be looked at."""
        for place, secret in self._secrets.informer.objects.items():
            if place[0] == key[0] and (secret["metadata"].get("annotations") or {}).get(NAME) == key[1]:
                self._secrets.queue.add(place)
        return None

    async def _complete(self, key: Key) -> float | None:
        secret = self._secrets.informer.objects.get(key)
        if secret is None or secret["metadata"].get("deletionTimestamp"):
            return None
        name = (secret["metadata"].get("annotations") or {}).get(NAME)
        if not name:
            return None
        try:
            account: Obj | None = await self._client.get(ACCOUNTS, name, key[0])  # the one that is there now
        except NotFound:
            account = None
        try:
            if account is None or not belongs(secret, account):
                await self._remove(secret, key)
            elif patch := missing(secret, account, self._authority, self._issue):
                await self._client.patch(SECRETS, key[1], patch, key[0])
        except NotFound:
            pass  # it has gone meanwhile
        return None

    async def _remove(self, secret: Obj, key: Key) -> None:
        meta = secret["metadata"]
        options = {"preconditions": {"uid": meta["uid"], "resourceVersion": meta["resourceVersion"]}}
        await self._client.delete(SECRETS, key[1], key[0], options)
