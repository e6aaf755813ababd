"""Times as Kubernetes writes them: RFC 3339 in UTC, whole seconds (Time) or six digits (MicroTime).

Parsing follows Go's time.Parse, which takes single-digit hours, fractions with a comma and any offset up to a day, and
whose errors quote the part that did not fit. Nothing here reads a clock.
"""

from __future__ import annotations

from functools import lru_cache

SECONDS_LAYOUT = "2006-01-02T15:04:05Z07:00"
MICRO_LAYOUT = "2006-01-02T15:04:05.000000Z07:00"
ZERO_SECONDS = -62135596800  # 0001-01-01T00:00:00Z, the time that Go calls zero
_DAYS = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


class TimeError(ValueError):
    """A text that is no time; the message is Go's."""


def days_from_civil(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * (month + (-3 if month > 2 else 9)) + 2) // 5 + day - 1
    return era * 146097 + year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year - 719468


def civil_from_days(days: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + (3 if shifted < 10 else -9)
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _quote(text: str) -> str:
    """The time package's own quoting, which knows no letters beyond ASCII."""
    return '"' + "".join(map(_quoted, text)) + '"'


def _quoted(char: str) -> str:
    if " " <= char < "\x80":
        return "\\" + char if char in '"\\' else char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "replace"))


class _Reader:
    """One pass over the text in the steps of the layout."""

    def __init__(self, text: str, layout: str):
        self.text, self.rest, self.layout = text, text, layout

    def misfit(self, element: str, rest: str) -> TimeError:
        return TimeError(
            f"parsing time {_quote(self.text)} as {_quote(self.layout)}: "
            f"cannot parse {_quote(rest)} as {_quote(element)}"
        )

    def refuse(self, what: str) -> TimeError:
        return TimeError(f"parsing time {_quote(self.text)}: {what}")

    def skip(self, char: str) -> None:
        if not self.rest.startswith(char):
            raise self.misfit(char, self.rest)
        self.rest = self.rest[1:]

    def number(self, element: str, width: int, low: int, high: int, name: str, *, short: bool = False) -> int:
        held = self.rest
        digits = held[:width]
        if not (len(digits) == width and digits.isascii() and digits.isdigit()):
            if not (short and held[:1].isascii() and held[:1].isdigit()):
                raise self.misfit(element, held)
            digits = held[:1]
        self.rest = held[len(digits) :]
        value = int(digits)
        if not low <= value <= high:
            raise self.refuse(f"{name} out of range")
        return value

    def fraction(self, required: bool) -> int:
        """Nanoseconds; any number of digits where the layout has none, exactly six where it has."""
        held = self.rest
        if required:
            digits = held[1:7]
            if len(held) < 7 or held[0] not in ".," or not (digits.isascii() and digits.isdigit()):
                raise self.misfit(".000000", held)
            self.rest = held[7:]
            return int(digits) * 1000
        if len(held) < 2 or held[0] not in ".," or not ("0" <= held[1] <= "9"):
            return 0
        end = 1
        while end < len(held) and "0" <= held[end] <= "9":
            end += 1
        self.rest = held[end:]
        return int(held[1:end][:9].ljust(9, "0"))

    def zone(self) -> int:
        """Offset in seconds."""
        held = self.rest
        if held.startswith("Z"):
            self.rest = held[1:]
            return 0
        sign, hours, colon, minutes = held[:1], held[1:3], held[3:4], held[4:6]
        if len(held) < 6 or colon != ":" or not (hours + minutes).isdigit() or sign not in "+-":
            raise self.misfit("Z07:00", held)
        self.rest = held[6:]
        if int(hours) > 24:
            raise self.refuse("time zone offset hour out of range")
        if int(minutes) > 60:
            raise self.refuse("time zone offset minute out of range")
        offset = int(hours) * 3600 + int(minutes) * 60
        return -offset if sign == "-" else offset


def parse(text: str, *, micro: bool = False) -> tuple[int, int]:
    """(seconds since the epoch, nanoseconds) of a time; raises TimeError with Go's words."""
    reader = _Reader(text, MICRO_LAYOUT if micro else SECONDS_LAYOUT)
    year = reader.number("2006", 4, 0, 9999, "year")
    reader.skip("-")
    month = reader.number("01", 2, 1, 12, "month")
    reader.skip("-")
    day = reader.number("02", 2, 0, 99, "day")
    reader.skip("T")
    hour = reader.number("15", 2, 0, 23, "hour", short=True)
    reader.skip(":")
    minute = reader.number("04", 2, 0, 59, "minute")
    reader.skip(":")
    second = reader.number("05", 2, 0, 59, "second")
    nanos = reader.fraction(micro)
    offset = reader.zone()
    if reader.rest:
        raise reader.refuse(f"extra text: {_quote(reader.rest)}")
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _DAYS[month - 1] + (month == 2 and leap):
        raise reader.refuse("day out of range")
    return days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset, nanos


def format_seconds(seconds: int) -> str:
    """`2024-02-29T12:00:00Z`."""
    days, rest = divmod(seconds, 86400)
    year, month, day = civil_from_days(days)
    return f"{year:04d}-{month:02d}-{day:02d}T{rest // 3600:02d}:{rest // 60 % 60:02d}:{rest % 60:02d}Z"


def format_micro(seconds: int, nanos: int) -> str:
    """`2024-02-29T12:00:00.123456Z`; what is finer than a microsecond is cut off."""
    return f"{format_seconds(seconds)[:-1]}.{nanos // 1000:06d}Z"


@lru_cache(maxsize=4096)
def normal_time(text: str) -> str | None:
    """A `Time` as it is written again: UTC, whole seconds; None for Go's zero time, which is written as null."""
    seconds, nanos = parse(text)
    return None if seconds == ZERO_SECONDS and nanos == 0 else format_seconds(seconds)


@lru_cache(maxsize=4096)
def normal_micro_time(text: str) -> str | None:
    """A `MicroTime` as it is written again."""
    seconds, nanos = parse(text, micro=True)
    return None if seconds == ZERO_SECONDS and nanos == 0 else format_micro(seconds, nanos)
