"""What cells are made of: ages, labels, selectors, container lists.

Used by the printers of all kinds beside it; follows k8s.io/apimachinery/pkg/util/duration and the helpers of
pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson

from wherry.machinery.kinds import Obj
from wherry.machinery.selectors import SelectorError, from_label_selector
from wherry.machinery.tables.base import Aging, Cell

NONE, UNSET, UNKNOWN = "<none>", "<unset>", "<unknown>"

Row = list[Cell | Aging]
Map = Mapping[str, Any]

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 86400, 86400 * 365


def human_duration(seconds: float) -> str:
    """A duration as kubectl shows ages: two units at most, coarser the longer it is (duration.HumanDuration)."""
    s = int(seconds)
    if s < 120:
        if s >= 0:
            return f"{s}s"
        return "0s" if s == -1 else "<invalid>"  # clocks may differ by a second or so
    if s < 10 * _MINUTE:
        return f"{s // _MINUTE}m{s % _MINUTE}s" if s % _MINUTE else f"{s // _MINUTE}m"
    if s < 3 * _HOUR:
        return f"{s // _MINUTE}m"
    if s < 8 * _HOUR:
        minutes = s // _MINUTE % 60
        return f"{s // _HOUR}h{minutes}m" if minutes else f"{s // _HOUR}h"
    if s < 2 * _DAY:
        return f"{s // _HOUR}h"
    if s < 8 * _DAY:
        hours = s // _HOUR % 24
        return f"{s // _DAY}d{hours}h" if hours else f"{s // _DAY}d"
    if s < 2 * _YEAR:
        return f"{s // _DAY}d"
    if s < 8 * _YEAR:
        days = s // _DAY % 365
        return f"{s // _YEAR}y{days}d" if days else f"{s // _YEAR}y"
    return f"{s // _YEAR}y"


def short_duration(seconds: float) -> str:
    """A duration in one unit (duration.ShortHumanDuration)."""
    s = int(seconds)
    if s < 0:
        return "0s" if s == -1 else "<invalid>"
    for limit, unit, letter in ((_MINUTE, 1, "s"), (_HOUR, _MINUTE, "m"), (_DAY, _HOUR, "h"), (_YEAR, _DAY, "d")):
        if s < limit:
            return f"{s // unit}{letter}"
    return f"{s // _YEAR}y"


def seconds_of(stamp: str | None) -> float | None:
    """An RFC 3339 timestamp as seconds since the epoch; None when there is none or it cannot be read."""
    if not stamp:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment.timestamp() if moment.tzinfo else None


@lru_cache(maxsize=16384)
def _duration_json(seconds: int) -> bytes:
    return f'"{human_duration(seconds)}"'.encode()  # nothing in it needs escaping


class Since:
    """The time that has passed since a moment, with words around it."""

    __slots__ = ("after", "before", "moment")

    def __init__(self, moment: float, before: str = "", after: str = ""):
        self.moment = moment
        self.before = before
        self.after = after

    def __call__(self, now: float) -> str:
        return self.before + human_duration(now - self.moment) + self.after

    def json(self, now: float) -> bytes:
        """The cell's JSON; a list has few distinct ages, so they are kept."""
        if self.before or self.after:
            return orjson.dumps(self(now))
        return _duration_json(int(now - self.moment))


def since(stamp: str | None) -> Cell | Aging:
    """An age cell, `<unknown>` where there is no time."""
    moment = seconds_of(stamp)
    return UNKNOWN if moment is None else Since(moment)


def age(obj: Obj) -> Cell | Aging:
    return since(obj["metadata"].get("creationTimestamp"))


def name(obj: Obj) -> str:
    return obj["metadata"].get("name", "")  # type: ignore[no-any-return]


def spec(obj: Obj) -> Map:
    return obj.get("spec") or {}


def status(obj: Obj) -> Map:
    return obj.get("status") or {}


def deleting(obj: Obj) -> bool:
    return obj["metadata"].get("deletionTimestamp") is not None


def pod_spec(template: Map | None) -> Map:
    return (template or {}).get("spec") or {}


def labels(values: Mapping[str, str] | None) -> str:
    """Sorted `k=v` pairs (labels.FormatLabels)."""
    return ",".join(f"{k}={v}" for k, v in sorted(values.items())) if values else NONE


def selector(value: Map | None) -> str:
    """A LabelSelector as text (metav1.FormatLabelSelector)."""
    try:
        return str(from_label_selector(value)) or NONE
    except SelectorError:
        return "<error>"


def containers(specification: Map) -> tuple[str, str]:
    """Names and images of the containers of a pod spec, each joined by commas."""
    listed = specification.get("containers") or ()
    return ",".join(c.get("name", "") for c in listed), ",".join(c.get("image", "") for c in listed)


def first(values: Iterable[str], limit: int, count: int | None = None) -> str:
    """The first few of a list, and how many more there are."""
    listed = list(values)
    total = len(listed) if count is None else count
    text = ",".join(listed[:limit])
    return f"{text} + {total - limit} more..." if len(listed) > limit else text


def condition(obj: Map, kind: str) -> Map | None:
    """The first condition of a type."""
    for item in obj.get("conditions") or ():
        if item.get("type") == kind:
            return item  # type: ignore[no-any-return]
    return None


def quantity(value: Any, absent: str = "0") -> str:
    """A quantity of a stored object; those are canonical already."""
    return absent if value is None else str(value)
