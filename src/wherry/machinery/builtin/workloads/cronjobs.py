"""CronJobs. Follows batch/v1 defaults, batch validation and registry/batch/cronjob."""

from __future__ import annotations

from wherry.errors import FieldError, invalid, not_supported, required
from wherry.machinery.builtin.common.meta import validate_object_meta_update
from wherry.machinery.builtin.common.names import byte_length
from wherry.machinery.builtin.common.values import invalid_json, unsupported_json
from wherry.machinery.builtin.workloads.base import WorkloadStrategy, at_least_zero, name_warnings
from wherry.machinery.builtin.workloads.cron import ScheduleError, check_schedule, time_zone_errors
from wherry.machinery.builtin.workloads.internal_shapes import selector_document
from wherry.machinery.builtin.workloads.job_spec import default_failure_policy, job_warnings, validate_job_spec
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_defaults import default_template
from wherry.machinery.builtin.workloads.pod_fields import drop_disabled
from wherry.machinery.builtin.workloads.templates import set_default, template_options
from wherry.machinery.kinds import Obj

CONCURRENCY = ("Allow", "Forbid", "Replace")


def _job(obj: Obj) -> Obj:
    return obj["spec"]["jobTemplate"]["spec"]  # type: ignore[no-any-return]


class CronJobs(WorkloadStrategy):
    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        set_default(
            spec, concurrencyPolicy="Allow", suspend=False, successfulJobsHistoryLimit=3, failedJobsHistoryLimit=1
        )
        template = spec.setdefault("jobTemplate", {})
        template.setdefault("metadata", {})
        job = template.setdefault("spec", {})
        default_failure_policy(job)
        default_template(job.setdefault("template", {}))

    def prepare_create(self, obj: Obj) -> None:
        super().prepare_create(obj)
        drop_disabled(_job(obj)["template"]["spec"])

    def prepare_update(self, new: Obj, old: Obj) -> None:
        super().prepare_update(new, old)
        drop_disabled(_job(new)["template"]["spec"], _job(old)["template"].get("spec"))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        errors = _spec(obj["spec"], None, PodOptions())
        name = obj["metadata"].get("name", "")
        if byte_length(name) > 52:  # a job's name is the schedule's and eleven characters more
            errors.append(invalid("metadata.name", name, "must be no more than 52 characters"))
        return errors

    # Upstream's check of the status has nothing of its own, so the second look at metadata is part of this one.
    meta_again = False

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        errors = validate_object_meta_update(new["metadata"], old["metadata"], standard_finalizers=True)
        return errors + _spec(new["spec"], old["spec"], template_options(_job(old)["template"]))

    def warnings_create(self, obj: Obj) -> list[str]:
        return name_warnings(obj) + job_warnings(_job(obj), "spec.jobTemplate.spec")

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        out = job_warnings(_job(new), "spec.jobTemplate.spec") if self.spec_changed(new, old) else []
        if "TZ" in new["spec"].get("schedule", ""):
            out.append(
                "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
                "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
            )
        return out


def _spec(spec: Obj, old: Obj | None, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    schedule, zone = spec.get("schedule", ""), spec.get("timeZone")
    if not schedule:
        errors.append(required("spec.schedule"))
    else:
        errors += _schedule(schedule, zone, "TZ" in (old or {}).get("schedule", ""))
    if spec.get("startingDeadlineSeconds") is not None:
        errors += at_least_zero(spec["startingDeadlineSeconds"], "spec.startingDeadlineSeconds")
    if zone is not None and (old is None or old.get("timeZone") != zone):
        errors += [invalid_json("spec.timeZone", zone, text) for text in time_zone_errors(zone)]
    policy = spec.get("concurrencyPolicy", "")
    if not policy:
        errors.append(required("spec.concurrencyPolicy"))
    elif policy not in CONCURRENCY:
        errors.append(not_supported("spec.concurrencyPolicy", policy, CONCURRENCY))
    job, where = spec["jobTemplate"]["spec"], "spec.jobTemplate.spec"
    errors += validate_job_spec(job, where, options)
    if job.get("selector") is not None:
        shown = selector_document(job["selector"])
        errors.append(invalid(where + ".selector", shown, "`selector` will be auto-generated"))
    if job.get("manualSelector"):
        errors.append(unsupported_json(where + ".manualSelector", True, ("nil", "false")))
    for key in ("successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if spec.get(key) is not None:
            errors += at_least_zero(spec[key], f"spec.{key}")
    return errors


def _schedule(schedule: str, zone: str | None, zone_allowed: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    try:
        check_schedule(schedule)
    except ScheduleError as error:
        errors.append(invalid("spec.schedule", schedule, str(error)))
    if "TZ" in schedule:
        if not zone_allowed:
            text = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
            errors.append(invalid("spec.schedule", schedule, text))
        elif zone is not None:
            text = "cannot use both timeZone field and TZ or CRON_TZ in schedule"
            errors.append(invalid("spec.schedule", schedule, text))
    return errors
