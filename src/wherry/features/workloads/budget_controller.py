"""Wiring: PodDisruptionBudgets know how many of their pods are well."""

from __future__ import annotations

from wherry.features.workloads.budget_reconcile import status
from wherry.features.workloads.common import Obj, matches, phase
from wherry.features.workloads.kinds import (
    BUDGETS,
    DEPLOYMENTS,
    PODS,
    REPLICA_SETS,
    REPLICATION_CONTROLLERS,
    STATEFUL_SETS,
)
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.machinery.selectors import from_label_selector
from wherry.runtime.informer import Key, key_of
from wherry.runtime.shared import controller_of
from wherry.runtime.writes import Update

_SCALED = {"ReplicaSet": REPLICA_SETS, "StatefulSet": STATEFUL_SETS, "ReplicationController": REPLICATION_CONTROLLERS}


class BudgetController(WorkloadController):
    """Counts."""

    kind = BUDGETS
    kind_name, group_version, component = "PodDisruptionBudget", "policy/v1", "disruption-controller"
    workers = 1

    def __init__(self, room: Room):
        super().__init__(room)
        room.collection(PODS).handlers.append(self._pod)

    def _pod(self, before: Obj | None, after: Obj | None) -> None:
        pod = after or before
        assert pod is not None
        for budget in self.objects.inside(pod["metadata"]["namespace"]):
            selector = from_label_selector(budget["spec"].get("selector"))
            if any(matches(selector, each) for each in (before, after) if each is not None):
                self.queue.add(key_of(budget))

    async def reconcile(self, key: Key) -> float | None:
        budget = self.objects.get(*key)
        if budget is None:
            return None
        selector = from_label_selector(budget["spec"].get("selector"))
        pods = [
            pod
            for pod in self.room.collection(PODS).inside(key[0])
            if matches(selector, pod) and phase(pod) not in ("Succeeded", "Failed")
        ]
        made = status(budget, pods, self._scale(key[0], pods), self.clock.time())
        if made != (budget.get("status") or {}):
            await self.writer.one(Update(BUDGETS, {**budget, "status": made}, "status"))
        return 60.0 if made.get("disruptedPods") else None

    def _scale(self, namespace: str, pods: list[Obj]) -> int:
        """What the controllers of these pods want together; a replica set's deployment speaks for it."""
        wanted: dict[str, int] = {}
        for pod in pods:
            ref = controller_of(pod)
            kind = _SCALED.get(ref["kind"]) if ref else None
            owner = self.room.collection(kind).get(namespace, ref["name"]) if ref and kind else None
            if owner is None:
                continue
            above = controller_of(owner)
            if above is not None and above["kind"] == "Deployment":
                owner = self.room.collection(DEPLOYMENTS).get(namespace, above["name"]) or owner
            wanted[owner["metadata"]["uid"]] = owner["spec"].get("replicas", 1)
        return sum(wanted.values())
