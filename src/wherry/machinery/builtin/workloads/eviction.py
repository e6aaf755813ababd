"""The `eviction` and `binding` subresources of pods: what they decide, as pure functions.

Follows k8s.io/kubernetes/pkg/registry/core/pod/storage/{eviction,storage}.go; the store does the writes.
"""

from __future__ import annotations

from typing import NamedTuple

from wherry.errors import FieldError, Forbidden, TooManyRequests, not_supported, required, resource_details
from wherry.machinery.builtin.common.labels import selector_is_convertible, selector_matches
from wherry.machinery.kinds import Obj

BUDGET = "Cannot evict pod as it would violate the pod's disruption budget."
MORE_THAN_ONE = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
MAX_DISRUPTED = 2000


class Verdict(NamedTuple):
    """`budget` is the changed PodDisruptionBudget to store first, if any; `pin` asks to delete this revision only."""

    budget: Obj | None = None
    pin: bool = False


def needs_no_budget(pod: Obj) -> bool:
    """Pods that do not count for any budget: finished, not started, or going already."""
    phase = (pod.get("status") or {}).get("phase")
    return phase in ("Succeeded", "Failed", "Pending") or "deletionTimestamp" in pod["metadata"]


def pins_revision(pod: Obj) -> bool:
    """Whether a pod that needs no budget is deleted only as it was seen: it might become ready meanwhile."""
    return (pod.get("status") or {}).get("phase") == "Pending" and "deletionTimestamp" not in pod["metadata"]


def budgets_of(pod: Obj, budgets: list[Obj]) -> list[Obj]:
    """Budgets (of the pod's namespace) whose selector matches it."""
    labels = pod["metadata"].get("labels")
    found: list[Obj] = []
    for budget in budgets:
        selector = (budget.get("spec") or {}).get("selector")
        if selector is not None and selector_is_convertible(selector) and selector_matches(selector, labels):
            found.append(budget)
    return found


def _is_ready(pod: Obj) -> bool:
    return any(
        c.get("type") == "Ready" and c.get("status") == "True"
        for c in (pod.get("status") or {}).get("conditions") or ()
    )


def too_many(budget: str, why: str, retry: int = 0) -> TooManyRequests:
    causes = [{"reason": "DisruptionBudget", "message": why}]
    return TooManyRequests(BUDGET, details=resource_details("", "", causes=causes, retryAfterSeconds=retry))


def still_processed(name: str) -> TooManyRequests:
    """A budget that its controller has not looked at yet, or a pod that changed under the eviction."""
    return too_many(name, f"The disruption budget {name} is still being processed by the server.", 10)


def judge(pod: Obj, budget: Obj, now: str) -> Verdict:
    """Whether one budget lets the pod go; raises what the API server answers if not."""
    spec, status, name = budget.get("spec") or {}, budget.get("status") or {}, budget["metadata"]["name"]
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if not _is_ready(pod) and (
        spec.get("unhealthyPodEvictionPolicy") == "AlwaysAllow" or (healthy >= desired and desired > 0)
    ):
        return Verdict(pin=True)
    if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
        raise still_processed(name)
    allowed, disrupted = status.get("disruptionsAllowed", 0), status.get("disruptedPods") or {}
    if allowed < 0:
        raise _forbidden(name, "pdb disruptions allowed is negative")
    if len(disrupted) > MAX_DISRUPTED:
        raise _forbidden(name, "DisruptedPods map too big - too many evictions not confirmed by PDB controller")
    if allowed == 0:
        raise too_many(name, _why(name, status))
    changed = {**status, "disruptionsAllowed": allowed - 1}
    changed["disruptedPods"] = {**disrupted, pod["metadata"]["name"]: now}
    if allowed == 1:
        changed["conditions"] = _not_allowed(status, budget["metadata"].get("generation", 0), now)
    return Verdict({**budget, "status": changed})


def _forbidden(name: str, why: str) -> Forbidden:
    details = resource_details("policy", "poddisruptionbudget", name)
    return Forbidden(f'poddisruptionbudget.policy "{name}" is forbidden: {why}', details=details)


