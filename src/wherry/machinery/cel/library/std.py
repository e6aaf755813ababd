"""The functions that every CEL has: operators, conversions, strings, sizes. The overload ids are cel-go's."""

from __future__ import annotations

import math
from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.library.regex import compiled
from wherry.machinery.cel.library.times import parse_duration, parse_timestamp
from wherry.machinery.cel.registry import Library
from wherry.machinery.cel.values import (
    MAX_INT,
    MAX_UINT,
    MIN_INT,
    Duration,
    MapList,
    SetList,
    Timestamp,
    Uint,
    check_int,
    check_uint,
    equal,
    less,
    less_equal,
    map_key,
    type_of,
)
from wherry.machinery.schema.gotext import go_float

STD = Library("standard")
_ORDER_SAME = [
    ("bool", t.BOOL),
    ("int64", t.INT),
    ("uint64", t.UINT),
    ("double", t.DOUBLE),
    ("string", t.STRING),
    ("bytes", t.BYTES),
    ("timestamp", t.TIMESTAMP),
    ("duration", t.DURATION),
]
_NUMBERS = [("int64", t.INT), ("uint64", t.UINT), ("double", t.DOUBLE)]


def _orders() -> None:
    tests = {
        "less": ("_<_", less),
        "less_equals": ("_<=_", less_equal),
        "greater": ("_>_", lambda a, b: less(b, a)),
        "greater_equals": ("_>=_", lambda a, b: less_equal(b, a)),
    }
    for word, (sign, impl) in tests.items():
        for name, type_ in _ORDER_SAME:
            STD.add(sign, f"{word}_{name}", [type_, type_], t.BOOL, impl)
        for left, left_type in _NUMBERS:
            for right, right_type in _NUMBERS:
                if left != right:
                    STD.add(sign, f"{word}_{left}_{right}", [left_type, right_type], t.BOOL, impl)


_orders()
STD.add("_==_", "equals", [t.A, t.A], t.BOOL, equal)
STD.add("_!=_", "not_equals", [t.A, t.A], t.BOOL, lambda a, b: not equal(a, b))
STD.add("_&&_", "logical_and", [t.BOOL, t.BOOL], t.BOOL, lambda a, b: a and b)
STD.add("_||_", "logical_or", [t.BOOL, t.BOOL], t.BOOL, lambda a, b: a or b)
STD.add("_?_:_", "conditional", [t.BOOL, t.A, t.A], t.A, lambda c, a, b: a if c else b)
STD.add("!_", "logical_not", [t.BOOL], t.BOOL, lambda a: not a)
STD.add("@not_strictly_false", "not_strictly_false", [t.BOOL], t.BOOL, lambda a: a)
STD.add("-_", "negate_int64", [t.INT], t.INT, lambda a: check_int(-a))
STD.add("-_", "negate_double", [t.DOUBLE], t.DOUBLE, lambda a: -a)


# --- arithmetic ------------------------------------------------------------------------------------------------------
def add_lists(a: list[Any], b: list[Any]) -> list[Any]:
    """Lists of type set and map are merged, others joined."""
    if type(a) is SetList:
        return SetList(a + [x for x in b if not any(equal(x, y) for y in a)])
    if type(a) is MapList:
        return _merge_map_lists(a, b)
    return a + b


def _merge_map_lists(a: MapList, b: list[Any]) -> MapList:
    out = MapList(a)
    out.keys = a.keys
    places = {tuple(str(item.get(k)) for k in a.keys): i for i, item in enumerate(a)}
    for item in b:
        place = places.get(tuple(str(item.get(k)) for k in a.keys))
        if place is None:
            out.append(item)
        else:
            out[place] = item
    return out


