"""Values of a run. JSON values are themselves; this adds uint, time, optionals, and the equality and order of CEL.

Python's `True == 1` must not leak, so map literals keep bool keys behind `BoolKey`. Lists whose schema says set or map
are `SetList` and `MapList`: they compare without order.
"""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.kit.times import civil_from_days
from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError, no_overload

MIN_INT, MAX_INT, MAX_UINT = -(1 << 63), (1 << 63) - 1, (1 << 64) - 1
MIN_SECONDS, MAX_SECONDS = -62135596800, 253402300799


class Uint(int):
    __slots__ = ()


class Duration:
    __slots__ = ("nanos",)

    def __init__(self, nanos: int):
        if not MIN_INT <= nanos <= MAX_INT:
            raise CelError("integer overflow")
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Duration) and other.nanos == self.nanos

    def __hash__(self) -> int:
        return hash(("d", self.nanos))

    def __str__(self) -> str:
        whole, rest = divmod(abs(self.nanos), 10**9)
        sign = "-" if self.nanos < 0 else ""
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        return f"{sign}{whole}{fraction}s"


class Timestamp:
    """Nanoseconds since 1970 in UTC."""

    __slots__ = ("nanos",)

    def __init__(self, nanos: int):
        if not MIN_SECONDS <= nanos // 10**9 <= MAX_SECONDS:
            raise CelError("timestamp overflow")
        self.nanos = nanos

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and other.nanos == self.nanos

    def __hash__(self) -> int:
        return hash(("t", self.nanos))

    def __str__(self) -> str:
        seconds, rest = divmod(self.nanos, 10**9)
        days, clock = divmod(seconds, 86400)
        year, month, day = civil_from_days(days)
        fraction = f".{rest:09d}".rstrip("0") if rest else ""
        return (
            f"{year:04d}-{month:02d}-{day:02d}T{clock // 3600:02d}:{clock % 3600 // 60:02d}:{clock % 60:02d}{fraction}Z"
        )


class Optional:
    __slots__ = ("present", "value")

    def __init__(self, present: bool, value: Any = None):
        self.present, self.value = present, value


NONE = Optional(False)


class BoolKey:
    """A bool as the key of a map, so that it is not the number it equals in Python."""

    __slots__ = ("value",)

    def __init__(self, value: bool):
        self.value = value


KEYS = {True: BoolKey(True), False: BoolKey(False)}


class SetList(list[Any]):
    """A list of type set."""


class MapList(list[Any]):
    """A list of type map; `keys` name its items."""

    keys: tuple[str, ...] = ()


class Named:
    """A value of a library type; equal when of one class and one `key`."""

    __slots__ = ()
    cel_type: ClassVar[t.Type] = t.DYN

    def key(self) -> Any:
        return id(self)

    def __str__(self) -> str:
        return f"{self.cel_type.name}({self.key()})"


_TYPES: dict[type, t.Type] = {
    bool: t.BOOL,
    int: t.INT,
    Uint: t.UINT,
    float: t.DOUBLE,
    str: t.STRING,
    bytes: t.BYTES,
    type(None): t.NULL,
    list: t.list_of(t.DYN),
    SetList: t.list_of(t.DYN),
    MapList: t.list_of(t.DYN),
    tuple: t.list_of(t.DYN),
    dict: t.map_of(t.DYN, t.DYN),
    Duration: t.DURATION,
    Timestamp: t.TIMESTAMP,
    Optional: t.optional_of(t.DYN),
    t.Type: t.TYPE,
}
_NUMBERS = (int, float, Uint)
LISTS = (list, SetList, MapList)


def type_of(value: Any) -> t.Type:
    known = _TYPES.get(type(value))
    if known is not None:
        return known
    if isinstance(value, Named):
        return value.cel_type
    if isinstance(value, dict):
        return _TYPES[dict]
    if isinstance(value, list):
        return _TYPES[list]
    return t.DYN


def kind_of(value: Any) -> str:
    return type_of(value).kind


def map_key(value: Any) -> Any:
    """The Python key for a CEL key."""
    kind = type(value)
    if kind is bool:
        return KEYS[value]
    if kind is str or kind is int or kind is Uint:
        return value
    if kind is float:
        return value
    raise CelError(f"unsupported key type: {type_of(value).name}")