def _condition(status: Obj) -> Obj:
    return next((c for c in status.get("conditions") or () if c.get("type") == "DisruptionAllowed"), {})


def _why(name: str, status: Obj) -> str:
    condition = _condition(status)
    refused = condition.get("status") == "False" and condition.get("message")
    start = f"The disruption budget {name}"
    if refused and condition.get("reason") == "SyncFailed":
        return f"{start} does not allow evicting pods currently because it failed sync: {condition['message']}"
    healthy, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    if healthy <= desired:
        return f"{start} needs {desired} healthy pods and has {healthy} currently"
    if refused:
        reason = condition.get("reason", "")
        return f"{start} does not allow evicting pods currently ({reason}): {condition['message']}"
    return f"{start} does not allow evicting pods currently"


def _not_allowed(status: Obj, generation: int, now: str) -> list[Obj]:
    """The DisruptionAllowed condition once nothing more may go (UpdateDisruptionAllowedCondition)."""
    old = _condition(status)
    changed: Obj = {
        "type": "DisruptionAllowed",
        "status": "False",
        "observedGeneration": status.get("observedGeneration", generation),
        "lastTransitionTime": old.get("lastTransitionTime", now) if old.get("status") == "False" else now,
        "reason": "InsufficientPods",
        "message": "",
    }
    conditions = list(status.get("conditions") or ())
    return [changed if c is old else c for c in conditions] if old else [*conditions, changed]


def mark_evicted(pod: Obj, now: str) -> None:
    """The condition that tells why the pod went."""
    set_condition(
        pod,
        {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
        },
        now,
    )


def set_condition(pod: Obj, condition: Obj, now: str) -> None:
    """podutil.UpdatePodCondition: the time of transition moves only when the status does."""
    status = pod.setdefault("status", {})
    conditions = list(status.get("conditions") or ())
    index = next((i for i, c in enumerate(conditions) if c.get("type") == condition["type"]), None)
    entry = {"lastProbeTime": None, "lastTransitionTime": now, **condition}
    if index is None:
        conditions.append(entry)
    else:
        if conditions[index].get("status") == condition["status"]:
            entry["lastTransitionTime"] = conditions[index].get("lastTransitionTime", now)
        conditions[index] = entry
    status["conditions"] = conditions


# --- binding ---------------------------------------------------------------------------------------------------------


def validate_binding(binding: Obj) -> list[FieldError]:
    """Answered as plain text with status 500, as upstream does not make an Invalid of them."""
    target = binding.get("target") or {}
    errors: list[FieldError] = []
    if target.get("kind") and target["kind"] != "Node":
        errors.append(not_supported("target.kind", target["kind"], ("Node", "<empty>")))
    if not target.get("name"):
        errors.append(required("target.name"))
    return errors


def binding_conflict(pod: Obj) -> str:
    """Why the pod cannot be bound now: the end of a conflict on `pods/binding`, or ""."""
    name, spec = pod["metadata"]["name"], pod["spec"]
    if "deletionTimestamp" in pod["metadata"]:
        return f"pod {name} is being deleted, cannot be assigned to a host"
    if spec.get("nodeName"):
        return f'pod {name} is already assigned to node "{spec["nodeName"]}"'
    return f"pod {name} has non-empty .spec.schedulingGates" if spec.get("schedulingGates") else ""


def bind(pod: Obj, binding: Obj, now: str) -> None:
    """Put the pod on its node; annotations and labels of the binding come along."""
    pod["spec"]["nodeName"] = binding["target"]["name"]
    (pod.get("status") or {}).pop("nominatedNodeName", None)
    for key in ("annotations", "labels"):
        added = (binding.get("metadata") or {}).get(key)
        if added:
            pod["metadata"][key] = {**(pod["metadata"].get(key) or {}), **added}
    set_condition(pod, {"type": "PodScheduled", "status": "True"}, now)
