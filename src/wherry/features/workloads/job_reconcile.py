"""Pure: the pods that a job needs or needs no more, and its end (pkg/controller/job/job_controller.go).

Pods carry a finalizer until they are counted, and are counted in three writes so that none is counted twice or never:
their uids into `uncountedTerminatedPods` (`flushed`), the finalizers off, the numbers up (`settled`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from wherry.features.workloads.common import (
    Obj,
    is_active,
    is_deleting,
    is_ready,
    is_terminating,
    phase,
    pod_from,
    seconds,
    stamp,
)  # fmt: skip
from wherry.features.workloads.job_indexes import (
    FAILURES,
    IGNORED,
    count_of,
    format_indexes,
    index_of,
    indexed_template,
    parse_indexes,
)  # fmt: skip
from wherry.features.workloads.job_policies import is_failed, judge, replaces_only_failed, success
from wherry.features.workloads.replicaset_reconcile import dispensable

FINALIZER = "batch.kubernetes.io/job-tracking"
BURST = 500
_BACKOFF, _MAX_BACKOFF = 10.0, 600.0
_MAX_UNCOUNTED = 500


@dataclass(slots=True)
class Verdict:
    """How a job ends: the interim condition, which becomes final when all its pods are counted."""

    type: str  # SuccessCriteriaMet or FailureTarget
    reason: str
    message: str

    @property
    def final(self) -> str:
        return "Complete" if self.type == "SuccessCriteriaMet" else "Failed"


@dataclass(slots=True)
class Decision:
    create: list[Obj] = field(default_factory=list)
    delete: list[Obj] = field(default_factory=list)
    strip_first: bool = False  # take the finalizer off before the delete: these pods do not count
    verdict: Verdict | None = None
    managed: bool = False
    delayed: dict[int, Obj] = field(default_factory=dict)
    after: float | None = None


def is_indexed(job: Obj) -> bool:
    return bool(job["spec"].get("completionMode") == "Indexed")


def finished(job: Obj) -> Obj | None:
    """The condition that ended a job."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            found: Obj = condition
            return found
    return None


def tracked(pod: Obj) -> bool:
    return FINALIZER in (pod["metadata"].get("finalizers") or ())


def _uncounted(job: Obj) -> tuple[set[str], set[str]]:
    found = (job.get("status") or {}).get("uncountedTerminatedPods") or {}
    return set(found.get("succeeded") or ()), set(found.get("failed") or ())


def _valid(job: Obj, pod: Obj) -> bool:
    if not is_indexed(job):
        return True
    index = index_of(pod)
    return index is not None and index < job["spec"]["completions"]


def _numbers(job: Obj, pods: list[Obj]) -> tuple[int, int]:
    """(succeeded, failed), with the pods that are not counted yet."""
    status = job.get("status") or {}
    good, bad = _uncounted(job)
    succeeded, failed = status.get("succeeded", 0) + len(good), status.get("failed", 0) + len(bad)
    for pod in pods:
        uid = pod["metadata"]["uid"]
        if not tracked(pod) or not _valid(job, pod):
            continue
        if phase(pod) == "Succeeded":
            succeeded += uid not in good
        elif is_failed(job, pod) and uid not in bad:
            failed += judge(job, pod)[1]
    return succeeded, failed


def succeeded_indexes(job: Obj, pods: list[Obj]) -> set[int]:
    completions = job["spec"]["completions"]
    found = parse_indexes((job.get("status") or {}).get("completedIndexes", ""), completions)
    for pod in pods:
        index = index_of(pod)
        if phase(pod) == "Succeeded" and index is not None and index < completions and tracked(pod):
            found.add(index)
    return found


def failed_indexes(job: Obj, pods: list[Obj]) -> set[int] | None:
    """Indexes that are given up; None without a backoff limit per index."""
    limit = job["spec"].get("backoffLimitPerIndex")
    if limit is None:
        return None
    found = parse_indexes((job.get("status") or {}).get("failedIndexes", ""), job["spec"]["completions"])
    for pod in pods:
        index = index_of(pod)
        if index is None or not tracked(pod) or not is_failed(job, pod) or not _valid(job, pod):
            continue
        if judge(job, pod)[2] == "FailIndex" or count_of(pod, FAILURES) >= limit:
            found.add(index)
    return found


