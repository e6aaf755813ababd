"""Garbage collection: what happens to dependents when an owner goes (pkg/controller/garbagecollector).

A graph of owner uid -> dependents, kept from the storage stream; objects without ownerReferences cost one byte search.
Background: dependents go after their owner. Foreground: the owner waits, with the finalizer `foregroundDeletion`, until
the dependents that block it have gone. Orphan: dependents lose the reference before the finalizer `orphan` is removed.
An owner is there only if an object of that kind, name and uid is; owners of unknown kinds are left alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import orjson

from wherry import errors
from wherry.kit.aio import Background
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Record
from wherry.store.context import WriteContext
from wherry.store.definition import Definition
from wherry.store.registry import Registry
from wherry.store.store import Store
from wherry.store.watch import collection_of

log = logging.getLogger("wherry.store")

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_MARK = b'"ownerReferences":'
_DYING = b'"deletionTimestamp":'
_MANAGER = "kube-controller-manager"


class GarbageCollector:
    """One per storage; `settled()` tells tests when there is nothing left to do."""

    def __init__(self, store: Store, registry: Registry):
        self.store = store
        self.registry = registry
        self._owners: dict[str, tuple[str, ...]] = {}  # dependent's key -> uids of its owners
        self._dependents: dict[str, set[str]] = {}  # owner's uid -> keys of dependents
        self._waiting: dict[str, str] = {}  # uid -> key of owners in foreground deletion
        self._queue: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._queued: set[tuple[str, str]] = set()
        self._tasks = Background("garbage collector")
        self._kinds: dict[str, dict[tuple[str, str], Definition]] = {}
        self._collections: dict[str, dict[str, Definition]] = {}
        registry.on_change(self._forget_kinds)

    def start(self) -> None:
        """Learn the graph from what is stored, then follow the stream."""
        for record in self.store.storage.records():
            if _MARK in record.value:
                self._note(record.key, record)
            if _DYING in record.value:
                self._look_at_dying(record)
        for key in tuple(self._owners):
            self._put("check", key)
        self.store.storage.subscribe(self._on_events)
        self._tasks.start(self._work(), name="worker")

    def _forget_kinds(self, workspace: str) -> None:
        self._kinds.pop(workspace, None)
        self._collections.pop(workspace, None)

    async def stop(self) -> None:
        await self._tasks.stop()

    async def settled(self) -> None:
        """Wait until the queue is empty and its last item is done."""
        await self._queue.join()

    # --- the graph ---------------------------------------------------------------------------------------------------
    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            record = event.record
            if record is None:
                self._gone(event)
                continue
            if _MARK in record.value or event.key in self._owners:
                self._note(event.key, record)
                if event.previous is None:
                    self._put("check", event.key)
            if _DYING in record.value:
                self._look_at_dying(record)

    def _note(self, key: str, record: Record) -> None:
        owners: tuple[str, ...] = ()
        if _MARK in record.value:
            references = orjson.loads(record.value)["metadata"].get("ownerReferences") or []
            owners = tuple(r["uid"] for r in references)
        self._replace(key, owners)

    def _replace(self, key: str, owners: tuple[str, ...]) -> None:
        for uid in self._owners.pop(key, ()):
            found = self._dependents.get(uid)
            if found is not None:
                found.discard(key)
                if not found:
                    del self._dependents[uid]
        if owners:
            self._owners[key] = owners
            for uid in owners:
                self._dependents.setdefault(uid, set()).add(key)

    def _gone(self, event: Event) -> None:
        owners = self._owners.get(event.key, ())
        self._replace(event.key, ())
        for uid in owners:  # a foreground deletion may have waited for this one
            if uid in self._waiting:
                self._put("foreground", uid)
        if (self._dependents or self._waiting) and event.previous is not None:
            uid = orjson.loads(event.previous.value)["metadata"].get("uid", "")
            self._waiting.pop(uid, None)
            for key in self._dependents.get(uid, ()):
                self._put("check", key)

    def _look_at_dying(self, record: Record) -> None:
        meta = orjson.loads(record.value)["metadata"]
        finalizers = meta.get("finalizers") or []
        if ORPHAN in finalizers:
            self._put("orphan", record.key)
        elif FOREGROUND in finalizers:
            self._waiting[meta["uid"]] = record.key
            self._put("begin", record.key)

    # --- work --------------------------------------------------------------------------------------------------------
    def _put(self, what: str, key: str) -> None:
        item = (what, key)
        if item not in self._queued:
            self._queued.add(item)
            self._queue.put_nowait(item)

    async def _work(self) -> None:
        steps = {"check": self._check, "orphan": self._orphan, "begin": self._begin, "foreground": self._foreground}
        while True:
            item = await self._queue.get()
            self._queued.discard(item)
            try:
                await steps[item[0]](item[1])
            except errors.StatusError as error:
                log.warning("garbage collection of %s: %s", item[1], error.message)
            except Exception:
                log.exception("garbage collection of %s", item[1])
            finally:
                self._queue.task_done()

    async def _check(self, key: str) -> None:
        """Delete a dependent none of whose owners is there; drop the references to absent ones if another is."""
        record = self.store.storage.get(key)
        if record is None or key not in self._owners:
            return
        obj = orjson.loads(record.value)
        references = obj["metadata"].get("ownerReferences") or []
        states = [self._state(key, obj, r) for r in references]
        if not references or None in states:
            return  # an owner of a kind that is not served: not ours to judge
        solid = [r for r, state in zip(references, states, strict=True) if state == "there"]
        waiting = [r for r, state in zip(references, states, strict=True) if state == "waiting"]
        if solid:
            if len(solid) + len(waiting) < len(references) or waiting:
                gone = {r["uid"] for r in references if r not in solid}
                await self._drop_references(key, gone)
            return
        if "deletionTimestamp" in obj["metadata"]:
            return
        uid = obj["metadata"]["uid"]
        policy = "Foreground" if waiting and self._dependents.get(uid) else "Background"
        if ORPHAN in (obj["metadata"].get("finalizers") or []):
            policy = "Orphan"
        if policy == "Foreground" and any(self._deletes_dependents(k) for k in self._dependents[uid]):
            await self._unblock(key, waiting)
        await self._delete(key, uid, policy)

    def _deletes_dependents(self, key: str) -> bool:
        """Whether an object is in a foreground deletion itself."""
        record = self.store.storage.get(key)
        if record is None:
            return False
        meta = orjson.loads(record.value)["metadata"]
        return "deletionTimestamp" in meta and FOREGROUND in (meta.get("finalizers") or [])

    async def _unblock(self, key: str, references: list[Obj]) -> None:
        """Owners that wait for this object, which will wait for a dependent that is being deleted: perhaps a circle.
        It is let through by not blocking its owners any more (attemptToDeleteItem)."""

        def change(meta: dict[str, Any]) -> None:
            meta["ownerReferences"] = [
                {**r, "blockOwnerDeletion": False} if r.get("blockOwnerDeletion") else r
                for r in meta.get("ownerReferences") or []
            ]

        await self._change_metadata(key, change)
        for reference in references:
            self._put("foreground", reference["uid"])

    def _state(self, key: str, obj: Obj, reference: Obj) -> str | None:
        """ "there", "waiting" (deleting its dependents first), "absent", or None when the kind is unknown."""
        workspace = key.split("/", 2)[1]
        d = self._kind(workspace, reference.get("apiVersion", ""), reference.get("kind", ""))
        if d is None:
            return None
        namespace = obj["metadata"].get("namespace", "")
        if d.resource.namespaced and not namespace:
            return None  # a cluster-scoped object can't be owned by a namespaced one: upstream refuses to judge
        record = self.store.storage.get(d.key(namespace, reference["name"]))
        if record is None:
            return "absent"
        meta = orjson.loads(record.value)["metadata"]
        if meta.get("uid") != reference["uid"]:
            return "absent"
        if "deletionTimestamp" in meta and FOREGROUND in (meta.get("finalizers") or []):
            return "waiting"
        return "there"

    async def _orphan(self, key: str) -> None:
        """Take the references off the dependents, then the finalizer off the owner."""
        record = self.store.storage.get(key)
        if record is None:
            return
        uid = orjson.loads(record.value)["metadata"].get("uid", "")
        for dependent in tuple(self._dependents.get(uid, ())):
            await self._drop_references(dependent, {uid})
        await self._drop_finalizer(key, ORPHAN)

    async def _begin(self, key: str) -> None:
        """A foreground deletion: delete the dependents; without blocking ones the owner goes at once."""
        record = self.store.storage.get(key)
        if record is None:
            return
        uid = orjson.loads(record.value)["metadata"].get("uid", "")
        dependents = tuple(self._dependents.get(uid, ()))
        blocking = [k for k in dependents if self._blocks(k, uid)]
        for dependent in dependents:
            self._put("check", dependent)
        if not blocking:
            await self._drop_finalizer(key, FOREGROUND)

    def _blocks(self, key: str, uid: str) -> bool:
        record = self.store.storage.get(key)
        if record is None:
            return False
        references = orjson.loads(record.value)["metadata"].get("ownerReferences") or []
        return any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in references)

    async def _foreground(self, uid: str) -> None:
        """A dependent of this owner has gone: perhaps it was the last that blocked."""
        key = self._waiting.get(uid)
        if key is not None:
            await self._begin(key)

    # --- writes ------------------------------------------------------------------------------------------------------
    def _kind(self, workspace: str, api_version: str, kind: str) -> Definition | None:
        table = self._kinds.get(workspace)
        if table is None:
            table = {}
            for res in self.registry.resources(workspace):
                d = self.registry.find(workspace, res.group, res.version, res.name)
                if d is not None and "get" in res.verbs:
                    table[(res.api_version, res.kind)] = d
            self._kinds[workspace] = table
        return table.get((api_version, kind))

    def _by_key(self, key: str) -> tuple[Definition, str, str] | None:
        """(definition, namespace, name) of a stored object, None when its kind is no longer served."""
        prefix = collection_of(key)
        workspace = key.split("/", 2)[1]
        known = self._collections.get(workspace)
        if known is None:
            known = self._collections[workspace] = {d.prefix: d for d in self.registry.collections(workspace)}
        d = known.get(prefix)
        if d is None:
            return None
        namespace, _, name = key[len(prefix) :].rpartition("/")
        return d, namespace, name

    async def _delete(self, key: str, uid: str, policy: str) -> None:
        from wherry.store.delete import DeleteOptions, delete  # not needed for a start

        place = self._by_key(key)
        if place is None:
            return
        d, namespace, name = place
        try:
            options = DeleteOptions(uid=uid, propagation=policy)
            await delete(self.store, d, namespace, name, options, WriteContext(manager=_MANAGER))
        except (errors.NotFound, errors.Conflict):
            return

    async def _drop_references(self, key: str, uids: set[str]) -> None:
        def change(meta: dict[str, Any]) -> None:
            kept = [r for r in meta.get("ownerReferences") or [] if r["uid"] not in uids]
            if kept:
                meta["ownerReferences"] = kept
            else:
                meta.pop("ownerReferences", None)

        await self._change_metadata(key, change)

    async def _drop_finalizer(self, key: str, finalizer: str) -> None:
        def change(meta: dict[str, Any]) -> None:
            kept = [f for f in meta.get("finalizers") or [] if f != finalizer]
            if kept:
                meta["finalizers"] = kept
            else:
                meta.pop("finalizers", None)

        await self._change_metadata(key, change)

    async def _change_metadata(self, key: str, change: Any) -> None:
        from wherry.store.update import commit

        place = self._by_key(key)
        if place is None:
            return
        d, namespace, name = place

        def transform(live: Obj) -> Obj:
            meta = dict(live["metadata"])
            change(meta)
            return {**live, "metadata": meta}

        try:
            await commit(self.store, d, namespace, name, transform, WriteContext(manager=_MANAGER))
        except errors.NotFound:
            return
