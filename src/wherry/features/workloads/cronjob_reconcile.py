"""Pure: the jobs that a cron job starts, replaces and forgets (pkg/controller/cronjob)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from wherry.features.workloads.common import Obj, created, is_deleting, owner_reference, seconds, stamp
from wherry.features.workloads.job_reconcile import finished
from wherry.features.workloads.kinds import JOBS
from wherry.features.workloads.schedule import Schedule
from wherry.runtime.writes import Delete, Event, Write

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY = 100
_NEVER = "time difference between two schedules is less than 1 second"  # upstream's words for a time that never comes
_PADDING = 0.1  # seconds


@dataclass(slots=True)
class Decision:
    status: Obj
    writes: list[Write] = field(default_factory=list)
    create: Obj | None = None
    scheduled: float = 0.0
    after: float | None = None


def observe(owner: Obj, jobs: list[Obj]) -> Decision:
    """The status with what became of the jobs, and the finished ones that are beyond the history limits."""
    status: Obj = dict(owner.get("status") or {})
    made = Decision(status)
    known = {job["metadata"]["uid"]: job for job in jobs}
    active = []
    for ref in status.get("active") or ():
        job = known.get(ref["uid"])
        if job is None:
            made.writes.append(Event(owner, "Normal", "MissingJob", f"Active job went missing: {ref['name']}"))
        elif (end := finished(job)) is not None:
            text = f"Saw completed job: {ref['name']}, condition: {end['type']}"
            made.writes.append(Event(owner, "Normal", "SawCompletedJob", text))
        else:
            active.append(ref)
    ends = [
        job["status"]["completionTime"]
        for job in jobs
        if (finished(job) or {}).get("type") == "Complete" and job["status"].get("completionTime")
    ]
    if ends:
        status["lastSuccessfulTime"] = max([*ends, status.get("lastSuccessfulTime") or ""])
    _set_active(status, active)
    for type_, limit in (("Complete", "successfulJobsHistoryLimit"), ("Failed", "failedJobsHistoryLimit")):
        most = owner["spec"].get(limit)
        if most is None:
            continue
        done = [job for job in jobs if (finished(job) or {}).get("type") == type_]
        done.sort(key=lambda job: (seconds(job["status"].get("startTime")), job["metadata"]["name"]))
        for job in done[: max(0, len(done) - most)]:
            made.writes.append(Delete(JOBS, job, propagation="Background"))
            made.writes.append(Event(owner, "Normal", "SuccessfulDelete", f"Deleted job {job['metadata']['name']}"))
    return made


def _set_active(status: Obj, active: list[Obj]) -> None:
    if active:
        status["active"] = active
    else:
        status.pop("active", None)


def decide(owner: Obj, jobs: list[Obj], schedule: Schedule, now: float) -> Decision:
    """What is due."""
    made, spec = observe(owner, jobs), owner["spec"]
    if is_deleting(owner) or spec.get("suspend"):
        return made
    if schedule.next(now) is None:  # such as the 31st of February
        text = f"invalid schedule: {spec['schedule']} : {_NEVER}"
        made.writes.append(Event(owner, "Warning", "InvalidSchedule", text))
        return made
    due, missed = _due(owner, schedule, now)
    following = schedule.next(now)
    made.after = following - now + _PADDING if following is not None else None
    if due is None:
        return made
    if missed > _MANY:
        text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        made.writes.append(Event(owner, "Warning", "TooManyMissedTimes", text))
    patience = spec.get("startingDeadlineSeconds")
    if patience is not None and due + patience < now:
        when = datetime.fromtimestamp(due, UTC).strftime("%a, %d %b %Y %H:%M:%S UTC")
        text = f"Missed scheduled time to start a job: {when}"
        made.writes.append(Event(owner, "Warning", "MissSchedule", text))
        return made
    name, active = job_name(owner, due), made.status.get("active") or []
    if any(ref["name"] == name for ref in active) or made.status.get("lastScheduleTime") == stamp(due):
        return made
    policy = spec.get("concurrencyPolicy", "Allow")
    if policy == "Forbid" and active:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        made.writes.append(Event(owner, "Normal", "JobAlreadyActive", text))
        return made
    if policy == "Replace":
        uids = {ref["uid"] for ref in active}
        for job in jobs:
            if job["metadata"]["uid"] in uids:
                made.writes.append(Delete(JOBS, job, propagation="Background"))
                made.writes.append(Event(owner, "Normal", "SuccessfulDelete", f"Deleted job {job['metadata']['name']}"))
        _set_active(made.status, [])
    made.create, made.scheduled = job_of(owner, due, schedule), due
    return made


def _due(owner: Obj, schedule: Schedule, now: float) -> tuple[float | None, int]:
    """(the latest time that has come and was not served, how many there were)."""
    last = seconds((owner.get("status") or {}).get("lastScheduleTime")) or created(owner)
    patience = owner["spec"].get("startingDeadlineSeconds")
    if patience is not None:
        last = max(last, now - patience)
    first = schedule.next(last)
    if first is None or first > now:
        return None, 0
    second = schedule.next(first)
    if second is None or second > now:
        return first, 1
    gap = max(1.0, second - first)
    count = int((now - first) / gap) + 1
    latest, at = first, first + max(0, count - 2) * gap
    probe = schedule.next(max(last, min(at, now) - gap))
    while probe is not None and probe <= now:
        latest, probe = probe, schedule.next(probe)
    return latest, count


def job_name(owner: Obj, scheduled: float) -> str:
    return f"{owner['metadata']['name']}-{int(scheduled) // 60}"


def job_of(owner: Obj, scheduled: float, schedule: Schedule) -> Obj:
    """The job for one time; its name makes sure that there is only one."""
    template = owner["spec"]["jobTemplate"]
    meta = template.get("metadata") or {}
    local = datetime.fromtimestamp(scheduled, schedule.zone).isoformat()
    made: Obj = {
        "name": job_name(owner, scheduled),
        "namespace": owner["metadata"]["namespace"],
        "annotations": {**(meta.get("annotations") or {}), SCHEDULED: local.replace("+00:00", "Z")},
        "ownerReferences": [owner_reference(owner)],
    }
    if meta.get("labels"):
        made["labels"] = meta["labels"]
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": made, "spec": template["spec"]}


def started(status: Obj, job: Obj, scheduled: float) -> Obj:
    """The status with a job that was just made."""
    meta = job["metadata"]
    ref = {
        "kind": "Job", "namespace": meta["namespace"], "name": meta["name"], "uid": meta["uid"],
        "apiVersion": "batch/v1", "resourceVersion": meta["resourceVersion"],
    }  # fmt: skip
    return {**status, "active": [*(status.get("active") or ()), ref], "lastScheduleTime": stamp(scheduled)}
