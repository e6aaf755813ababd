"""Wiring: ReplicaSets, and ReplicationControllers, which are the same thing with an older selector."""

from __future__ import annotations

from collections import Counter

from wherry.errors import StatusError
from wherry.features.workloads.common import (
    Obj,
    claims,
    is_active,
    is_deleting,
    mine,
    same_status,
    with_status,
)  # fmt: skip
from wherry.features.workloads.kinds import PODS, REPLICA_SETS, REPLICATION_CONTROLLERS
from wherry.features.workloads.replicaset_reconcile import Plan, look_again, plan, status
from wherry.features.workloads.wiring import WorkloadController
from wherry.runtime.informer import Key
from wherry.runtime.shared import controller_of
from wherry.runtime.writes import Create, Delete, Update, Write


class ReplicaSetController(WorkloadController):
    """Keeps the number of pods."""

    kind = REPLICA_SETS
    kind_name, group_version, component = "ReplicaSet", "apps/v1", "replicaset-controller"
    owns = (PODS,)

    async def reconcile(self, key: Key) -> float | None:
        owner = self.objects.get(*key)
        if owner is None:
            return None
        uid, pods = owner["metadata"]["uid"], self.room.collection(PODS)
        await self.writer.all(claims(PODS, owner, pods.owned(uid), pods.orphans(key[0])))
        refused: StatusError | None = None
        if not is_deleting(owner):
            refused = await self._manage(
                owner, plan(owner, mine(owner, pods.owned(uid)), self._crowd(owner), self.clock.time())
            )
        now = self.clock.time()
        left = mine(owner, pods.owned(uid))
        made = status(owner, left, refused.message if refused else "", now)
        if not same_status(owner.get("status"), made):
            await self.writer.one(Update(self.kind, with_status(self.objects.get(*key) or owner, made), "status"))
        if refused is not None:
            raise refused
        return look_again(owner, left, now)

    async def _manage(self, owner: Obj, wanted: Plan) -> StatusError | None:
        writes: list[Write] = [Create(PODS, pod) for pod in wanted.create]
        writes += [Delete(PODS, pod) for pod in wanted.delete]
        refused = await self.writer.many(writes, slow_start=bool(wanted.create))
        if refused is not None:
            verb = "create" if wanted.create else "delete"
            reason = f"Failed{verb.title()}"
            self.events.tell(owner, "Warning", reason, f"Error {verb[:-1]}ing: {refused.message}")
        else:
            for pod in wanted.create:
                self.events.tell(owner, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")
            for pod in wanted.delete:
                self.events.tell(owner, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        return refused

    def _crowd(self, owner: Obj) -> Counter[str]:
        """Active pods of all replica sets of the same deployment, by node: crowded nodes are relieved first."""
        ref = controller_of(owner)
        family = self.objects.owned(ref["uid"]) if ref else [owner]
        pods = self.room.collection(PODS)
        return Counter(
            pod["spec"].get("nodeName", "")
            for relative in family
            for pod in pods.owned(relative["metadata"]["uid"])
            if is_active(pod)
        )


class ReplicationControllerController(ReplicaSetController):
    """The same for the kind that came before."""

    kind = REPLICATION_CONTROLLERS
    kind_name, group_version, component = "ReplicationController", "v1", "replication-controller"
