"""Admission: one ordered list of plugins hung on every write, bound to the request that makes it.

A plugin is asked with the user, the definition and both objects; the store only sees two callbacks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from wherry import errors
from wherry.access.user import User
from wherry.machinery.kinds import Obj
from wherry.store.context import WriteContext
from wherry.store.definition import Definition
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.server.handler import Call


@dataclass(slots=True)
class Ask:
    """What a plugin sees (admission.Attributes). `obj` is None on delete, `old` on create."""

    operation: str
    definition: Definition
    namespace: str
    name: str
    subresource: str
    user: User
    obj: Obj | None
    old: Obj | None
    dry_run: bool
    warnings: list[str]
    workspace: str
    options: dict[str, object] = field(default_factory=dict)


Plugin = Callable[[Ask], Awaitable[None]]


@dataclass(slots=True)
class Admission:
    """Mutating plugins run in order before validation, validating ones after it."""

    store: Store
    mutating: list[Plugin] = field(default_factory=list)
    validating: list[Plugin] = field(default_factory=list)

    def attach(self, call: Call, ctx: WriteContext) -> None:
        """Hang the plugins on a write."""
        if self.mutating:
            ctx.mutate = self._run(self.mutating, call, ctx)
        if self.validating:
            ctx.validate = self._run(self.validating, call, ctx)

    def _run(self, plugins: list[Plugin], call: Call, ctx: WriteContext) -> Callable[..., Awaitable[None]]:
        async def run(operation: str, obj: Obj | None, old: Obj | None) -> None:
            d, info = call.definition, call.info
            assert d is not None
            named = obj or old
            name = info.name if operation != "CREATE" or named is None else named["metadata"].get("name", "")
            namespace = info.namespace if d.resource.namespaced else ""
            ask = Ask(
                operation, d, namespace, name, info.subresource, call.user, obj, old, ctx.dry_run, ctx.warnings,
                info.workspace, ctx.options,
            )  # fmt: skip
            for plugin in plugins:
                await plugin(ask)

        return run


def namespace_lifecycle(store: Store) -> Plugin:
    """Nothing is created in a namespace that is absent or dying; the first namespaces can't be deleted
    (plugin/pkg/admission/namespace/lifecycle)."""
    immortal = ("default", "kube-system", "kube-public")

    async def plugin(ask: Ask) -> None:
        res = ask.definition.resource
        if ask.operation == "DELETE":
            if res.name == "namespaces" and not res.group and ask.name in immortal:
                text = f'namespaces "{ask.name}" is forbidden: this namespace may not be deleted'
                raise errors.Forbidden(text, details=errors.resource_details("", "namespaces", ask.name))
            return
        if ask.operation != "CREATE" or not res.namespaced or not ask.namespace:
            return
        record = store.storage.newest(f"/{ask.workspace}/core/namespaces/{ask.namespace}")
        if record is None:
            raise errors.NotFound.of("", "namespaces", ask.namespace)
        if b'"deletionTimestamp":' in record.value:
            raise _terminating(ask)

    return plugin


def _terminating(ask: Ask) -> errors.Forbidden:
    res, namespace = ask.definition.resource, ask.namespace
    text = (
        f'{errors.qualified(res.group, res.name)} "{ask.name}" is forbidden: unable to create new content in namespace '
        f"{namespace} because it is being terminated"
    )
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return errors.Forbidden(text, details=errors.resource_details(res.group, res.name, ask.name, causes=[cause]))
