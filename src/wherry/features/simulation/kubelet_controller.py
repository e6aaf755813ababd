"""Wiring: the pods of simulated nodes live by their rules, and `kubectl logs` answers their declared lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from wherry.errors import BadRequest, Conflict, NotFound, ServiceUnavailable
from wherry.features.simulation.behaviour import behaviour_of, rules_of
from wherry.features.simulation.kinds import BEHAVIOURS, NODES, OWNER_LABEL, PODS, SIMULATED
from wherry.features.simulation.kubelet_reconcile import advance, at, ended_by_deletion
from wherry.features.simulation.node_reconcile import is_down
from wherry.kit.clock import Clock
from wherry.runtime.events import Events
from wherry.runtime.informer import Key, key_of
from wherry.runtime.nodes import LogOptions
from wherry.runtime.shared import Shared
from wherry.runtime.workers import Workers
from wherry.runtime.writes import Delete, Update, Writer

Obj = dict[str, Any]
_DONE = ("Succeeded", "Failed")


class Kubelet:
    """One for all simulated nodes of a workspace; a `runtime.nodes.NodeRuntime`."""

    def __init__(self, shared: Shared, writer: Writer, events: Events, clock: Clock):
        self._writer, self._events, self._clock = writer, events, clock
        self._pods, self._nodes = shared.collection(PODS), shared.collection(NODES)
        self._behaviours = shared.collection(BEHAVIOURS)
        self._workers = Workers("simulated kubelet", shared, self.reconcile, 16)
        self._addresses: dict[str, str] = {}  # by pod uid, until the status has it
        self._taken: set[str] = set()
        self._address = 1
        self._pods.handlers.append(self._pod)
        self._nodes.handlers.append(self._node)
        self._behaviours.handlers.append(self._behaviour)

    def start(self) -> None:
        self._workers.start()

    async def stop(self) -> None:
        await self._workers.stop()

    def _pod(self, before: Obj | None, after: Obj | None) -> None:
        for pod, there in ((before, False), (after, True)):
            address = (pod.get("status") or {}).get("podIP") if pod is not None else None
            if address:
                (self._taken.add if there else self._taken.discard)(address)
        if after is None:
            assert before is not None
            self._addresses.pop(before["metadata"]["uid"], None)
        elif after["spec"].get("nodeName"):
            self._workers.queue.add(key_of(after))

    def _behaviour(self, before: Obj | None, after: Obj | None) -> None:
        for pod in self._pods.inside((after or before or {})["metadata"]["namespace"]):
            if pod["spec"].get("nodeName"):
                self._workers.queue.add(key_of(pod))

    def _node(self, before: Obj | None, after: Obj | None) -> None:
        if after is None or (before is not None and is_down(before) == is_down(after)):
            return
        for pod in self._pods.objects.values():
            if pod["spec"].get("nodeName") == after["metadata"]["name"]:
                self._workers.queue.add(key_of(pod))

    def has_node(self, name: str) -> bool:
        node = self._nodes.get("", name)
        return node is not None and OWNER_LABEL in (node["metadata"].get("labels") or {})

    async def reconcile(self, key: Key) -> float | None:
        """One look at one pod."""
        pod = self._pods.get(*key)
        node = self._nodes.get("", pod["spec"].get("nodeName", "")) if pod is not None else None
        if pod is None or node is None or not self.has_node(node["metadata"]["name"]) or is_down(node):
            return None
        behaviour = behaviour_of(pod, self._behaviours.inside(key[0]))
        now = self._clock.time()
        if "deletionTimestamp" in pod["metadata"]:
            return await self._end(pod, behaviour, now)
        old = pod.get("status") or {}
        if old.get("phase") in _DONE:
            return None
        status, again = advance(pod, behaviour, self._ips(pod, node), now)
        if status != old:
            await self._report(pod, status)
            self._tell(pod, old, status)
        return again

    async def _report(self, pod: Obj, status: Obj) -> None:
        meta = pod["metadata"]
        annotations = meta.get("annotations") or {}
        if annotations.get(SIMULATED) != "true":
            meta = {**meta, "annotations": {**annotations, SIMULATED: "true"}}
        try:
            await self._writer.one(Update(PODS, {**pod, "metadata": meta, "status": status}, "status"))
        except NotFound:
            return

    async def _end(self, pod: Obj, behaviour: Obj, now: float) -> float | None:
        """A deleted pod takes its time, says how it ended where somebody waits for that, and goes."""
        meta, old = pod["metadata"], pod.get("status") or {}
        grace = meta.get("deletionGracePeriodSeconds") or 0
        asked = at(meta["deletionTimestamp"]) - grace
        left: float = asked + min(behaviour.get("terminationSeconds", 0), grace) - now
        if left > 0:
            return left
        if old.get("phase") not in _DONE and (meta.get("finalizers") or behaviour.get("terminationSeconds")):
            await self._report(pod, ended_by_deletion(old, now))
            pod = self._pods.get(*key_of(pod)) or pod
        if grace or not meta.get("finalizers"):
            try:
                await self._writer.one(Delete(PODS, pod, grace=0))
            except Conflict:
                return None  # another pod of that name by now
        return None

    def _ips(self, pod: Obj, node: Obj) -> tuple[str, str]:
        known = (pod.get("status") or {}).get("podIP")
        host = next((a["address"] for a in node["status"].get("addresses") or () if a["type"] == "InternalIP"), "")
        if known:
            return known, host
        uid = pod["metadata"]["uid"]
        while uid not in self._addresses:
            number, self._address = self._address, self._address % 0x7FFFE + 1
            address = f"10.{244 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
            if address not in self._taken:  # a plane that starts again finds pods that have theirs
                self._addresses[uid] = address
        return self._addresses[uid], host

    def _tell(self, pod: Obj, old: Obj, status: Obj) -> None:
        """Events of what goes wrong; what goes well is not worth one per pod."""
        before = {c["name"]: c["state"].get("waiting", {}).get("reason") for c in old.get("containerStatuses") or ()}
        for container in status["containerStatuses"]:
            waiting = container["state"].get("waiting") or {}
            reason = waiting.get("reason")
            if reason == before.get(container["name"]) or not waiting.get("message"):
                continue
            if reason == "CrashLoopBackOff":
                text = f"Back-off restarting failed container {container['name']} in pod {pod['metadata']['name']}"
                self._events.tell(pod, "Warning", "BackOff", text)
            elif reason in ("ErrImagePull", "ImagePullBackOff"):
                self._events.tell(pod, "Warning", "Failed", f"Error: {reason}")

    async def logs(self, pod: Obj, options: LogOptions) -> AsyncIterator[bytes]:
        """The declared lines of a container."""
        name = options.container
        known = {
            c["name"]: c
            for field in ("containerStatuses", "initContainerStatuses")
            for c in (pod.get("status") or {}).get(field) or ()
        }.get(name)
        state = (known or {}).get("state") or {"waiting": {"reason": "ContainerCreating"}}
        title, last = pod["metadata"]["name"], ((known or {}).get("lastState") or {}).get("terminated")
        if options.previous and not last:
            raise BadRequest(f'previous terminated container "{name}" in pod "{title}" not found')
        if "waiting" in state and not last:
            why = state["waiting"]
            tail = "trying and failing to pull image" if "Image" in why.get("reason", "") else why.get("reason", "")
            raise BadRequest(f'container "{name}" in pod "{title}" is waiting to start: {tail}')
        run = last if options.previous or "waiting" in state else state.get("running") or state.get("terminated")
        behaviour = behaviour_of(pod, self._behaviours.inside(pod["metadata"]["namespace"]))
        lines = [str(line) for line in rules_of(behaviour, name).get("log") or ()]
        if options.timestamps:
            begun = (run or {}).get("startedAt", "")
            lines = [f"{begun.removesuffix('Z')}.000000000Z {line}" for line in lines]
        if options.tail_lines is not None:
            lines = lines[-options.tail_lines :] if options.tail_lines else []
        data = "".join(f"{line}\n" for line in lines).encode()
        follow = options.follow and "running" in state
        return self._stream(data if options.limit_bytes is None else data[: options.limit_bytes], pod, name, follow)

    async def _stream(self, data: bytes, pod: Obj, container: str, follow: bool) -> AsyncIterator[bytes]:
        if data:
            yield data
        key, uid = key_of(pod), pod["metadata"]["uid"]
        while follow:
            await asyncio.sleep(0.2)
            live = self._pods.get(*key)
            statuses = ((live or {}).get("status") or {}).get("containerStatuses") or ()
            follow = (
                live is not None
                and live["metadata"]["uid"] == uid
                and any(c["name"] == container and "running" in c["state"] for c in statuses)
            )

    async def exec(self, pod: Obj, container: str, command: list[str]) -> AsyncIterator[bytes]:
        """Nothing runs, so nothing can be run in it."""
        raise ServiceUnavailable(
            f"pod {pod['metadata']['name']} is simulated: nothing runs in container {container}, "
            "so no command can be run in it"
        )
