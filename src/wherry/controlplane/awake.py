"""The controllers of the workspaces in which something happens: woken by a write that concerns them, put to sleep when
they have nothing to do.

Thousands of workspaces are quiet at any time, and controllers cost a workspace a megabyte and tens of milliseconds.
What concerns whom is what features declare (`Feature.wakes_on`); who sleeps finds what has changed when it wakes, since
every controller begins with a list.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from wherry.kit.aio import Background, cancel_all
from wherry.kit.clock import here, use
from wherry.server.handler import ApiHandler
from wherry.storage.api import Event, Spaces, Storage
from wherry.store.keys import collection
from wherry.workspaces import ROOT
from wherry.workspaces.objects import HERE
from wherry.workspaces.tree import LOGICAL_CLUSTER, WORKSPACES, Tree

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from wherry.feature import Feature, Runnable

IDLE_SECONDS = 5.0  # without a write that concerns them, then controllers with nothing to do go to sleep
WAKE_SECONDS = 0.05  # after a write: whoever makes a workspace, uses it and drops it wakes nobody
MOST_WAKING = 4  # workspaces at a time: what happens in the background leaves room for requests
_SETTLING_SECONDS = 10.0
_FIRST_SECONDS = 0.5  # that the next workspace waits for one that wakes to have done what there was to do
_LOOK = 0.02

_Resource = tuple[str, str]  # group, resource


@dataclass(frozen=True, slots=True)
class Part:
    """Some controllers of a workspace. `lasting` ones run for good once they are awake. `version` changes with what
    they would write into an empty workspace."""

    name: str
    make: Callable[[ApiHandler], Sequence[Runnable]]
    wakes_on: Sequence[str] | None
    wakes_while: Sequence[str] = ()
    lasting: bool = False
    version: str = ""


def part_of(feature: Feature) -> Part:
    """A feature's controllers."""
    from wherry.controlplane.features import Features

    def make(handler: ApiHandler) -> Sequence[Runnable]:
        return [Features(handler, [feature])]

    return Part(feature.name, make, feature.wakes_on, feature.wakes_while, lasting=not feature.by_default)


class Interests:
    """Which of these parts a write concerns."""

    def __init__(self, parts: Sequence[Part]):
        self._always = tuple(part for part in parts if part.wakes_on is None)
        self._parts = parts
        self._by_resource: dict[_Resource, list[tuple[str, Part]]] = {}
        for part in parts:
            for word in part.wakes_on or ():
                resource, _, name = word.partition("/")
                self._by_resource.setdefault(_split(resource), []).append((name, part))
        self._while = [(collection(HERE, *_split(word)), part) for part in parts for word in part.wakes_while]

    def concerned(self, space: Storage, events: Sequence[Event]) -> set[str]:
        """The names of the parts that these writes concern."""
        events = [e for e in events if e.key != LOGICAL_CLUSTER and not e.key.startswith(WORKSPACES)]
        if not events:
            return set()  # how workspaces come and go is not their controllers' business
        found = {part.name for part in self._always}
        found.update(part.name for prefix, part in self._while if space.count(prefix))
        for event in events:
            _, _, group, resource, rest = event.key.split("/", 4)
            for name, part in self._by_resource.get((group, resource), ()):
                if not name or rest.rpartition("/")[2] == name:
                    found.add(part.name)
        return found

    def present(self, space: Storage) -> set[str]:
        """The names of the parts that last and find something to do where nothing is written."""
        return {part.name for part in self._parts if part.lasting and _finds_something(part, space)}


def _finds_something(part: Part, space: Storage) -> bool:
    words = part.wakes_on
    return words is None or any(space.count(collection(HERE, *_split(word))) for word in words if "/" not in word)


def _split(word: str) -> _Resource:
    """`roles.rbac.authorization.k8s.io`, as keys in storage have it."""
    resource, _, group = word.partition(".")
    return group or "core", resource


class Handlers(Protocol):
    """Where the handler of a cluster comes from."""

    def __call__(self, cluster: str) -> Awaitable[ApiHandler | None]: ...