def decide(job: Obj, pods: list[Obj], now: float) -> Decision:
    """What to do with the pods, and whether that is the end."""
    active = [pod for pod in pods if is_active(pod)]
    succeeded, failed = _numbers(job, pods)
    made = Decision()
    made.verdict = _verdict(job, pods, failed, now, made)
    if is_indexed(job):
        good = succeeded_indexes(job, pods)
        succeeded = len(good)
        made.delayed = _delayed(job, pods, good)
        if made.verdict is None:
            made.verdict = _index_verdict(job, pods, good)
    if made.verdict is not None:
        made.delete = active
        return made
    if is_deleting(job):
        return made
    made.managed = True
    _manage(job, pods, active, succeeded, now, made)
    left = len(active) - len(made.delete) + len(made.create)
    completions = job["spec"].get("completions")
    complete = succeeded > 0 if completions is None else succeeded >= completions
    if complete and left == 0:
        made.verdict = Verdict("SuccessCriteriaMet", "CompletionsReached", "Reached expected number of succeeded pods")
    return made


def _verdict(job: Obj, pods: list[Obj], failed: int, now: float, made: Decision) -> Verdict | None:
    spec, status = job["spec"], job.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] in ("SuccessCriteriaMet", "FailureTarget") and condition["status"] == "True":
            return Verdict(condition["type"], condition.get("reason", ""), condition.get("message", ""))
    if spec.get("podFailurePolicy"):
        for pod in pods:
            if is_failed(job, pod) and (text := judge(job, pod)[0]):
                return Verdict("FailureTarget", "PodFailurePolicy", text)
    limit = spec.get("backoffLimit", 6)
    if failed > limit or _restarted_too_often(job, pods, limit):
        return Verdict("FailureTarget", "BackoffLimitExceeded", "Job has reached the specified backoff limit")
    allowed = spec.get("activeDeadlineSeconds")
    if allowed is not None and not spec.get("suspend"):
        left = (seconds(status.get("startTime")) or now) + allowed - now
        if left <= 0:
            return Verdict("FailureTarget", "DeadlineExceeded", "Job was active longer than specified deadline")
        made.after = left
    return None


def _restarted_too_often(job: Obj, pods: list[Obj], limit: int) -> bool:
    if job["spec"]["template"]["spec"].get("restartPolicy") != "OnFailure":
        return False
    restarts: int = sum(
        container.get("restartCount", 0)
        for pod in pods
        if phase(pod) in ("Running", "Pending")
        for field_ in ("containerStatuses", "initContainerStatuses")
        for container in (pod.get("status") or {}).get(field_) or ()
    )
    return restarts > 0 if limit == 0 else restarts >= limit


def _index_verdict(job: Obj, pods: list[Obj], good: set[int]) -> Verdict | None:
    bad, spec = failed_indexes(job, pods), job["spec"]
    if bad is not None:
        most = spec.get("maxFailedIndexes")
        if most is not None and len(bad) > most:
            text = "Job has exceeded the specified maximal number of failed indexes"
            return Verdict("FailureTarget", "MaxFailedIndexesExceeded", text)
        if bad and len(bad | good) >= spec["completions"]:
            return Verdict("FailureTarget", "FailedIndexes", "Job has failed indexes")
    text = success(job, good)
    return Verdict("SuccessCriteriaMet", "SuccessPolicy", text) if text else None


def _delayed(job: Obj, pods: list[Obj], good: set[int]) -> dict[int, Obj]:
    """Failed pods that keep their finalizer until the pod that takes their place has their failure count."""
    bad = failed_indexes(job, pods)
    if bad is None:
        return {}
    found: dict[int, Obj] = {}
    running: set[int] = set()
    for pod in pods:
        index = index_of(pod)
        if index is None or not _valid(job, pod) or index in bad or index in good:
            continue
        if not is_failed(job, pod):
            if is_active(pod):
                running.add(index)
        elif tracked(pod):
            best = found.get(index)
            if best is None or _tries(pod) > _tries(best):
                found[index] = pod
    for index in running:
        found.pop(index, None)
    return found


def _tries(pod: Obj) -> int:
    return count_of(pod, FAILURES) + count_of(pod, IGNORED)


def _manage(job: Obj, pods: list[Obj], active: list[Obj], succeeded: int, now: float, made: Decision) -> None:
    spec = job["spec"]
    parallelism, completions = spec.get("parallelism", 1), spec.get("completions")
    if spec.get("suspend"):
        made.delete, made.strip_first = active, True
        return
    if completions is None:
        wanted = len(active) if succeeded > 0 else parallelism
    else:
        wanted = max(0, min(completions - succeeded, parallelism))
    surplus = _surplus(job, active, max(0, len(active) - wanted), now)[:BURST]
    if surplus:
        made.delete, made.strip_first = surplus, True
        return
    lacking = wanted - len(active)
    if replaces_only_failed(job):
        lacking -= sum(map(is_terminating, pods))
    if lacking <= 0:
        return
    if spec.get("backoffLimitPerIndex") is None:
        pause = backoff([pod for pod in pods if phase(pod) in ("Succeeded", "Failed")], job, now)
        if pause > 0:
            made.after = min(pause, made.after or pause)
            return
    _create(job, pods, active, min(lacking, BURST), now, made)


