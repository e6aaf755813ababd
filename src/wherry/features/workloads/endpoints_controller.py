"""Wiring: services with a selector get EndpointSlices, and Endpoints for those who still read them."""

from __future__ import annotations

from wherry.errors import AlreadyExists
from wherry.features.workloads.common import Obj, is_deleting, matches
from wherry.features.workloads.endpoints_reconcile import MANAGED_LABEL, MANAGER, endpoints, slice_of, slices
from wherry.features.workloads.kinds import ENDPOINTS, NODES, PODS, SERVICES, SLICES
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.machinery.selectors import from_set
from wherry.runtime.informer import Key, key_of
from wherry.runtime.writes import Create, Delete, Update


class EndpointsController(WorkloadController):
    """Follows pods behind services."""

    kind = SERVICES
    kind_name, group_version, component = "Service", "v1", "endpoint-slice-controller"
    owns = (SLICES,)
    workers = 2

    def __init__(self, room: Room):
        super().__init__(room)
        room.collection(ENDPOINTS)
        room.collection(NODES)
        room.collection(PODS).handlers.append(self._pod)

    def _pod(self, before: Obj | None, after: Obj | None) -> None:
        pod = after or before
        assert pod is not None
        for service in self.objects.inside(pod["metadata"]["namespace"]):
            selector = service["spec"].get("selector")
            if selector and any(matches(from_set(selector), each) for each in (before, after) if each is not None):
                self.queue.add(key_of(service))

    def orphan(self, obj: Obj) -> None:
        """Slices that somebody else made are theirs."""

    async def reconcile(self, key: Key) -> float | None:
        service = self.objects.get(*key)
        if service is None or is_deleting(service) or not service["spec"].get("selector"):
            return None
        if service["spec"].get("type") == "ExternalName":
            return None
        selector = from_set(service["spec"]["selector"])
        pods = [pod for pod in self.room.collection(PODS).inside(key[0]) if matches(selector, pod)]
        zones = {
            node["metadata"]["name"]: (node["metadata"].get("labels") or {}).get("topology.kubernetes.io/zone", "")
            for node in self.room.collection(NODES).objects.values()
        }
        await self._slices(service, slices(service, pods, zones))
        await self._endpoints(service, endpoints(service, pods))
        return None

    async def _slices(self, service: Obj, wanted: list[tuple[list[Obj], list[Obj]]]) -> None:
        present = [
            found
            for found in self.room.collection(SLICES).owned(service["metadata"]["uid"])
            if (found["metadata"].get("labels") or {}).get(MANAGED_LABEL) == MANAGER
        ]
        present.sort(key=lambda found: found["metadata"]["name"])
        for number, (listed, found) in enumerate(wanted):
            fresh = slice_of(service, listed, found)
            if number >= len(present):
                await self.writer.one(Create(SLICES, fresh))
                continue
            old = present[number]
            labels = fresh["metadata"]["labels"]
            same = (old.get("endpoints") or []) == found and (old.get("ports") or []) == listed
            if same and old["metadata"].get("labels") == labels:
                continue
            meta = {**old["metadata"], "labels": labels}
            await self.writer.one(
                Update(SLICES, {**old, "metadata": meta, "endpoints": found, "ports": listed or None})
            )
        for old in present[len(wanted) :]:
            await self.writer.one(Delete(SLICES, old))

    async def _endpoints(self, service: Obj, subsets: list[Obj]) -> None:
        meta = service["metadata"]
        old = self.room.collection(ENDPOINTS).get(meta["namespace"], meta["name"])
        labels = {**(meta.get("labels") or {}), "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
        if service["spec"].get("clusterIP") == "None":
            labels["service.kubernetes.io/headless"] = ""
        if old is None:
            made = {"name": meta["name"], "namespace": meta["namespace"], "labels": labels}
            obj: Obj = {"apiVersion": "v1", "kind": "Endpoints", "metadata": made, "subsets": subsets}
            try:
                await self.writer.one(Create(ENDPOINTS, obj))
            except AlreadyExists:
                return
        elif (old.get("subsets") or []) != subsets:
            changed = {**old, "metadata": {**old["metadata"], "labels": labels}, "subsets": subsets}
            await self.writer.one(Update(ENDPOINTS, changed))
