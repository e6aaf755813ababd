"""Wiring: watch FlowSchemas and priority levels; when one changes, look at the schemas that it may concern."""

from __future__ import annotations

from time import gmtime, strftime

from wherry.client import Client, Kind
from wherry.features.flowcontrol.dangling_reconcile import Obj, wanted_condition
from wherry.kit.clock import here
from wherry.runtime.informer import Key
from wherry.runtime.standalone import Standalone

GROUP = "flowcontrol.apiserver.k8s.io"
SCHEMAS = Kind(GROUP, "v1", "flowschemas", namespaced=False)
LEVELS = Kind(GROUP, "v1", "prioritylevelconfigurations", namespaced=False)
MANAGER = "api-priority-and-fairness-config-consumer-v1"


class DanglingController(Standalone):
    """One per workspace."""

    def __init__(self, client: Client):
        super().__init__(client, "flowschemas")
        self._schemas = self._shared.collection(SCHEMAS)
        self._levels = self._shared.collection(LEVELS)
        self._schemas.handlers.append(self._schema_changed)
        self._levels.handlers.append(self._level_changed)

    def _schema_changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is not None:
            self._workers.queue.add(("", after["metadata"]["name"]))

    def _level_changed(self, before: Obj | None, after: Obj | None) -> None:
        if before is None or after is None:
            for name in [key[1] for key in self._schemas.objects]:
                self._workers.queue.add(("", name))

    async def reconcile(self, key: Key) -> float | None:
        """Say whether the level is there."""
        schema = self._schemas.get("", key[1])
        if schema is None:
            return None
        level = schema["spec"]["priorityLevelConfiguration"]["name"]
        now = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(here().time()))
        condition = wanted_condition(schema, self._levels.get("", level) is not None, now)
        if condition is None:
            return None
        named = {"name": key[1], "uid": schema["metadata"]["uid"]}
        status = {"conditions": [condition]}
        patch = {"apiVersion": f"{GROUP}/v1", "kind": "FlowSchema", "metadata": named, "status": status}
        written = await self._client.apply(SCHEMAS, patch, force=True, subresource="status", manager=MANAGER)
        self._schemas.put(written)
        return None
