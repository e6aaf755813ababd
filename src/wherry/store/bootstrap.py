"""What a fresh control plane has before anyone asks: the first namespaces (pkg/controlplane/controller/systemnamespaces)."""

from __future__ import annotations

import asyncio

from wherry import errors
from wherry.store.context import WriteContext
from wherry.store.create import create
from wherry.store.registry import Registry
from wherry.store.store import Store

NAMESPACES = ("default", "kube-node-lease", "kube-public", "kube-system")


async def ensure_defaults(store: Store, registry: Registry, workspace: str = "root") -> None:
    """Create what is missing, in one commit; nothing that exists is touched."""
    d = registry.find(workspace, "", "v1", "namespaces")
    assert d is not None
    missing = [n for n in NAMESPACES if store.storage.get(d.key("", n)) is None]
    await asyncio.gather(*(_namespace(store, registry, workspace, name) for name in missing))


async def _namespace(store: Store, registry: Registry, workspace: str, name: str) -> None:
    d = registry.find(workspace, "", "v1", "namespaces")
    assert d is not None
    obj, _ = d.canonical({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}}, "Ignore")
    try:
        await create(store, d, "", obj, WriteContext(manager="kube-apiserver"))
    except errors.AlreadyExists:
        return
