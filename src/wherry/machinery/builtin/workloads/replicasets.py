"""ReplicaSets and ReplicationControllers. Follows apps and core validation and their registries."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, invalid, required
from wherry.machinery.builtin.workloads.base import at_least_zero, counters, immutable, name_warnings, not_above
from wherry.machinery.builtin.workloads.internal_shapes import selector_document
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_defaults import default_template
from wherry.machinery.builtin.workloads.pod_fields import drop_disabled
from wherry.machinery.builtin.workloads.pod_spec import validate_template
from wherry.machinery.builtin.workloads.templates import (
    NO_MATCH,
    TemplateStrategy,
    only_restarted,
    replica_template,
    selector_errors,
    template_options,
)
from wherry.machinery.kinds import Obj

_COUNTERS = ("replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration")
_PARTS = ("fullyLabeledReplicas", "readyReplicas", "availableReplicas")


def _status(status: Obj, names: tuple[str, ...]) -> list[FieldError]:
    errors = counters(status, "status", names)
    errors += not_above(status, "status", _PARTS, "replicas", "cannot be greater than status.replicas")
    text = "cannot be greater than readyReplicas"
    return errors + not_above(status, "status", ("availableReplicas",), "readyReplicas", text)


class ReplicaSets(TemplateStrategy):
    empty_status: ClassVar[dict[str, Any]] = {"replicas": 0}

    def default_rest(self, obj: Obj) -> None:
        obj["spec"].setdefault("replicas", 1)

    def validate_spec(self, spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
        errors = at_least_zero(spec.get("replicas", 0), path + ".replicas")
        errors += at_least_zero(spec.get("minReadySeconds", 0), path + ".minReadySeconds")
        # Upstream says "deployment" here too.
        errors += selector_errors(spec.get("selector"), path + ".selector", "deployment")
        return errors + replica_template(spec.get("selector"), spec["template"], path + ".template", options)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        selector, before = new["spec"].get("selector"), old["spec"].get("selector")
        shown = selector_document(selector) if selector is not None else None
        return super().validate_update(new, old) + immutable(selector, before, "spec.selector", shown)

    def warnings_create(self, obj: Obj) -> list[str]:
        return name_warnings(obj) + self.template_warnings(obj)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return _status(new.get("status") or {}, (*_COUNTERS, "terminatingReplicas"))


class ReplicationControllers(TemplateStrategy):
    """The older kin: its selector is a plain map, its template a pointer."""

    empty_status: ClassVar[dict[str, Any]] = {"replicas": 0}
    default_gc_policy = "Orphan"

    def template_of(self, obj: Obj) -> Obj:
        return obj["spec"].get("template") or {}

    def default(self, obj: Obj) -> None:
        spec = obj.setdefault("spec", {})
        template = spec.get("template")
        if template is not None:
            labels = (template.get("metadata") or {}).get("labels")
            if labels:
                if not spec.get("selector"):
                    spec["selector"] = dict(labels)
                if not obj.setdefault("metadata", {}).get("labels"):
                    obj["metadata"]["labels"] = dict(labels)
            default_template(template)
        spec.setdefault("replicas", 1)

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = dict(self.empty_status)
        drop_disabled(self.template_of(obj).get("spec") or {})

    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["status"] = old.get("status", dict(self.empty_status))
        drop_disabled(self.template_of(new).get("spec") or {}, self.template_of(old).get("spec"))

    def validate_spec(self, spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
        errors = at_least_zero(spec.get("minReadySeconds", 0), path + ".minReadySeconds")
        selector = spec.get("selector") or {}
        if not selector:
            errors.append(required(path + ".selector"))
        if spec.get("replicas") is None:
            errors.append(required(path + ".replicas"))
        else:
            errors += at_least_zero(spec["replicas"], path + ".replicas")
        template, where = spec.get("template"), path + ".template"
        if template is None:
            return [*errors, required(where)]
        labels = (template.get("metadata") or {}).get("labels") or {}
        if any(labels.get(key) != value for key, value in selector.items()):
            errors.append(invalid(where + ".metadata.labels", dict(sorted(labels.items())) or None, NO_MATCH))
        errors += validate_template(template, where, options)
        return errors + only_restarted(template.get("spec") or {}, where + ".spec", "ReplicationController")

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        old_template = old["spec"].get("template")
        return self.validate_spec(new["spec"], "spec", template_options(old_template))

    def warnings_create(self, obj: Obj) -> list[str]:
        return name_warnings(obj) + self.template_warnings(obj)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.template_warnings(old) if self.spec_changed(new, old) else []

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return _status(new.get("status") or {}, _COUNTERS)
