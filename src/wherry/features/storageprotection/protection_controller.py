"""Wiring: look at what is being deleted, and again while it is in use."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from wherry.client import Client, Kind
from wherry.errors import NotFound
from wherry.feature import Runnable
from wherry.features.storageprotection import protection_reconcile as rules
from wherry.features.storageprotection.protection_reconcile import Obj
from wherry.runtime import Controller

PODS = Kind("", "v1", "pods")
CLAIMS = Kind("", "v1", "persistentvolumeclaims")
VOLUMES = Kind("", "v1", "persistentvolumes", namespaced=False)
CLASSES = Kind("storage.k8s.io", "v1", "volumeattributesclasses", namespaced=False)
_LOOK_AGAIN = 1.0  # seconds until something in use is looked at again

InUse = Callable[[Obj], Awaitable[bool]]


def controllers(client: Client) -> Sequence[Runnable]:
    """One for each kind that is protected."""

    async def claim(obj: Obj) -> bool:
        pods = await client.list(PODS, obj["metadata"]["namespace"])
        return rules.claim_in_use(obj, pods["items"])

    async def volume(obj: Obj) -> bool:
        return rules.volume_in_use(obj)

    async def attributes(obj: Obj) -> bool:
        claims, volumes = await client.list(CLAIMS), await client.list(VOLUMES)
        return rules.class_in_use(obj["metadata"]["name"], claims["items"], volumes["items"])

    return [
        _controller(client, "pvc-protection", CLAIMS, rules.CLAIM, claim),
        _controller(client, "pv-protection", VOLUMES, rules.VOLUME, volume),
        _controller(client, "vac-protection", CLASSES, rules.CLASS, attributes),
    ]


def _controller(client: Client, name: str, kind: Kind, finalizer: str, in_use: InUse) -> Controller:
    async def reconcile(key: tuple[str, str]) -> float | None:
        obj = controller.informer.objects.get(key)
        if obj is None or not rules.waits(obj, finalizer):
            return None
        if await in_use(obj):
            return _LOOK_AGAIN
        try:
            await client.patch(kind, key[1], rules.without(obj, finalizer), key[0])
        except NotFound:
            pass  # gone already
        return None

    controller = Controller(name, client, kind, reconcile)
    return controller
