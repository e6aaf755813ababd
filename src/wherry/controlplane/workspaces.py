"""Workspaces come to life: the tree over the storage's spaces, a handler for each cluster, controllers where needed.

Every workspace has an API of its own (registry, roles, admission, garbage collection over its own space); callers are
known to all of them alike, but for ServiceAccounts, whose tokens are good only where they were issued. Controllers of
the default features are woken by a write and go to sleep when nothing has happened for a while.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import time
from typing import TYPE_CHECKING

from wherry.access.chain import Authorizer, Bearer, Chain, Credentials
from wherry.access.pending import settled
from wherry.access.rbac import Rbac
from wherry.access.tokens import AccountTokens
from wherry.access.user import Attributes, Decision, Known
from wherry.kit.aio import Background, cancel_all
from wherry.kit.clock import here, use
from wherry.server.clusters import Clusters, gate
from wherry.server.everywhere import Everywhere
from wherry.server.handler import ApiHandler
from wherry.storage.api import Event, Spaces, Storage
from wherry.store.common import CommonKinds
from wherry.store.store import Store
from wherry.workspaces import ROOT, kinds
from wherry.workspaces.lifecycle import Lifecycle
from wherry.workspaces.quota import Quotas
from wherry.workspaces.tree import LOGICAL_CLUSTER, WORKSPACES, Tree

if TYPE_CHECKING:
    from wherry.feature import Feature, Runnable

Make = Callable[[Storage], Awaitable[ApiHandler]]
IDLE_SECONDS = 20.0  # without a write, then a workspace's controllers go to sleep
WAKE_SECONDS = 0.05  # after a write: whoever makes a workspace, uses it and drops it wakes nobody


class Workspaces:
    """All logical clusters of one storage; `root` is the handler of the first. `build` makes the others' handlers."""

    def __init__(
        self,
        root: ApiHandler,
        spaces: Spaces,
        build: Make,
        *,
        clock: Callable[[], float] = time,
        features: Sequence[Feature] = (),
    ):
        self.spaces = spaces
        self.root = root
        self.common = CommonKinds(kinds())
        self.tree = Tree(spaces)
        store = Store(spaces, clock)
        self.lifecycle = Lifecycle(spaces, self.tree, clock, store.now)
        self.lifecycle.gone = self._gone
        self.quotas = Quotas(spaces, self.tree)
        self._make = build
        self.front = Clusters(root, spaces, self.tree, self._build)
        self.features = tuple(features)
        self.own: Callable[[ApiHandler], Sequence[Runnable]] = lambda handler: ()  # controllers beside them
        self._awake = Awake(self)
        self._adopt(root, ROOT)
        root.api.everywhere = Everywhere(spaces, self.tree.clusters, self.front.handler)

    async def start(self, base: Callable[[], str] = lambda: "") -> None:
        """`base` is the URL before `/clusters/...`, for what objects say of where a workspace is."""
        self.lifecycle.base = base
        self.quotas.start()
        await self.lifecycle.start()
        self._awake.start()

    async def stop(self) -> None:
        await self.lifecycle.stop()
        await self.quotas.stop()
        await self._awake.stop()
        self.tree.close()
        await self.front.close()

    def _adopt(self, handler: ApiHandler, cluster: str) -> None:
        """The kinds that every workspace has, and what may be written about them."""
        from wherry.access.plugins.workspaces import install

        api = handler.api
        api.registry.share(self.common)
        install(api.admission, self.lifecycle, cluster, self._may_use)
        api.placed = lambda name: self.lifecycle.settled(cluster, name)

    async def _build(self, space: Storage) -> ApiHandler:
        handler = await self._make(space)
        self._share(handler, space)
        self._adopt(handler, space.name)
        return handler

    def _share(self, handler: ApiHandler, space: Storage) -> None:
        """Who a caller is, is the same everywhere; what he may do is said in the workspace."""
        root, api = self.root.api, handler.api
        own = api.accounts
        rbac = next(a for a in api.chain.authorizers if isinstance(a, Rbac))
        assert own is not None
        assert root.accounts is not None
        own.cluster, own.signer = space.name, root.accounts.signer
        found = root.chain.authenticators
        api.chain.authenticators = [_SameBearers(a, own) if isinstance(a, Bearer) else a for a in found]
        api.chain.anonymous = lambda shown: root.chain.anonymous(shown)
        api.chain.authorizers = [_SameAuthorizers(root.chain, gate(rbac))]
        api.auditor, api.recorder = root.auditor, root.recorder
        if api.aggregation is not None and root.aggregation is not None:
            shared = root.aggregation
            api.aggregation.identity = lambda: shared.identity()
        api.fairness, api.turns, api.watches = root.fairness, root.turns, root.watches

    async def _may_use(self, asked: Attributes) -> bool:
        """Whether a user may use a type of another workspace (asked.workspace is its path)."""
        handler = await self.front.handler(self.tree.resolve(asked.workspace))
        if handler is None:
            return False
        chain, here = handler.api.chain, replace(asked, workspace=ROOT)
        return (await settled(lambda: chain.ask(here))).allowed

    async def _gone(self, cluster: str) -> None:
        await self._awake.sleep(cluster)
        await self.front.forget(cluster)


