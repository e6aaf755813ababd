"""Wiring: Jobs run pods until enough of them succeeded or too many failed."""

from __future__ import annotations

from wherry.features.workloads.common import Obj, claims, is_deleting, mine
from wherry.features.workloads.job_reconcile import (
    FINALIZER,
    Decision,
    decide,
    expires_in,
    finished,
    flushed,
    settled,
    strippable,
    tracked,
)  # fmt: skip
from wherry.features.workloads.kinds import JOBS, PODS
from wherry.features.workloads.wiring import WorkloadController
from wherry.runtime.informer import Key, key_of
from wherry.runtime.writes import Create, Delete, Patch, Update, Write

OURS = "kubernetes.io/job-controller"


class JobController(WorkloadController):
    """Runs to completion."""

    kind = JOBS
    kind_name, group_version, component = "Job", "batch/v1", "job-controller"
    owns = (PODS,)

    async def reconcile(self, key: Key) -> float | None:
        job = self.objects.get(*key)
        if job is None:
            await self._free_orphans(key)
            return None
        if job["spec"].get("managedBy", OURS) != OURS:
            return None
        pods, uid = self.room.collection(PODS), job["metadata"]["uid"]
        if finished(job) is not None:
            await self.writer.many([strip(pod) for pod in pods.owned(uid) if tracked(pod)])
            return await self._expire(job)
        await self.writer.all(claims(PODS, job, pods.owned(uid), pods.orphans(key[0]), FINALIZER))
        made = decide(job, mine(job, pods.owned(uid)), self.clock.time())
        await self._manage(job, made)
        left = mine(job, pods.owned(uid))
        stripped = strippable(job, left, made)
        job = await self._save(job, flushed(job, left, made, stripped, self.clock.time()))
        await self.writer.many([strip(pod) for pod in stripped])
        job = await self._save(job, settled(job, mine(job, pods.owned(uid)), made, self.clock.time()))
        if (end := finished(job)) is not None:
            done = end["type"] == "Complete"
            word = ("Normal", "Completed", "Job completed") if done else ("Warning", end["reason"], end["message"])
            self.events.tell(job, *word)
            return await self._expire(job)
        return made.after

    async def _manage(self, job: Obj, made: Decision) -> None:
        if made.strip_first:
            await self.writer.many([strip(pod) for pod in made.delete if tracked(pod)])
        await self.writer.many([Delete(PODS, pod) for pod in made.delete])
        for pod in made.delete:
            self.events.tell(job, "Normal", "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        refused = await self.writer.many([Create(PODS, pod) for pod in made.create], slow_start=True)
        if refused is not None:
            self.events.tell(job, "Warning", "FailedCreate", f"Error creating: {refused.message}")
            raise refused
        for pod in made.create:
            self.events.tell(job, "Normal", "SuccessfulCreate", f"Created pod: {pod['metadata']['name']}")

    async def _save(self, job: Obj, status: Obj) -> Obj:
        if status == (job.get("status") or {}):
            return job
        before = _suspended(job)
        changed = await self.writer.one(Update(JOBS, {**job, "status": status}, "status"))
        assert changed is not None
        if _suspended(changed) != before:
            word = "Suspended" if _suspended(changed) else "Resumed"
            self.events.tell(job, "Normal", word, f"Job {word.lower()}")
        return changed

    async def _expire(self, job: Obj) -> float | None:
        left = expires_in(job, self.clock.time())
        if left == 0 and not is_deleting(job):
            await self.writer.one(Delete(JOBS, job, propagation="Foreground"))
            return None
        return left

    async def _free_orphans(self, key: Key) -> None:
        """A job that is gone counts nothing: its pods may go."""
        writes: list[Write] = []
        for pod in self.room.collection(PODS).inside(key[0]):
            ref = next((r for r in pod["metadata"].get("ownerReferences") or () if r.get("controller")), None)
            if ref and ref["kind"] == "Job" and ref["name"] == key[1] and tracked(pod):
                writes.append(strip(pod))
        await self.writer.many(writes)

    def orphan(self, obj: Obj) -> None:
        """A pod that lost its job must not be held by the job's finalizer."""
        super().orphan(obj)
        if tracked(obj):
            labels = obj["metadata"].get("labels") or {}
            name = labels.get("batch.kubernetes.io/job-name")
            if name and self.objects.get(key_of(obj)[0], name) is None:
                self.queue.add((key_of(obj)[0], name))


def strip(pod: Obj) -> Write:
    """Take the tracking finalizer off."""
    kept = [name for name in pod["metadata"].get("finalizers") or () if name != FINALIZER]
    return Patch(PODS, pod, {"metadata": {"uid": pod["metadata"]["uid"], "finalizers": kept or None}})


def _suspended(job: Obj) -> bool:
    conditions = (job.get("status") or {}).get("conditions") or ()
    return any(c["type"] == "Suspended" and c["status"] == "True" for c in conditions)