def from_key(key: Any) -> Any:
    return key.value if type(key) is BoolKey else key


def equal(a: Any, b: Any) -> bool:
    """CEL's ==, for any two values; different kinds are unequal, numbers compare by value."""
    ta, tb = type(a), type(b)
    if ta is tb:
        if ta is str or ta is int or ta is bool or ta is float or ta is Uint or ta is bytes:
            return bool(a == b)
        if ta is dict:
            return _equal_maps(a, b)
        if ta is list:
            return len(a) == len(b) and all(map(equal, a, b))
        if ta is SetList:
            return _equal_sets(a, b)
        if ta is MapList:
            return _equal_map_lists(a, b)
        if ta is Optional:
            return a.present == b.present and (not a.present or equal(a.value, b.value))
        if isinstance(a, Named):
            return bool(a.key() == b.key())
        return bool(a == b)
    if ta in _NUMBERS and tb in _NUMBERS:
        return bool(a == b)
    if isinstance(a, list) and isinstance(b, list):
        if ta is SetList or tb is SetList:
            return _equal_sets(a, b)
        if ta is MapList or tb is MapList:
            return _equal_map_lists(a, b) if isinstance(a, MapList) else _equal_map_lists(b, a)
        return len(a) == len(b) and all(map(equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return _equal_maps(a, b)
    return False


_MISSING = object()


def _equal_maps(a: dict[Any, Any], b: dict[Any, Any]) -> bool:
    if len(a) != len(b):
        return False
    for key, value in a.items():
        other = b.get(key, _MISSING)
        if other is _MISSING or not equal(value, other):
            return False
    return True


def _equal_sets(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(any(equal(x, y) for y in b) for x in a)


def _equal_map_lists(a: Any, b: list[Any]) -> bool:
    if len(a) != len(b):
        return False
    by_key = {_item_key(item, a.keys): item for item in b}
    return all(equal(item, by_key.get(_item_key(item, a.keys), _MISSING)) for item in a)


def _item_key(item: Any, keys: tuple[str, ...]) -> Any:
    return tuple((type(item.get(k)), item.get(k)) for k in keys) if isinstance(item, dict) else id(item)


def compare(a: Any, b: Any) -> int:
    """-1, 0 or 1; raises for what has no order. NaN compares as greater, so that every test of it is false or so."""
    ta, tb = type(a), type(b)
    if (ta is tb and ta in _ORDERED) or (ta in _NUMBERS and tb in _NUMBERS):
        return -1 if a < b else 1 if a > b else 0
    if ta is tb and (ta is Duration or ta is Timestamp):
        return -1 if a.nanos < b.nanos else 1 if a.nanos > b.nanos else 0
    raise no_overload()


_ORDERED = (bool, int, float, str, bytes, Uint)


def less(a: Any, b: Any) -> bool:
    ta, tb = type(a), type(b)
    if ta is tb and ta in _ORDERED:
        return bool(a < b)
    if ta in _NUMBERS and tb in _NUMBERS:
        return bool(float(a) < float(b)) if ta is float or tb is float else bool(a < b)
    return compare(a, b) < 0


def less_equal(a: Any, b: Any) -> bool:
    ta, tb = type(a), type(b)
    if ta is tb and ta in _ORDERED:
        return bool(a <= b)
    if ta in _NUMBERS and tb in _NUMBERS:
        return bool(float(a) <= float(b)) if ta is float or tb is float else bool(a <= b)
    return compare(a, b) <= 0


def check_int(value: int) -> int:
    if MIN_INT <= value <= MAX_INT:
        return value
    raise CelError("integer overflow")


def check_uint(value: int) -> Uint:
    if 0 <= value <= MAX_UINT:
        return Uint(value)
    raise CelError("unsigned integer overflow")


def size_of(value: Any) -> int:
    """What a run's cost counts for a value: characters, bytes, items or entries, else one."""
    kind = type(value)
    if kind is str or kind is bytes or kind is dict or kind in LISTS:
        return len(value)
    return 1
