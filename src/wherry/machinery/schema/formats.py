"""String formats that custom resource schemas may name, each a predicate on a string.

Follows k8s.io/kube-openapi/pkg/validation/strfmt (predicates) and apiextensions-apiserver/pkg/apiserver/validation
(which names count: all others are ignored). Rarely used predicates live in `formats_rare`, imported on first use.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date as _calendar

Check = Callable[[str], bool]

_NETWORK = ("uri", "email", "hostname", "ipv4", "ipv6", "cidr", "mac")
_IDS = ("bsonobjectid", "uuid", "uuid3", "uuid4", "uuid5", "isbn", "isbn10", "isbn13", "creditcard", "ssn")
_OTHERS = ("hexcolor", "rgbcolor", "byte", "password", "date", "duration", "datetime", "k8sshortname", "k8slongname")
_NAMES = frozenset((*_NETWORK, *_IDS, *_OTHERS))


def normalize(name: str) -> str:
    """`date-time` and `datetime` are one format."""
    return name.replace("-", "")


def is_supported(name: str) -> bool:
    return normalize(name) in _NAMES


def checker(name: str) -> Check | None:
    """The predicate of a format name, or None when every string is right or the name is not known."""
    name = normalize(name)
    if name not in _NAMES or name == "password":
        return None
    found = _COMMON.get(name)
    if found is None:
        from wherry.machinery.schema.formats_rare import RARE

        found = RARE[name]
    return found


_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})\Z", re.ASCII)
_TIME = re.compile(r"([0-9]{2}):([0-9]{2}):([0-9]{2})(.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))\Z")
_HEX = "[0-9a-fA-F]"


def is_date(text: str) -> bool:
    match = _DATE.match(text)
    if match is None:
        return False
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    try:
        _calendar(year or 4, month, day)  # Go accepts year 0, a leap year
    except ValueError:
        return False
    return True


def is_datetime(text: str) -> bool:
    if len(text) < 4:
        return False
    parts = text.lower().split("t")
    if len(parts) < 2 or not is_date(parts[0]):
        return False
    match = _TIME.match(parts[1])
    return match is not None and match[1] <= "23" and match[2] <= "59" and match[3] <= "59"


def _full(pattern: str) -> Check:
    match = re.compile(rf"(?:{pattern})\Z").match
    return lambda text: match(text) is not None


def _uuid(third: str, fourth: str) -> Check:
    h = _HEX
    return _full(f"{h}{{8}}-?{h}{{4}}-?{third}-?{fourth}-?{h}{{12}}")


def _limited(pattern: str, limit: int) -> Check:
    match = re.compile(rf"(?:{pattern})\Z").match
    return lambda text: len(text.encode("utf-8", "surrogatepass")) <= limit and match(text) is not None


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_GO_DURATION = re.compile(r"[-+]?(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)\Z")
_GO_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")
_NANOS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_LOOSE_DURATION = re.compile(r"([0-9]+)[\t\n\f\r ]*([A-Za-zµ]+)")
_LOOSE_UNITS = (
    ("ns", "nano"),
    ("us", "µs", "micro"),
    ("ms", "milli"),
    ("s", "sec"),
    ("m", "min"),
    ("h", "hr", "hour"),
    ("d", "day"),
    ("w", "wk", "week"),
)


def is_go_duration(text: str) -> bool:
    """time.ParseDuration, with its limit of about 292 years."""
    if _GO_DURATION.match(text) is None:
        return False
    total = 0
    for whole, fraction, unit in _GO_PART.findall(text):
        scale = _NANOS[unit]
        total += int(whole or 0) * scale
        if fraction:
            total += int(fraction) * scale // 10 ** len(fraction)
    return total <= 2**63 - 1 or (text.startswith("-") and total == 2**63)


def is_duration(text: str) -> bool:
    """time.ParseDuration, or anything that holds a number and a unit such as `3 days`."""
    if is_go_duration(text):
        return True
    known = False
    for number, word in _LOOSE_DURATION.findall(text):
        if int(number) > 2**63 - 1:
            return False
        unit = word.lower()
        known = known or any(unit in names or unit.startswith(names[-1]) for names in _LOOSE_UNITS)
    return known


_COMMON: dict[str, Check] = {
    "date": is_date,
    "datetime": is_datetime,
    "duration": is_duration,
    "byte": _full(r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})"),
    "uuid": _uuid(_HEX + "{4}", _HEX + "{4}"),
    "uuid3": _uuid(f"3{_HEX}{{3}}", _HEX + "{4}"),
    "uuid4": _uuid(f"4{_HEX}{{3}}", f"[89abAB]{_HEX}{{3}}"),
    "uuid5": _uuid(f"5{_HEX}{{3}}", f"[89abAB]{_HEX}{{3}}"),
    "hexcolor": _full(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})"),
    "bsonobjectid": _full(_HEX + "{24}"),
    "k8sshortname": _limited(_LABEL, 63),
    "k8slongname": _limited(rf"{_LABEL}(\.{_LABEL})*", 253),
}
