"""The control plane of a test run: one per process, workspaces by the hundred, a clock that can be moved."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from wherry.client import Kind
from wherry.controlplane.blocking import BlockingControlPlane
from wherry.controlplane.plane import ControlPlane
from wherry.errors import NotFound
from wherry.kit.clock import ShiftedClock
from wherry.kit.loops import ClockLoop
from wherry.runtime.manifests import apply_all, read
from wherry.testing.patience import Writes
from wherry.testing.traffic import Front
from wherry.testing.workspace import Workspace
from wherry.workspaces.fork import SOURCE

WORKSPACES = Kind("tenancy.kcp.io", "v1alpha1", "workspaces", namespaced=False)
_QUIET = 0.05  # seconds without a write, then a template's controllers have done what there is to do
_SWITCH = 0.0005  # seconds after which a thread that computes lets another one
_LOOKS, _PAUSE = 1_000, 0.005  # at a workspace that is being made, seconds between them
_TURNS = 3  # of the loop, so that what became due has begun when `advance` returns


class TestClock(ShiftedClock):
    """The time of a control plane. It only goes forward: by itself, and by `advance`."""

    __test__ = False
    __slots__ = ("_harness",)

    def __init__(self, harness: Harness):
        super().__init__()
        self._harness = harness

    def advance(self, seconds: float) -> None:
        """Let so much time pass at once: what waits for it (TTLs, leases, retries, timeouts of watches) is due."""
        super().advance(seconds)
        self._harness.turn()


class Harness:
    """A control plane between `start` and `stop`. `data_dir` None keeps everything in memory; `features` and
    `simulate_nodes` are those of `ControlPlane`."""

    def __init__(self, *, data_dir: Path | None = None, features: Sequence[str] = (), simulate_nodes: int = 0):
        self.clock = TestClock(self)
        self.front = Front()
        self.writes = Writes()
        self.plane = ControlPlane(
            data_dir=data_dir,
            storage_url=f"sqlite:{data_dir / 'db'}?fsync=off" if data_dir is not None else "",
            clock=self.clock,
            wrap=self.front.wrap,
            features=features,
            simulate_nodes=simulate_nodes,
        )
        self.control_plane = BlockingControlPlane(self.plane, lambda: ClockLoop(self.clock))
        self._templates: dict[str, str] = {}
        self._made = 0

    def start(self) -> None:
        """Ready when it returns. Raises what `ControlPlane.start` raises."""
        # The program under test runs in other threads of this process: each call that lets the interpreter go (a
        # socket, TLS) waits for it to come back, five milliseconds where nobody says otherwise.
        self._interval = sys.getswitchinterval()
        sys.setswitchinterval(_SWITCH)
        self.control_plane.start()
        self._unfollow = self.plane.spaces.follow(self.writes)

    def stop(self) -> None:
        """No thread, socket or file is left."""
        self._unfollow()
        self.control_plane.stop()
        sys.setswitchinterval(self._interval)

    def serve(self) -> str:
        """The URL; the first call takes a port."""
        return self.control_plane.serve()

    def turn(self) -> None:
        """Let the loop run what is due."""
        loop = self.control_plane.thread.loop
        if isinstance(loop, ClockLoop) and not loop.is_closed():
            self.control_plane.run(_turns())

    def workspace(self, name: str, folder: Path, manifests: Sequence[str | Path] = ()) -> Workspace:
        """A fresh workspace; with `manifests` a fork of one to which they were applied once, and in which controllers
        have done their work."""
        self._made += 1
        name = f"{name}-{self._made}"
        cluster = self.control_plane.run(self._make(name, tuple(manifests)))
        return Workspace(self, name, cluster, folder)

    def remove(self, workspace: Workspace) -> None:
        """Delete a workspace with all that is in it."""
        self.front.forget(workspace.path)
        self.control_plane.run(self._delete(workspace.name))

    async def _make(self, name: str, manifests: tuple[str | Path, ...]) -> str:
        return await self._workspace(name, await self._template(manifests) if manifests else "")

    async def _workspace(self, name: str, source: str) -> str:
        """Make `root:name`, a copy of the cluster `source`; its cluster."""
        client = self.plane.client()
        annotations = {SOURCE: source} if source else {}
        meta = {"name": name, "annotations": annotations}
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": meta}
        made = await client.create(WORKSPACES, body)
        for _ in range(_LOOKS):  # a test that moved the clock has let the server's patience run out
            if made.get("spec", {}).get("cluster"):
                return str(made["spec"]["cluster"])
            await asyncio.sleep(_PAUSE)
            made = await client.get(WORKSPACES, name)
        raise TimeoutError(f"workspace {name} is not there: {made.get('status')}")

    async def _delete(self, name: str) -> None:
        try:
            await self.plane.client().delete(WORKSPACES, name)
        except NotFound:
            pass  # the test did it

    async def _template(self, manifests: tuple[str | Path, ...]) -> str:
        """The cluster to which these manifests were applied."""
        key = repr(manifests)
        found = self._templates.get(key)
        if found is None:
            objects: list[dict[str, Any]] = [obj for each in manifests for obj in read(each)]
            name = "template-" + hashlib.sha256(key.encode()).hexdigest()[:10]
            found = self._templates[key] = await self._settled(name, objects)
        return found

    async def _settled(self, name: str, objects: list[dict[str, Any]]) -> str:
        """A workspace with these objects in which the controllers have nothing left to do."""
        cluster = await self._workspace(name, "")
        await apply_all(self.plane.client(f"root:{name}"), objects)
        seen = -1
        while seen != self.writes.count:
            seen = self.writes.count
            await asyncio.sleep(_QUIET)
        return cluster


async def _turns() -> None:
    for _ in range(_TURNS):
        await asyncio.sleep(0)
