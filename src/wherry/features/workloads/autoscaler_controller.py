"""Wiring: HorizontalPodAutoscalers look every fifteen seconds, and when a declared usage changes."""

from __future__ import annotations

from wherry.client import Kind
from wherry.errors import StatusError
from wherry.features.workloads.autoscaler_reconcile import Memory, decide
from wherry.features.workloads.common import Obj, matches, set_condition
from wherry.features.workloads.kinds import AUTOSCALERS, PODS
from wherry.features.workloads.metrics import Annotations, MetricsSource, declared
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.machinery.selectors import parse_label_selector
from wherry.runtime.informer import Key
from wherry.runtime.writes import Update

PERIOD = 15.0


class AutoscalerController(WorkloadController):
    """Scales what can be scaled."""

    kind = AUTOSCALERS
    kind_name, group_version, component = "HorizontalPodAutoscaler", "autoscaling/v2", "horizontal-pod-autoscaler"
    workers = 1

    def __init__(self, room: Room, source: MetricsSource | None = None):
        super().__init__(room)
        self.source: MetricsSource = source or Annotations()
        self._memory: dict[str, Memory] = {}
        room.collection(PODS).handlers.append(self._pod)

    def _pod(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None and declared(before) != declared(after):
            for hpa in self.objects.inside(after["metadata"]["namespace"]):
                self._soon((hpa["metadata"]["namespace"], hpa["metadata"]["name"]))

    async def reconcile(self, key: Key) -> float | None:
        hpa = self.objects.get(*key)
        if hpa is None:
            return None
        ref = hpa["spec"]["scaleTargetRef"]
        try:
            target = await self._target(ref)
            scale = await self.room.client.request("GET", target.path(key[0], ref["name"], "scale"))
        except StatusError as error:
            await self._failed(hpa, error)
            return PERIOD
        selector = parse_label_selector((scale.get("status") or {}).get("selector", ""))
        pods = [pod for pod in self.room.collection(PODS).inside(key[0]) if matches(selector, pod)]
        current = (scale.get("spec") or {}).get("replicas", 0)
        memory, now = self._memory.setdefault(hpa["metadata"]["uid"], Memory()), self.clock.time()
        made = decide(hpa, pods, current, self.source, memory, now)
        if made.desired != current:
            changed = {**scale, "spec": {**scale["spec"], "replicas": made.desired}}
            await self.room.client.request("PUT", target.path(key[0], ref["name"], "scale"), None, changed)
            memory.changes = [(at, n) for at, n in memory.changes if at > now - 1800]
            memory.changes.append((now, made.desired - current))
            self.events.tell(hpa, "Normal", "SuccessfulRescale", f"New size: {made.desired}; reason: metrics")
        if made.status != (hpa.get("status") or {}):
            await self.writer.one(Update(AUTOSCALERS, {**hpa, "status": made.status}, "status"))
        return PERIOD

    async def _target(self, ref: Obj) -> Kind:
        group, _, version = ref["apiVersion"].rpartition("/")
        found = await self.room.client.request("GET", f"/apis/{ref['apiVersion']}" if group else f"/api/{version}")
        for resource in found["resources"]:
            if resource["kind"] == ref["kind"] and "/" not in resource["name"]:
                return Kind(group, version, resource["name"], resource["namespaced"])
        text = f'no matches for kind "{ref["kind"]}" in group "{group}"'
        raise StatusError(text, reason="NotFound", code=404)

    async def _failed(self, hpa: Obj, error: StatusError) -> None:
        status = hpa.get("status") or {}
        text = f"the HPA controller was unable to get the target's current scale: {error.message}"
        conditions = set_condition(
            list(status.get("conditions") or ()), "AbleToScale", "False", "FailedGetScale", text, self.clock.time()
        )
        if conditions != status.get("conditions"):
            made = {"currentReplicas": 0, "desiredReplicas": 0, **status, "conditions": conditions}
            await self.writer.one(Update(AUTOSCALERS, {**hpa, "status": made}, "status"))
