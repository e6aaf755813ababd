"""Wiring: nodes whose kubelet was taken away become NotReady, and pods leave tainted nodes when their time is over."""

from __future__ import annotations

from typing import Any

from wherry.features.simulation.kinds import NODES, PODS, SIMULATED
from wherry.features.simulation.lifecycle_reconcile import conditions, evicted_in, taints
from wherry.features.simulation.node_reconcile import is_down
from wherry.kit.clock import Clock
from wherry.runtime.events import Events
from wherry.runtime.informer import Key, key_of
from wherry.runtime.shared import Shared
from wherry.runtime.workers import Workers
from wherry.runtime.writes import Delete, Update, Writer

Obj = dict[str, Any]
_DOUBT = 40.0  # seconds


class NodeLifecycle:
    """One per workspace; the key is a node's."""

    def __init__(self, shared: Shared, writer: Writer, events: Events, clock: Clock):
        self._writer, self._events, self._clock = writer, events, clock
        self._nodes, self._pods = shared.collection(NODES), shared.collection(PODS)
        self._missing: dict[str, float] = {}  # when pods of a node that is not there are collected
        self._workers = Workers("node lifecycle", shared, self.reconcile, 1)
        self._nodes.handlers.append(self._node)
        self._pods.handlers.append(self._pod)

    def start(self) -> None:
        self._workers.start()

    async def stop(self) -> None:
        await self._workers.stop()

    def _node(self, before: Obj | None, after: Obj | None) -> None:
        obj = after or before
        assert obj is not None
        self._missing.pop(obj["metadata"]["name"], None)
        if after is None:
            self._missing[obj["metadata"]["name"]] = 0.0  # it was seen to go: nothing to wait for
        self._workers.queue.add(key_of(obj))

    def _pod(self, before: Obj | None, after: Obj | None) -> None:
        """A pod that comes to a node with taints may have to leave again."""
        name = after["spec"].get("nodeName") if after is not None else None
        if name and (before is None or not before["spec"].get("nodeName")):
            node = self._nodes.get("", name)
            if node is None or (node.get("spec") or {}).get("taints"):
                self._workers.queue.add(("", name))

    async def reconcile(self, key: Key) -> float | None:
        node = self._nodes.get(*key)
        if node is None:
            return await self._collect(key[1])
        if not (node.get("status") or {}).get("conditions"):
            return None
        now, down = self._clock.time(), is_down(node)
        if (node["metadata"].get("annotations") or {}).get(SIMULATED) == "true":
            node = await self._keep(node, down, now)
        marks = (node.get("spec") or {}).get("taints") or []
        if not any(taint["effect"] == "NoExecute" for taint in marks):
            return None
        return await self._evict(node, now)

    async def _keep(self, node: Obj, down: bool, now: float) -> Obj:
        """A simulated node's conditions and taints; others' are not ours."""
        name = node["metadata"]["name"]
        wanted = conditions(node, down, now)
        if wanted != node["status"]["conditions"]:
            live = await self._writer.one(
                Update(NODES, {**node, "status": {**node["status"], "conditions": wanted}}, "status")
            )
            node = live or node
            if down:
                self._events.tell(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
        spec = node.get("spec") or {}
        marks = taints(node, down, now)
        if marks != (spec.get("taints") or []):
            node = await self._writer.one(Update(NODES, {**node, "spec": {**spec, "taints": marks}})) or node
        return node

    async def _collect(self, name: str) -> float | None:
        """Pods of a node that is no more go without a kubelet (pkg/controller/podgc), after a while of doubt."""
        now = self._clock.time()
        left = self._missing.setdefault(name, now + _DOUBT) - now
        if left > 0:
            return left
        for pod in list(self._pods.objects.values()):
            if pod["spec"].get("nodeName") == name:
                await self._writer.one(Delete(PODS, pod, grace=0))
        return None

    async def _evict(self, node: Obj, now: float) -> float | None:
        waits = []
        for pod in list(self._pods.objects.values()):
            if pod["spec"].get("nodeName") != node["metadata"]["name"] or "deletionTimestamp" in pod["metadata"]:
                continue
            left = evicted_in(pod, node, now)
            if left is None:
                continue
            if left > 0:
                waits.append(left)
                continue
            meta = pod["metadata"]
            self._events.tell(
                pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {meta['namespace']}/{meta['name']}"
            )
            await self._writer.one(Delete(PODS, pod))
        return min(waits) + 0.05 if waits else None
