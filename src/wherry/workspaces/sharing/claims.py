"""Permission claims: what a provider asks to see beside its own kinds, and what a consumer lets it see.

A claim counts as far as the export makes it and the binding accepts it: verbs of both, objects that the binding's
selector chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import orjson

from wherry.machinery import builtins
from wherry.machinery.kinds import Obj
from wherry.machinery.selectors import EVERYTHING, Selector, from_label_selector
from wherry.workspaces.sharing import Kind

_EVENTS = "events.k8s.io"


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim of an export, or one that a binding decided on. `selector` is the JSON of its label selector, empty
    for all objects."""

    group: str
    resource: str
    identity: str
    verbs: frozenset[str]
    selector: bytes = b""
    accepted: bool = True

    @property
    def key(self) -> tuple[str, str, str]:
        return self.group, self.resource, self.identity

    def allows(self, verb: str) -> bool:
        return "*" in self.verbs or verb in self.verbs

    def selects(self) -> Selector:
        return _selector(self.selector)

    def labels(self) -> Mapping[str, str]:
        """What an object needs, so far as the selector says it in one way only."""
        return (orjson.loads(self.selector) if self.selector else {}).get("matchLabels") or {}


def claims_of(obj: Obj) -> tuple[Claim, ...]:
    """The claims of an APIExport or an APIBinding."""
    return tuple(_claim(raw) for raw in (obj.get("spec") or {}).get("permissionClaims") or ())


def agreed(asked: Iterable[Claim], decided: Iterable[Claim]) -> list[Claim]:
    """What an export's claims come to with a consumer's decisions."""
    accepted = {claim.key: claim for claim in decided if claim.accepted}
    found = []
    for claim in asked:
        other = accepted.get(claim.key)
        if other is not None:
            verbs = _both(claim.verbs, other.verbs)
            found.append(Claim(*claim.key, verbs, other.selector))
    return found


def built_in(group: str, resource: str) -> bool:
    return any(builtins.resource(group, version, resource) is not None for version in builtins.groups().get(group, ()))


def normal(kind: Kind) -> Kind:
    """Events are the same objects in both of their groups."""
    return ("", "events") if kind == (_EVENTS, "events") else kind


def _both(one: frozenset[str], other: frozenset[str]) -> frozenset[str]:
    if "*" in one:
        return other
    return one if "*" in other else one & other


def _claim(raw: Obj) -> Claim:
    selector: dict[str, Any] = raw.get("selector") or {}
    chosen = {key: selector[key] for key in ("matchLabels", "matchExpressions") if selector.get(key)}
    return Claim(
        *normal((raw.get("group", ""), raw["resource"])),
        raw.get("identityHash", ""),
        frozenset(raw.get("verbs") or ()),
        orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS) if chosen else b"",
        raw.get("state", "Accepted") == "Accepted",
    )


@lru_cache(1024)
def _selector(text: bytes) -> Selector:
    return from_label_selector(orjson.loads(text)) if text else EVERYTHING