def _create(job: Obj, pods: list[Obj], active: list[Obj], count: int, now: float, made: Decision) -> None:
    template = job["spec"]["template"]
    name = job["metadata"]["name"]
    if not is_indexed(job):
        made.create = [_tracked(pod_from(job, template)) for _ in range(count)]
        return
    taken = {index_of(pod) for pod in active} | succeeded_indexes(job, pods) | (failed_indexes(job, pods) or set())
    if replaces_only_failed(job):
        taken |= {index_of(pod) for pod in pods if is_terminating(pod)}
    free = [index for index in range(job["spec"]["completions"]) if index not in taken][:count]
    for index in free:
        before = made.delayed.get(index)
        extra: dict[str, str] = {}
        if job["spec"].get("backoffLimitPerIndex") is not None:
            pause = backoff([before], job, now, _tries(before) + 1) if before else 0.0
            if pause > 0:
                made.after = min(pause, made.after or pause)
                continue
            counts = judge(job, before)[1] if before else True
            extra[FAILURES] = str(count_of(before, FAILURES) + counts if before else 0)
            if before and (ignored := count_of(before, IGNORED) + (not counts)):
                extra[IGNORED] = str(ignored)
        pod = pod_from(
            {**job, "metadata": {**job["metadata"], "name": f"{name}-{index}"}}, indexed_template(template, name, index)
        )
        pod["metadata"]["ownerReferences"][0]["name"] = name
        if extra:
            pod["metadata"]["annotations"].update(extra)
        made.create.append(_tracked(pod))


def _tracked(pod: Obj) -> Obj:
    meta = pod["metadata"]
    if FINALIZER not in (meta.get("finalizers") or ()):
        meta["finalizers"] = [*(meta.get("finalizers") or ()), FINALIZER]
    return pod


def _surplus(job: Obj, active: list[Obj], at_least: int, now: float) -> list[Obj]:
    gone: list[Obj] = []
    left = active
    if is_indexed(job):
        left, seen = [], set()
        for pod in sorted(active, key=lambda pod: seconds(pod["metadata"].get("creationTimestamp"))):
            index = index_of(pod)
            if index is None or index >= job["spec"]["completions"] or index in seen:
                gone.append(pod)
            else:
                seen.add(index)
                left.append(pod)
    if len(gone) < at_least:
        gone += sorted(left, key=lambda pod: dispensable(pod, {}, now))[: at_least - len(gone)]
    return gone


def ended_at(pod: Obj) -> float:
    ends = [
        seconds(c["state"]["terminated"].get("finishedAt"))
        for c in (pod.get("status") or {}).get("containerStatuses") or ()
        if "terminated" in c["state"]
    ]
    return max(ends, default=0.0) or seconds(pod["metadata"].get("deletionTimestamp"))


def backoff(ended: list[Obj], job: Obj, now: float, tries: int = 0) -> float:
    """Seconds until the next try: 10 after one failure since the last success, then twice as long each time."""
    failures, last = 0, 0.0
    for pod in sorted(ended, key=ended_at):
        if phase(pod) == "Succeeded":
            failures = 0
        elif is_failed(job, pod):
            failures, last = failures + 1, ended_at(pod)
    failures = tries or failures
    if not failures or not last:
        return 0.0
    return max(0.0, last + min(_MAX_BACKOFF, _BACKOFF * 2.0 ** min(failures - 1, 16)) - now)


def strippable(job: Obj, pods: list[Obj], made: Decision) -> list[Obj]:
    """Pods that give their finalizer up now, as many as fit into one status."""
    found = []
    for pod in pods:
        if not tracked(pod):
            continue
        ended = phase(pod) == "Succeeded" or made.verdict is not None or is_deleting(job)
        if ended or (
            is_failed(job, pod) and made.delayed.get(index_of(pod) or 0, {}).get("metadata") != pod["metadata"]
        ):
            found.append(pod)
    return found[:_MAX_UNCOUNTED]


