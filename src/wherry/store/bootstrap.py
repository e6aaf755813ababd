"""What a fresh control plane has before anyone asks: namespaces, default roles, priority classes and the like.

Created in one grouped commit; nothing that exists is touched.
"""

from __future__ import annotations

import asyncio

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.kinds import Obj
from wherry.store.context import WriteContext
from wherry.store.create import create
from wherry.store.definition import Definition
from wherry.store.registry import Registry
from wherry.store.store import Store
from wherry.store.update import commit

MANAGER = "kube-apiserver"
_MARK = "kube-system"  # the namespace whose presence says that the seeds have been sown


async def ensure_defaults(store: Store, registry: Registry, workspace: str = "root") -> None:
    """Sow the seeds of a workspace unless they are there."""
    namespaces = registry.find(workspace, "", "v1", "namespaces")
    assert namespaces is not None
    if store.storage.get(namespaces.key("", _MARK)) is not None:
        return
    from wherry.machinery.builtin.policy import bootstrap

    await asyncio.gather(
        *(_sow(store, registry, workspace, seed.group, seed.resource, seed.object) for seed in bootstrap.seeds(RANGES))
    )


RANGES = ("10.96.0.0/12",)  # of cluster addresses, as access/plugins/services.py hands them out


async def _sow(store: Store, registry: Registry, workspace: str, group: str, resource: str, obj: Obj) -> None:
    version = builtins.storage_version(group, resource)
    d = registry.find(workspace, group, version, resource)
    assert d is not None
    made, _ = d.canonical(obj, "Ignore")
    namespace = made["metadata"].get("namespace", "")
    try:
        await create(store, d, namespace, made, WriteContext(manager=MANAGER))
        if resource == "servicecidrs":
            await _ready(store, d, made["metadata"]["name"])
    except errors.AlreadyExists:
        return


async def _ready(store: Store, d: Definition, name: str) -> None:
    from wherry.machinery.builtin.policy.bootstrap import service_cidr_status

    def transform(live: Obj) -> Obj:
        return {**live, "status": service_cidr_status(store.now())}

    await commit(store, d, "", name, transform, WriteContext(manager=MANAGER), "status")
