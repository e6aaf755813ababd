"""Puts the rooms below HTTP together: storage in, handler out. The composition root calls it, tests may too."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import orjson

from wherry.access.admission import default_plugins
from wherry.access.fairness.fairness import Fairness
from wherry.access.options import AccessOptions
from wherry.access.outgoing import Outgoing
from wherry.access.plugins.escalation import escalation
from wherry.access.setup import Access
from wherry.access.tokens import Look
from wherry.server.aggregation.table import Aggregation
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

if TYPE_CHECKING:
    from wherry.access.plugins.options import AdmissionOptions

_LATER = 0.2


async def build_handler(
    storage: Storage,
    *,
    token: str = "",
    clock: Callable[[], float] = time,
    options: AccessOptions | None = None,
    keys: Path | None = None,
    plugins: AdmissionOptions | None = None,
    member: bool = False,
    collect: bool = True,
) -> ApiHandler:
    """A handler that serves everything in `storage`; `token` is the administrator's bearer token, `keys` the folder in
    which the key of ServiceAccount tokens lies (None: it lives as long as the handler), `plugins` which admission
    plugins are on (None: what the options say). A `member` is one workspace of many: it began with the defaults, and
    what watches files and shares seats stands in the root. Without `collect` nobody collects garbage.

    The caller ends it with `await handler.close()`, before it closes the storage.
    """
    store = Store(storage, clock)
    registry = Registry()
    hub = WatchHub(storage)
    outgoing = Outgoing(store, registry)
    options = options or AccessOptions()
    access = Access(storage, _look(storage), clock, options, lambda: outgoing.caller, token=token, keys=keys)
    chain, rbac = access.chain, access.rbac
    admission = default_plugins(store, registry, chain.ask, lambda: outgoing.caller, plugins or _plugins(options))
    admission.preparing.append(escalation(chain, rbac))
    api = Api(store, registry, hub, chain, Documents(registry), admission, Recorder(), access.accounts, access.reloads)
    custom = CustomResources(store, registry, hub, outgoing.convert)
    api.custom = custom
    api.settling["apiextensions.k8s.io", "customresourcedefinitions"] = partial(custom.decided, "root")
    aggregation = api.aggregation = Aggregation(store, registry, outgoing, api.documents)
    fairness = api.fairness = None if member else Fairness(storage)
    collector = GarbageCollector(store, registry)
    grown = bool(storage.count("/root/"))
    await ensure_defaults(store)
    custom.start(["root"])
    if collect:
        collector.start()
    aggregation.start()
    if not member:
        access.start()
    # The defaults of a store that was sown a while ago may be older than this program.
    completing = asyncio.create_task(_complete(store, registry)) if grown and not member else None

    async def close() -> None:
        hub.close()
        if fairness is not None:
            fairness.close()
        if completing is not None:
            completing.cancel()
            await asyncio.wait([completing])
        await access.stop()
        await aggregation.stop()
        await collector.stop()
        await custom.stop()
        await outgoing.close()

    return ApiHandler(api, close, collector.settled)


def _plugins(options: AccessOptions) -> AdmissionOptions:
    from wherry.access.plugins.options import make

    enable, disable = options.enable_admission_plugins, options.disable_admission_plugins
    return make(enable, disable, options.admission_control_config_file)


async def _complete(store: Store, registry: Registry) -> None:
    await asyncio.sleep(_LATER)  # whoever starts a control plane waits for its first answers, not for this
    from wherry.access.authorization.defaults import reconcile

    await reconcile(store, registry)


def _look(storage: Storage) -> Look:
    def look(resource: str, namespace: str, name: str) -> dict[str, Any] | None:
        where = f"{namespace}/{name}" if namespace else name
        record = storage.get(keys.collection("root", "", resource) + where)
        return orjson.loads(record.value) if record is not None else None

    return look
