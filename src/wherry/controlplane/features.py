"""Features come to life: found by entry point, given a client that passes the same door as everyone's."""

from __future__ import annotations

import logging
from importlib.metadata import entry_points

from wherry.access.chain import AUTHENTICATED, MASTERS
from wherry.access.user import User
from wherry.client import Client
from wherry.feature import ENTRY_POINTS, Feature, Runnable
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


class Features:
    """The controllers of all features of one control plane."""

    def __init__(self, handler: ApiHandler, chosen: list[Feature]):
        self._handler = handler
        self._chosen = chosen
        self._running: list[Runnable] = []

    def start(self) -> None:
        for feature in self._chosen:
            user = User(feature.user, groups=(MASTERS, AUTHENTICATED))
            client = Client(LocalTransport(self._handler, user, feature.name), field_manager=feature.name)
            for runnable in feature.controllers(client):
                runnable.start()
                self._running.append(runnable)

    async def stop(self) -> None:
        while self._running:
            await self._running.pop().stop()
