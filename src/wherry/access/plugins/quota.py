"""ResourceQuota: what is made in a namespace must fit into its quotas, and is charged to them at once
(k8s.io/apiserver/pkg/admission/plugin/resourcequota).

The last of the validating plugins. A charge is an update of the quota's status under optimistic locking: it looks at
the newest version, also one that is not durable yet, and is in line for the next commit before anyone else gets to
look. So concurrent requests share what is left without ever passing it, and lose no race to each other. What a charge
was for may still fail; the controller (`features/quotas`) reckons anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.access.admission import Ask
from wherry.access.plugins.refusals import forbidden
from wherry.errors import ConfigurationError
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event
from wherry.store.registry import Registry
from wherry.store.store import Store, internal

if TYPE_CHECKING:
    from wherry.machinery.quota.check import Limited, Request

MANAGER = "kube-apiserver"
_QUOTAS = "/core/resourcequotas/"


class Quotas:
    """The plugin. A write into a namespace without quotas costs it one look-up."""

    def __init__(self, store: Store, registry: Registry, limited: Sequence[Limited] = ()):
        self._store, self._registry, self._limited = store, registry, limited
        self._counts: dict[str, int] | None = None  # quotas by `/workspace/core/resourcequotas/namespace/`
        store.storage.subscribe(self._on_events)

    def _on_events(self, events: Sequence[Event]) -> None:
        if self._counts is None:
            return
        for event in events:
            if _QUOTAS in event.key and (event.record is None or event.previous is None):
                where = event.key.rpartition("/")[0] + "/"
                self._counts[where] = self._counts.get(where, 0) + (1 if event.record is not None else -1)

    def _any(self, workspace: str, where: str) -> bool:
        if self._counts is None:
            self._counts = {}
            for record in self._store.storage.range(f"/{workspace}{_QUOTAS}").records:
                prefix = record.key.rpartition("/")[0] + "/"
                self._counts[prefix] = self._counts.get(prefix, 0) + 1
        return bool(self._counts.get(where))

    async def plugin(self, ask: Ask) -> None:
        workspace = ask.definition.workspace
        if not ask.namespace or ask.is_namespace or ask.obj is None:
            return
        where = f"/{workspace}{_QUOTAS}{ask.namespace}/"
        if self._any(workspace, where) or self._limited:
            await self._evaluate(ask, where)

    async def _evaluate(self, ask: Ask, where: str) -> None:
        from wherry.machinery.quota.check import Request
        from wherry.machinery.quota.evaluators import IGNORED, evaluator

        res = ask.definition.resource
        if (res.group, res.name) in IGNORED:
            return
        assert ask.obj is not None
        found = evaluator(res.group, res.name)
        if not found.handles(ask.operation, ask.subresource, ask.obj, ask.old):
            return
        request = Request(found, ask.operation, ask.subresource, ask.obj, ask.old)
        quotas = [orjson.loads(record.value) for record in self._newest(where)]
        for name in self._charge(ask, quotas, request):
            await self._write(ask, name, request)

    def _newest(self, where: str) -> Iterable[Any]:
        storage = self._store.storage
        for record in storage.range(where).records:
            if (newest := storage.newest(record.key)) is not None:
                yield newest

    def _charge(self, ask: Ask, quotas: Sequence[Obj], request: Request) -> dict[str, Any]:
        """The new usage by quota. Raises Forbidden."""
        from wherry.machinery.quota.check import Refused, Uncovered, charge

        around = _Stored(self._store, ask.definition.workspace)
        try:
            changed = charge(quotas, request, around, self._limited)
        except Refused as refused:
            raise forbidden(ask, str(refused)) from None
        except Uncovered as refused:
            raise internal(str(refused)) from None
        return {} if ask.dry_run else changed

    async def _write(self, ask: Ask, name: str, request: Request) -> None:
        """Charge one quota: reckoned on what it says when it is written, which may be more than a moment ago."""
        from wherry.machinery.quota.amounts import written
        from wherry.store.context import WriteContext
        from wherry.store.update import commit

        d = self._registry.find(ask.definition.workspace, "", "v1", "resourcequotas")
        assert d is not None

        def charged(live: Obj) -> Obj:
            used = self._charge(ask, [live], request)
            if name not in used:
                return live
            return {**live, "status": {**live["status"], "used": written(used[name])}}

        try:
            await commit(self._store, d, ask.namespace, name, charged, WriteContext(manager=MANAGER), "status")
        except errors.NotFound:
            return  # nobody bounds it any more


class _Stored:
    """What evaluators may look up, in storage."""

    def __init__(self, store: Store, workspace: str):
        self._storage, self._workspace = store.storage, workspace
        self.now = store.clock()

    def _prefix(self, resource: tuple[str, str], namespace: str) -> str:
        where = f"/{self._workspace}/{resource[0] or 'core'}/{resource[1]}/"
        return f"{where}{namespace}/" if namespace else where

    def get(self, resource: tuple[str, str], namespace: str, name: str) -> Obj | None:
        record = self._storage.newest(self._prefix(resource, namespace) + name)
        return orjson.loads(record.value) if record is not None else None

    def objects(self, resource: tuple[str, str], namespace: str) -> Iterable[Obj]:
        for record in self._storage.range(self._prefix(resource, namespace)).records:
            yield orjson.loads(record.value)


def limited_resources(document: Obj | None) -> tuple[Limited, ...]:
    """What a ResourceQuotaConfiguration closes to those without a quota. Raises ConfigurationError."""
    if not document:
        return ()
    from wherry.machinery.quota.check import Limited
    from wherry.machinery.quota.evaluators import Scope

    kind = document.get("kind")
    if kind not in ("ResourceQuotaConfiguration", "Configuration"):
        raise ConfigurationError(f"ResourceQuota: expected ResourceQuotaConfiguration, got {kind}")
    found: list[Limited] = []
    for index, each in enumerate(document.get("limitedResources") or ()):
        resource = each.get("resource") or ""
        if not resource:
            raise ConfigurationError(f"ResourceQuota: limitedResources[{index}].resource: Required value")
        scopes = [
            Scope(scope.get("scopeName", ""), scope.get("operator", ""), tuple(scope.get("values") or ()))
            for scope in each.get("matchScopes") or ()
        ]
        contains = tuple(each.get("matchContains") or ())
        found.append(Limited((each.get("apiGroup") or "", resource), contains, tuple(scopes)))
    return tuple(found)
