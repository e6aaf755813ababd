"""Puts the rooms below HTTP together: storage in, handler out. The composition root calls it, tests may too."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

import orjson

from wherry.access.admission import default_plugins
from wherry.access.chain import ADMIN, Authenticator, Chain, Tokens, certificates, masters
from wherry.access.outgoing import Outgoing
from wherry.access.plugins.escalation import escalation
from wherry.access.rbac import Rbac
from wherry.access.tokens import AccountTokens, Look
from wherry.access.user import Attributes
from wherry.server.documents import Documents
from wherry.server.handler import Api, ApiHandler
from wherry.server.metrics import Recorder
from wherry.storage.api import Storage
from wherry.store import keys
from wherry.store.bootstrap import ensure_defaults
from wherry.store.crds import CustomResources
from wherry.store.gc import GarbageCollector
from wherry.store.registry import Registry
from wherry.store.store import Store
from wherry.store.watch import WatchHub


async def build_handler(storage: Storage, *, token: str = "", clock: Callable[[], float] = time) -> ApiHandler:
    """A handler that serves everything in `storage`; `token` is the administrator's bearer token.

    The caller ends it with `await handler.close()`, before it closes the storage.
    """
    store = Store(storage, clock)
    registry = Registry()
    hub = WatchHub(storage)
    rbac = Rbac(storage)
    accounts = AccountTokens(_look(storage), clock)
    known: list[Authenticator] = [certificates, accounts, Tokens({token: ADMIN} if token else {})]
    chain = Chain(known, [masters, rbac], rbac.rules, rbac.missing)
    outgoing = Outgoing(store, registry)

    def allowed(asked: Attributes) -> bool:
        return bool(chain.decide(asked)["allowed"])

    admission = default_plugins(store, registry, allowed, lambda: outgoing.caller)
    admission.preparing.append(escalation(chain, rbac))
    api = Api(store, registry, hub, chain, Documents(registry), admission, Recorder())
    custom = CustomResources(store, registry, hub, outgoing.convert)
    api.decided = custom.decided
    collector = GarbageCollector(store, registry)
    await ensure_defaults(store)
    custom.start(["root"])
    collector.start()

    async def close() -> None:
        hub.close()
        rbac.close()
        await collector.stop()
        await custom.stop()
        await outgoing.close()

    return ApiHandler(api, close, collector.settled)


def _look(storage: Storage) -> Look:
    def look(resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        where = f"{namespace}/{name}" if namespace else name
        record = storage.get(keys.collection("root", "", resource) + where)
        return orjson.loads(record.value) if record is not None else None

    return look
