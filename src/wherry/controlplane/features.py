"""Features come to life: found by entry point, given a client that passes the same door as everyone's."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.metadata import entry_points

from wherry.access.chain import AUTHENTICATED, MASTERS
from wherry.access.user import User
from wherry.client import Client
from wherry.feature import ENTRY_POINTS, Feature, Runnable
from wherry.kit.aio import Background
from wherry.runtime.audit import AuditReader
from wherry.runtime.nodes import NodeRuntime
from wherry.server.handler import ApiHandler
from wherry.server.local import LocalTransport

log = logging.getLogger("wherry")


def installed() -> list[Feature]:
    """All features that installed packages offer, built-in ones included, by name."""
    found: dict[str, Feature] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            feature = point.load()
        except Exception:  # one broken package must not keep the API from starting
            log.exception("feature %s of %s could not be loaded", point.name, point.value)
            continue
        found[feature.name] = feature
    return [found[name] for name in sorted(found)]


def chosen(
    asked: Sequence[str], objects: Mapping[str, Sequence[dict[str, object]]], *, alone: bool = False
) -> list[Feature]:
    """The features that run by default (`alone`: in kube-apiserver itself) and those asked for by name; `objects` are
    further manifests of single ones."""
    found = {feature.name: feature for feature in installed()}
    unknown = [name for name in asked if name not in found]
    if unknown:
        raise LookupError(f"unknown feature {unknown[0]}; there are {', '.join(found)}")
    return [
        replace(feature, manifests=(*feature.manifests, *objects.get(feature.name, ())))
        for feature in found.values()
        if (feature.in_server if alone else feature.by_default) or feature.name in asked
    ]


class Features:
    """The controllers of all features of one control plane."""

    def __init__(self, handler: ApiHandler, chosen: list[Feature]):
        self._handler = handler
        self._chosen = chosen
        self._running: list[Runnable] = []
        self._tasks = Background("features")

    def start(self) -> None:
        for feature in self._chosen:
            user = User(feature.user, groups=(MASTERS, AUTHENTICATED))
            client = Client(LocalTransport(self._handler, user, feature.name), field_manager=feature.name)
            if feature.manifests:
                self._tasks.start(self._prepare(feature, client), name=feature.name)
            else:
                self._begin(feature, client)

    async def _prepare(self, feature: Feature, client: Client) -> None:
        """A feature whose kinds must be there first."""
        from wherry.runtime.manifests import ensure

        for manifest in feature.manifests:
            await ensure(client, manifest)
        self._begin(feature, client)

    def _begin(self, feature: Feature, client: Client) -> None:
        for runnable in feature.controllers(client):
            if isinstance(runnable, NodeRuntime):
                self._handler.api.runtimes.append(runnable)
            if isinstance(runnable, AuditReader):
                read_audit(self._handler, runnable)
            runnable.start()
            self._running.append(runnable)

    @property
    def idle(self) -> bool:
        """All have begun, and none of those who can tell has anything to do."""
        return not len(self._tasks) and all(getattr(each, "idle", True) for each in self._running)

    async def stop(self) -> None:
        await self._tasks.stop()
        while self._running:
            await self._running.pop().stop()


def read_audit(handler: ApiHandler, reader: AuditReader) -> None:
    """Let a feature have the audit events. Where no policy is configured, everything at its level is told, to readers
    in the process alone."""
    from wherry.access.audit.auditor import Auditor
    from wherry.access.audit.buffer import Batching, Buffered
    from wherry.access.audit.policy import WORDS, Level, everything

    if handler.api.auditor is None:
        handler.api.auditor = Auditor(everything(Level(WORDS.index(reader.audit_level))), [])
    handler.api.auditor.add(Buffered(reader.audit_name, reader.audited, Batching(wait=0.0, qps=0.0)))
