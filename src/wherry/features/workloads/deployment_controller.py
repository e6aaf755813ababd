"""Wiring: Deployments own replica sets, which own pods."""

from __future__ import annotations

from wherry.errors import AlreadyExists, StatusError
from wherry.features.workloads import deployment_parts as parts
from wherry.features.workloads.common import Obj, claims, mine, phase, same_status, without_label
from wherry.features.workloads.deployment_reconcile import look_again, split, status, step
from wherry.features.workloads.kinds import DEPLOYMENTS, PODS, REPLICA_SETS
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.runtime.informer import Key
from wherry.runtime.shared import controller_of
from wherry.runtime.writes import Create, Event, Update


class DeploymentController(WorkloadController):
    """Rolls out templates."""

    kind = DEPLOYMENTS
    kind_name, group_version, component = "Deployment", "apps/v1", "deployment-controller"
    owns = (REPLICA_SETS,)

    def __init__(self, room: Room):
        super().__init__(room)
        self.room.collection(PODS).handlers.append(self._pod)

    def _pod(self, before: Obj | None, after: Obj | None) -> None:
        """The last pod of an old set went: a deployment that recreates has been waiting for that."""
        ref = controller_of(before) if before is not None and after is None else None
        if ref is None or ref.get("kind") != "ReplicaSet" or before is None:
            return
        namespace = before["metadata"]["namespace"]
        rs = self.room.collection(REPLICA_SETS).get(namespace, ref["name"])
        owner = controller_of(rs) if rs else None
        deployment = self.objects.get(namespace, owner["name"]) if owner else None
        if deployment is not None and not parts.is_rolling(deployment):
            self.queue.add((namespace, deployment["metadata"]["name"]))

    async def reconcile(self, key: Key) -> float | None:
        deployment = self.objects.get(*key)
        selector = deployment["spec"].get("selector") if deployment else None
        if deployment is None or not selector or not any(selector.values()):
            return None
        sets, uid = self.room.collection(REPLICA_SETS), deployment["metadata"]["uid"]
        await self.writer.all(claims(REPLICA_SETS, deployment, sets.owned(uid), sets.orphans(key[0])))
        owned = mine(deployment, sets.owned(uid))
        wanted = step(deployment, owned, self._old_pods_run(deployment, owned))
        await self.writer.all(wanted.writes)
        made, refused = False, ""
        if wanted.create is not None:
            made, refused = await self._create(deployment, wanted.create)
        return await self._tell(key, deployment, made=made, refused=refused)

    async def _tell(self, key: Key, deployment: Obj, *, made: bool, refused: str) -> float | None:
        now = self.clock.time()
        owned = mine(deployment, self.room.collection(REPLICA_SETS).owned(deployment["metadata"]["uid"]))
        result = status(deployment, owned, now, made=made, refused=refused)
        new, _ = split(deployment, owned)
        number = parts.annotation(new, parts.REVISION) if new else ""
        annotations = deployment["metadata"].get("annotations") or {}
        if (number and annotations.get(parts.REVISION) != number) or not same_status(deployment.get("status"), result):
            meta = deployment["metadata"]
            if number:
                meta = {**meta, "annotations": {**annotations, parts.REVISION: number}}
            await self.writer.one(Update(DEPLOYMENTS, {**deployment, "metadata": meta, "status": result}, "status"))
        if refused:
            return 1.0
        return look_again(deployment, result, now)

    async def _create(self, deployment: Obj, wanted: Obj) -> tuple[bool, str]:
        """(whether it was made, why not). A name that another template has is a collision of hashes."""
        name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
        try:
            await self.writer.one(Create(REPLICA_SETS, wanted))
        except AlreadyExists:
            there = await self.room.client.get(REPLICA_SETS, name, namespace)
            ref = controller_of(there)
            ours = ref is not None and ref["uid"] == deployment["metadata"]["uid"]
            same = without_label(there["spec"]["template"], parts.HASH) == without_label(
                deployment["spec"]["template"], parts.HASH
            )
            if not (ours and same):
                old = deployment.get("status") or {}
                status = {**old, "collisionCount": (old.get("collisionCount") or 0) + 1}
                await self.writer.one(Update(DEPLOYMENTS, {**deployment, "status": status}, "status"))
            raise
        except StatusError as error:
            details = (error.details or {}).get("causes") or ()
            if any(cause.get("reason") == "NamespaceTerminating" for cause in details):
                raise
            text = f'Failed to create new replica set "{name}": {error.message}'
            self.events.tell(deployment, "Warning", "ReplicaSetCreateError", text)
            return False, text
        if size := parts.replicas(wanted):
            text = f"Scaled up replica set {name} from 0 to {size}"
            await self.writer.one(Event(deployment, "Normal", "ScalingReplicaSet", text))
        return True, ""

    def _old_pods_run(self, deployment: Obj, owned: list[Obj]) -> bool:
        if parts.is_rolling(deployment):
            return False
        pods = self.room.collection(PODS)
        _, old = split(deployment, owned)
        return any(phase(pod) not in ("Succeeded", "Failed") for rs in old for pod in pods.owned(rs["metadata"]["uid"]))
