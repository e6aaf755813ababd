"""Wiring: CronJobs make jobs at their times."""

from __future__ import annotations

from wherry.errors import AlreadyExists, StatusError
from wherry.features.workloads.common import Obj
from wherry.features.workloads.cronjob_reconcile import decide, observe, started
from wherry.features.workloads.kinds import CRON_JOBS, JOBS
from wherry.features.workloads.schedule import Schedule, ScheduleError, parse_schedule
from wherry.features.workloads.wiring import WorkloadController
from wherry.runtime.informer import Key
from wherry.runtime.shared import controller_of
from wherry.runtime.writes import Create, Update


class CronJobController(WorkloadController):
    """Starts jobs by the clock."""

    kind = CRON_JOBS
    kind_name, group_version, component = "CronJob", "batch/v1", "cronjob-controller"
    owns = (JOBS,)

    async def reconcile(self, key: Key) -> float | None:
        owner = self.objects.get(*key)
        if owner is None:
            return None
        jobs = self.room.collection(JOBS).owned(owner["metadata"]["uid"])
        schedule = self._schedule(owner)
        made = decide(owner, jobs, schedule, self.clock.time()) if schedule else observe(owner, jobs)
        await self.writer.all(made.writes)
        status = made.status
        if made.create is not None:
            job = await self._create(owner, made.create)
            if job is not None and all(ref["uid"] != job["metadata"]["uid"] for ref in status.get("active") or ()):
                status = started(status, job, made.scheduled)
        if status != (owner.get("status") or {}):
            await self.writer.one(Update(CRON_JOBS, {**owner, "status": status}, "status"))
        return made.after

    def _schedule(self, owner: Obj) -> Schedule | None:
        spec = owner["spec"]
        try:
            return parse_schedule(spec["schedule"], spec.get("timeZone"))
        except ScheduleError as error:
            text = f'unparseable schedule: "{spec["schedule"]}" : {error}'
            self.events.tell(owner, "Warning", "UnparseableSchedule", text)
        except (LookupError, ValueError) as error:  # zoneinfo has no such zone
            text = f'invalid timeZone: "{spec.get("timeZone", "")}": {error}'
            self.events.tell(owner, "Warning", "UnknownTimeZone", text)
        return None

    async def _create(self, owner: Obj, job: Obj) -> Obj | None:
        name = job["metadata"]["name"]
        try:
            made = await self.writer.one(Create(JOBS, job))
        except AlreadyExists:
            there = await self.room.client.get(JOBS, name, job["metadata"]["namespace"])
            ref = controller_of(there)
            return there if ref is not None and ref["uid"] == owner["metadata"]["uid"] else None
        except StatusError as error:
            self.events.tell(owner, "Warning", "FailedCreate", f"Error creating job: {error.message}")
            raise
        self.events.tell(owner, "Normal", "SuccessfulCreate", f"Created job {name}")
        return made
