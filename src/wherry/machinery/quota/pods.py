"""What pods use (quota/v1/evaluator/core/pods.go; the sums are those of k8s.io/component-helpers/resource).

A pod that has ended, or whose grace period is over, only counts as an object.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

from wherry.machinery.builtin.workloads.pod_qos import compute_qos
from wherry.machinery.quota.amounts import ONE, Amounts, add, most, parsed
from wherry.machinery.quota.evaluators import Around, Counter, Obj, Scope, selects

COMPUTE = ("cpu", "memory", "ephemeral-storage")
# A quota on one of these asks every container to say how much of it it needs. Upstream regrets it; nothing was added.
REQUIRED = frozenset(("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"))
DEVICE_CLASS = "deviceclass.resource.kubernetes.io/"
HUGE = "hugepages-"


class Pods(Counter):
    def __init__(self) -> None:
        super().__init__("", "pods")
        compute = [name for base in COMPUTE for name in (base, f"requests.{base}", f"limits.{base}")]
        self.names = frozenset([self.count, "pods", *compute])

    def handles(self, operation: str, subresource: str, obj: Obj, old: Obj | None) -> bool:
        if subresource:
            return subresource == "resize" and operation == "UPDATE"
        if operation == "UPDATE":
            return old is not None and is_terminating(old) != is_terminating(obj)
        return operation == "CREATE"

    def matching(self, names: Iterable[str], around: Around) -> list[str]:
        return [name for name in names if name in self.names or _by_prefix(name)]

    def in_scope(self, scope: Scope, obj: Obj) -> bool:
        return pod_in_scope(scope, obj)

    def scoped(self) -> bool:
        return True

    def missing(self, names: Iterable[str], obj: Obj) -> str:
        spec = obj["spec"]
        if _pod_level(spec, "requests") or _pod_level(spec, "limits"):
            return ""
        wanted = REQUIRED.intersection(names)
        lacking: dict[str, set[str]] = {}
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ())):
            resources = container.get("resources") or {}
            said = _named(parsed(resources.get("requests")), parsed(resources.get("limits")))
            for name in wanted.difference(said):
                lacking.setdefault(name, set()).add(container["name"])
        if not lacking:
            return ""
        return "must specify " + "; ".join(f"{name} for: {','.join(sorted(lacking[name]))}" for name in sorted(lacking))

    def usage(self, obj: Obj, around: Around) -> Amounts:
        used = {self.count: ONE}
        if ended(obj, around.now):
            return used
        return add(used, _named(requests(obj), limits(obj)))


def native(name: str) -> bool:
    """Whether a resource is Kubernetes' own (helper.IsNativeResource)."""
    return "/" not in name or "kubernetes.io/" in name


def extended_in_quota(name: str) -> bool:
    """Extended resources are only bounded as `requests.NAME`: they can't be promised twice."""
    return name.startswith("requests.") and (not native(name) or name.startswith(f"requests.{DEVICE_CLASS}"))


def _by_prefix(name: str) -> bool:
    return name.startswith((HUGE, f"requests.{HUGE}")) or extended_in_quota(name)


def _named(requests: Amounts, limits: Amounts) -> Amounts:
    """Requests and limits under the names by which quotas bound them."""
    used: Amounts = {"pods": ONE}
    for base in COMPUTE:
        if base in requests:
            used[base] = used[f"requests.{base}"] = requests[base]
        if base in limits:
            used[f"limits.{base}"] = limits[base]
    for name, amount in requests.items():
        if name.startswith(HUGE):
            used[name] = used[f"requests.{name}"] = amount
        elif name.startswith(DEVICE_CLASS) or (not native(name) and not name.startswith("requests.")):
            used[f"requests.{name}"] = amount
    return used


# --- scopes ----------------------------------------------------------------------------------------------------------


def is_terminating(pod: Obj) -> bool:
    seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
    return seconds is not None and seconds >= 0


def pod_in_scope(scope: Scope, pod: Obj) -> bool:
    spec = pod["spec"]
    if scope.name in ("Terminating", "NotTerminating"):
        return is_terminating(pod) == (scope.name == "Terminating")
    if scope.name in ("BestEffort", "NotBestEffort"):
        known = (pod.get("status") or {}).get("qosClass") or compute_qos(pod)
        return (known == "BestEffort") == (scope.name == "BestEffort")
    if scope.name == "PriorityClass":
        return selects(scope, spec.get("priorityClassName") or "")
    return scope.name == "CrossNamespacePodAffinity" and _crosses_namespaces(spec.get("affinity") or {})