STD.add("_+_", "add_int64", [t.INT, t.INT], t.INT, lambda a, b: check_int(a + b))
STD.add("_+_", "add_uint64", [t.UINT, t.UINT], t.UINT, lambda a, b: check_uint(int(a) + int(b)))
STD.add("_+_", "add_double", [t.DOUBLE, t.DOUBLE], t.DOUBLE, lambda a, b: a + b)
STD.add("_+_", "add_string", [t.STRING, t.STRING], t.STRING, lambda a, b: a + b)
STD.add("_+_", "add_bytes", [t.BYTES, t.BYTES], t.BYTES, lambda a, b: a + b)
STD.add("_+_", "add_list", [t.LIST_A, t.LIST_A], t.LIST_A, add_lists)
STD.add("_+_", "add_duration_duration", [t.DURATION, t.DURATION], t.DURATION, lambda a, b: Duration(a.nanos + b.nanos))
STD.add(
    "_+_", "add_duration_timestamp", [t.DURATION, t.TIMESTAMP], t.TIMESTAMP, lambda a, b: Timestamp(a.nanos + b.nanos)
)
STD.add(
    "_+_", "add_timestamp_duration", [t.TIMESTAMP, t.DURATION], t.TIMESTAMP, lambda a, b: Timestamp(a.nanos + b.nanos)
)
STD.add("_-_", "subtract_int64", [t.INT, t.INT], t.INT, lambda a, b: check_int(a - b))
STD.add("_-_", "subtract_uint64", [t.UINT, t.UINT], t.UINT, lambda a, b: check_uint(int(a) - int(b)))
STD.add("_-_", "subtract_double", [t.DOUBLE, t.DOUBLE], t.DOUBLE, lambda a, b: a - b)
STD.add(
    "_-_", "subtract_duration_duration", [t.DURATION, t.DURATION], t.DURATION, lambda a, b: Duration(a.nanos - b.nanos)
)
STD.add(
    "_-_",
    "subtract_timestamp_duration",
    [t.TIMESTAMP, t.DURATION],
    t.TIMESTAMP,
    lambda a, b: Timestamp(a.nanos - b.nanos),
)
STD.add(
    "_-_",
    "subtract_timestamp_timestamp",
    [t.TIMESTAMP, t.TIMESTAMP],
    t.DURATION,
    lambda a, b: Duration(a.nanos - b.nanos),
)
STD.add("_*_", "multiply_int64", [t.INT, t.INT], t.INT, lambda a, b: check_int(a * b))
STD.add("_*_", "multiply_uint64", [t.UINT, t.UINT], t.UINT, lambda a, b: check_uint(int(a) * int(b)))
STD.add("_*_", "multiply_double", [t.DOUBLE, t.DOUBLE], t.DOUBLE, lambda a, b: a * b)


@STD.fn("_/_", "divide_int64", [t.INT, t.INT], t.INT)
def _divide(a: int, b: int) -> int:
    if b == 0:
        raise CelError("division by zero")
    quotient = abs(a) // abs(b)
    return check_int(quotient if (a < 0) == (b < 0) else -quotient)


