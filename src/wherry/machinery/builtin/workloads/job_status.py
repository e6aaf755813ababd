"""What may change in a job's status. Follows validateJobStatus and the options of registry/batch/job."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, duplicate, invalid, required
from wherry.machinery.builtin.common.values import invalid_json, invalid_omitted
from wherry.machinery.builtin.workloads.base import at_least_zero
from wherry.machinery.builtin.workloads.internal_shapes import internal
from wherry.machinery.builtin.workloads.job_spec import count_indexes, interval
from wherry.machinery.builtin.workloads.jobs import is_true
from wherry.machinery.kinds import Obj

CONDITIONS = "status.conditions"


def _finished(status: Obj) -> bool:
    return is_true(status, "Complete") or is_true(status, "Failed")


def _counts(status: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    for name in ("active", "succeeded", "failed", "ready", "terminating"):
        errors += at_least_zero(status.get(name) or 0, f"status.{name}")
    seen: set[str] = set()
    uncounted = status.get("uncountedTerminatedPods") or {}
    for key in ("succeeded", "failed"):
        for index, uid in enumerate(uncounted.get(key) or ()):
            path = f"status.uncountedTerminatedPods.{key}[{index}]"
            if not uid:
                errors.append(invalid(path, uid, "must not be empty"))
            elif uid in seen:
                errors.append(duplicate(path, uid))
            seen.add(uid)
    return errors


def _overlap(done: str, failed: str, completions: int) -> str:
    """Where the two lists of intervals meet, as upstream words it; unsound intervals are passed over."""

    def read(text: str) -> list[tuple[int, int]]:
        found: list[tuple[int, int]] = []
        for part in text.split(",") if text else ():
            try:
                found.append(interval(part, completions))
            except ValueError:
                continue
        return found

    first, second = read(done), read(failed)
    a = b = 0
    while a < len(first) and b < len(second):
        (start, end), (other_start, other_end) = first[a], second[b]
        if start <= other_end and other_start <= end:
            return f"failedIndexes and completedIndexes overlap at index: {max(start, other_start)}"
        if start <= other_start:
            a += 1
        else:
            b += 1
    return ""


def _indexes(job: Obj, old: Obj) -> list[FieldError]:
    spec, status, before = job["spec"], job.get("status") or {}, old.get("status") or {}
    errors: list[FieldError] = []
    done, failed, completions = status.get("completedIndexes", ""), status.get("failedIndexes"), spec.get("completions")
    done_changed = done != before.get("completedIndexes", "")
    failed_changed = failed != before.get("failedIndexes")
    per_index = spec.get("backoffLimitPerIndex") is not None
    for name, text, check in (
        ("completedIndexes", done, done_changed),
        ("failedIndexes", failed, failed_changed and per_index),
    ):
        if check and completions is not None and text is not None:
            try:
                count_indexes(text, completions)
            except ValueError as error:
                errors.append(invalid(f"status.{name}", text, f"error parsing {name}: {error}"))
    if done_changed and done and spec.get("completionMode") != "Indexed":
        text = "cannot set non-empty completedIndexes when non-indexed completion mode"
        errors.append(invalid("status.completedIndexes", done, text))
    if failed_changed and not per_index and failed is not None:
        text = "cannot set non-null failedIndexes when backoffLimitPerIndex is null"
        errors.append(invalid("status.failedIndexes", failed, text))
    if (failed_changed or done_changed) and completions is not None and failed is not None:
        text = _overlap(done, failed, completions)
        if text:
            errors.append(invalid("status.failedIndexes", failed, text))
    return errors


def _status(job: Obj, old: Obj) -> list[FieldError]:
    spec, status, before = job["spec"], job.get("status") or {}, old.get("status") or {}
    complete, failed = is_true(status, "Complete"), is_true(status, "Failed")
    target, met = is_true(status, "FailureTarget"), is_true(status, "SuccessCriteriaMet")
    start, end = status.get("startTime"), status.get("completionTime")

    def changed(*kinds: str) -> bool:
        return any(is_true(before, kind) != is_true(status, kind) for kind in kinds)

    def differs(key: str) -> bool:
        return (status.get(key) or None) != (before.get(key) or None)

    finished = _finished(status)
    finishing = finished != _finished(before)
    ended = changed("Complete") or differs("completionTime")
    errors = _counts(status)
    if changed("Complete", "Failed") and complete and failed:
        errors.append(invalid_omitted(CONDITIONS, "cannot set Complete=True and Failed=true conditions"))
    if changed("Complete", "FailureTarget") and complete and target:
        errors.append(invalid_omitted(CONDITIONS, "cannot set Complete=True and FailureTarget=true conditions"))
    if ended and end is not None and not complete:
        text = "cannot set completionTime when there is no Complete=True condition"
        errors.append(invalid_json("status.completionTime", end, text))
    if ended and end is None and complete:
        errors.append(required("status.completionTime", "completionTime is required for Complete jobs"))
    if (differs("startTime") or differs("completionTime")) and start is not None and end is not None and end < start:
        errors.append(invalid_json("status.completionTime", end, "must be equal to or after `startTime`"))
    if (changed("Failed") or differs("failedIndexes")) and failed and not target:
        text = "cannot set Failed=True condition without the FailureTarget=true condition"
        errors.append(invalid_omitted(CONDITIONS, text))
    if changed("Complete", "SuccessCriteriaMet") and complete and not met:
        text = "cannot set Complete=True condition without the SuccessCriteriaMet=true condition"
        errors.append(invalid_omitted(CONDITIONS, text))
    active = status.get("active") or 0
    if (finishing or differs("active")) and active > 0 and finished:
        errors.append(invalid("status.active", active, "active>0 is invalid for finished job"))
    idle = spec.get("suspend") is True and spec.get("completions") == 0
    if (finishing or differs("startTime")) and not idle and start is None and finished:
        errors.append(required("status.startTime", "startTime is required for finished job"))
    uncounted = status.get("uncountedTerminatedPods")
    if (finishing or differs("uncountedTerminatedPods")) and finished and any((uncounted or {}).values()):
        shown = internal("batch.UncountedTerminatedPods", uncounted)
        errors.append(invalid("status.uncountedTerminatedPods", shown, "must be empty for finished job"))
    errors += _indexes(job, old)
    terminating, ready = status.get("terminating") or 0, status.get("ready")
    if (finishing or status.get("terminating") != before.get("terminating")) and terminating > 0 and finished:
        errors.append(invalid("status.terminating", terminating, "terminating>0 is invalid for finished job"))
    if (status.get("ready") != before.get("ready") or differs("active")) and ready is not None and ready > active:
        errors.append(invalid("status.ready", ready, "cannot set more ready pods than active"))
    if met and failed:
        errors.append(invalid_omitted(CONDITIONS, "cannot set SuccessCriteriaMet=True and Failed=true conditions"))
    if met and target:
        text = "cannot set SuccessCriteriaMet=True and FailureTarget=true conditions"
        errors.append(invalid_omitted(CONDITIONS, text))
    if spec.get("successPolicy") is not None and not met and complete:
        text = "cannot set Complete=True for Job with SuccessPolicy unless SuccessCriteriaMet=True"
        errors.append(invalid_omitted(CONDITIONS, text))
    return errors


def validate_job_status_update(job: Obj, old: Obj) -> list[FieldError]:
    spec, status, before = job["spec"], job.get("status") or {}, old.get("status") or {}
    errors = _status(job, old)
    for kind in ("Failed", "Complete", "FailureTarget"):
        if is_true(before, kind) and not is_true(status, kind):
            errors.append(invalid_omitted(CONDITIONS, f"cannot disable the terminal {kind}=True condition"))
    fixed_size = spec.get("completionMode") == "Indexed" and spec.get("completions") == spec.get("parallelism")
    for key, check in (("failed", True), ("succeeded", not fixed_size)):
        now: Any = status.get(key) or 0
        if check and now < (before.get(key) or 0):
            errors.append(invalid(f"status.{key}", now, f"cannot decrease the {key} counter"))
    end, known = status.get("completionTime"), before.get("completionTime")
    if end is not None and known is not None and end != known:
        errors.append(invalid_json("status.completionTime", end, "field is immutable"))
    start, begun = status.get("startTime"), before.get("startTime")
    resuming = is_true(before, "Suspended") and any(
        c.get("type") == "Suspended" and c.get("status") == "False" for c in status.get("conditions") or ()
    )
    if begun is not None and start != begun and not resuming and not spec.get("suspend"):
        text = "field is immutable for unsuspended job once set"
        errors.append(invalid_json("status.startTime", start, text))
    met_before, met = is_true(before, "SuccessCriteriaMet"), is_true(status, "SuccessCriteriaMet")
    if met_before and not met:
        errors.append(invalid_omitted(CONDITIONS, "cannot disable the SuccessCriteriaMet=True condition"))
    if is_true(before, "Complete") and not met_before and met:
        text = "cannot set SuccessCriteriaMet=True for Job already has Complete=true conditions"
        errors.append(invalid_omitted(CONDITIONS, text))
    return errors
