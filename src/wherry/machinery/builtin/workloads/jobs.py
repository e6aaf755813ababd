"""Jobs. Follows batch/v1 defaults, batch validation and registry/batch/job."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.common.labels import (
    selector_is_convertible,
    selector_matches,
    validate_label_selector,
)
from wherry.machinery.builtin.common.meta import validate_object_meta
from wherry.machinery.builtin.common.names import dns1123_label
from wherry.machinery.builtin.common.values import invalid_json
from wherry.machinery.builtin.workloads.base import WorkloadStrategy, immutable, name_warnings
from wherry.machinery.builtin.workloads.internal_shapes import internal, selector_document
from wherry.machinery.builtin.workloads.job_spec import default_failure_policy, job_warnings, validate_job_spec
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_defaults import default_template
from wherry.machinery.builtin.workloads.pod_fields import drop_disabled
from wherry.machinery.builtin.workloads.templates import NO_MATCH, set_default, template_options
from wherry.machinery.kinds import Obj

UID, NAME = "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"
OLD_UID, OLD_NAME = "controller-uid", "job-name"


def is_true(status: Obj, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ())


_ORPHANS = (
    "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them "
    "or set propagationPolicy=Orphan to suppress this warning"
)


class Jobs(WorkloadStrategy):
    default_gc_policy = "Orphan"

    def warnings_delete(self) -> list[str]:
        return [_ORPHANS]

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        if spec.get("completions") is None and spec.get("parallelism") is None:
            spec["completions"] = 1
        spec.setdefault("parallelism", 1)
        spec.setdefault("backoffLimit", 2147483647 if spec.get("backoffLimitPerIndex") is not None else 6)
        template = spec.setdefault("template", {})
        labels = (template.get("metadata") or {}).get("labels")
        if labels and not obj.setdefault("metadata", {}).get("labels"):
            obj["metadata"]["labels"] = labels  # the very same map: labels that are generated show up in both
        policy = "Failed" if spec.get("podFailurePolicy") is not None else "TerminatingOrFailed"
        set_default(spec, completionMode="NonIndexed", suspend=False, podReplacementPolicy=policy, manualSelector=False)
        default_failure_policy(spec)
        default_template(template)

    def prepare_create(self, obj: Obj) -> None:
        if not obj["spec"].get("manualSelector"):
            _generate_selector(obj)
        super().prepare_create(obj)
        drop_disabled(obj["spec"]["template"]["spec"])

    def prepare_update(self, new: Obj, old: Obj) -> None:
        super().prepare_update(new, old)
        drop_disabled(new["spec"]["template"]["spec"], old["spec"]["template"].get("spec"))

    def canonicalize(self, obj: Obj) -> None:
        """Labels that were generated after defaulting: reading the object back would default them into the job's."""
        super().canonicalize(obj)
        labels = obj["spec"]["template"].get("metadata", {}).get("labels")
        if labels and (not obj["metadata"].get("labels") or obj["metadata"]["labels"] is labels):
            obj["metadata"]["labels"] = dict(labels)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _job(obj, PodOptions(), prefixed=True)

    # Upstream judges an updated job as if new, and then the update; the metadata stands in between.
    meta_again = False

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.common.meta import validate_object_meta_update

        spec, before = new["spec"], old["spec"]
        options = template_options(before["template"])
        if before.get("selector") is not None and validate_label_selector(before["selector"], ""):
            options.invalid_selector_values = True
        labels = (before["template"].get("metadata") or {}).get("labels") or {}
        errors = validate_object_meta(new["metadata"], True, standard_finalizers=True)
        errors += _job(new, options, prefixed=NAME in labels and UID in labels)
        errors += validate_object_meta_update(new["metadata"], old["metadata"], standard_finalizers=True)
        errors += _spec_and_selector(spec, "spec", options)
        errors += _completions(spec, before)
        selector = spec.get("selector")
        shown = selector_document(selector) if selector is not None else None
        errors += immutable(selector, before.get("selector"), "spec.selector", shown)
        errors += _template_update(new, old)
        errors += _immutable_json(spec, before, "completionMode")
        if spec.get("podFailurePolicy") != before.get("podFailurePolicy"):
            policy = internal("batch.PodFailurePolicy", spec.get("podFailurePolicy"))
            errors.append(invalid("spec.podFailurePolicy", policy, "field is immutable"))
        errors += _immutable_json(spec, before, "backoffLimitPerIndex") + _immutable_json(spec, before, "managedBy")
        if spec.get("successPolicy") != before.get("successPolicy"):
            policy = internal("batch.SuccessPolicy", spec.get("successPolicy"))
            errors.append(invalid("spec.successPolicy", policy, "field is immutable"))
        return errors

    def warnings_create(self, obj: Obj) -> list[str]:
        return name_warnings(obj) + job_warnings(obj["spec"], "spec")

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return job_warnings(new["spec"], "spec") if self.spec_changed(new, old) else []

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.common.meta import validate_object_meta_update
        from wherry.machinery.builtin.workloads.job_status import validate_job_status_update

        errors = validate_object_meta_update(new["metadata"], old["metadata"], standard_finalizers=True)
        return errors + validate_job_status_update(new, old)


def _immutable_json(spec: Obj, before: Obj, key: str) -> list[FieldError]:
    if spec.get(key) == before.get(key):
        return []
    return [invalid_json(f"spec.{key}", spec.get(key), "field is immutable")]


