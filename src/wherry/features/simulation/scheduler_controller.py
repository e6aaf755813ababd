"""Wiring: pods that wait for a node are bound to one; those that fit nowhere are told why and tried again."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

from wherry.errors import Conflict, NotFound, StatusError
from wherry.features.simulation.kinds import NODES, PODS, SIMULATED
from wherry.features.simulation.scheduler_reconcile import Cluster
from wherry.kit.aio import Background
from wherry.kit.clock import Clock
from wherry.kit.times import format_seconds
from wherry.runtime.events import Events
from wherry.runtime.informer import Key, key_of
from wherry.runtime.shared import Shared
from wherry.runtime.writes import Update, Writer

Obj = dict[str, Any]
NAME = "default-scheduler"
_DONE = ("Succeeded", "Failed")
_AT_ONCE = 16  # bindings on their way


class Scheduler:
    """One per workspace; it places one pod after the other, and binds several side by side."""

    def __init__(self, shared: Shared, writer: Writer, events: Events, clock: Clock):
        self._shared, self._writer, self._events, self._clock = shared, writer, events, clock
        self.cluster = Cluster()
        self._waiting: dict[int, OrderedDict[Key, None]] = {}  # by priority
        self._stuck: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._tasks = Background("scheduler")
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._pods = shared.collection(PODS)
        self._pods.handlers.append(self._pod)
        shared.collection(NODES).handlers.append(self._node)

    def start(self) -> None:
        self._tasks.start(self._run(), name="placing")

    async def stop(self) -> None:
        await self._tasks.stop()

    def _pod(self, before: Obj | None, after: Obj | None) -> None:
        if after is None or (after.get("status") or {}).get("phase") in _DONE:
            gone = after or before
            assert gone is not None
            self._forget(key_of(gone))
            if self.cluster.remove(gone["metadata"]["uid"]):
                self._again()
            return
        node = after["spec"].get("nodeName")
        if node:
            self.cluster.put(after, node)
        elif is_waiting(after):
            key = key_of(after)
            if before is None or before["spec"] != after["spec"] or key not in self._stuck:
                self._stuck.pop(key, None)
                self._enqueue(key, after)

    def _node(self, before: Obj | None, after: Obj | None) -> None:
        if after is None:
            assert before is not None
            self.cluster.remove_node(before["metadata"]["name"])
            return
        if before is not None and _of_interest(before) == _of_interest(after):
            return
        name, fresh = after["metadata"]["name"], before is None
        self.cluster.set_node(after)
        if fresh:
            for pod in self._pods.objects.values():
                if pod["spec"].get("nodeName") == name and (pod.get("status") or {}).get("phase") not in _DONE:
                    self.cluster.put(pod, name)
        self._again()

    def _again(self) -> None:
        """Something became free: what fitted nowhere may fit now."""
        stuck, self._stuck = self._stuck, {}
        for key in stuck:
            pod = self._pods.objects.get(key)
            if pod is not None:
                self._enqueue(key, pod)

    async def _run(self) -> None:
        await self._shared.synced()
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            key = self._next()
            pod = self._pods.objects.get(key)
            if pod is None or not is_waiting(pod):
                continue
            node, why = self.cluster.choose(pod)
            if not node:
                self._stuck[key] = None
                await self._say(pod, why)
                continue
            self.cluster.put(pod, node)  # counted before the answer, so that the next pod sees it
            await self._slots.acquire()
            self._tasks.start(self._bind(pod, node), name="binding")

    def _enqueue(self, key: Key, pod: Obj) -> None:
        self._waiting.setdefault(pod["spec"].get("priority", 0), OrderedDict())[key] = None
        self._wake.set()

    def _forget(self, key: Key) -> None:
        self._stuck.pop(key, None)
        for priority, keys in list(self._waiting.items()):
            if keys.pop(key, 0) is None and not keys:
                del self._waiting[priority]

    def _next(self) -> Key:
        """The most important pod; among equals the one that waited longest."""
        best = max(self._waiting)
        key, _ = self._waiting[best].popitem(last=False)
        if not self._waiting[best]:
            del self._waiting[best]
        return key

    async def _bind(self, pod: Obj, node: str) -> None:
        meta = pod["metadata"]
        binding = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": meta["name"], "uid": meta["uid"], "annotations": {SIMULATED: "true"}},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        try:
            await self._shared.client.request(
                "POST", PODS.path(meta["namespace"], meta["name"], "binding"), None, binding
            )
        except (NotFound, Conflict):
            self.cluster.remove(meta["uid"])
        except StatusError as error:
            self.cluster.remove(meta["uid"])
            self._stuck[key_of(pod)] = None
            self._events.tell(pod, "Warning", "FailedScheduling", error.message)
        finally:
            self._slots.release()

    async def _say(self, pod: Obj, why: str) -> None:
        status = pod.get("status") or {}
        conditions = status.get("conditions") or []
        old = next((c for c in conditions if c["type"] == "PodScheduled"), None)
        if old is not None and (old["status"], old.get("message")) == ("False", why):
            return
        condition = {
            "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": why,
            "lastTransitionTime": format_seconds(int(self._clock.time())),
        }  # fmt: skip
        changed = [*(c for c in conditions if c["type"] != "PodScheduled"), condition]
        try:
            await self._writer.one(Update(PODS, {**pod, "status": {**status, "conditions": changed}}, "status"))
        except (Conflict, NotFound):
            return
        self._events.tell(pod, "Warning", "FailedScheduling", why)


def _of_interest(node: Obj) -> tuple[Any, ...]:
    """What decides who may be on a node; heartbeats do not."""
    status = node.get("status") or {}
    return node["metadata"].get("labels"), node.get("spec"), status.get("allocatable"), status.get("capacity")


def is_waiting(pod: Obj) -> bool:
    """Whether a pod is this scheduler's to place."""
    spec = pod["spec"]
    return (
        not spec.get("nodeName")
        and spec.get("schedulerName", NAME) == NAME
        and not spec.get("schedulingGates")
        and "deletionTimestamp" not in pod["metadata"]
    )
