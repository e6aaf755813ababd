"""The seam for whatever runs pods, for real or pretended: what the API server would ask a kubelet.

A feature whose controllers include such a thing is found by the control plane, and `kubectl logs` and `kubectl exec`
reach it. Heartbeats need no method: a runtime renews its nodes' leases and conditions through the API like a kubelet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

Obj = dict[str, Any]


@dataclass(frozen=True, slots=True)
class LogOptions:
    """The members of core/v1 PodLogOptions that a runtime has to honour."""

    container: str = ""
    follow: bool = False
    previous: bool = False
    timestamps: bool = False
    since_seconds: int | None = None
    tail_lines: int | None = None
    limit_bytes: int | None = None


@runtime_checkable
class NodeRuntime(Protocol):
    """Runs the pods of some nodes. Methods raise `StatusError`s, which the caller gets to see."""

    def has_node(self, name: str) -> bool:
        """Whether it is this one that runs the node's pods."""

    async def logs(self, pod: Obj, options: LogOptions) -> AsyncIterator[bytes]:
        """Chunks of a container's output; with `follow` until the container ends."""

    async def exec(self, pod: Obj, container: str, command: list[str]) -> AsyncIterator[bytes]:
        """Run a command in a container; what it writes."""
