"""DaemonSets. Follows apps/v1 defaults and conversion, apps validation and registry/apps/daemonset."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import (
    is_empty_selector,
    selector_is_convertible,
    selector_matches,
    validate_label_selector,
)
from wherry.machinery.builtin.workloads.base import at_least_zero, conversion_error, counters, immutable, parse_go_int
from wherry.machinery.builtin.workloads.deployments import collisions
from wherry.machinery.builtin.workloads.int_or_percent import amount, at_most_all, positive_int_or_percent
from wherry.machinery.builtin.workloads.internal_shapes import internal, selector_document
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_spec import validate_template
from wherry.machinery.builtin.workloads.templates import (
    NO_MATCH,
    TemplateStrategy,
    only_restarted,
    set_default,
    template_options,
)
from wherry.machinery.kinds import Obj

GENERATION = "deprecated.daemonset.template.generation"


class DaemonSets(TemplateStrategy):
    field_annotations = (GENERATION,)
    empty_status: ClassVar[dict[str, Any]] = {
        "currentNumberScheduled": 0,
        "numberMisscheduled": 0,
        "desiredNumberScheduled": 0,
        "numberReady": 0,
    }

    def default_rest(self, obj: Obj) -> None:
        spec = obj["spec"]
        strategy = spec.setdefault("updateStrategy", {})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            set_default(strategy.setdefault("rollingUpdate", {}), maxUnavailable=1, maxSurge=0)
        elif strategy.get("rollingUpdate") is not None:  # not pointers inside: absent becomes zero
            set_default(strategy["rollingUpdate"], maxUnavailable=0, maxSurge=0)
        spec.setdefault("revisionHistoryLimit", 10)
        # The generation of the template is a field inside and an annotation outside (conversion).
        marks = obj.setdefault("metadata", {}).setdefault("annotations", {})
        try:
            marks[GENERATION] = str(parse_go_int(marks.get(GENERATION, "0")))
        except ValueError as error:
            raise conversion_error("DaemonSet", str(error)) from None

    def prepare_create(self, obj: Obj) -> None:
        super().prepare_create(obj)
        if _generation(obj) < 1:
            obj["metadata"]["annotations"][GENERATION] = "1"

    def prepare_update(self, new: Obj, old: Obj) -> None:
        super().prepare_update(new, old)
        changed = new["spec"]["template"] != old["spec"]["template"]
        marks = new["metadata"].setdefault("annotations", {})
        marks[GENERATION] = str(_generation(old) + (1 if changed else 0))

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        super().prepare_status_update(new, old)
        # The annotation stands for a field of the spec, so it stays as it is.
        new["metadata"].setdefault("annotations", {})[GENERATION] = str(_generation(old))

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._spec(obj, PodOptions())

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        options = template_options(old["spec"]["template"])
        selector, before = new["spec"].get("selector"), old["spec"].get("selector")
        if before is not None and validate_label_selector(before, ""):
            options.invalid_selector_values = True
        shown = selector_document(selector) if selector is not None else None
        return immutable(selector, before, "spec.selector", shown) + self._spec(new, options)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return self.template_warnings(new) if _generation(new) != _generation(old) else []

    def _spec(self, obj: Obj, options: PodOptions) -> list[FieldError]:
        spec = obj["spec"]
        selector, template = spec.get("selector"), spec["template"]
        errors = validate_label_selector(
            selector, "spec.selector", allow_invalid_values=options.invalid_selector_values
        )
        labels = (template.get("metadata") or {}).get("labels")
        if selector is None or (selector_is_convertible(selector) and not selector_matches(selector, labels)):
            shown = dict(sorted(labels.items())) if labels is not None else None
            errors.append(invalid("spec.template.metadata.labels", shown, NO_MATCH))
        if selector is not None and is_empty_selector(selector):
            errors.append(invalid("spec.selector", {}, "empty selector is invalid for daemonset"))
        errors += validate_template(template, "spec.template", options)
        errors += only_restarted(template.get("spec") or {}, "spec.template.spec", "DaemonSet")
        errors += at_least_zero(spec.get("minReadySeconds", 0), "spec.minReadySeconds")
        errors += at_least_zero(_generation(obj), "spec.templateGeneration")
        errors += _update_strategy(spec.get("updateStrategy") or {}, "spec.updateStrategy")
        if spec.get("revisionHistoryLimit") is not None:
            errors += at_least_zero(spec["revisionHistoryLimit"], "spec.revisionHistoryLimit")
        return errors

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        status, before = new.get("status") or {}, old.get("status") or {}
        names = (
            "currentNumberScheduled",
            "numberMisscheduled",
            "desiredNumberScheduled",
            "numberReady",
            "observedGeneration",
            "updatedNumberScheduled",
            "numberAvailable",
            "numberUnavailable",
            "collisionCount",
        )
        return counters(status, "status", names) + collisions(status, before)


def _generation(obj: Obj) -> int:
    return int((obj["metadata"].get("annotations") or {}).get(GENERATION, "0"))


def _update_strategy(strategy: Obj, path: str) -> list[FieldError]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        return []
    if kind != "RollingUpdate":
        shown = internal("apps.DaemonSetUpdateStrategy", strategy)
        return [not_supported(path, shown, ("RollingUpdate", "OnDelete"))]
    if rolling is None:
        return [required(path + ".rollingUpdate")]
    errors: list[FieldError] = []
    where = path + ".rollingUpdate"
    for check in (positive_int_or_percent, at_most_all):
        for key in ("maxUnavailable", "maxSurge"):
            errors += check(rolling.get(key, 0), f"{where}.{key}")
    fewer, more = amount(rolling.get("maxUnavailable", 0)), amount(rolling.get("maxSurge", 0))
    if fewer and more:
        text = "may not be set when maxUnavailable is non-zero"
        errors.append(invalid(where + ".maxSurge", rolling["maxSurge"], text))
    elif not fewer and not more:
        errors.append(required(where + ".maxUnavailable", "cannot be 0 when maxSurge is 0"))
    return errors
