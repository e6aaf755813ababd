"""Puts the rooms below HTTP together: storage in, handler out. The composition root calls it, tests may too."""

from __future__ import annotations

from collections.abc import Callable
from time import time

from wherry.access.admission import default_plugins
from wherry.access.chain import ADMIN, Chain, Tokens, certificates
from wherry.server.documents import Documents
from wherry.server.handler import Api, ApiHandler
from wherry.server.metrics import Recorder
from wherry.storage.api import Storage
from wherry.store.bootstrap import ensure_defaults
from wherry.store.crds import CustomResources
from wherry.store.registry import Registry
from wherry.store.store import Store
from wherry.store.watch import WatchHub


async def build_handler(storage: Storage, *, token: str = "", clock: Callable[[], float] = time) -> ApiHandler:
    """A handler that serves everything in `storage`; `token` is the administrator's bearer token."""
    store = Store(storage, clock)
    registry = Registry()
    hub = WatchHub(storage)
    chain = Chain([certificates, Tokens({token: ADMIN} if token else {})])
    admission = default_plugins(store, registry)
    api = Api(store, registry, hub, chain, Documents(registry), admission, Recorder())
    custom = CustomResources(store, registry, hub)
    await ensure_defaults(store, registry)
    custom.start(["root"])
    return ApiHandler(api)