def _generate_selector(obj: Obj) -> None:
    meta, spec = obj["metadata"], obj["spec"]
    template = spec["template"].setdefault("metadata", {})
    labels = template.setdefault("labels", {})
    for key in (OLD_NAME, NAME):
        labels.setdefault(key, meta.get("name", ""))
    for key in (OLD_UID, UID):
        labels.setdefault(key, meta.get("uid", ""))
    selector = spec.setdefault("selector", {})
    selector.setdefault("matchLabels", {}).setdefault(UID, meta.get("uid", ""))


def _has_label(labels: Obj, key: str, value: str) -> list[FieldError]:
    path, text = f"spec.template.metadata.labels[{key}]", f"must be '{value}'"
    if key not in labels:
        return [required(path, text)]
    return [invalid(path, dict(sorted(labels.items())), text)] if labels[key] != value else []


def _generated(obj: Obj, prefixed: bool) -> list[FieldError]:
    """A selector that the server made must still say what it made it say."""
    spec, meta = obj["spec"], obj["metadata"]
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return []
    errors: list[FieldError] = []
    uid, name = meta.get("uid", ""), meta.get("name", "")
    if not uid:
        errors.append(required("metadata.uid"))
    labels = (spec["template"].get("metadata") or {}).get("labels") or {}
    expected = {OLD_UID: uid, OLD_NAME: name}
    checked = [(OLD_UID, uid), (OLD_NAME, name)]
    if prefixed:
        checked += [(UID, uid), (NAME, name)]
        expected.update({UID: uid, NAME: name})
    for key, value in checked:
        errors += _has_label(labels, key, value)
    if selector_is_convertible(selector) and not selector_matches(selector, expected):
        errors.append(invalid("spec.selector", selector_document(selector), "`selector` not auto-generated"))
    return errors


def _spec_and_selector(spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
    errors = validate_job_spec(spec, path, options)
    selector = spec.get("selector")
    if selector is None:
        errors.append(required(path + ".selector"))
    else:
        any_values = options.invalid_selector_values
        errors += validate_label_selector(selector, path + ".selector", allow_invalid_values=any_values)
    labels = (spec["template"].get("metadata") or {}).get("labels")
    if selector is None or (selector_is_convertible(selector) and not selector_matches(selector, labels)):
        shown = dict(sorted(labels.items())) if labels is not None else None
        errors.append(invalid(path + ".template.metadata.labels", shown, NO_MATCH))
    return errors


def _job(obj: Obj, options: PodOptions, *, prefixed: bool) -> list[FieldError]:
    spec = obj["spec"]
    errors = _generated(obj, prefixed) + _spec_and_selector(spec, "spec", options)
    completions = spec.get("completions")
    if spec.get("completionMode") == "Indexed" and completions is not None and completions > 0:
        name = obj["metadata"].get("name", "")
        last = f"{name}-{completions - 1}"
        if dns1123_label(last):
            text = f"will not able to create pod with invalid DNS label: {last}"
            errors.append(invalid("metadata.name", name, text))
    return errors


def _completions(spec: Obj, before: Obj) -> list[FieldError]:
    now = spec.get("completions")
    if spec.get("completionMode") != "Indexed":
        return _immutable_json(spec, before, "completions")
    if now == before.get("completions") or now is None or now == spec.get("parallelism"):
        return []
    return [invalid("spec.completions", now, "can only be modified in tandem with spec.parallelism")]


def _template_update(new: Obj, old: Obj) -> list[FieldError]:
    """The template is fixed; a suspended job may change where its pods run and, in time, what they are given."""
    template, before = new["spec"]["template"], old["spec"]["template"]
    suspended = bool(old["spec"].get("suspend"))
    status = old.get("status") or {}
    idle = suspended and is_true(status, "Suspended") and not status.get("active")
    # 1.36.0 asks for the condition here too; later ones let a job that never started change its directives as before.
    if idle or (suspended and status.get("startTime") is None):
        before = _with_directives(template, before)
    if idle:
        spec, known = template.get("spec") or {}, dict(before.get("spec") or {})
        for key in ("containers", "initContainers"):
            known[key] = _with_resources(spec.get(key) or [], known.get(key) or [])
            if not known[key]:
                del known[key]
        if spec == known:
            return []
        return [invalid("spec.template.spec", internal("core.PodSpec", spec), "field is immutable")]
    if template == before:
        return []
    return [invalid("spec.template", internal("core.PodTemplateSpec", template), "field is immutable")]


def _with_directives(template: Obj, before: Obj) -> Obj:
    """The stored template with the scheduling directives of the new one."""
    out: dict[str, Any] = {"metadata": dict(before.get("metadata") or {}), "spec": dict(before.get("spec") or {})}
    spec, meta = template.get("spec") or {}, template.get("metadata") or {}
    for key in ("labels", "annotations"):
        _copy(out["metadata"], meta, key)
    for key in ("nodeSelector", "tolerations", "schedulingGates"):
        _copy(out["spec"], spec, key)
    affinity, known = spec.get("affinity"), out["spec"].get("affinity")
    if affinity is not None or known is not None:
        merged = dict(known or {})
        _copy(merged, affinity or {}, "nodeAffinity")
        if merged or affinity is not None:
            out["spec"]["affinity"] = merged
        else:
            out["spec"].pop("affinity", None)
    return out


def _copy(target: Obj, source: Obj, key: str) -> None:
    if key in source:
        target[key] = source[key]
    else:
        target.pop(key, None)


def _with_resources(containers: list[Obj], known: list[Obj]) -> list[Obj]:
    if len(containers) != len(known):
        return known
    return [
        {**old, "resources": new.get("resources", {})} if old.get("name") == new.get("name") else old
        for new, old in zip(containers, known, strict=True)
    ]