@STD.fn("_/_", "divide_uint64", [t.UINT, t.UINT], t.UINT)
def _divide_uint(a: int, b: int) -> Uint:
    if b == 0:
        raise CelError("division by zero")
    return Uint(a // b)


@STD.fn("_/_", "divide_double", [t.DOUBLE, t.DOUBLE], t.DOUBLE)
def _divide_double(a: float, b: float) -> float:
    if b == 0.0:
        if a == 0.0 or math.isnan(a):
            return math.nan
        return math.copysign(math.inf, a) * math.copysign(1.0, b)
    return a / b


@STD.fn("_%_", "modulo_int64", [t.INT, t.INT], t.INT)
def _modulo(a: int, b: int) -> int:
    if b == 0:
        raise CelError("modulus by zero")
    if a == MIN_INT and b == -1:
        raise CelError("integer overflow")
    rest = abs(a) % abs(b)
    return -rest if a < 0 else rest


@STD.fn("_%_", "modulo_uint64", [t.UINT, t.UINT], t.UINT)
def _modulo_uint(a: int, b: int) -> Uint:
    if b == 0:
        raise CelError("modulus by zero")
    return Uint(a % b)


# --- containers ------------------------------------------------------------------------------------------------------
@STD.fn("@in", "in_list", [t.A, t.LIST_A], t.BOOL)
def _in_list(value: Any, items: list[Any]) -> bool:
    return any(equal(value, item) for item in items)


@STD.fn("@in", "in_map", [t.A, t.MAP_AB], t.BOOL)
def _in_map(value: Any, items: dict[Any, Any]) -> bool:
    try:
        return map_key(value) in items
    except CelError:
        return False


@STD.fn("_[_]", "index_list", [t.LIST_A, t.INT], t.A)
def index_list(items: list[Any], at: Any) -> Any:
    if type(at) is float:
        if at != int(at):
            raise CelError(f"unsupported index value: {at}")
        at = int(at)
    if 0 <= at < len(items):
        return items[at]
    raise CelError(f"index out of bounds: {at}")


@STD.fn("_[_]", "index_map", [t.MAP_AB, t.A], t.B)
def index_map(items: dict[Any, Any], key: Any) -> Any:
    try:
        return items[map_key(key)]
    except KeyError:
        raise CelError(f"no such key: {show_key(key)}") from None


def show_key(key: Any) -> str:
    if type(key) is bool:
        return "true" if key else "false"
    return go_float(key) if type(key) is float else str(key)


for _name, _type in (("string", t.STRING), ("bytes", t.BYTES), ("list", t.LIST_A), ("map", t.MAP_AB)):
    STD.add("size", f"size_{_name}", [_type], t.INT, len)
    STD.add("size", f"{_name}_size", [_type], t.INT, len, member=True)
STD.add("contains", "contains_string", [t.STRING, t.STRING], t.BOOL, lambda s, x: x in s, member=True)
STD.add("startsWith", "starts_with_string", [t.STRING, t.STRING], t.BOOL, lambda s, x: s.startswith(x), member=True)
STD.add("endsWith", "ends_with_string", [t.STRING, t.STRING], t.BOOL, lambda s, x: s.endswith(x), member=True)


def _matches(text: str, pattern: str) -> bool:
    return compiled(pattern).search(text)


STD.add("matches", "matches", [t.STRING, t.STRING], t.BOOL, _matches)
STD.add("matches", "matches_string", [t.STRING, t.STRING], t.BOOL, _matches, member=True)


# --- conversions -----------------------------------------------------------------------------------------------------
def _same(value: Any) -> Any:
    return value


def _bad(source: str, target: str) -> CelError:
    return CelError(f"type conversion error from '{source}' to '{target}'")


for _name, _type in _ORDER_SAME:
    _fn = {"int64": "int", "uint64": "uint"}.get(_name, _name)
    STD.add(_fn, f"{_name}_to_{_name}", [_type], _type, _same)
STD.add("dyn", "to_dyn", [t.A], t.DYN, _same)
STD.add("type", "type", [t.A], t.type_of_type(t.A), type_of)


@STD.fn("int", "uint64_to_int64", [t.UINT], t.INT)
def _uint_to_int(value: int) -> int:
    return check_int(int(value))


@STD.fn("int", "double_to_int64", [t.DOUBLE], t.INT)
def _double_to_int(value: float) -> int:
    if math.isnan(value) or not -9223372036854775808.0 < value < 9223372036854775807.0:
        raise CelError("integer overflow")
    return int(value)


def _digits(text: str, signed: bool) -> int:
    rest = text[1:] if signed and text[:1] in ("-", "+") else text
    if not (rest.isascii() and rest.isdigit()) or len(rest) > 4300:
        raise ValueError
    return -int(rest) if text[0] == "-" else int(rest)


@STD.fn("int", "string_to_int64", [t.STRING], t.INT)
def _string_to_int(text: str) -> int:
    try:
        value = _digits(text, True)
    except ValueError:
        raise _bad("string", "int") from None
    if not MIN_INT <= value <= MAX_INT:
        raise _bad("string", "int")
    return value


STD.add("int", "timestamp_to_int64", [t.TIMESTAMP], t.INT, lambda v: v.nanos // 10**9)
STD.add("int", "duration_to_int64", [t.DURATION], t.INT, lambda v: v.nanos)


@STD.fn("uint", "int64_to_uint64", [t.INT], t.UINT)
def _int_to_uint(value: int) -> Uint:
    return check_uint(value)


@STD.fn("uint", "double_to_uint64", [t.DOUBLE], t.UINT)
def _double_to_uint(value: float) -> Uint:
    if math.isnan(value) or value < 0 or value >= 18446744073709551615.0:
        raise CelError("unsigned integer overflow")
    return Uint(int(value))


@STD.fn("uint", "string_to_uint64", [t.STRING], t.UINT)
def _string_to_uint(text: str) -> Uint:
    try:
        value = _digits(text, False)
    except ValueError:
        raise _bad("string", "uint") from None
    if value > MAX_UINT:
        raise _bad("string", "uint")
    return Uint(value)


STD.add("double", "int64_to_double", [t.INT], t.DOUBLE, float)
STD.add("double", "uint64_to_double", [t.UINT], t.DOUBLE, float)


@STD.fn("double", "string_to_double", [t.STRING], t.DOUBLE)
def _string_to_double(text: str) -> float:
    try:
        if text.strip() != text or "_" in text:
            raise ValueError
        return float(text)
    except ValueError:
        raise _bad("string", "double") from None


@STD.fn("bool", "string_to_bool", [t.STRING], t.BOOL)
def _string_to_bool(text: str) -> bool:
    if text in ("1", "t", "T", "TRUE", "true", "True"):
        return True
    if text in ("0", "f", "F", "FALSE", "false", "False"):
        return False
    raise _bad("string", "bool")


STD.add("bytes", "string_to_bytes", [t.STRING], t.BYTES, lambda v: v.encode("utf-8", "surrogatepass"))


@STD.fn("string", "bytes_to_string", [t.BYTES], t.STRING)
def _bytes_to_string(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise CelError("invalid UTF-8 in bytes, cannot convert to string") from None


STD.add("string", "bool_to_string", [t.BOOL], t.STRING, lambda v: "true" if v else "false")
STD.add("string", "int64_to_string", [t.INT], t.STRING, str)
STD.add("string", "uint64_to_string", [t.UINT], t.STRING, lambda v: str(int(v)))
STD.add("string", "double_to_string", [t.DOUBLE], t.STRING, go_float)
STD.add("string", "timestamp_to_string", [t.TIMESTAMP], t.STRING, str)
STD.add("string", "duration_to_string", [t.DURATION], t.STRING, str)


@STD.fn("timestamp", "string_to_timestamp", [t.STRING], t.TIMESTAMP)
def _string_to_timestamp(text: str) -> Timestamp:
    value = parse_timestamp(text)
    if value is None:
        raise _bad("string", "google.protobuf.Timestamp")
    return value


@STD.fn("timestamp", "int64_to_timestamp", [t.INT], t.TIMESTAMP)
def _int_to_timestamp(seconds: int) -> Timestamp:
    return Timestamp(seconds * 10**9)


@STD.fn("duration", "string_to_duration", [t.STRING], t.DURATION)
def _string_to_duration(text: str) -> Duration:
    nanos = parse_duration(text)
    if nanos is None or not MIN_INT <= nanos <= MAX_INT:
        raise _bad("string", "google.protobuf.Duration")
    return Duration(nanos)


STD.add("duration", "int64_to_duration", [t.INT], t.DURATION, Duration)
