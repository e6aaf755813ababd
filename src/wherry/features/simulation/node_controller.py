"""Wiring: SimulatedNodes become Nodes, with leases that are renewed as a kubelet renews them."""

from __future__ import annotations

import asyncio
from typing import Any

from wherry.errors import AlreadyExists, NotFound, StatusError
from wherry.features.simulation import node_reconcile as rules
from wherry.features.simulation.kinds import LEASES, NODES, OWNER_LABEL, POOLS
from wherry.kit.aio import Background
from wherry.kit.clock import Clock
from wherry.kit.times import format_micro
from wherry.runtime.informer import Key, key_of
from wherry.runtime.shared import Shared
from wherry.runtime.workers import Workers
from wherry.runtime.writes import Create, Delete, Update, Writer

Obj = dict[str, Any]
RENEWAL = 10.0  # seconds
_NAMESPACE = "kube-node-lease"
_DURATION = 40


class NodeController:
    """One per workspace."""

    def __init__(self, shared: Shared, writer: Writer, clock: Clock):
        self._shared, self._writer, self._clock = shared, writer, clock
        self._pools, self._nodes = shared.collection(POOLS), shared.collection(NODES)
        self._workers = Workers("simulated nodes", shared, self.reconcile, 1)
        self._tasks = Background("simulated nodes")
        self._version = ""
        self._pools.handlers.append(lambda before, after: self._workers.queue.add(key_of(after or before or {})))
        self._nodes.handlers.append(self._node)

    def start(self) -> None:
        self._workers.start()
        self._tasks.start(self._renew(), name="leases")

    async def stop(self) -> None:
        await self._workers.stop()
        await self._tasks.stop()

    def _node(self, before: Obj | None, after: Obj | None) -> None:
        if after is None and before is not None:
            pool = (before["metadata"].get("labels") or {}).get(OWNER_LABEL)
            if pool:
                self._workers.queue.add(("", pool))

    async def reconcile(self, key: Key) -> float | None:
        pool = self._pools.get(*key)
        present = {
            node["metadata"]["name"]: node
            for node in self._nodes.objects.values()
            if (node["metadata"].get("labels") or {}).get(OWNER_LABEL) == key[1]
        }
        wanted = rules.names(pool) if pool is not None and "deletionTimestamp" not in pool["metadata"] else []
        for name in present.keys() - set(wanted):
            await self._writer.one(Delete(NODES, present[name]))
        if pool is None:
            return None
        self._version = self._version or (await self._shared.client.request("GET", "/version"))["gitVersion"]
        for number, name in enumerate(wanted):
            if name not in present:
                await self._register(pool, number)
        status = rules.pool_status(pool, self._clock.time())
        if pool.get("status") != status:
            await self._writer.one(Update(POOLS, {**pool, "status": status}, "status"))
        return None

    async def _register(self, pool: Obj, number: int) -> None:
        """The object and then its status, which is what makes it usable."""
        made = rules.node(pool, number)
        name = made["metadata"]["name"]
        try:
            live = await self._writer.one(Create(NODES, made))
        except AlreadyExists:
            live = await self._shared.client.get(NODES, name)
        assert live is not None
        status = rules.status(pool, number, self._clock.time(), self._version)
        taints = [t for t in live["spec"].get("taints") or () if t["key"] != "node.kubernetes.io/not-ready"]
        live = await self._writer.one(Update(NODES, {**live, "status": status}, "status"))
        assert live is not None
        if taints != (live["spec"].get("taints") or []):
            await self._writer.one(Update(NODES, {**live, "spec": {**live["spec"], "taints": taints}}))
        await self._lease(name)

    async def _renew(self) -> None:
        await self._shared.synced()
        while True:
            await asyncio.sleep(RENEWAL)
            for node in list(self._nodes.objects.values()):
                if OWNER_LABEL in (node["metadata"].get("labels") or {}) and not rules.is_down(node):
                    try:
                        await self._lease(node["metadata"]["name"])
                    except StatusError:
                        continue  # the next renewal is near

    async def _lease(self, name: str) -> None:
        now = self._clock.time()
        at = format_micro(int(now), int(now % 1 * 1e9))
        try:
            await self._shared.client.patch(LEASES, name, {"spec": {"renewTime": at}}, _NAMESPACE)
        except NotFound:
            spec = {"holderIdentity": name, "leaseDurationSeconds": _DURATION, "renewTime": at}
            meta = {"name": name, "namespace": _NAMESPACE}
            lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta, "spec": spec}
            await self._shared.client.create(LEASES, lease, _NAMESPACE)