def _crosses_namespaces(affinity: Obj) -> bool:
    for kind in ("podAffinity", "podAntiAffinity"):
        rules = affinity.get(kind) or {}
        terms = list(rules.get("requiredDuringSchedulingIgnoredDuringExecution") or ())
        weighted = rules.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [term.get("podAffinityTerm") or {} for term in weighted]
        if any(term.get("namespaces") or term.get("namespaceSelector") is not None for term in terms):
            return True
    return False


def ended(pod: Obj, now: float) -> bool:
    """Whether a pod needs nothing more: it is through, or should have been gone by now."""
    if (pod.get("status") or {}).get("phase") in ("Failed", "Succeeded"):
        return True
    meta = pod["metadata"]
    deleted, grace = meta.get("deletionTimestamp"), meta.get("deletionGracePeriodSeconds")
    if deleted is None or grace is None:
        return False
    return now > datetime.fromisoformat(deleted).timestamp() + float(grace)


# --- sums ------------------------------------------------------------------------------------------------------------

_Of = Callable[[Obj], Amounts]


def requests(pod: Obj) -> Amounts:
    """What a pod needs in all, overhead included (PodRequests)."""
    total = _containers(pod, _requested(pod))
    total.update(_pod_level(pod["spec"], "requests"))
    return add(total, parsed(pod["spec"].get("overhead")))


def limits(pod: Obj) -> Amounts:
    """What a pod may take in all (PodLimits); overhead only adds to what is limited."""
    total = _containers(pod, _limited(pod))
    total.update(_pod_level(pod["spec"], "limits"))
    for name, amount in parsed(pod["spec"].get("overhead")).items():
        if name in total and not total[name].is_zero():
            total[name] = total[name].add(amount)
    return total


def _containers(pod: Obj, of: _Of) -> Amounts:
    """All containers with the sidecars, or the most that starting up takes where that is more."""
    spec = pod["spec"]
    total: Amounts = {}
    for container in spec.get("containers") or ():
        total = add(total, of(container))
    sidecars: Amounts = {}
    starting: Amounts = {}
    for container in spec.get("initContainers") or ():
        own = of(container)
        if container.get("restartPolicy") == "Always":
            total, sidecars = add(total, own), add(sidecars, own)
            starting = most(starting, sidecars)
        else:
            starting = most(starting, add(own, sidecars))
    return most(total, starting)


def _pod_level(spec: Obj, part: str) -> Amounts:
    """What the pod itself says, which counts instead of what its containers say."""
    given = parsed((spec.get("resources") or {}).get(part))
    return {name: amount for name, amount in given.items() if name in ("cpu", "memory") or name.startswith(HUGE)}


def _requested(pod: Obj) -> _Of:
    statuses, infeasible = _statuses(pod)

    def of(container: Obj) -> Amounts:
        spec = parsed((container.get("resources") or {}).get("requests"))
        status = statuses.get(container["name"])
        if status is None or not _resizable(pod, container) or status.get("resources") is None:
            return spec
        real = most(parsed(status["resources"].get("requests")), parsed(status.get("allocatedResources")))
        return real if infeasible else most(spec, real)

    return of


def _limited(pod: Obj) -> _Of:
    statuses, infeasible = _statuses(pod)

    def of(container: Obj) -> Amounts:
        spec = parsed((container.get("resources") or {}).get("limits"))
        status = statuses.get(container["name"])
        if status is None or not _resizable(pod, container) or status.get("resources") is None:
            return spec
        real = parsed(status["resources"].get("limits"))
        return real if infeasible else most(spec, real)

    return of


def _resizable(pod: Obj, container: Obj) -> bool:
    """An init container that runs once is done before anything is resized."""
    inits = pod["spec"].get("initContainers") or ()
    return container.get("restartPolicy") == "Always" or all(container is not init for init in inits)


def _statuses(pod: Obj) -> tuple[dict[str, Obj], bool]:
    """The state of the containers by name, and whether a resize that was asked for cannot be."""
    status = pod.get("status") or {}
    both = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    pending: Obj = next((c for c in status.get("conditions") or () if c.get("type") == "PodResizePending"), {})
    return {each["name"]: each for each in both}, pending.get("reason") == "Infeasible"
