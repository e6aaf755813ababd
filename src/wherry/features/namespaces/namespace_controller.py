"""Wiring: watch namespaces, delete the content of dying ones, let them go when they are empty."""

from __future__ import annotations

from collections import Counter
from time import gmtime, strftime

from wherry.client import Client, Kind
from wherry.errors import MethodNotAllowed, NotFound
from wherry.features.namespaces.namespace_reconcile import Left, Obj, conditions, finalized, wants_deletion
from wherry.kit.clock import here
from wherry.runtime import Controller

NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
PODS = Kind("", "v1", "pods")
_NOTHING = Left(0, Counter())
_LOOK_AGAIN = 0.5  # seconds until content that waits for finalizers is looked at again


class NamespaceController:
    """One per workspace."""

    def __init__(self, client: Client):
        self._client = client
        self._controller = Controller("namespaces", client, NAMESPACES, self.reconcile)

    def start(self) -> None:
        self._controller.start()

    async def stop(self) -> None:
        await self._controller.stop()

    @property
    def idle(self) -> bool:
        return self._controller.idle

    async def reconcile(self, key: tuple[str, str]) -> float | None:
        """One look at one namespace."""
        namespace = self._controller.informer.objects.get(key)
        if namespace is None or not wants_deletion(namespace):
            return None
        name = key[1]
        left = await self._empty(name)
        try:
            live = await self._client.get(NAMESPACES, name)
            if not any(found.count for found in left.values()):
                await self._client.update(NAMESPACES, finalized(live), "finalize")
                return None
            await self._say_why(live, left)
        except NotFound:
            return None
        return _LOOK_AGAIN

    async def _empty(self, name: str) -> dict[str, Left]:
        """Delete everything in a namespace, pods before all else: what they use is to outlast them. What is left
        afterwards by resource."""
        left: dict[str, Left] = {}
        for kind in sorted(await self._kinds(), key=lambda kind: kind != PODS):
            if kind != PODS and left.get(_label(PODS), _NOTHING).count:
                break
            try:
                if not (await self._client.list(kind, name, limit="1"))["items"]:
                    continue
                await self._client.delete_collection(kind, name)
                items = (await self._client.list(kind, name))["items"]
            except (NotFound, MethodNotAllowed):
                continue  # the kind went meanwhile
            finalizers = Counter(f for item in items for f in item["metadata"].get("finalizers") or ())
            left[_label(kind)] = Left(len(items), finalizers)
        return left

    async def _kinds(self) -> list[Kind]:
        """Every namespaced resource that can be listed and deleted, in its preferred version."""
        found: list[Kind] = []
        core = await self._client.request("GET", "/api/v1")
        found += _deletable("", "v1", core)
        groups = (await self._client.request("GET", "/apis"))["groups"]
        for group in groups:
            seen: set[str] = set()
            for version in group["versions"]:
                listed = await self._client.request("GET", f"/apis/{version['groupVersion']}")
                for kind in _deletable(group["name"], version["version"], listed):
                    if kind.resource not in seen:
                        seen.add(kind.resource)
                        found.append(kind)
        return found

    async def _say_why(self, namespace: Obj, left: dict[str, Left]) -> None:
        status = namespace.get("status") or {}
        now = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(here().time()))
        wanted = conditions(left, now, status.get("conditions") or [])
        if wanted != status.get("conditions"):
            changed = {**namespace, "status": {**status, "conditions": wanted}}
            await self._client.update(NAMESPACES, changed, "status")


def _label(kind: Kind) -> str:
    """A resource as conditions name it: with the dot even where there is no group."""
    return f"{kind.resource}.{kind.group}"


def _deletable(group: str, version: str, listed: Obj) -> list[Kind]:
    return [
        Kind(group, version, r["name"])
        for r in listed["resources"]
        if r["namespaced"] and "/" not in r["name"] and {"list", "deletecollection"} <= set(r["verbs"])
    ]
