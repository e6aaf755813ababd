"""Wiring: watch definitions and APIServices; put in order what differs (`machinery.aggregation.fix` decides)."""

from __future__ import annotations

from wherry.client import Client, Kind
from wherry.errors import AlreadyExists, Conflict, NotFound
from wherry.machinery import aggregation
from wherry.machinery.aggregation import ALWAYS, ON_START, PRIORITIES, Fix, api_service, custom_group_versions, name_of
from wherry.machinery.kinds import Obj
from wherry.runtime.informer import Key
from wherry.runtime.standalone import Standalone

DEFINITIONS = Kind("apiextensions.k8s.io", "v1", "customresourcedefinitions", namespaced=False)
API_SERVICES = Kind(aggregation.GROUP, aggregation.VERSION, aggregation.RESOURCE, namespaced=False)


class RegisterController(Standalone):
    """One per workspace."""

    def __init__(self, client: Client):
        super().__init__(client, "apiservices")
        self._definitions = self._shared.collection(DEFINITIONS)
        self._services = self._shared.collection(API_SERVICES)
        self._definitions.handlers.append(self._definition_changed)
        self._services.handlers.append(self._service_changed)
        self._builtin = {name_of(*gv): api_service(*gv, ON_START) for gv in PRIORITIES}
        self._custom: dict[str, Obj] = {}
        self._at_start: frozenset[str] | None = None
        self._synced: set[str] = set()

    def start(self) -> None:
        super().start()
        for name in self._builtin:
            self._workers.queue.add(("", name))

    def _definition_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is not None and after is not None and before["spec"] == after["spec"]:
            return
        wanted = custom_group_versions(self._definitions.objects.values())
        known = {name_of(*gv): gv for gv in wanted if gv not in PRIORITIES}
        for name in self._custom.keys() ^ known.keys():
            self._workers.queue.add(("", name))
        self._custom = {name: self._custom.get(name) or api_service(*gv, ALWAYS) for name, gv in known.items()}

    def _service_changed(self, before: Obj | None, after: Obj | None) -> None:
        obj = after or before
        assert obj is not None
        self._workers.queue.add(("", obj["metadata"]["name"]))

    async def reconcile(self, key: Key) -> float | None:
        """One APIService."""
        if self._at_start is None:  # the first look, when both collections are there
            self._at_start = frozenset(name for _, name in self._services.objects)
        name = key[1]
        wanted = self._builtin.get(name) or self._custom.get(name)
        found = aggregation.fix(
            self._services.get("", name), wanted, at_start=name in self._at_start, synced=name in self._synced
        )
        if found is not None:
            await self._write(found)
        self._synced.add(name)
        if wanted is None and self._services.get("", name) is None:
            self._synced.discard(name)  # names of what is gone need not be remembered
        return None

    async def _write(self, found: Fix) -> None:
        verb, obj = found
        try:
            if verb == "create":
                self._services.put(await self._client.create(API_SERVICES, obj))
            elif verb == "update":
                self._services.put(await self._client.update(API_SERVICES, obj))
            else:
                options = {"preconditions": {"uid": obj["metadata"]["uid"]}}
                await self._client.delete(API_SERVICES, obj["metadata"]["name"], options=options)
        except (AlreadyExists, NotFound, Conflict):
            return  # it changed meanwhile: its event asks for another look
