"""Table rows of pods: the STATUS, READY and RESTARTS that people look for first.

Follows printPod in pkg/printers/internalversion: init containers are walked until one is not done; unless that stops
it, the containers' states decide, the first container having the last word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.machinery.kinds import Obj
from wherry.machinery.tables.cells import NONE, Map, Row, Since, age, deleting, name, seconds_of, spec, status

_COMPLETED = {
    "Succeeded": [
        {
            "type": "Completed",
            "status": "True",
            "reason": "Succeeded",
            "message": "The pod has completed successfully.",
        }
    ],
    "Failed": [{"type": "Completed", "status": "True", "reason": "Failed", "message": "The pod failed."}],
}


def conditions(obj: Obj) -> list[Obj] | None:
    return _COMPLETED.get(status(obj).get("phase", ""))


class _Restarts:
    """How often containers restarted, and when one last did."""

    __slots__ = ("count", "last")

    def __init__(self) -> None:
        self.count = 0
        self.last: float | None = None

    def add(self, container: Map) -> None:
        self.count += container.get("restartCount") or 0
        ended = (container.get("lastState") or {}).get("terminated")
        if ended is not None:
            moment = seconds_of(ended.get("finishedAt"))
            if moment is not None and (self.last is None or self.last < moment):
                self.last = moment

    def cell(self) -> Any:
        if self.count and self.last is not None:
            return Since(self.last, f"{self.count} (", " ago)")
        return str(self.count)


def _ended(terminated: Map, prefix: str) -> str:
    """Why a container ended: its reason, or the signal, or the exit code."""
    if reason := terminated.get("reason"):
        return f"{prefix}{reason}"
    if signal := terminated.get("signal"):
        return f"{prefix}Signal:{signal}"
    return f"{prefix}ExitCode:{terminated.get('exitCode') or 0}"


class _Walk:
    """The state of one pass over a pod."""

    def __init__(self, specification: Map, state: Map):
        self.specification = specification
        self.state = state
        self.reason: str = state.get("reason") or state.get("phase") or ""
        self.ready = 0
        inits = specification.get("initContainers") or ()
        # a container that restarts always while it initializes is a sidecar and counts as a container of the pod
        self.sidecars = {c.get("name", "") for c in inits if c.get("restartPolicy") == "Always"}
        self.total = len(specification.get("containers") or ()) + sum(
            1 for c in inits if c.get("restartPolicy") == "Always"
        )
        self.restarts = _Restarts()
        self.sidecar_restarts = _Restarts()

    def initializing(self) -> bool:
        """Walk the init containers; true when one of them is what the pod waits for."""
        count = len(self.specification.get("initContainers") or ())
        for index, container in enumerate(self.state.get("initContainerStatuses") or ()):
            self.restarts.add(container)
            sidecar = container.get("name", "") in self.sidecars
            if sidecar:
                self.sidecar_restarts.add(container)
            state = container.get("state") or {}
            ended, waiting = state.get("terminated"), state.get("waiting")
            if ended is not None and not ended.get("exitCode"):
                continue
            if sidecar and container.get("started"):
                self.ready += 1 if container.get("ready") else 0
                continue
            if ended is not None:
                self.reason = _ended(ended, "Init:")
            elif waiting is not None and waiting.get("reason") and waiting["reason"] != "PodInitializing":
                self.reason = f"Init:{waiting['reason']}"
            else:
                self.reason = f"Init:{index}/{count}"
            return True
        return False

    def running(self) -> None:
        """Walk the containers, last to first."""
        self.restarts = self.sidecar_restarts
        has_running, error = False, ""
        for container in reversed(self.state.get("containerStatuses") or ()):
            self.restarts.add(container)
            state = container.get("state") or {}
            ended, waiting = state.get("terminated"), state.get("waiting")
            if waiting is not None and waiting.get("reason"):
                self.reason = waiting["reason"]
            elif ended is not None:
                self.reason = _ended(ended, "")
                if ended.get("exitCode"):
                    error = self.reason
            elif container.get("ready") and state.get("running") is not None:
                has_running = True
                self.ready += 1
        if self.reason == "Completed":
            if has_running and _true(self.state, "Ready"):
                self.reason = "Running"
            elif error:
                self.reason = error
            elif has_running:
                self.reason = "NotReady"


def _true(state: Map, kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in state.get("conditions") or ())


def _initialized(state: Map) -> bool:
    for condition in state.get("conditions") or ():
        if condition.get("type") == "Initialized":
            return condition.get("status") == "True"  # type: ignore[no-any-return]
    return False


def _gates(specification: Map, state: Map) -> str:
    gates = specification.get("readinessGates")
    if not gates:
        return NONE
    first_status: dict[str, Any] = {}
    for condition in state.get("conditions") or ():
        first_status.setdefault(condition.get("type", ""), condition.get("status"))
    return f"{sum(first_status.get(g.get('conditionType', '')) == 'True' for g in gates)}/{len(gates)}"


def _unavailable(obj: Obj, state: Map) -> str | None:
    """What a pod that is being deleted shows instead."""
    if not deleting(obj):
        return None
    if state.get("reason") == "NodeLost":
        return "Unknown"
    return None if state.get("phase") in ("Failed", "Succeeded") else "Terminating"


def pod(obj: Obj) -> Row:
    specification, state = spec(obj), status(obj)
    walk = _Walk(specification, state)
    for condition in state.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            walk.reason = "SchedulingGated"
    if not walk.initializing() or _initialized(state):
        walk.running()
    ips: list[Mapping[str, str]] = state.get("podIPs") or []
    return [
        name(obj),
        f"{walk.ready}/{walk.total}",
        _unavailable(obj, state) or walk.reason,
        walk.restarts.cell(),
        age(obj),
        (ips[0].get("ip") if ips else "") or NONE,
        specification.get("nodeName") or NONE,
        state.get("nominatedNodeName") or NONE,
        _gates(specification, state),
    ]