class Awake:
    """A `storage.Follower`."""

    def __init__(self, spaces: Spaces, tree: Tree, handler: Handlers):
        self._spaces, self._tree, self._handler = spaces, tree, handler
        self._clock = here()
        self._parts: dict[str, Part] = {}
        self._interests = Interests(())
        self._running: dict[tuple[str, str], Sequence[Runnable]] = {}  # by cluster and part
        self._wanted: dict[str, set[str]] = {}  # parts that are to wake, by cluster
        self._waking: dict[str, asyncio.Task[None]] = {}
        self._room = asyncio.Semaphore(MOST_WAKING)
        self._last: dict[tuple[str, str], float] = {}
        self._tasks = Background("workspaces")
        self._unfollow: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def have(self, parts: Sequence[Part]) -> None:
        """From now on these are the controllers that workspaces have."""
        self._parts = {part.name: part for part in parts}
        self._interests = Interests(parts)
        if self._unfollow is not None:
            self._look()

    @property
    def version(self) -> str:
        """Changes with what the controllers that do not last would write into an empty workspace."""
        facts = sorted(f"{part.name} {part.version}" for part in self._parts.values() if not part.lasting)
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """The clusters and parts that run."""
        return iter(tuple(self._running))

    def start(self) -> None:
        self._unfollow = self._spaces.follow(self)
        self._look()
        self._tick()

    def _look(self) -> None:
        """Somebody may have had something to do when the program was stopped."""
        for cluster in self._tree.clusters():
            space = self._spaces.space(cluster)
            if cluster != ROOT and space is not None:
                self._call(cluster, self._interests.present(space))

    async def stop(self) -> None:
        if self._unfollow is not None:
            self._unfollow()
        if self._timer is not None:
            self._timer.cancel()
        for cluster in {*(cluster for cluster, _ in self._running), *self._waking}:
            await self.sleep(cluster)
        await self._tasks.stop()

    # --- storage.Follower --------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        name = space.name
        if name != ROOT and name in self._tree and self._parts:
            self._call(name, self._interests.concerned(space, events))

    def made(self, space: Storage) -> None:
        """A fork of something settled is settled."""

    def dropped(self, space: Storage) -> None:
        """`sleep` was called before."""

    # --- waking ------------------------------------------------------------------------------------------------------
    def begin(self, cluster: str, *, settled: bool) -> None:
        """A workspace was made. In a `settled` one only those have something to do that last."""
        space = self._spaces.space(cluster)
        names = self._interests.present(space) if space is not None else set()
        if not settled:
            names |= {part.name for part in self._parts.values() if not part.lasting}
        self._call(cluster, names)

    def _call(self, cluster: str, names: set[str]) -> None:
        now = asyncio.get_running_loop().time()
        for name in names:
            self._last[cluster, name] = now
        asleep = {name for name in names if (cluster, name) not in self._running}
        if asleep:
            self._wanted.setdefault(cluster, set()).update(asleep)
            if cluster not in self._waking:
                self._waking[cluster] = self._tasks.start(self._wake(cluster), name=f"controllers of {cluster}")

    async def _wake(self, cluster: str) -> None:
        try:
            await asyncio.sleep(WAKE_SECONDS)
            async with self._room:
                handler = await self._handler(cluster)
                while handler is not None and cluster in self._wanted:
                    started = self._start(cluster, handler)
                    await _until_idle(started, _FIRST_SECONDS)
        finally:
            self._waking.pop(cluster, None)
            self._wanted.pop(cluster, None)

    def _start(self, cluster: str, handler: ApiHandler) -> list[Runnable]:
        found: list[Runnable] = []
        with use(self._clock):
            for name in sorted(self._wanted.pop(cluster)):
                if (cluster, name) not in self._running:
                    self._running[cluster, name] = made = self._parts[name].make(handler)
                    for runnable in made:
                        runnable.start()
                    found += made
        return found

    async def settle(self, handler: ApiHandler) -> bool:
        """Let the controllers that do not last do what they do in every new workspace, until they have nothing left to
        do; False when that does not come to an end."""
        running = [each for part in self._parts.values() if not part.lasting for each in part.make(handler)]
        with use(self._clock):
            for runnable in running:
                runnable.start()
        storage, seen = handler.api.store.storage, -1
        try:
            while seen != storage.revision:  # an idle controller may not have heard of another's write yet
                seen = storage.revision
                if not await _until_idle(running, _SETTLING_SECONDS):
                    return False
                await asyncio.sleep(_LOOK)
            return True
        finally:
            for runnable in running:
                await runnable.stop()

    # --- sleeping ----------------------------------------------------------------------------------------------------
    async def sleep(self, cluster: str) -> None:
        """End the controllers of one workspace."""
        self._wanted.pop(cluster, None)
        task = self._waking.pop(cluster, None)
        if task is not None:
            await cancel_all((task,))
        for where in [where for where in self._running if where[0] == cluster]:
            await self._end(where)

    async def _end(self, where: tuple[str, str]) -> None:
        self._last.pop(where, None)
        for runnable in self._running.pop(where, ()):
            await runnable.stop()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        for where in list(self._tired(loop.time() - IDLE_SECONDS)):
            self._tasks.start(self._end(where), name="sleep of {}: {}".format(*where))
        self._timer = loop.call_later(IDLE_SECONDS / 4, self._tick)

    def _tired(self, horizon: float) -> Iterator[tuple[str, str]]:
        for where, runnables in self._running.items():
            part = self._parts[where[1]]
            if not part.lasting and self._last.get(where, 0.0) < horizon and all(map(_idle, runnables)):
                yield where


async def _until_idle(runnables: Sequence[Runnable], seconds: float) -> bool:
    """Whether they have nothing to do any more, after so many seconds at most."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        await asyncio.sleep(_LOOK)
        if all(map(_idle, runnables)):
            return True
        if asyncio.get_running_loop().time() > deadline:
            return False


def _idle(runnable: Runnable) -> bool:
    return bool(getattr(runnable, "idle", True))
