"""Wiring: nodes are known, lost and found again by what their kubelets say, in conditions and in leases."""

from __future__ import annotations

from dataclasses import dataclass

from wherry.features.workloads import nodehealth_reconcile as rules
from wherry.features.workloads.common import Obj
from wherry.features.workloads.kinds import LEASES, NODES, PODS
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.runtime.informer import Key
from wherry.runtime.writes import Update

LEASE_NAMESPACE = "kube-node-lease"
SIMULATED = "simulation.wherry.dev/simulated"  # such nodes have no kubelet that could fall silent


@dataclass(slots=True)
class _Heard:
    """When a node last gave a sign, and which."""

    at: float
    sign: str | None
    lease: str = ""


class NodeHealthController(WorkloadController):
    """The key is a node's."""

    kind = NODES
    kind_name, group_version, component = "Node", "v1", "node-controller"
    workers = 1

    def __init__(self, room: Room):
        super().__init__(room)
        self._heard: dict[str, _Heard] = {}  # by uid
        self._leases = room.collection(LEASES)
        self._pods = room.collection(PODS)
        self._leases.handlers.append(self._lease)

    def _own(self, before: Obj | None, after: Obj | None) -> None:
        super()._own(before, after)
        if after is None:
            assert before is not None
            self._heard.pop(before["metadata"]["uid"], None)
            name = before["metadata"]["name"]
            self.events.tell(
                before, "Normal", "RemovingNode", f"Node {name} event: Removing Node {name} from Controller"
            )
        was, is_ = rules.ready(before or {}), rules.ready(after or {})
        if "True" in (was, is_) and was != is_:  # whether pods are driven out of the others hangs on it
            for key in self.objects.objects:
                self.queue.add(key)

    def _lease(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None and after["metadata"]["namespace"] == LEASE_NAMESPACE:
            self.queue.add(("", after["metadata"]["name"]))

    async def reconcile(self, key: Key) -> float | None:
        node, now = self.objects.get(*key), self.clock.time()
        if node is None:
            return None
        if (node["metadata"].get("annotations") or {}).get(SIMULATED) == "true":
            await self._taint(node, rules.cordoned(node, now))
            return None
        left = self._listen(node, now) + rules.patience(node) - now
        if left <= 0:
            node = await self._lose(node, now)
        await self._taint(node, rules.taints(node, self.objects.objects.values(), now))
        return max(left, 0.0) + 0.1 if left > 0 else None

    def _listen(self, node: Obj, now: float) -> float:
        """When the node last gave a sign."""
        meta, sign = node["metadata"], rules.heartbeat(node)
        heard = self._heard.get(meta["uid"])
        if heard is None:
            text = f"Node {meta['name']} event: Registered Node {meta['name']} in Controller"
            self.events.tell(node, "Normal", "RegisteredNode", text)
            heard = self._heard[meta["uid"]] = _Heard(rules.created(node) if sign is None else now, sign)
        elif sign != heard.sign:
            heard.at, heard.sign = now, sign
        lease = self._leases.get(LEASE_NAMESPACE, meta["name"])
        renewed = (lease["spec"].get("renewTime") or "") if lease is not None else ""
        if renewed > heard.lease:
            heard.at, heard.lease = now, renewed
        return heard.at

    async def _lose(self, node: Obj, now: float) -> Obj:
        wanted = rules.lost(node, now)
        if wanted == rules.conditions(node):
            return node
        was = rules.ready(node)
        changed = {**node, "status": {**(node.get("status") or {}), "conditions": wanted}}
        node = await self.writer.one(Update(NODES, changed, "status")) or changed
        self._heard[node["metadata"]["uid"]].sign = rules.heartbeat(node)  # our own word is no sign of life
        if was == "True":
            name = node["metadata"]["name"]
            self.events.tell(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
            await self._unready_pods(name, now)
        return node

    async def _unready_pods(self, name: str, now: float) -> None:
        for pod in list(self._pods.objects.values()):
            status = rules.unready(pod, now) if pod["spec"].get("nodeName") == name else None
            if status is not None:
                await self.writer.one(Update(PODS, {**pod, "status": status}, "status"))
                self.events.tell(pod, "Warning", "NodeNotReady", "Node is not ready")

    async def _taint(self, node: Obj, wanted: list[Obj]) -> None:
        spec = node.get("spec") or {}
        if wanted != (spec.get("taints") or []):
            await self.writer.one(Update(NODES, {**node, "spec": {**spec, "taints": wanted}}))
