"""Objects of a logical cluster as the system itself writes them: complete, without admission, under a revision.

For the few kinds by which workspaces are managed. Everyone else goes through the API.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from wherry.kit.ids import new_uid
from wherry.machinery.kinds import Obj
from wherry.storage.api import RevisionConflict, Storage
from wherry.store.keys import collection
from wherry.store.store import encoder

HERE = "root"
_TRIES = 20  # of a change that others keep getting in the way of


def key(group: str, resource: str, name: str, namespace: str = "") -> str:
    return collection(HERE, group, resource) + (f"{namespace}/{name}" if namespace else name)


def read(space: Storage, where: str) -> Obj | None:
    """The stored object, a fresh dict."""
    record = space.get(where)
    found: Obj | None = orjson.loads(record.value) if record is not None else None
    return found


async def create(space: Storage, where: str, obj: Obj, now: str) -> bool:
    """Write an object that is not there, with a uid of its own; False when it is."""
    try:
        await space.put(where, encoder(_born(obj, now)), expect=0)
    except RevisionConflict:
        return False
    return True


async def replace(space: Storage, where: str, obj: Obj, now: str) -> None:
    """Write an object with a uid of its own, in the place of what may be there."""
    await space.put(where, encoder(_born(obj, now)))


def _born(obj: Obj, now: str) -> Obj:
    return {**obj, "metadata": {"generation": 1, **obj["metadata"], "uid": new_uid(), "creationTimestamp": now}}


async def change(space: Storage, where: str, edit: Callable[[Obj], Obj | None]) -> Obj | None:
    """Write what `edit` makes of the newest version, again when somebody was faster; None from it means no change.

    Gives the object as it stands then, None when it is not there. An object whose deletion waits for nothing any more
    is removed.
    """
    for _ in range(_TRIES):
        record = space.newest(where)
        if record is None:
            return None
        live: Obj = orjson.loads(record.value)
        wanted = edit(orjson.loads(record.value))
        if wanted is None or wanted == live:
            return live
        meta = wanted["metadata"]
        try:
            if meta.get("deletionTimestamp") and not meta.get("finalizers"):
                await space.delete(where, encoder(wanted), expect=record.revision)
                return None
            if wanted.get("spec") != live.get("spec"):
                meta["generation"] = int(meta.get("generation") or 0) + 1
            await space.put(where, encoder(wanted), expect=record.revision)
            return wanted
        except RevisionConflict:
            continue
    raise RuntimeError(f"{where} of {space.name} is written by others all the time")
