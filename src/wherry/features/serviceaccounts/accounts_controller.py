"""Wiring: a namespace that comes, or loses its account `default`, gets one."""

from __future__ import annotations

from wherry.client import Client, Kind
from wherry.errors import AlreadyExists, Forbidden, NotFound
from wherry.machinery.kinds import Obj
from wherry.runtime.informer import Key
from wherry.runtime.standalone import Standalone

NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
ACCOUNTS = Kind("", "v1", "serviceaccounts")
_DEFAULT: Obj = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}


class AccountsController(Standalone):
    """One per workspace."""

    def __init__(self, client: Client):
        super().__init__(client, "serviceaccounts")
        self._namespaces = self._shared.collection(NAMESPACES)
        self._accounts = self._shared.collection(ACCOUNTS)
        self._namespaces.handlers.append(self._namespace_changed)
        self._accounts.handlers.append(self._account_changed)

    def _namespace_changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None:
            self._workers.queue.add(("", after["metadata"]["name"]))

    def _account_changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is None and before is not None and before["metadata"]["name"] == "default":
            self._workers.queue.add(("", before["metadata"]["namespace"]))

    async def reconcile(self, key: Key) -> float | None:
        """See that a namespace has its account."""
        name = key[1]
        namespace = self._namespaces.get("", name)
        gone = namespace is None or "deletionTimestamp" in namespace["metadata"]
        if gone or self._accounts.get(name, "default") is not None:
            return None
        try:
            self._accounts.put(await self._client.create(ACCOUNTS, _DEFAULT, name))
        except (AlreadyExists, NotFound, Forbidden):
            pass  # there already, or the namespace went meanwhile
        return None
