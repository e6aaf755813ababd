"""Whoever listens to audit events, and what is counted of them (k8s.io/apiserver/pkg/audit: Backend, metrics).

An event is one JSON line. Sinks take it at once and say whether they could; those that work in the background have a
bounded buffer of their own (`buffer`). Readers in the process (features) are sinks like any other.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from time import time
from typing import Any, Protocol

import orjson

from wherry.access.audit.policy import WORDS, Config, Level, Policy
from wherry.access.audit.trail import Trail
from wherry.access.user import Attributes

log = logging.getLogger("wherry.audit")

TRUNCATED = "audit.k8s.io/truncated"


class Sink(Protocol):
    """Where events go. `strict`: a request whose first event is not taken is refused."""

    name: str
    strict: bool
    max_event: int  # bytes of an event; longer ones lose their objects, or are dropped. 0: no bound

    def take(self, line: bytes) -> bool:
        """One event with its line end. False: it is lost, and counted."""

    def start(self) -> None:
        """On the loop, before the first event."""

    async def stop(self) -> None:
        """Write what is there."""


class Auditor:
    """Policy, sinks and counters of one server."""

    def __init__(self, policy: Policy, sinks: list[Sink], now: Callable[[], float] = time):
        self.policy = policy
        self.sinks = sinks
        self.now = now
        self.events = 0
        self.levels: Counter[str] = Counter()  # of requests
        self.lost: Counter[str] = Counter()  # events by sink
        self.rejected = 0  # requests

    def losses(self) -> Counter[str]:
        """Events that someone did not get, by who it was."""
        found = Counter({sink.name: 0 for sink in self.sinks})
        found.update(self.lost)
        for sink in self.sinks:
            found[sink.name] += getattr(sink, "failed", 0)
        return found

    def start(self) -> None:
        for sink in self.sinks:
            sink.start()

    async def stop(self) -> None:
        for sink in self.sinks:
            await sink.stop()

    def add(self, sink: Sink) -> Callable[[], None]:
        """A further sink while the server runs; returns what takes it off again."""
        self.sinks = [*self.sinks, sink]
        sink.start()

        def remove() -> None:
            self.sinks = [s for s in self.sinks if s is not sink]

        return remove

    def begin(
        self, asked: Attributes, uri: str, audit_id: str, received: float, annotations: dict[str, str]
    ) -> Trail | None:
        """The trail of a request whose caller is known; None for one that is not audited."""
        config = self._config(asked)
        if config.level is Level.NONE:
            return None
        return Trail(self, config, asked, asked.verb, uri, audit_id, received, annotations)

    def _config(self, asked: Attributes) -> Config:
        config = self.policy.evaluate(asked)
        self.levels[WORDS[config.level]] += 1
        return config

    def tell(self, event: dict[str, Any], level: Level) -> bool:
        """Encode an event and hand it to everyone."""
        self.events += 1
        line = orjson.dumps(event) + b"\n"
        taken = True
        for sink in self.sinks:
            shown = line
            if sink.max_event and len(line) > sink.max_event:
                shown = _shortened(event) if level >= Level.REQUEST else line
                if len(shown) > sink.max_event:
                    self.lost["truncate"] += 1
                    continue
            try:
                kept = sink.take(shown)
            except Exception as error:  # whatever a sink does, requests go on
                log.error("the audit sink %s failed: %s", sink.name, error)
                kept = False
            if not kept:
                self.lost[sink.name] += 1
                taken = taken and not sink.strict
        return taken


def _shortened(event: dict[str, Any]) -> bytes:
    """Without the objects, and saying so (plugin/pkg/audit/truncate)."""
    short = {key: value for key, value in event.items() if key not in ("requestObject", "responseObject")}
    short["annotations"] = {**(event.get("annotations") or {}), TRUNCATED: "true"}
    return orjson.dumps(short) + b"\n"
