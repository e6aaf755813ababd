"""Workspaces come to life: the tree over the storage's spaces, a handler for each cluster, controllers where needed.

Every workspace has an API of its own (registry, roles, admission, garbage collection over its own space); callers are
known to all of them alike, but for ServiceAccounts, whose tokens are good only where they were issued. Controllers
sleep until they are needed (`controlplane/awake`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from time import time
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from wherry.access.chain import MASTERS, Authorizer, Bearer, Chain, Credentials
from wherry.access.pending import Pending, settled
from wherry.access.rbac import Rbac
from wherry.access.tokens import AccountTokens
from wherry.access.user import Attributes, Decision, Known, User
from wherry.controlplane.awake import Awake, Part, part_of
from wherry.server.clusters import Clusters, gate
from wherry.server.difference import Differences
from wherry.server.everywhere import Everywhere
from wherry.server.handler import ApiHandler
from wherry.server.providers import Providers
from wherry.storage.api import Spaces, Storage
from wherry.store.common import CommonKinds
from wherry.store.store import Store
from wherry.workspaces import ROOT, forks, kinds
from wherry.workspaces.lifecycle import Lifecycle
from wherry.workspaces.quota import Quotas
from wherry.workspaces.sharing import GROUP, Kind
from wherry.workspaces.sharing.controller import Place, Sharing
from wherry.workspaces.sharing.schemas import Schemas
from wherry.workspaces.tree import Tree

if TYPE_CHECKING:
    from wherry.feature import Feature

Make = Callable[[Storage], Awaitable[ApiHandler]]
_BINDING = "apis.kcp.io:binding:"


class Workspaces:
    """All logical clusters of one storage; `root` is the handler of the first. `build` makes the others' handlers."""

    def __init__(
        self,
        root: ApiHandler,
        spaces: Spaces,
        build: Make,
        *,
        clock: Callable[[], float] = time,
    ):
        self.spaces = spaces
        self.root = root
        self.common = CommonKinds([*kinds(), forks.DEFINITION])
        self.tree = Tree(spaces)
        store = Store(spaces, clock)
        self.lifecycle = Lifecycle(spaces, self.tree, clock, store.now)
        self.lifecycle.gone = self._gone
        self.quotas = Quotas(spaces, self.tree)
        self.forks = forks.Forks(spaces, store.now, self.lifecycle.type_of_copy)
        self._make = build
        self._roles: WeakKeyDictionary[ApiHandler, Authorizer] = WeakKeyDictionary()
        self._roles[root] = next(a for a in root.api.chain.authorizers if isinstance(a, Rbac))
        self.front = Clusters(root, spaces, self.tree, self._build)
        self._features: Sequence[Part] = ()
        self._own: Sequence[Part] = ()
        post = root.api.custom.post if root.api.custom is not None else None
        self.sharing = Sharing(spaces, self.tree, Schemas(spaces, post), store.now, self._place, self.lifecycle.type_of)
        self.awake = Awake(spaces, self.tree, self.front.handler)
        self.lifecycle.made_cluster = self.awake.begin
        self.lifecycle.template.settling = self
        self._adopt(root, ROOT)
        self.providers = self.front.providers = Providers(self.sharing, self.front.handler, self.front.nowhere)
        root.api.everywhere = Everywhere(spaces, self.tree.clusters, self.front.handler)

    async def start(self, base: Callable[[], str] = lambda: "") -> None:
        """`base` is the URL before `/clusters/...`, for what objects say of where a workspace is."""
        self.lifecycle.base = self.sharing.base = base
        self.quotas.start()
        await self.lifecycle.start()
        self.forks.start(self.tree.clusters())
        self.sharing.start()
        self.awake.start()

    async def stop(self) -> None:
        await self.forks.stop()
        await self.lifecycle.stop()
        self.providers.close()
        await self.sharing.stop()
        await self.quotas.stop()
        await self.awake.stop()
        self.tree.close()
        await self.front.close()

    # --- controllers -------------------------------------------------------------------------------------------------
    def have(self, *, features: Sequence[Feature] | None = None, own: Sequence[Part] | None = None) -> None:
        """From now on workspaces have the controllers of these features, and `own` ones beside them."""
        if features is not None:
            self._features = tuple(map(part_of, features))
        if own is not None:
            self._own = own
        self.awake.have((*self._features, *self._own))

    @property
    def version(self) -> str:
        """For the template: changes with what controllers would do in an empty workspace."""
        return self.awake.version

    async def settle(self, space: Storage) -> bool:
        """For the template: let the controllers do in it what they do in every new workspace."""
        handler = await self._build(space)
        try:
            return await self.awake.settle(handler)
        finally:
            await handler.close()

    # --- handlers ----------------------------------------------------------------------------------------------------
    def _adopt(self, handler: ApiHandler, cluster: str) -> None:
        """The kinds that every workspace has, and what may be written about them."""
        from wherry.access.plugins import sharing, workspaces

        api = handler.api
        api.registry.share(self.common)
        workspaces.install(api.admission, self.lifecycle, cluster, self._may_use)
        sharing.install(api.admission, self.sharing, cluster, self._may)
        api.difference = Differences(self.spaces, self.tree, cluster, self._may_use)
        api.place = self.sharing.attach(cluster, api)
        api.settling["tenancy.kcp.io", "workspaces"] = partial(self.lifecycle.settled, cluster)
        api.settling[forks.GROUP, forks.RESOURCE] = partial(self._forked, cluster)
        api.settling[GROUP, "apibindings"] = lambda _: self.sharing.bound(cluster)
        api.settling[GROUP, "apiexports"] = partial(self.sharing.identified, cluster)

    async def _forked(self, cluster: str, name: str) -> None:
        """Wait for a Fork, the workspace that it makes, and what it tells of that."""
        for settled_by in (self.forks, self.lifecycle, self.forks):
            await settled_by.settled(cluster, name)

    async def _place(self, cluster: str) -> Place | None:
        handler = await self.front.handler(cluster)
        place = handler.api.place if handler is not None else None
        return place if isinstance(place, Place) else None

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
        own_roles = _SameAuthorizers(root.chain, gate(rbac))
        api.chain.authorizers = [_Bounded(own_roles, partial(self._policy, space.name))]
        self._roles[handler] = rbac
        api.auditor, api.recorder = root.auditor, root.recorder
        if api.aggregation is not None and root.aggregation is not None:
            shared = root.aggregation
            api.aggregation.identity = lambda: shared.identity()
        api.fairness, api.turns, api.watches = root.fairness, root.turns, root.watches

    def _policy(self, cluster: str, kind: Kind) -> Authorizer | None:
        """The roles in a provider's workspace that bound what consumers may do with a kind; None where nothing does.

        Raises Pending."""
        export = self.sharing.index.policy(cluster, kind)
        if export is None:
            return None
        handler = self.front.awake(export.cluster)
        if handler is None:

            async def bring() -> None:
                await self.front.handler(export.cluster)

            raise Pending(bring)
        return self._roles[handler]

    async def _may_use(self, asked: Attributes) -> bool:
        """Whether a user may do something in another workspace (asked.workspace is its path)."""
        return await self._may(replace(asked, workspace=ROOT), self.tree.resolve(asked.workspace))

    async def _may(self, asked: Attributes, cluster: str) -> bool:
        """What the authorizers of one logical cluster say."""
        handler = await self.front.handler(cluster) if cluster else None
        return handler is not None and (await settled(lambda: handler.api.chain.ask(asked))).allowed

    async def _gone(self, cluster: str) -> None:
        await self.awake.sleep(cluster)
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


class _Bounded:
    """A workspace's authorizers, and what the provider of a bound kind lets its consumers do at most (kcp's maximal
    permission policy): its roles speak of users and groups with a prefix."""

    def __init__(self, own: Authorizer, policy: Callable[[Kind], Authorizer | None]):
        self._own, self._policy = own, policy

    def __call__(self, asked: Attributes) -> Decision:
        decision = self._own(asked)
        if not decision.allowed or not asked.resource_request or MASTERS in asked.user.groups:
            return decision
        policy = self._policy((asked.group, asked.resource))
        if policy is None:
            return decision
        user = asked.user
        known = User(_BINDING + user.name, user.uid, tuple(_BINDING + group for group in user.groups), user.extra)
        if policy(replace(asked, user=known, workspace=ROOT)).allowed:
            return decision
        return Decision(False, f"the provider of {asked.resource} does not allow it")
