"""Wiring: StatefulSets with their pods, claims and revisions."""

from __future__ import annotations

from wherry.features.workloads.common import Obj, claims, mine, same_status
from wherry.features.workloads.kinds import CLAIMS, PODS, REVISIONS, STATEFUL_SETS
from wherry.features.workloads.revisions import present, surplus
from wherry.features.workloads.statefulset_reconcile import Seen, revision_of, status, step
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.runtime.informer import Key
from wherry.runtime.writes import Create, Delete, Update, Write


class StatefulSetController(WorkloadController):
    """Pods with names that stay."""

    kind = STATEFUL_SETS
    kind_name, group_version, component = "StatefulSet", "apps/v1", "statefulset-controller"
    owns = (PODS, REVISIONS)

    def __init__(self, room: Room):
        super().__init__(room)
        room.collection(CLAIMS)

    async def reconcile(self, key: Key) -> float | None:
        owner = self.objects.get(*key)
        if owner is None:
            return None
        uid, pods, revisions = owner["metadata"]["uid"], self.room.collection(PODS), self.room.collection(REVISIONS)
        await self.writer.all(claims(PODS, owner, pods.owned(uid), pods.orphans(key[0])))
        known = present(owner, revisions.owned(uid), (owner.get("status") or {}).get("collisionCount", 0))
        update = known.update
        if known.write is not None:
            update = await self.writer.one(known.write) or update
        named = (owner.get("status") or {}).get("currentRevision")
        current = (revisions.get(key[0], named) if named else None) or update
        if current["metadata"]["name"] == update["metadata"]["name"]:
            current = update
        wanted = step(self._seen(owner, current, update))
        await self._carry_out(owner, wanted.writes)
        seen = self._seen(owner, current, update)
        made = status(seen)
        if not same_status(owner.get("status"), made):
            await self.writer.one(Update(STATEFUL_SETS, {**owner, "status": made}, "status"))
        live = {current["metadata"]["name"], update["metadata"]["name"], *map(revision_of, seen.pods)}
        await self.writer.all(surplus(owner, revisions.owned(uid), live))
        return wanted.after

    def _seen(self, owner: Obj, current: Obj, update: Obj) -> Seen:
        pods = mine(owner, self.room.collection(PODS).owned(owner["metadata"]["uid"]))
        there = {c["metadata"]["name"]: c for c in self.room.collection(CLAIMS).inside(owner["metadata"]["namespace"])}
        return Seen(owner, pods, current, update, there, self.clock.time())

    async def _carry_out(self, owner: Obj, writes: list[Write]) -> None:
        name = owner["metadata"]["name"]
        first = [write for write in writes if isinstance(write, Create | Update) and write.kind == CLAIMS]
        rest = [write for write in writes if write not in first]
        refused = await self.writer.many(first)
        refused = refused or await self.writer.many(rest)
        if refused is not None:
            self.events.tell(
                owner, "Warning", "FailedCreate", f"create in StatefulSet {name} failed error: {refused.message}"
            )
            raise refused
        for write in rest:
            if isinstance(write, Create | Delete):
                verb = "create" if isinstance(write, Create) else "delete"
                text = f"{verb} Pod {write.obj['metadata']['name']} in StatefulSet {name} successful"
                self.events.tell(owner, "Normal", f"Successful{verb.title()}", text)
