"""Timestamps and durations: parsing as Go does it, and the accessors with time zones."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any

from wherry.kit.times import days_from_civil
from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.registry import Library
from wherry.machinery.cel.values import Duration, Timestamp

TIMES = Library("times")
_STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d{1,2}):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def parse_timestamp(text: str) -> Timestamp | None:
    """RFC 3339, None for what is not. Raises CelError out of the years 1 to 9999."""
    found = _STAMP.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
    if not (1 <= month <= 12 and 1 <= day <= _MONTH_DAYS[month - 1] and hour < 24 and minute < 60 and second < 60):
        return None
    if month == 2 and day == 29 and not (year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)):
        return None
    nanos = int(((found[7] or "") + "0" * 9)[:9])
    zone = found[8]
    offset = 0
    if zone != "Z":
        if int(zone[1:3]) > 24 or int(zone[4:6]) > 60:
            return None
        offset = (int(zone[1:3]) * 3600 + int(zone[4:6]) * 60) * (-1 if zone[0] == "-" else 1)
    seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset
    return Timestamp(seconds * 10**9 + nanos)


def parse_duration(text: str) -> int | None:
    """Nanoseconds of a Go duration such as 1h30m, None for what is none."""
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest or len(rest) > 500:
        return None
    total, at = 0, 0
    while at < len(rest):
        found = _PART.match(rest, at)
        if found is None:
            return None
        total += int(Decimal(found[1] if found[1][-1] != "." else found[1] + "0") * _UNITS[found[2]])
        at = found.end()
    return -total if text[0] == "-" else total


def _zone(name: str) -> tzinfo:
    found = re.fullmatch(r"([+-]?)(\d\d?):(\d\d)", name)
    if found:
        sign = -1 if found[1] == "-" else 1
        return timezone(sign * timedelta(hours=int(found[2]), minutes=int(found[3])))
    if name in ("", "UTC"):
        return UTC
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise CelError(f"unknown time zone {name}") from None


def _at(stamp: Timestamp, zone: tzinfo) -> datetime:
    seconds = stamp.nanos // 10**9
    base = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    try:
        return base.astimezone(zone)
    except OverflowError:
        raise CelError("timestamp overflow") from None


def _accessor(name: str, id_: str, read: Callable[[datetime], int]) -> None:
    def in_utc(stamp: Timestamp) -> int:
        return read(_at(stamp, UTC))

    def in_zone(stamp: Timestamp, zone: str) -> int:
        return read(_at(stamp, _zone(zone)))

    TIMES.add(name, f"timestamp_to_{id_}", [t.TIMESTAMP], t.INT, in_utc, member=True)
    TIMES.add(name, f"timestamp_to_{id_}_with_tz", [t.TIMESTAMP, t.STRING], t.INT, in_zone, member=True)


_accessor("getFullYear", "year", lambda d: d.year)
_accessor("getMonth", "month", lambda d: d.month - 1)
_accessor("getDayOfYear", "day_of_year", lambda d: d.timetuple().tm_yday - 1)
_accessor("getDayOfMonth", "day_of_month", lambda d: d.day - 1)
_accessor("getDate", "day_of_month_1_based", lambda d: d.day)
_accessor("getDayOfWeek", "day_of_week", lambda d: (d.weekday() + 1) % 7)
_accessor("getHours", "hours", lambda d: d.hour)
_accessor("getMinutes", "minutes", lambda d: d.minute)
_accessor("getSeconds", "seconds", lambda d: d.second)


def _millis(stamp: Any, zone: str = "") -> int:
    return int(stamp.nanos % 10**9 // 10**6)


TIMES.add("getMilliseconds", "timestamp_to_milliseconds", [t.TIMESTAMP], t.INT, _millis, member=True)
TIMES.add("getMilliseconds", "timestamp_to_milliseconds_with_tz", [t.TIMESTAMP, t.STRING], t.INT, _millis, member=True)


def _of_duration(name: str, id_: str, unit: int) -> None:
    def read(value: Duration) -> int:
        whole = abs(value.nanos) // unit
        return whole if value.nanos >= 0 else -whole

    TIMES.add(name, id_, [t.DURATION], t.INT, read, member=True)


_of_duration("getHours", "duration_to_hours", 3600 * 10**9)
_of_duration("getMinutes", "duration_to_minutes", 60 * 10**9)
_of_duration("getSeconds", "duration_to_seconds", 10**9)
TIMES.add(
    "getMilliseconds",
    "duration_to_milliseconds",
    [t.DURATION],
    t.INT,
    lambda v: (abs(v.nanos) // 10**6) * (-1 if v.nanos < 0 else 1),  # all of them, as cel-go does, not the rest
    member=True,
)
