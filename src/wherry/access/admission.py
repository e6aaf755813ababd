"""Admission: one ordered list of plugins hung on every write, bound to the caller that makes it.

A plugin is asked with the user, the definition and both objects; the store only sees two callbacks. Which plugins there
are and in which order is said once, in `default_plugins`; which of them concern a resource is reckoned once for each,
so that a write pays for those alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from wherry.access.user import Attributes, Decision, User
from wherry.machinery.kinds import Obj
from wherry.store.context import WriteContext
from wherry.store.definition import Definition
from wherry.store.registry import Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.access.plugins.options import AdmissionOptions

CREATE, UPDATE, DELETE, CONNECT = "CREATE", "UPDATE", "DELETE", "CONNECT"
ALL = frozenset((CREATE, UPDATE, DELETE, CONNECT))
WRITES = frozenset((CREATE, UPDATE))


@dataclass(slots=True)
class Rounds:
    """What the mutating plugins of one write know of each other: some want to be asked again after a later change."""

    wanted: bool = False
    again: bool = False  # the second round, which is the last
    kept: dict[str, Any] = field(default_factory=dict)  # by plugin


@dataclass(slots=True)
class Ask:
    """What a plugin sees (admission.Attributes). `obj` is None on delete, `old` on create; both are in the storage
    version. `ctx` takes warnings, audit annotations and what has to be undone should the write fail."""

    operation: str
    definition: Definition
    namespace: str
    name: str
    subresource: str
    user: User
    obj: Obj | None
    old: Obj | None
    ctx: WriteContext
    rounds: Rounds | None = None

    @property
    def dry_run(self) -> bool:
        return self.ctx.dry_run

    @property
    def is_namespace(self) -> bool:
        res = self.definition.resource
        return res.name == "namespaces" and not res.group

    def annotate(self, key: str, value: str) -> None:
        """Note something in the audit event of the request; what was noted first stays."""
        self.ctx.annotations.setdefault(key, value)


Plugin = Callable[[Ask], Awaitable[None]]
Kinds = frozenset[tuple[str, str]]  # (group, resource)


@dataclass(frozen=True, slots=True)
class Step:
    """A plugin at its place, under upstream's name, and what it wants to be asked about; no kinds: all of them."""

    name: str
    plugin: Plugin
    operations: frozenset[str] = ALL
    kinds: Kinds | None = None

    def concerns(self, d: Definition, operation: str) -> bool:
        if operation not in self.operations:
            return False
        return self.kinds is None or (d.resource.group, d.resource.name) in self.kinds


Entry = Plugin | Step
_Plans = dict[tuple[str, str, str], tuple[Plugin, ...]]


class Plugins:
    """Plugins in order, and for each resource and operation those of them that it concerns."""

    def __init__(self, entries: Iterable[Entry] = ()):
        self._entries: list[Entry] = list(entries)
        self._plans: _Plans = {}

    def __bool__(self) -> bool:
        return bool(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(tuple(self._entries))

    def append(self, entry: Entry) -> None:
        self._entries.append(entry)
        self._plans.clear()

    def names(self) -> list[str]:
        return [entry.name for entry in self._entries if isinstance(entry, Step)]

    def plan(self, d: Definition, operation: str) -> tuple[Plugin, ...]:
        res = d.resource
        key = res.group, res.name, operation
        found = self._plans.get(key)
        if found is None:
            concerned = [e for e in self._entries if not isinstance(e, Step) or e.concerns(d, operation)]
            found = self._plans[key] = tuple(e.plugin if isinstance(e, Step) else e for e in concerned)
        return found


class Admission:
    """Mutating plugins run in order before validation, then `preparing` ones once; validating ones run after it."""

    def __init__(
        self, mutating: Iterable[Entry] = (), validating: Iterable[Entry] = (), preparing: Iterable[Entry] = ()
    ):
        self.mutating, self.preparing, self.validating = Plugins(mutating), Plugins(preparing), Plugins(validating)

    def attach(
        self, ctx: WriteContext, d: Definition, user: User, namespace: str, name: str, subresource: str = ""
    ) -> None:
        """Hang the plugins on a write."""
        ctx.user = user_info(user)

        def ask(operation: str, obj: Obj | None, old: Obj | None) -> Ask:
            shown = name
            if not shown and obj is not None:
                shown = (obj.get("metadata") or {}).get("name", "")
            return Ask(operation, d, namespace, shown, subresource, user, obj, old, ctx)

        async def mutate(operation: str, obj: Obj | None, old: Obj | None) -> None:
            plan, last = self.mutating.plan(d, operation), self.preparing.plan(d, operation)
            if not plan and not last:
                return
            asked = ask(operation, obj, old)
            for plugin in plan:
                await plugin(asked)
            if asked.rounds is not None and asked.rounds.wanted:
                asked.rounds.again = True
                for plugin in plan:
                    await plugin(asked)
            for plugin in last:
                await plugin(asked)

        async def validate(operation: str, obj: Obj | None, old: Obj | None) -> None:
            plan = self.validating.plan(d, operation)
            if plan:
                asked = ask(operation, obj, old)
                for plugin in plan:
                    await plugin(asked)

        if self.mutating or self.preparing:
            ctx.mutate = mutate
        if self.validating:
            ctx.validate = validate


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


def default_plugins(
    store: Store,
    registry: Registry,
    decide: Callable[[Attributes], Decision] | None = None,
    caller: Callable[[], Any] | None = None,
    options: AdmissionOptions | None = None,
) -> Admission:
    """What a kube-apiserver with its default flags has switched on, in its order, or what `options` say.

    `decide` is the authorizer that plugins and expressions of policies may ask, `caller` gives the WebhookCaller."""
    from wherry.access.plugins.options import AdmissionOptions
    from wherry.access.plugins.order import chains

    return chains(store, registry, decide, caller, options or AdmissionOptions())
