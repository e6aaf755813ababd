"""Deployments. Follows apps/v1 defaults and conversion, apps validation and registry/apps/deployment."""

from __future__ import annotations

from wherry.errors import FieldError, forbidden, invalid, not_supported
from wherry.machinery.builtin.workloads.base import (
    at_least_zero,
    conversion_error,
    counters,
    immutable,
    name_warnings,
    not_above,
    parse_go_int,
)
from wherry.machinery.builtin.workloads.int_or_percent import amount, at_most_all, positive_int_or_percent
from wherry.machinery.builtin.workloads.internal_shapes import internal, selector_document
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.templates import (
    TemplateStrategy,
    replica_template,
    selector_errors,
    set_default,
)
from wherry.machinery.kinds import Obj

ROLLBACK = "deprecated.deployment.rollback.to"


class Deployments(TemplateStrategy):
    field_annotations = (ROLLBACK,)

    def default_rest(self, obj: Obj) -> None:
        spec = obj["spec"]
        strategy = spec.setdefault("strategy", {})
        strategy.setdefault("type", "RollingUpdate")
        if strategy["type"] == "RollingUpdate":
            set_default(strategy.setdefault("rollingUpdate", {}), maxUnavailable="25%", maxSurge="25%")
        set_default(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
        _rollback_annotation(obj.setdefault("metadata", {}))

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        marks = (o["metadata"].get("annotations") or {} for o in (new, old))
        return new["spec"] != old["spec"] or next(marks) != next(marks)

    def validate_spec(self, spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
        errors = at_least_zero(spec.get("replicas", 0), path + ".replicas")
        errors += selector_errors(spec.get("selector"), path + ".selector", "deployment")
        errors += replica_template(spec.get("selector"), spec["template"], path + ".template", options)
        errors += _strategy(spec.get("strategy") or {}, path + ".strategy")
        ready = spec.get("minReadySeconds", 0)
        errors += at_least_zero(ready, path + ".minReadySeconds")
        if spec.get("revisionHistoryLimit") is not None:
            errors += at_least_zero(spec["revisionHistoryLimit"], path + ".revisionHistoryLimit")
        deadline = spec.get("progressDeadlineSeconds")
        if deadline is not None:
            where = path + ".progressDeadlineSeconds"
            errors += at_least_zero(deadline, where)
            if deadline <= ready:
                errors.append(invalid(where, deadline, "must be greater than minReadySeconds"))
        return errors

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        selector, before = new["spec"].get("selector"), old["spec"].get("selector")
        shown = selector_document(selector) if selector is not None else None
        return super().validate_update(new, old) + immutable(selector, before, "spec.selector", shown)

    def warnings_create(self, obj: Obj) -> list[str]:
        return name_warnings(obj) + self.template_warnings(obj)

    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        super().prepare_status_update(new, old)
        new["metadata"].pop("labels", None)
        if "labels" in old["metadata"]:
            new["metadata"]["labels"] = old["metadata"]["labels"]

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        status, before = new.get("status") or {}, old.get("status") or {}
        names = (
            "observedGeneration",
            "replicas",
            "updatedReplicas",
            "readyReplicas",
            "availableReplicas",
            "unavailableReplicas",
            "terminatingReplicas",
            "collisionCount",
        )
        errors = counters(status, "status", names)
        text = "cannot be greater than status.replicas"
        errors += not_above(
            status, "status", ("updatedReplicas", "readyReplicas", "availableReplicas"), "replicas", text
        )
        errors += not_above(
            status, "status", ("availableReplicas",), "readyReplicas", "cannot be greater than readyReplicas"
        )
        return errors + collisions(status, before)


def collisions(status: Obj, before: Obj) -> list[FieldError]:
    now, then = status.get("collisionCount"), before.get("collisionCount")
    if then is not None and (now is None or now < then):
        return [invalid("status.collisionCount", now or 0, "cannot be decremented")]
    return []


def _rollback_annotation(meta: Obj) -> None:
    """The annotation is a field of the internal type: it must be a number, and vanishes when empty."""
    annotations = meta.get("annotations") or {}
    text = annotations.get(ROLLBACK)
    if text:
        try:
            annotations[ROLLBACK] = str(parse_go_int(text))
        except ValueError as error:
            why = f"failed to parse annotation[{ROLLBACK}]={text} as int64: {error}"
            raise conversion_error("Deployment", why) from None
    elif text is not None:
        del annotations[ROLLBACK]
        if not annotations:
            del meta["annotations"]


def _strategy(strategy: Obj, path: str) -> list[FieldError]:
    kind, rolling = strategy.get("type", ""), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is None:
            return []
        return [forbidden(path + ".rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")]
    if kind != "RollingUpdate":
        shown = internal("apps.DeploymentStrategy", strategy)
        return [not_supported(path, shown, ("Recreate", "RollingUpdate"))]
    rolling = rolling or {}
    where = path + ".rollingUpdate"
    fewer, more = rolling.get("maxUnavailable", 0), rolling.get("maxSurge", 0)
    errors = positive_int_or_percent(fewer, where + ".maxUnavailable")
    errors += positive_int_or_percent(more, where + ".maxSurge")
    if amount(fewer) == 0 and amount(more) == 0:
        errors.append(invalid(where + ".maxUnavailable", fewer, "may not be 0 when `maxSurge` is 0"))
    return errors + at_most_all(fewer, where + ".maxUnavailable")
