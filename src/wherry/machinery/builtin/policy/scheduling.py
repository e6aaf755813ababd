"""PriorityClasses (pkg/apis/scheduling/validation, pkg/registry/scheduling/priorityclass)."""

from __future__ import annotations

from wherry.errors import FieldError, forbidden, not_supported, required
from wherry.machinery.builtin.core.shared.fields import immutable
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

HIGHEST = 1_000_000_000  # the highest priority a user may define
SYSTEM = {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}


def _system_problem(name: str, value: int, default: bool) -> str:
    """Why a `system-` class is not one of the two known ones (IsKnownSystemPriorityClass)."""
    if name not in SYSTEM:
        return f"{name} is not a known system priority class"
    if value != SYSTEM[name]:
        return f"value of {name} PriorityClass must be {SYSTEM[name]}"
    if default:
        return f"globalDefault of {name} PriorityClass must be false"
    return ""


class PriorityClassStrategy(Strategy):
    has_generation = True

    def default(self, obj: Obj) -> None:
        if obj.get("preemptionPolicy") is None:
            obj["preemptionPolicy"] = "PreemptLowerPriority"

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return False

    def validate_create(self, obj: Obj) -> list[FieldError]:
        name, value = obj["metadata"].get("name", ""), obj.get("value") or 0
        out: list[FieldError] = []
        if name.startswith("system-"):
            if problem := _system_problem(name, value, bool(obj.get("globalDefault"))):
                why = "priority class names with 'system-' prefix are reserved for system use only. error: "
                out.append(forbidden("metadata.name", why + problem))
        elif value > HIGHEST:
            why = f"maximum allowed value of a user defined priority is {HIGHEST}"
            out.append(forbidden("value", why))
        if (policy := obj.get("preemptionPolicy")) is not None:
            out += preemption_policy(policy, "preemptionPolicy")
        return out

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        out: list[FieldError] = []
        if (new.get("value") or 0) != (old.get("value") or 0):
            out.append(forbidden("value", "may not be changed in an update."))
        return out + immutable(new.get("preemptionPolicy"), old.get("preemptionPolicy"), "preemptionPolicy")


def preemption_policy(policy: str, field: str) -> list[FieldError]:
    """ValidatePreemptionPolicy."""
    if policy in ("PreemptLowerPriority", "Never"):
        return []
    return [not_supported(field, policy, ["PreemptLowerPriority", "Never"])] if policy else [required(field)]
