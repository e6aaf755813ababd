"""Custom resource definitions come to life: conditions are decided, kinds served, objects removed in the end.

Driven by the storage stream, so that a definition written by any way (HTTP, in process, an older data folder) is served
the moment its write is durable. What upstream spreads over the naming, establishing, non-structural-schema, approval
and finalizing controllers is one pure decision (`machinery.crd.conditions`) and one write of status.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.kit.aio import Background
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Record
from wherry.store import keys
from wherry.store.context import WriteContext
from wherry.store.definition import Definition, going
from wherry.store.registry import Registry
from wherry.store.store import Store
from wherry.store.watch import WatchHub

if TYPE_CHECKING:
    from wherry.store.conversion import Post

log = logging.getLogger("wherry.store")

GROUP, RESOURCE = "apiextensions.k8s.io", "customresourcedefinitions"
_SUFFIX = f"/{GROUP}/{RESOURCE}/"
CLEANUP = "customresourcecleanup.apiextensions.k8s.io"
_MANAGER = "kube-apiserver"
_DECISION_SECONDS = 1.0
RETRY_SECONDS, _MOST_SECONDS = 1.0, 60.0  # between attempts to empty a kind


class CustomResources:
    """Keeps the registry's custom kinds equal to the stored definitions."""

    def __init__(self, store: Store, registry: Registry, hub: WatchHub, post: Post | None = None):
        self.post = post  # how conversion webhooks are called
        self.store = store
        self.registry = registry
        self.hub = hub
        self._built: dict[tuple[str, str], tuple[str, int]] = {}  # (workspace, name) -> (uid, generation) in service
        self._tasks = Background("custom resources")
        self._deciding: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._cleaning: set[tuple[str, str]] = set()
        self.taken: Callable[[], list[Obj]] = list  # definitions that stand behind kinds served by other means

    def start(self, workspaces: Sequence[str]) -> None:
        """Serve what is stored, then follow."""
        self.store.storage.subscribe(self._on_events)
        for workspace in workspaces:
            for record in self.store.storage.range(keys.collection(workspace, GROUP, RESOURCE)).records:
                self._sync(workspace, record)

    async def stop(self) -> None:
        await self._tasks.stop()

    async def decided(self, workspace: str, name: str) -> None:
        """Wait until a definition that was just written has its conditions, a second at most.

        Upstream answers at once and decides later, so that `kubectl wait --for=condition=Established` right after a
        create may meet a definition without conditions, and fails; here whoever has the answer can use the kind."""
        task = self._deciding.get((workspace, name))
        if task is not None:
            await asyncio.wait((task,), timeout=_DECISION_SECONDS)

    def _decided(self, workspace: str, name: str, task: asyncio.Task[None]) -> None:
        if self._deciding.get((workspace, name)) is task:
            del self._deciding[(workspace, name)]

    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            if _SUFFIX not in event.key:
                continue
            workspace = event.key.split("/", 2)[1]
            if not event.key.startswith(f"/{workspace}{_SUFFIX}"):
                continue
            try:
                if event.record is None:
                    assert event.previous is not None
                    self._forget(workspace, orjson.loads(event.previous.value))
                else:
                    self._sync(workspace, event.record)
            except Exception:  # the stream must go on for everyone else
                log.exception("definition %s could not be served", event.key)

    # --- serving -----------------------------------------------------------------------------------------------------
    def _sync(self, workspace: str, record: Record) -> None:
        from wherry.machinery.crd import conditions

        crd: Obj = orjson.loads(record.value)
        name = crd["metadata"]["name"]
        if "deletionTimestamp" in crd["metadata"]:
            self._finalize(workspace, crd)
            return
        wanted = conditions.decide(crd, self._others(workspace, crd), self.store.now())
        if wanted is not None:
            task = self._tasks.start(self._write_status(workspace, name, wanted), name=f"status of {name}")
            self._deciding[(workspace, name)] = task
            task.add_done_callback(lambda done: self._decided(workspace, name, done))
            if not conditions.established(wanted):
                return
            crd = {**crd, "status": wanted}
        elif not conditions.established(crd.get("status") or {}):
            return
        self._serve(workspace, crd)

    def _others(self, workspace: str, crd: Obj) -> list[Obj]:
        """The other definitions of the same group: names are given to the first who asks."""
        group, name = crd["spec"]["group"], crd["metadata"]["name"]
        found = []
        for record in self.store.storage.range(keys.collection(workspace, GROUP, RESOURCE)).records:
            if record.key.rsplit("/", 1)[1].endswith("." + group):
                other = orjson.loads(record.value)
                if other["metadata"]["name"] != name and other["spec"]["group"] == group:
                    found.append(other)
        return found + [other for other in self.taken() if other["spec"]["group"] == group]

    def reconsider(self, workspace: str) -> None:
        """A name may have become free."""
        for record in self.store.storage.range(keys.collection(workspace, GROUP, RESOURCE)).records:
            self._sync(workspace, record)

    def _serve(self, workspace: str, crd: Obj) -> None:
        meta, spec = crd["metadata"], crd["spec"]
        mark = (meta["uid"], meta.get("generation", 0))
        if self._built.get((workspace, meta["name"])) == mark:
            return
        from wherry.store.custom import shared

        built = shared(workspace, crd, self.post)
        again = (workspace, meta["name"]) in self._built
        self._built[(workspace, meta["name"])] = mark
        plural = crd["status"]["acceptedNames"]["plural"]
        self.registry.replace_custom(workspace, spec["group"], plural, built)
        if again:  # open watches show the old schema, or a version that is gone: clients watch anew, as with upstream
            self.hub.end_collection(keys.collection(workspace, spec["group"], plural))

    def _forget(self, workspace: str, crd: Obj) -> None:
        group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
        if self._built.pop((workspace, crd["metadata"]["name"]), None) is not None:
            self.registry.replace_custom(workspace, group, plural, [])
            self.hub.end_collection(keys.collection(workspace, group, plural))
        self.reconsider(workspace)

    async def _write_status(self, workspace: str, name: str, status: Obj) -> None:
        from wherry.store.update import commit

        d = self._definition(workspace)

        def transform(live: Obj) -> Obj:
            return {**live, "status": {**(live.get("status") or {}), **status}}

        try:
            await commit(self.store, d, "", name, transform, WriteContext(manager=_MANAGER), "status")
        except errors.NotFound:
            return

    def _definition(self, workspace: str) -> Definition:
        d = self.registry.find(workspace, GROUP, "v1", RESOURCE)
        assert d is not None
        return d

    # --- deletion ----------------------------------------------------------------------------------------------------
    def _finalize(self, workspace: str, crd: Obj) -> None:
        name = crd["metadata"]["name"]
        from wherry.machinery.crd import conditions

        if conditions.established(
            crd.get("status") or {}
        ):  # served until the last object has gone, also after a restart
            self._serve(workspace, crd)
            group, plural = crd["spec"]["group"], crd["status"]["acceptedNames"]["plural"]
            served = [d for (g, _, r), d in self.registry.own(workspace).items() if (g, r) == (group, plural)]
            self.registry.replace_custom(workspace, group, plural, going(served))
        if CLEANUP in (crd["metadata"].get("finalizers") or []) and (workspace, name) not in self._cleaning:
            self._cleaning.add((workspace, name))
            self._tasks.start(self._clean(workspace, crd), name=f"clean-up of {name}")

    async def _clean(self, workspace: str, crd: Obj) -> None:
        """Delete every object of the kind, wait until they have gone (finalizers), then let the definition go."""
        name = crd["metadata"]["name"]
        try:
            group, plural = crd["spec"]["group"], crd["spec"]["names"]["plural"]
            serving = [d for (g, _, r), d in self.registry.own(workspace).items() if (g, r) == (group, plural)]
            if serving:
                stored = [d for d in serving if d.same_version]  # needs no conversion
                await self._empty((stored or serving)[0])
            await self._let_go(workspace, name)
        finally:
            self._cleaning.discard((workspace, name))

    async def _empty(self, d: Definition) -> None:
        """Delete everything, again and again where something is in the way (a conversion webhook that is away)."""
        delay = RETRY_SECONDS
        while True:
            try:
                return await self._delete_all(d)
            except errors.StatusError as error:
                log.warning("clean-up of %s: %s", d.prefix, error.message)
            await asyncio.sleep(delay)
            delay = min(delay * 2, _MOST_SECONDS)

    async def _delete_all(self, d: Definition) -> None:
        from wherry.store.delete import sweep

        emptied = asyncio.Event()

        def look(events: Sequence[Event]) -> None:
            if any(e.record is None and e.key.startswith(d.prefix) for e in events):
                emptied.set()

        unsubscribe = self.store.storage.subscribe(look)
        try:
            while records := self.store.storage.range(d.prefix).records:
                emptied.clear()
                await sweep(self.store, d, records)
                if self.store.storage.count(d.prefix) and not emptied.is_set():
                    await emptied.wait()
        finally:
            unsubscribe()

    async def _let_go(self, workspace: str, name: str) -> None:
        from wherry.store.update import commit

        def transform(live: Obj) -> Obj:
            meta: dict[str, Any] = dict(live["metadata"])
            meta["finalizers"] = [f for f in meta.get("finalizers") or [] if f != CLEANUP]
            if not meta["finalizers"]:
                del meta["finalizers"]
            return {**live, "metadata": meta}

        try:
            await commit(self.store, self._definition(workspace), "", name, transform, WriteContext(manager=_MANAGER))
        except errors.NotFound:
            return
