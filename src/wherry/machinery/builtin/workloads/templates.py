"""Strategies of kinds that hold one pod template: what defaulting, validation and warnings they share.

Kinds: podtemplates, replicationcontrollers, and below `apps` deployments, replicasets, statefulsets and daemonsets.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import (
    is_empty_selector,
    selector_is_convertible,
    selector_matches,
    validate_label_selector,
)
from wherry.machinery.builtin.workloads.base import WorkloadStrategy
from wherry.machinery.builtin.workloads.internal_shapes import selector_document
from wherry.machinery.builtin.workloads.options import PodOptions, options_for
from wherry.machinery.builtin.workloads.pod_defaults import default_template
from wherry.machinery.builtin.workloads.pod_fields import drop_disabled
from wherry.machinery.builtin.workloads.pod_spec import validate_template
from wherry.machinery.builtin.workloads.pod_warnings import pod_warnings
from wherry.machinery.kinds import Obj

NO_MATCH = "`selector` does not match template `labels`"


def template_options(old: Obj | None) -> PodOptions:
    """Tolerances for a template given the stored one."""
    return options_for((old or {}).get("spec"), (old or {}).get("metadata")) if old is not None else PodOptions()


def selector_errors(selector: Obj | None, path: str, what: str, *, any_values: bool = False) -> list[FieldError]:
    """A required selector that may not be empty; `what` ends the text."""
    if selector is None:
        return [required(path)]
    errors = validate_label_selector(selector, path, allow_invalid_values=any_values)
    if is_empty_selector(selector):
        errors.append(invalid(path, selector_document(selector), f"empty selector is invalid for {what}"))
    return errors


def labels_mismatch(selector: Obj | None, template: Obj, path: str) -> list[FieldError]:
    """A selector that is not empty must match the template's own labels."""
    labels = (template.get("metadata") or {}).get("labels")
    if selector is not None and (is_empty_selector(selector) or selector_matches(selector, labels)):
        return []
    shown = dict(sorted(labels.items())) if labels is not None else None
    return [invalid(path + ".metadata.labels", shown, NO_MATCH)]


def only_restarted(spec: Obj, path: str, kind: str) -> list[FieldError]:
    """Pods of these kinds are restarted for ever."""
    errors: list[FieldError] = []
    if spec.get("restartPolicy", "") != "Always":
        errors.append(not_supported(path + ".restartPolicy", spec.get("restartPolicy", ""), ("Always",)))
    if spec.get("activeDeadlineSeconds") is not None:
        text = f"activeDeadlineSeconds in {kind} is not Supported"
        errors.append(forbidden(path + ".activeDeadlineSeconds", text))
    return errors


def replica_template(selector: Obj | None, template: Obj, path: str, options: PodOptions) -> list[FieldError]:
    """Selector and template of deployments and replica sets (ValidatePodTemplateSpecForReplicaSet)."""
    if selector is not None and not selector_is_convertible(selector):
        where = path.removesuffix("template") + "selector"
        return [invalid(where, selector_document(selector), "invalid label selector")]
    errors = labels_mismatch(selector, template, path)
    errors += validate_template(template, path, options)
    return errors + only_restarted(template.get("spec") or {}, path + ".spec", "ReplicaSet")


class TemplateStrategy(WorkloadStrategy):
    """A kind with its template at `spec.template`."""

    def template_of(self, obj: Obj) -> Obj:
        return obj["spec"]["template"]  # type: ignore[no-any-return]

    def default(self, obj: Obj) -> None:
        default_template(obj.setdefault("spec", {}).setdefault("template", {}), keep_labels=True)
        self.default_rest(obj)

    def default_rest(self, obj: Obj) -> None:
        """Defaults beside the template's."""

    def prepare_create(self, obj: Obj) -> None:
        super().prepare_create(obj)
        drop_disabled(self.template_of(obj)["spec"])

    def prepare_update(self, new: Obj, old: Obj) -> None:
        super().prepare_update(new, old)
        drop_disabled(self.template_of(new)["spec"], self.template_of(old).get("spec"))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self.validate_spec(obj["spec"], "spec", PodOptions())

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return self.validate_spec(new["spec"], "spec", template_options(self.template_of(old)))

    def validate_spec(self, spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
        raise NotImplementedError

    def template_warnings(self, obj: Obj) -> list[str]:
        template = self.template_of(obj)
        return pod_warnings(template.get("spec") or {}, template.get("metadata") or {}, "spec.template")

    def warnings_create(self, obj: Obj) -> list[str]:
        return self.template_warnings(obj)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.template_warnings(new) if self.spec_changed(new, old) else []


def set_default(target: dict[str, Any], **values: Any) -> None:
    for key, value in values.items():
        target.setdefault(key, value)
