"""Cron schedules: whether one can be read, in the words of the parser that the API server uses.

Follows github.com/robfig/cron/v3 ParseStandard (five fields or a descriptor) and validateTimeZone in batch validation.
The controller that runs schedules parses them itself; here only the error matters.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from wherry.errors import go_quote


class ScheduleError(ValueError):
    """Why a schedule cannot be read; the text is what the API server says."""


class _Bounds(NamedTuple):
    low: int
    high: int
    names: dict[str, int]


_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: n for n, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: n for n, name in enumerate(["sun", "mon", "tue", "wed", "thu", "fri", "sat"])}
_FIELDS = (
    _Bounds(0, 59, {}),
    _Bounds(0, 23, {}),
    _Bounds(1, 31, {}),
    _Bounds(1, 12, _MONTHS),
    _Bounds(0, 6, _DAYS),
)
_DESCRIPTORS = frozenset(("@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"))
_zone_part_re = re.compile(r"[A-Za-z.\-_0-9+]{1,14}")
_MINUTE = 60 * 10**9
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": _MINUTE, "h": 60 * _MINUTE}
_LONGEST = 1 << 63  # nanoseconds; of positive durations, one less


def check_schedule(text: str) -> None:
    """Raise `ScheduleError` when the schedule is not sound."""
    if not text:
        raise ScheduleError("empty spec string")
    if text.startswith(("TZ=", "CRON_TZ=")):
        space = text.find(" ")
        start = text.index("=") + 1
        if space < 0:  # upstream slices with -1, panics, and reports the panic
            raise ScheduleError(
                f"invalid schedule format: runtime error: slice bounds out of range [{start}:-1]"
                if start == 0
                else "invalid schedule format: runtime error: slice bounds out of range [:-1]"
            )
        zone = text[start:space]
        problem = zone_error(zone)
        if problem:
            raise ScheduleError(f"provided bad location {zone}: {problem}")
        text = text[space:].strip()
    if text.startswith("@"):
        _descriptor(text)
        return
    fields = text.split()
    if len(fields) != 5:
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    for field, bounds in zip(fields, _FIELDS, strict=True):
        for part in field.split(","):
            if part:
                _range(part, bounds)


def _descriptor(text: str) -> None:
    if text in _DESCRIPTORS:
        return
    if text.startswith("@every "):
        duration = text.removeprefix("@every ")
        problem = duration_error(duration)
        if problem:
            raise ScheduleError(f"failed to parse duration {text}: {problem}")
        return
    raise ScheduleError(f"unrecognized descriptor: {text}")


def _number(text: str) -> int:
    body = text[1:] if text[:1] in ("+", "-") else text
    if not (body.isascii() and body.isdigit()):
        raise ScheduleError(f"failed to parse int from {text}: strconv.Atoi: parsing {go_quote(text)}: invalid syntax")
    value = int(text)
    if not -(1 << 63) <= value < 1 << 63:
        why = f"strconv.Atoi: parsing {go_quote(text)}: value out of range"
        raise ScheduleError(f"failed to parse int from {text}: {why}")
    if value < 0:
        raise ScheduleError(f"negative number ({value}) not allowed: {text}")
    return value


def _range(text: str, bounds: _Bounds) -> None:
    steps = text.split("/")
    ends = steps[0].split("-")
    if ends[0] in ("*", "?"):
        start, end = bounds.low, bounds.high
    else:
        start = _named(ends[0], bounds)
        if len(ends) > 2:
            raise ScheduleError(f"too many hyphens: {text}")
        end = _named(ends[1], bounds) if len(ends) == 2 else start
    step = 1
    if len(steps) == 2:
        step = _number(steps[1])
        if len(ends) == 1:
            end = bounds.high
    elif len(steps) > 2:
        raise ScheduleError(f"too many slashes: {text}")
    if start < bounds.low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({bounds.low}): {text}")
    if end > bounds.high:
        raise ScheduleError(f"end of range ({end}) above maximum ({bounds.high}): {text}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {text}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {text}")


def _named(text: str, bounds: _Bounds) -> int:
    named = bounds.names.get(text.lower())
    return _number(text) if named is None else named


def duration_error(text: str) -> str:
    """What time.ParseDuration says, "" when it is content."""
    shown = _time_quote(text)
    bad = f"time: invalid duration {shown}"
    rest = text[1:] if text[:1] in ("+", "-") else text
    if rest == "0":
        return ""
    if not rest:
        return bad
    total = 0
    while rest:
        match = re.match(r"([0-9]*)(?:\.([0-9]*))?", rest)
        whole, fraction = match.groups("") if match else ("", "")
        if (not whole and not fraction) or int(whole or 0) > _LONGEST:
            return bad
        rest = rest[match.end() :] if match else ""
        unit = (re.match(r"[^0-9.]*", rest) or [""])[0]
        if not unit:
            return f"time: missing unit in duration {shown}"
        if unit not in _UNITS:
            return f"time: unknown unit {_time_quote(unit)} in duration {shown}"
        size = _UNITS[unit]
        total += int(whole or 0) * size + int(fraction or 0) * size // 10 ** len(fraction)
        if total > _LONGEST:
            return bad
        rest = rest[len(unit) :]
    return bad if total == _LONGEST and text[0] != "-" else ""


def _time_quote(text: str) -> str:
    """Package time quotes for itself: bytes outside of ASCII one by one."""
    out = ""
    for byte in text.encode():
        char = chr(byte)
        out += "\\" + char if char in '"\\' else char if 32 <= byte < 128 else f"\\x{byte:02x}"
    return f'"{out}"'


def zone_error(name: str) -> str:
    """What time.LoadLocation says, "" for a zone that exists."""
    if name in ("", "UTC", "Local"):
        return ""
    parts = name.split("/")
    if ".." in parts or name.startswith("/") or "\\" in name:
        return "time: invalid location name"
    from zoneinfo import available_timezones

    return "" if name in available_timezones() else f"unknown time zone {name}"


def time_zone_errors(name: str) -> list[str]:
    """What is wrong with the timeZone of a CronJob."""
    if not name:
        return ["timeZone must be nil or non-empty string"]
    for part in name.split("/"):
        if part in (".", "..") or part.startswith("-") or not _zone_part_re.fullmatch(part):
            return [f"unknown time zone {name}"]
    errors: list[str] = []
    if name.lower() == "local":
        errors.append("timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
    problem = zone_error(name)
    return [*errors, problem] if problem else errors
