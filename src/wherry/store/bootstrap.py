"""What a fresh control plane has before anyone asks: namespaces, default roles, priority classes and the like.

They are the same for everyone, so they are kept as they come out of the ordinary create (`seeds.json`, made by
`tools/generate_seeds.py` through `sow_by_creating`; a test holds the file against that), and a first start only gives
them their uid, time and revision: one grouped commit, and none of the machinery is imported for it. Nothing that exists
is touched.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from wherry.kit.ids import new_uid
from wherry.storage.api import RevisionConflict
from wherry.store.registry import Registry
from wherry.store.store import Store, encoder

MANAGER = "kube-apiserver"
RANGES = ("10.0.0.0/16",)  # of cluster addresses: begins as kube-apiserver's own, with room for more Services
SEEDS = Path(__file__).with_name("seeds.json")
_MARK = "core/namespaces/kube-system"  # what says that the seeds have been sown
_NOW = "<now>"  # where a seed holds a time


async def ensure_defaults(store: Store, workspace: str = "root") -> None:
    """Sow the seeds of a workspace unless they are there."""
    if store.storage.get(f"/{workspace}/{_MARK}") is not None:
        return
    now = store.now().encode()
    seeds = orjson.loads(SEEDS.read_bytes().replace(_NOW.encode(), now))
    await asyncio.gather(*(_sow(store, f"/{workspace}/{key}", obj) for key, obj in seeds))


async def _sow(store: Store, key: str, obj: dict[str, Any]) -> None:
    obj["metadata"]["uid"] = new_uid()
    try:
        await store.storage.put(key, encoder(obj), expect=0)
    except RevisionConflict:
        return  # a start that was interrupted had come this far


def rendered(store: Store, workspace: str = "root") -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything stored in a workspace in the form of `seeds.json`: without uid and revision, times as `<now>`."""
    now = store.now()
    prefix = f"/{workspace}/"
    for record in store.storage.range(prefix).records:
        obj = orjson.loads(record.value.replace(now.encode(), _NOW.encode()))
        del obj["metadata"]["uid"], obj["metadata"]["resourceVersion"]
        yield record.key[len(prefix) :], obj


async def sow_by_creating(store: Store, registry: Registry, workspace: str = "root") -> None:
    """The long way, from which `seeds.json` is made: every seed through decoding, defaults and validation."""
    from wherry.machinery import builtins
    from wherry.machinery.builtin.policy import bootstrap
    from wherry.store.context import WriteContext
    from wherry.store.create import create
    from wherry.store.update import commit

    for seed in bootstrap.seeds(RANGES):
        d = registry.find(workspace, seed.group, builtins.storage_version(seed.group, seed.resource), seed.resource)
        assert d is not None
        obj, _ = d.canonical(seed.object, "Ignore")
        await create(store, d, obj["metadata"].get("namespace", ""), obj, WriteContext(manager=MANAGER))
        if seed.resource == "servicecidrs":
            change = {"status": bootstrap.service_cidr_status(store.now())}

            def become(live: dict[str, Any], change: dict[str, Any] = change) -> dict[str, Any]:
                return {**live, **change}

            await commit(store, d, "", obj["metadata"]["name"], become, WriteContext(manager=MANAGER), "status")
