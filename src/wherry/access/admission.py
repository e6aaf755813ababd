"""Admission: one ordered list of plugins hung on every write, bound to the caller that makes it.

A plugin is asked with the user, the definition and both objects; the store only sees two callbacks. Which plugins there
are and in which order is said once, in `default_plugins`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from wherry.access.user import Attributes, User
from wherry.machinery.kinds import Obj
from wherry.store.context import WriteContext
from wherry.store.definition import Definition
from wherry.store.registry import Registry
from wherry.store.store import Store


@dataclass(slots=True)
class Ask:
    """What a plugin sees (admission.Attributes). `obj` is None on delete, `old` on create. `ctx` takes warnings and
    what has to be undone should the write fail."""

    operation: str  # CREATE, UPDATE, DELETE, CONNECT
    definition: Definition
    namespace: str
    name: str
    subresource: str
    user: User
    obj: Obj | None
    old: Obj | None
    ctx: WriteContext

    @property
    def dry_run(self) -> bool:
        return self.ctx.dry_run


Plugin = Callable[[Ask], Awaitable[None]]


@dataclass(slots=True)
class Admission:
    """Mutating plugins run in order before validation, validating ones after it."""

    mutating: list[Plugin] = field(default_factory=list)
    validating: list[Plugin] = field(default_factory=list)

    def attach(
        self, ctx: WriteContext, d: Definition, user: User, namespace: str, name: str, subresource: str = ""
    ) -> None:
        """Hang the plugins on a write."""
        ctx.user = user_info(user)

        def bind(plugins: list[Plugin]) -> Callable[[str, Obj | None, Obj | None], Awaitable[None]]:
            async def run(operation: str, obj: Obj | None, old: Obj | None) -> None:
                shown = name
                if not shown:
                    named = obj or old
                    shown = named["metadata"].get("name", "") if named else ""
                ask = Ask(operation, d, namespace, shown, subresource, user, obj, old, ctx)
                for plugin in plugins:
                    await plugin(ask)

            return run

        if self.mutating:
            ctx.mutate = bind(self.mutating)
        if self.validating:
            ctx.validate = bind(self.validating)


def user_info(user: User) -> Obj:
    """The caller as an authentication.k8s.io/v1 UserInfo document."""
    info: Obj = {"username": user.name}
    if user.uid:
        info["uid"] = user.uid
    if user.groups:
        info["groups"] = list(user.groups)
    if user.extra:
        info["extra"] = {k: list(v) for k, v in user.extra.items()}
    return info


def default_plugins(store: Store, registry: Registry, decide: Callable[[Attributes], bool] | None = None) -> Admission:
    """What a kube-apiserver with its default flags has switched on, in its order.

    `decide` is the authorizer that expressions of policies may ask."""
    from wherry.access.plugins.classes import claim_resize, default_classes
    from wherry.access.plugins.limits import limit_bounds, limit_defaults
    from wherry.access.plugins.namespaces import lifecycle
    from wherry.access.plugins.nodes import not_ready_taint
    from wherry.access.plugins.pods import checked_pods, pods
    from wherry.access.plugins.policies import Policies
    from wherry.access.plugins.services import Addresses
    from wherry.access.plugins.storage import in_use_protection

    addresses = Addresses(store)
    policies = Policies(store, registry, decide)
    return Admission(
        mutating=[
            lifecycle(store),
            limit_defaults(store),
            pods(store),
            not_ready_taint,
            default_classes(store),
            in_use_protection,
            addresses.plugin,
            policies.mutating(),
        ],
        validating=[
            lifecycle(store, deletes=True),
            limit_bounds(store),
            checked_pods(store),
            claim_resize(store),
            policies.validating(),
        ],
    )
