"""Pure: the times of a cron schedule (github.com/robfig/cron/v3 ParseStandard), in any time zone.

A local time that a clock change skips does not come, one that it repeats comes twice, as there.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from wherry.machinery.builtin.workloads.cron import ScheduleError, check_schedule

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMED = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
_LIMITS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_DURATION = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_UNITS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_YEARS = 5  # further ahead is never


@dataclass(frozen=True, slots=True)
class Schedule:
    """`every` is a fixed pause in seconds; otherwise the fields say which minutes."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    any_day: bool  # day of month or day of week is a star: both must fit, else either
    zone: tzinfo
    every: int = 0

    def next(self, after: float) -> float | None:
        """The first time later than `after`, in seconds since 1970."""
        if self.every:
            return float(int(after) + self.every)
        local = datetime.fromtimestamp(after, self.zone)
        day = local.date()
        for _ in range(366 * _YEARS):
            if self._has(day):
                found = self._first(day, after)
                if found is not None:
                    return found
            day += timedelta(days=1)
        return None

    def _has(self, day: date) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, (day.weekday() + 1) % 7 in self.weekdays
        return (of_month and of_week) if self.any_day else (of_month or of_week)

    def _first(self, day: date, after: float) -> float | None:
        times = [
            stamp
            for hour in self.hours
            for minute in self.minutes
            for fold in (0, 1)
            if (stamp := self._stamp(datetime(day.year, day.month, day.day, hour, minute, fold=fold))) is not None
            and stamp > after
        ]
        return min(times, default=None)

    def _stamp(self, local: datetime) -> float | None:
        """None for a local time that is skipped."""
        at = local.replace(tzinfo=self.zone).timestamp()
        back = datetime.fromtimestamp(at, self.zone)
        return at if (back.hour, back.minute, back.day) == (local.hour, local.minute, local.day) else None


def parse_schedule(text: str, zone: str | None = None) -> Schedule:
    """Raises ScheduleError in the words of the API server."""
    check_schedule(text)
    place: tzinfo = ZoneInfo(zone) if zone else UTC
    if text.startswith(("TZ=", "CRON_TZ=")):
        name, _, text = text.partition(" ")
        place, text = ZoneInfo(name.split("=", 1)[1]), text.strip()
    if text.startswith("@every "):
        total = sum(float(n) * _UNITS[u] for n, u in _DURATION.findall(text))
        none: frozenset[int] = frozenset()
        return Schedule(none, none, none, none, none, True, place, max(1, int(total)))
    fields = _NAMED.get(text, text).split()
    minutes, hours, days, months, weekdays = (_field(field, number) for number, field in enumerate(fields))
    star = any(part.split("/")[0] in ("*", "?") for field in (fields[2], fields[4]) for part in field.split(","))
    return Schedule(minutes, hours, days, months, weekdays, star, place)


def _field(text: str, number: int) -> frozenset[int]:
    low, high = _LIMITS[number]
    found: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        if first in ("*", "?"):
            start, end = low, high
        else:
            start = _value(first, number)
            end = _value(last, number) if last else high if step else start
        found.update(range(start, end + 1, int(step or 1)))
    return frozenset(found)


def _value(text: str, number: int) -> int:
    word = text.lower()
    if number == 3 and word in _MONTHS:
        return _MONTHS.index(word) + 1
    return _DAYS.index(word) if number == 4 and word in _DAYS else int(word)


__all__ = ["Schedule", "ScheduleError", "parse_schedule"]
