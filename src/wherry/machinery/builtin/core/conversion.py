"""Kinds of `core` whose served versions differ in shape: the table that `builtin.conversion` looks into.

Events are one store under two groups (pkg/apis/events/v1/conversion.go); all other kinds of this area have one shape.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.kinds import Obj

Convert = Callable[[Obj], Obj]

CORE, EVENTS = "v1", "events.k8s.io/v1"
# (name in core/v1, name in events.k8s.io/v1, what an absent value reads as in core, and in events)
_ALWAYS: Any = object()  # an empty mapping of its own
_FIELDS: tuple[tuple[str, str, Any, Any], ...] = (
    ("involvedObject", "regarding", _ALWAYS, _ALWAYS),
    ("reason", "reason", None, None),
    ("message", "note", None, None),
    ("source", "deprecatedSource", _ALWAYS, _ALWAYS),
    ("count", "deprecatedCount", None, None),
    ("type", "type", None, None),
    ("series", "series", None, None),
    ("action", "action", None, None),
    ("related", "related", None, None),
    ("reportingComponent", "reportingController", "", None),
    ("reportingInstance", "reportingInstance", "", None),
)
# shown as null when not set, in both groups
_TIMES = (
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("eventTime", "eventTime"),
)


def _carry(obj: Obj, out: Obj, source: str, target: str, empty: Any) -> None:
    value = obj.get(source)
    if value in (None, ""):
        value = {} if empty is _ALWAYS else empty
    if value is not None:
        out[target] = value


def _event_to_core(obj: Obj) -> Obj:
    out: Obj = {"kind": "Event", "apiVersion": CORE, "metadata": obj.get("metadata") or {}}
    for core, event, empty, _ in _FIELDS:
        _carry(obj, out, event, core, empty)
    for core, event in _TIMES:
        out[core] = obj.get(event)
    return out


def _event_from_core(obj: Obj) -> Obj:
    out: Obj = {"kind": "Event", "apiVersion": EVENTS, "metadata": obj.get("metadata") or {}}
    for core, event, _, empty in _FIELDS:
        _carry(obj, out, core, event, empty)
    for core, event in _TIMES:
        out[event] = obj.get(core)
    return out


_EVENTS: dict[tuple[str, str], Convert] = {(EVENTS, CORE): _event_to_core, (CORE, EVENTS): _event_from_core}

CONVERSIONS: dict[tuple[str, str], dict[tuple[str, str], Convert]] = {
    ("events.k8s.io", "events"): _EVENTS,
    ("", "events"): _EVENTS,
}
