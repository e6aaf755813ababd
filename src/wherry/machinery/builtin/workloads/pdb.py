"""PodDisruptionBudgets. Follows policy validation and registry/policy/poddisruptionbudget."""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, invalid, not_supported
from wherry.machinery.builtin.common.conditions import validate_conditions
from wherry.machinery.builtin.common.labels import validate_label_selector
from wherry.machinery.builtin.common.names import name_is_path_segment
from wherry.machinery.builtin.workloads.base import WorkloadStrategy, counters
from wherry.machinery.builtin.workloads.int_or_percent import at_most_all, positive_int_or_percent
from wherry.machinery.builtin.workloads.internal_shapes import internal
from wherry.machinery.kinds import Obj

POLICIES = ("AlwaysAllow", "IfHealthyBudget")


class PodDisruptionBudgets(WorkloadStrategy):
    unconditional_update = False
    meta_first = False  # upstream leaves the metadata to the generic code, which looks at it last
    meta_again = False
    standard_finalizers = False
    validate_name = staticmethod(name_is_path_segment)
    empty_status: ClassVar[dict[str, Any]] = {
        "disruptionsAllowed": 0,
        "currentHealthy": 0,
        "desiredHealthy": 0,
        "expectedPods": 0,
    }

    def default(self, obj: Obj) -> None:
        obj.setdefault("spec", {})

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return _spec(obj.get("spec") or {}, "spec", any_values=False)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        selector = (old.get("spec") or {}).get("selector")
        any_values = bool(validate_label_selector(selector, ""))
        return _spec(new.get("spec") or {}, "spec", any_values=any_values)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        status = new.get("status") or {}
        errors = validate_conditions(status.get("conditions") or [], "status.conditions")
        names = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
        return errors + counters(status, "status", names)


def _spec(spec: Obj, path: str, *, any_values: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    if least is not None and most is not None:
        shown = internal("policy.PodDisruptionBudgetSpec", spec)
        errors.append(invalid(path, shown, "minAvailable and maxUnavailable cannot be both set"))
    for key, value in (("minAvailable", least), ("maxUnavailable", most)):
        if value is not None:
            errors += positive_int_or_percent(value, f"{path}.{key}")
            errors += at_most_all(value, f"{path}.{key}")
    errors += validate_label_selector(spec.get("selector"), path + ".selector", allow_invalid_values=any_values)
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in POLICIES:
        errors.append(not_supported(path + ".unhealthyPodEvictionPolicy", policy, POLICIES))
    return errors
