"""What the controllers of this feature share: collections, a writer, and how events find their owner's queue."""

from __future__ import annotations

import asyncio

from wherry.client import Client, Kind
from wherry.features.workloads.common import Obj
from wherry.kit.clock import Clock, here
from wherry.runtime.events import Events
from wherry.runtime.informer import Key, key_of
from wherry.runtime.shared import Collection, Shared, controller_of
from wherry.runtime.workers import Workers
from wherry.runtime.writes import Writer

_GATHER = 0.01  # seconds


class Room:
    """One workspace as the controllers see it."""

    def __init__(self, client: Client, clock: Clock | None = None):
        self.client = client
        self.clock = clock or here()
        self.shared = Shared(client)
        self.collection = self.shared.collection


class WorkloadController:
    """One kind: its queue is fed by its own objects and by the objects that they own.

    A subclass implements `reconcile(key)`, which returns seconds until it wants to look again, or None.
    """

    kind: Kind
    kind_name: str
    group_version: str
    component: str
    owns: tuple[Kind, ...] = ()
    workers = 5

    def __init__(self, room: Room):
        self.room = room
        self.clock = room.clock
        self.events = Events(room.client, self.component)
        self.writer = Writer(room.shared, self.events)
        self._gathering: set[Key] = set()
        self.objects: Collection = room.collection(self.kind)
        self.objects.handlers.append(self._own)
        for kind in self.owns:
            room.collection(kind).handlers.append(self._child)
        self._workers = Workers(self.component, room.shared, self.reconcile, self.workers)
        self.queue = self._workers.queue

    async def reconcile(self, key: Key) -> float | None:
        raise NotImplementedError

    def start(self) -> None:
        self._workers.start()

    async def stop(self) -> None:
        await self._workers.stop()
        await self.events.stop()

    def _own(self, before: Obj | None, after: Obj | None) -> None:
        obj = after or before
        assert obj is not None
        self.queue.add(key_of(obj))

    def _soon(self, key: Key) -> None:
        """What happens to many children of one owner at once is looked at once."""
        if key not in self._gathering:
            self._gathering.add(key)
            asyncio.get_running_loop().call_later(_GATHER, self._gathered, key)

    def _gathered(self, key: Key) -> None:
        self._gathering.discard(key)
        self.queue.add(key)

    def _child(self, before: Obj | None, after: Obj | None) -> None:
        for obj in (before, after):
            if obj is None:
                continue
            ref = controller_of(obj)
            if ref is not None:
                if ref.get("kind") == self.kind_name and ref.get("apiVersion") == self.group_version:
                    self._soon((obj["metadata"].get("namespace", ""), ref["name"]))
            elif obj is after:
                self.orphan(obj)

    def orphan(self, obj: Obj) -> None:
        """Somebody without a controller came or changed: whoever selects it may adopt it."""
        from wherry.features.workloads.common import matches, selector_of

        if not obj["metadata"].get("labels"):
            return
        for owner in self.objects.inside(obj["metadata"].get("namespace", "")):
            if owner["spec"].get("selector") and matches(selector_of(owner), obj):
                self.queue.add(key_of(owner))