class _SameBearers:
    """The root's bearer tokens, but for ServiceAccounts: those are the workspace's own."""

    def __init__(self, root: Bearer, own: AccountTokens):
        self._root = root
        self._own = own

    def __call__(self, shown: Credentials) -> Known | None:
        return Bearer([self._own if isinstance(t, AccountTokens) else t for t in self._root.known])(shown)


class _SameAuthorizers:
    """The root's authorizers, with the workspace's own roles in the place of the root's."""

    def __init__(self, root: Chain, own: Authorizer):
        self._root, self._own = root, own
        self._of: list[Authorizer] = []  # those of the root that `_chain` was made from
        self._chain = Chain([], [])

    def __call__(self, asked: Attributes) -> Decision:
        found = self._root.authorizers
        if found is not self._of:  # its configuration was read again
            self._chain = Chain([], [self._own if isinstance(a, Rbac) else a for a in found])
            self._of = found
        return self._chain.ask(asked)


class Awake:
    """The controllers of the workspaces in which something happens. A `storage.Follower`."""

    def __init__(self, workspaces: Workspaces):
        self._all = workspaces
        self._clock = here()
        self._running: dict[str, list[Runnable]] = {}
        self._waking: dict[str, asyncio.Task[None]] = {}
        self._last: dict[str, float] = {}
        self._tasks = Background("workspaces")
        self._unfollow: Callable[[], None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._unfollow = self._all.spaces.follow(self)
        self._tick()

    async def stop(self) -> None:
        if self._unfollow is not None:
            self._unfollow()
        if self._timer is not None:
            self._timer.cancel()
        for cluster in {*self._running, *self._waking}:
            await self.sleep(cluster)
        await self._tasks.stop()

    # --- storage.Follower --------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        name = space.name
        if name == ROOT or name not in self._all.tree or not self._all.features:
            return
        if all(event.key == LOGICAL_CLUSTER or event.key.startswith(WORKSPACES) for event in events):
            return  # how workspaces come and go is not their controllers' business
        self._last[name] = asyncio.get_running_loop().time()
        if name not in self._running and name not in self._waking:
            self._waking[name] = self._tasks.start(self._wake(name), name=f"controllers of {name}")

    def made(self, space: Storage) -> None:
        """A fork of something settled is settled."""

    def dropped(self, space: Storage) -> None:
        self._last.pop(space.name, None)

    # -----------------------------------------------------------------------------------------------------------------
    async def _wake(self, cluster: str) -> None:
        from wherry.controlplane.features import Features

        try:
            await asyncio.sleep(WAKE_SECONDS)
            handler = await self._all.front.handler(cluster)
            if handler is not None:
                running = [Features(handler, list(self._all.features)), *self._all.own(handler)]
                self._running[cluster] = running
                with use(self._clock):
                    for runnable in running:
                        runnable.start()
        finally:
            self._waking.pop(cluster, None)

    async def sleep(self, cluster: str) -> None:
        """End the controllers of one workspace."""
        task = self._waking.pop(cluster, None)
        if task is not None:
            await cancel_all((task,))
        for runnable in self._running.pop(cluster, ()):
            await runnable.stop()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        horizon = loop.time() - IDLE_SECONDS
        lasting = any(not feature.by_default for feature in self._all.features)
        for cluster in [c for c in self._running if self._last.get(c, 0.0) < horizon and not lasting]:
            self._tasks.start(self.sleep(cluster), name=f"sleep of {cluster}")
        self._timer = loop.call_later(IDLE_SECONDS / 4, self._tick)
