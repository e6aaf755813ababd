"""Wiring: watch quotas, and those kinds that some quota counts; keep each quota's status true.

Without quotas nothing else is watched, and of kinds of which only the number counts no more is kept than who is there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from wherry.client import Client, Kind
from wherry.errors import NotFound
from wherry.features.quotas.quota_reconcile import Obj, bounded, kinds, matters, whole
from wherry.kit.aio import Background
from wherry.kit.clock import here
from wherry.machinery.quota.evaluators import GroupResource, evaluator
from wherry.machinery.quota.usage import status
from wherry.runtime.informer import Key
from wherry.runtime.shared import Collection
from wherry.runtime.standalone import Standalone

QUOTAS = Kind("", "v1", "resourcequotas")
RESYNC = 300.0  # seconds until a quota is looked at though nothing happened
SOON = 5.0  # and after something did: what admission charged just then may not have been there yet
UNKNOWN = 10.0  # seconds until a kind that is not served is looked for again


class QuotaController(Standalone):
    """One per workspace."""

    def __init__(self, client: Client):
        super().__init__(client, "quotas", workers=2)
        self._quotas = self._shared.collection(QUOTAS)
        self._quotas.handlers.append(self._quota_changed)
        self._counted: dict[GroupResource, Collection] = {}
        self._running: dict[GroupResource, asyncio.Task[None]] = {}
        self._tasks = Background("quotas")

    async def stop(self) -> None:
        await self._workers.stop()  # first: they start tasks
        await self._tasks.stop()
        await super().stop()

    def _quota_changed(self, before: Obj | None, after: Obj | None) -> None:
        if after is None:
            self._forget()
        elif before is None or before.get("spec") != after.get("spec"):
            self._workers.queue.add((after["metadata"]["namespace"], after["metadata"]["name"]))

    def _forget(self) -> None:
        """Watch no more what no quota counts."""
        around = self._around()
        needed = {kind for each in self._quotas.objects.values() for kind in kinds(bounded(each), around)}
        for kind in [kind for kind in self._counted if kind not in needed]:
            del self._counted[kind]
            self._running.pop(kind).cancel()

    async def reconcile(self, key: Key) -> float | None:
        """One look at one quota."""
        quota = self._quotas.get(*key)
        if quota is None or "deletionTimestamp" in quota["metadata"]:
            return None
        found = kinds(bounded(quota), self._around())
        missing = [kind for kind in found if not await self._count(kind)]
        around = self._around()
        known = [evaluator(*kind) for kind in sorted(found) if kind in self._counted]
        quota = self._quotas.get(*key)  # what admission has charged meanwhile is in the newest
        if quota is None:
            return None
        wanted = status(quota, known, around)
        if wanted is not None:
            try:
                self._quotas.put(await self._client.update(QUOTAS, {**quota, "status": wanted}, "status"))
            except NotFound:
                return None
            return SOON
        return UNKNOWN if missing else RESYNC

    async def _count(self, kind: GroupResource) -> bool:
        """See to it that objects of a kind are watched; whether they can be."""
        if kind not in self._counted:
            served = await self._served(kind)
            if served is None:
                return False
            if kind not in self._counted:  # two quotas may have asked at once
                found = Collection(self._client, served) if whole(kind) else _Presence(self._client, served)
                found.handlers.append(lambda before, after: self._changed(kind, before, after))
                self._counted[kind] = found
                self._running[kind] = self._tasks.start(found.run(), name=served.resource)
        await self._counted[kind].synced.wait()
        return True

    async def _served(self, kind: GroupResource) -> Kind | None:
        """How a kind is addressed, in the version that its group prefers; None if it can't be counted."""
        group, resource = kind
        try:
            version = "v1"
            if group:
                version = (await self._client.request("GET", f"/apis/{group}"))["preferredVersion"]["version"]
            address = Kind(group, version, resource)
            for each in (await self._client.request("GET", address.root))["resources"]:
                if each["name"] == resource and {"create", "list", "watch", "delete"} <= set(each["verbs"]):
                    return Kind(group, version, resource, each["namespaced"])
        except NotFound:
            pass
        return None

    def _changed(self, kind: GroupResource, before: Obj | None, after: Obj | None) -> None:
        if not matters(kind, before, after, here().time()):
            return
        assert before is not None
        namespace, around = before["metadata"].get("namespace", ""), self._around()
        everywhere = kind == ("resource.k8s.io", "deviceclasses")
        for key, quota in self._quotas.objects.items():
            if everywhere or (key[0] == namespace and evaluator(*kind).matching(bounded(quota), around)):
                self._workers.queue.add(key)

    def _around(self) -> _Watched:
        return _Watched(self._counted)


class _Presence(Collection):
    """A collection that only remembers who is there."""

    def put(self, obj: Obj) -> bool:
        kept = ("name", "namespace", "uid", "resourceVersion")
        meta = obj["metadata"]
        return super().put({"metadata": {name: meta[name] for name in kept if name in meta}})


class _Watched:
    """What evaluators may look up, in the copies."""

    def __init__(self, counted: dict[GroupResource, Collection]):
        self._counted = counted
        self.now = here().time()

    def get(self, resource: GroupResource, namespace: str, name: str) -> Obj | None:
        found = self._counted.get(resource)
        return found.get(namespace, name) if found is not None else None

    def objects(self, resource: GroupResource, namespace: str) -> Iterable[Obj]:
        found = self._counted.get(resource)
        return found.inside(namespace) if found is not None else ()
