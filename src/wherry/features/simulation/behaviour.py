"""Pure: which rules a container lives by."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wherry.machinery.selectors import from_label_selector

Obj = dict[str, Any]
DEFAULTS: Obj = {}


def behaviour_of(pod: Obj, behaviours: Iterable[Obj]) -> Obj:
    """The spec of the PodBehaviour that selects a pod: the heaviest, then the first by name; empty where none does."""
    labels = pod["metadata"].get("labels") or {}
    best: Obj | None = None
    for behaviour in behaviours:
        selector = behaviour["spec"].get("selector") or {}
        if not from_label_selector(selector).matches(labels):
            continue
        if best is None or _rank(behaviour) < _rank(best):
            best = behaviour
    found: Obj = best["spec"] if best is not None else DEFAULTS
    return found


def _rank(behaviour: Obj) -> tuple[int, str]:
    return -behaviour["spec"].get("weight", 0), behaviour["metadata"]["name"]


def rules_of(behaviour: Obj, container: str) -> Obj:
    """The rules of one container."""
    for special in behaviour.get("containers") or ():
        if special["name"] == container:
            return {**behaviour, **special}
    return behaviour
