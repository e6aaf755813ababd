"""Events about objects (client-go's tools/events recorder): told without waiting, repeated ones counted up."""

from __future__ import annotations

import logging

from wherry.client import Client, Kind
from wherry.client.client import Obj
from wherry.errors import NotFound, StatusError
from wherry.kit.aio import Background
from wherry.kit.clock import here
from wherry.kit.times import format_seconds

log = logging.getLogger("wherry.runtime")
EVENTS = Kind("", "v1", "events")
_KNOWN = 4096


class Events:
    """Tells about objects in the name of `component`. Losing an event is never an error."""

    def __init__(self, client: Client, component: str):
        self._client = client
        self._component = component
        self._tasks = Background(f"events of {component}")
        self._known: dict[tuple[str, ...], tuple[str, int]] = {}

    def tell(self, about: Obj, type_: str, reason: str, message: str) -> None:
        self._tasks.start(self._tell(about, type_, reason, message))

    async def _tell(self, about: Obj, type_: str, reason: str, message: str) -> None:
        meta = about["metadata"]
        namespace = meta.get("namespace", "default")
        key = (meta.get("uid", ""), type_, reason, message)
        now = format_seconds(int(here().time()))
        known = self._known.get(key)
        try:
            if known is not None:
                name, count = known[0], known[1] + 1
                try:
                    await self._client.patch(EVENTS, name, {"count": count, "lastTimestamp": now}, namespace)
                    self._known[key] = (name, count)
                    return
                except NotFound:
                    pass
            name = f"{meta['name']}.{int(here().time() * 1e9):x}"
            self._known[key] = (name, 1)
            while len(self._known) > _KNOWN:
                del self._known[next(iter(self._known))]
            await self._client.create(
                EVENTS, self._event(about, namespace, name, type_, reason, message, now), namespace
            )
        except StatusError as error:
            log.debug("event about %s: %s", meta["name"], error.message)

    def _event(self, about: Obj, namespace: str, name: str, type_: str, reason: str, message: str, now: str) -> Obj:
        meta = about["metadata"]
        involved = {
            "kind": about.get("kind", ""),
            "namespace": meta.get("namespace", ""),
            "name": meta["name"],
            "uid": meta.get("uid", ""),
            "apiVersion": about.get("apiVersion", ""),
            "resourceVersion": meta.get("resourceVersion", ""),
        }
        return {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {"name": name, "namespace": namespace},
            "involvedObject": {key: value for key, value in involved.items() if value},
            "reason": reason,
            "message": message,
            "type": type_,
            "count": 1,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "source": {"component": self._component},
            "reportingComponent": self._component,
        }

    async def stop(self) -> None:
        await self._tasks.stop()