def flushed(job: Obj, pods: list[Obj], made: Decision, strip: list[Obj], now: float) -> Obj:
    """The status before finalizers come off."""
    status: Obj = dict(job.get("status") or {})
    good, bad = _uncounted(job)
    kept = status.get("uncountedTerminatedPods") or {}
    new_good, new_bad = list(kept.get("succeeded") or ()), list(kept.get("failed") or ())
    failing = made.verdict is not None and made.verdict.type == "FailureTarget"
    for pod in strip:
        uid = pod["metadata"]["uid"]
        if phase(pod) == "Succeeded" and uid not in bad:
            if not is_indexed(job) and uid not in good:
                new_good.append(uid)
        elif (is_failed(job, pod) or failing) and uid not in bad and _valid(job, pod) and judge(job, pod)[1]:
            new_bad.append(uid)
    status["uncountedTerminatedPods"] = _both(new_good, new_bad)
    if is_indexed(job):
        indexes = succeeded_indexes(job, pods)
        status["succeeded"] = len(indexes)
        status["completedIndexes"] = format_indexes(indexes)
        given_up = failed_indexes(job, pods)
        if given_up is not None:
            status["failedIndexes"] = format_indexes(given_up)
    status["active"] = sum(map(is_active, pods))
    status["ready"] = sum(is_active(pod) and is_ready(pod) for pod in pods)
    status["terminating"] = sum(map(is_terminating, pods))
    conditions = list(status.get("conditions") or ())
    suspended = bool(job["spec"].get("suspend"))
    if not suspended and not status.get("startTime"):
        status["startTime"] = stamp(now)
    if made.verdict is not None:
        if not any(c["type"] == made.verdict.type for c in conditions):
            conditions.append(_condition(made.verdict.type, made.verdict.reason, made.verdict.message, now))
    elif made.managed:
        conditions = _suspension(status, conditions, suspended, now)
    return _tidy(status, conditions)


def _suspension(status: Obj, conditions: list[Obj], suspended: bool, now: float) -> list[Obj]:
    old = next((c for c in conditions if c["type"] == "Suspended"), None)
    word = "True" if suspended else "False"
    if (old is None and not suspended) or (old is not None and old["status"] == word):
        return conditions
    if suspended:
        status.pop("startTime", None)
        made = _condition("Suspended", "JobSuspended", "Job suspended", now)
    else:
        status["startTime"] = stamp(now)
        made = {**_condition("Suspended", "JobResumed", "Job resumed", now), "status": "False"}
    return [*(c for c in conditions if c["type"] != "Suspended"), made]


def settled(job: Obj, pods: list[Obj], made: Decision, now: float) -> Obj:
    """The status after finalizers came off: numbers, and the end when nothing is left to count."""
    status: Obj = dict(job.get("status") or {})
    kept = status.get("uncountedTerminatedPods") or {}
    held = {pod["metadata"]["uid"] for pod in pods if tracked(pod)}
    good, bad = list(kept.get("succeeded") or ()), list(kept.get("failed") or ())
    left_good, left_bad = [u for u in good if u in held], [u for u in bad if u in held]
    if not is_indexed(job):
        status["succeeded"] = status.get("succeeded", 0) + len(good) - len(left_good)
    status["failed"] = status.get("failed", 0) + len(bad) - len(left_bad)
    status["uncountedTerminatedPods"] = _both(left_good, left_bad)
    conditions = list(status.get("conditions") or ())
    if made.verdict is not None and not left_good and not left_bad and not held and not status.get("terminating"):
        conditions.append(_condition(made.verdict.final, made.verdict.reason, made.verdict.message, now))
        if made.verdict.final == "Complete":
            status["completionTime"] = stamp(now)
    return _tidy(status, conditions)


def _both(good: list[str], bad: list[str]) -> Obj:
    return {**({"succeeded": good} if good else {}), **({"failed": bad} if bad else {})}


def _condition(type_: str, reason: str, message: str, now: float) -> Obj:
    at = stamp(now)
    made: dict[str, Any] = {"type": type_, "status": "True", "lastProbeTime": at, "lastTransitionTime": at}
    return {**made, "reason": reason, "message": message}


def _tidy(status: Obj, conditions: list[Obj]) -> Obj:
    if conditions:
        status["conditions"] = conditions
    for key in ("succeeded", "failed", "active", "completedIndexes"):
        if not status.get(key):
            status.pop(key, None)
    return status


def expires_in(job: Obj, now: float) -> float | None:
    """Seconds until a finished job may be deleted (pkg/controller/ttlafterfinished)."""
    ttl, end = job["spec"].get("ttlSecondsAfterFinished"), finished(job)
    if ttl is None or end is None:
        return None
    return max(0.0, seconds(end["lastTransitionTime"]) + float(ttl) - now)
