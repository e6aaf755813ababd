"""Admission webhooks as they are configured: read once, sorted, and again when one changes
(apiserver/pkg/admission/configuration, plugin/webhook/accessors.go, generic.ShouldCallHook)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.access.admission import Ask
from wherry.access.pending import settled
from wherry.access.plugins.expressions import Decide, authorizer, request_document
from wherry.access.plugins.matching import GROUP, Matcher, shown
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event
from wherry.store.definition import Definition
from wherry.store.registry import Registry
from wherry.store.store import Store

if TYPE_CHECKING:
    from wherry.machinery.cel.policy import Policy


class Hook:
    """One webhook of a configuration."""

    def __init__(self, configuration: str, spec: Obj, uid: str):
        self.configuration, self.name, self.uid = configuration, spec["name"], uid
        self.client: Obj = spec["clientConfig"]
        self.versions: list[str] = spec.get("admissionReviewVersions") or []
        self.seconds = int(spec.get("timeoutSeconds") or 10)
        self.ignore = spec.get("failurePolicy") == "Ignore"
        self.pure = spec.get("sideEffects") in ("None", "NoneOnDryRun")
        self.again = spec.get("reinvocationPolicy") == "IfNeeded"
        self._matcher = Matcher(spec, spec.get("rules") or ())
        self._conditions: list[Obj] = spec.get("matchConditions") or []
        self._policy: Policy | None = None

    async def concerns(self, ask: Ask, store: Store, registry: Registry, decide: Decide | None) -> Definition | None:
        """The definition in whose version the webhook is to be asked, if it is.

        Raises NotFound for an absent namespace, Forbidden for conditions that fail where failures count."""
        matched = self._matcher.matches(ask, store, registry)
        if matched is None or not self._conditions:
            return matched
        return matched if await self._conditions_hold(ask, matched, decide) else None

    async def _conditions_hold(self, ask: Ask, matched: Definition, decide: Decide | None) -> bool:
        from wherry.machinery.cel.errors import CelError
        from wherry.machinery.cel.policy import Input, Policy

        if self._policy is None:
            spec = {"matchConditions": self._conditions}
            self._policy = Policy({"metadata": {"name": self.name}, "spec": spec})
        request = Input(
            await shown(ask, matched, ask.obj),
            await shown(ask, matched, ask.old),
            request_document(ask, matched),
            authorizer=authorizer(ask, decide),
        )
        try:
            if self._policy.problem:
                raise CelError(self._policy.problem)
            return await settled(partial(self._policy.matches, request))
        except CelError as failed:
            if self.ignore:
                return False
            res = ask.definition.resource
            text = f'{errors.qualified(res.group, res.name)} "{ask.name}" is forbidden: {failed}'
            details = errors.resource_details(res.group, res.name, ask.name)
            raise errors.Forbidden(text, details=details) from None


class Hooks:
    """The webhooks of all configurations of one kind, by workspace; no more than a look-up while there are none."""

    def __init__(self, store: Store, resource: str):
        self._store, self._resource = store, resource
        self._known: dict[str, list[Hook]] = {}
        store.storage.subscribe(self._changed)

    def _changed(self, events: Sequence[Event]) -> None:
        if self._known:
            wanted = f"/{GROUP}/{self._resource}/"
            for event in events:
                if wanted in event.key:
                    self._known.pop(event.key.split("/", 2)[1], None)

    def of(self, workspace: str) -> list[Hook]:
        found = self._known.get(workspace)
        if found is None:
            found = self._known[workspace] = list(self._read(workspace))
        return found

    def _read(self, workspace: str) -> list[Hook]:
        found = []
        prefix = f"/{workspace}/{GROUP}/{self._resource}/"
        for record in self._store.storage.range(prefix).records:  # in the order of their names
            configuration: Any = orjson.loads(record.value)
            name, seen = configuration["metadata"]["name"], dict[str, int]()
            for spec in configuration.get("webhooks") or ():
                count = seen[spec["name"]] = seen.get(spec["name"], -1) + 1
                found.append(Hook(name, spec, f"{name}/{spec['name']}/{count}"))
        return found
