"""Wiring: DaemonSets follow the nodes."""

from __future__ import annotations

from wherry.features.workloads.common import Obj, claims, is_deleting, mine, same_status
from wherry.features.workloads.daemonset_reconcile import look_again, plan, status
from wherry.features.workloads.kinds import DAEMON_SETS, NODES, PODS, REVISIONS
from wherry.features.workloads.revisions import HASH_LABEL, present, surplus
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.runtime.informer import Key
from wherry.runtime.writes import Create, Delete, Update, Write


class DaemonSetController(WorkloadController):
    """One pod on every node."""

    kind = DAEMON_SETS
    kind_name, group_version, component = "DaemonSet", "apps/v1", "daemonset-controller"
    owns = (PODS, REVISIONS)

    def __init__(self, room: Room):
        super().__init__(room)
        room.collection(NODES).handlers.append(self._node)

    def _node(self, before: Obj | None, after: Obj | None) -> None:
        if before is not None and after is not None:
            labels = before["metadata"].get("labels") == after["metadata"].get("labels")
            if labels and before.get("spec") == after.get("spec"):
                return
        for key in self.objects.objects:
            self.queue.add(key)

    async def reconcile(self, key: Key) -> float | None:
        owner = self.objects.get(*key)
        selector = owner["spec"].get("selector") if owner else None
        if owner is None or not selector or not any(selector.values()) or is_deleting(owner):
            return None
        uid, pods, revisions = owner["metadata"]["uid"], self.room.collection(PODS), self.room.collection(REVISIONS)
        await self.writer.all(claims(PODS, owner, pods.owned(uid), pods.orphans(key[0])))
        known = present(owner, revisions.owned(uid), (owner.get("status") or {}).get("collisionCount", 0))
        update = known.update
        if known.write is not None:
            update = await self.writer.one(known.write) or update
        revision = update["metadata"]["labels"][HASH_LABEL]
        nodes = list(self.room.collection(NODES).objects.values())
        wanted = plan(owner, nodes, mine(owner, pods.owned(uid)), revision, self.clock.time())
        writes: list[Write] = [*(Delete(PODS, pod) for pod in wanted.delete), *(Create(PODS, p) for p in wanted.create)]
        refused = await self.writer.many(writes)
        if refused is not None:
            self.events.tell(owner, "Warning", "FailedCreate", f"Error creating: {refused.message}")
        now, left = self.clock.time(), mine(owner, pods.owned(uid))
        made = status(owner, nodes, left, revision, now)
        if not same_status(owner.get("status"), made):
            await self.writer.one(Update(DAEMON_SETS, {**owner, "status": made}, "status"))
        if refused is not None:
            raise refused
        used = {(pod["metadata"].get("labels") or {}).get("controller-revision-hash") for pod in left}
        live = {
            r["metadata"]["name"]
            for r in revisions.owned(uid)
            if r["metadata"]["labels"].get(HASH_LABEL) in used or r["metadata"]["name"] == update["metadata"]["name"]
        }
        await self.writer.all(surplus(owner, revisions.owned(uid), live))
        return look_again(owner, left, now)
