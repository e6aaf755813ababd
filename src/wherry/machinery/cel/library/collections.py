"""Lists, sets, maps, optionals, base64: the extension libraries on containers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from functools import cmp_to_key
from itertools import pairwise
from typing import Any

from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError, no_overload
from wherry.machinery.cel.library.std import index_list
from wherry.machinery.cel.registry import Library
from wherry.machinery.cel.values import (
    LISTS,
    NONE,
    Duration,
    Optional,
    Timestamp,
    Uint,
    check_int,
    check_uint,
    compare,
    equal,
    from_key,
    map_key,
)

K8S_LISTS, LISTS_EXT, SETS = Library("kubernetes.lists"), Library("lists"), Library("sets")
OPTIONALS, ENCODERS, COMPREHENSIONS = Library("optional"), Library("encoders"), Library("comprehensions")
LA = t.LIST_A
_COMPARABLE = [
    ("int", t.INT),
    ("uint", t.UINT),
    ("double", t.DOUBLE),
    ("bool", t.BOOL),
    ("duration", t.DURATION),
    ("timestamp", t.TIMESTAMP),
    ("string", t.STRING),
    ("bytes", t.BYTES),
]


# --- kubernetes.lists ------------------------------------------------------------------------------------------------
def _is_sorted(items: list[Any]) -> bool:
    return all(compare(a, b) <= 0 for a, b in pairwise(items))


def _extreme(name: str, sign: int) -> Callable[[list[Any]], Any]:
    def pick(items: list[Any]) -> Any:
        if not items:
            raise CelError(f"{name} called on empty list")
        best = items[0]
        for item in items[1:]:
            if compare(item, best) == sign:
                best = item
        return best

    return pick


def _summer(zero: Any, check: Callable[[Any], Any]) -> Callable[[list[Any]], Any]:
    def add(items: list[Any]) -> Any:
        total = zero
        for item in items:
            total = check(total + item)
        return total

    return add


for _name, _type in _COMPARABLE:
    K8S_LISTS.add("isSorted", f"list_{_name}_is_sorted_bool", [t.list_of(_type)], t.BOOL, _is_sorted, member=True)
    K8S_LISTS.add("max", f"list_{_name}_max_{_name}", [t.list_of(_type)], _type, _extreme("max", 1), member=True)
    K8S_LISTS.add("min", f"list_{_name}_min_{_name}", [t.list_of(_type)], _type, _extreme("min", -1), member=True)
K8S_LISTS.add("sum", "list_int_sum_int", [t.list_of(t.INT)], t.INT, _summer(0, check_int), member=True)
K8S_LISTS.add("sum", "list_uint_sum_uint", [t.list_of(t.UINT)], t.UINT, _summer(Uint(0), check_uint), member=True)
K8S_LISTS.add("sum", "list_double_sum_double", [t.list_of(t.DOUBLE)], t.DOUBLE, _summer(0.0, float), member=True)
K8S_LISTS.add(
    "sum",
    "list_duration_sum_duration",
    [t.list_of(t.DURATION)],
    t.DURATION,
    lambda items: Duration(sum(item.nanos for item in items)),
    member=True,
)


@K8S_LISTS.member("indexOf", "list_a_index_of_int", [LA, t.A], t.INT)
def _index_of(items: list[Any], wanted: Any) -> int:
    return next((i for i, item in enumerate(items) if equal(item, wanted)), -1)


@K8S_LISTS.member("lastIndexOf", "list_a_last_index_of_int", [LA, t.A], t.INT)
def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((i for i in range(len(items) - 1, -1, -1) if equal(items[i], wanted)), -1)


# --- lists -----------------------------------------------------------------------------------------------------------
@LISTS_EXT.member("slice", "list_slice", [LA, t.INT, t.INT], LA)
def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    size = len(items)
    if start < 0 or end < 0:
        raise CelError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise CelError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if size < end:
        raise CelError(f"cannot slice({start}, {end}), list is length {size}")
    return items[start:end]


@LISTS_EXT.member("flatten", "list_flatten", [t.list_of(LA)], LA)
def _flatten(items: list[Any]) -> list[Any]:
    return _flat(items, 1)


@LISTS_EXT.member("flatten", "list_flatten_int", [t.LIST_DYN, t.INT], t.LIST_DYN)
def _flatten_to(items: list[Any], depth: int) -> list[Any]:
    if depth < 0:
        raise CelError("level must be non-negative")
    return _flat(items, min(depth, 250))


def _flat(items: list[Any], depth: int) -> list[Any]:
    out: list[Any] = []
    for item in items:
        if type(item) in LISTS and depth > 0:
            out += _flat(item, depth - 1)
        else:
            out.append(item)
    return out


def _sort(items: list[Any]) -> list[Any]:
    return _sorted_by(items, items)


def _sorted_by(items: list[Any], keys: list[Any]) -> list[Any]:
    if len(keys) != len(items):
        raise CelError("@sortByAssociatedKeys() expected a list of the same size as the associated keys list")
    if not keys:
        return []
    if any(type(k) is not type(keys[0]) for k in keys):
        raise CelError("list elements must have the same type")
    pairs = sorted(zip(keys, items, strict=True), key=cmp_to_key(_by_key))
    return [item for _, item in pairs]


def _by_key(a: tuple[Any, Any], b: tuple[Any, Any]) -> int:
    return compare(a[0], b[0])


for _name, _type in _COMPARABLE:
    LISTS_EXT.add("sort", f"list_{_name}_sort", [t.list_of(_type)], t.list_of(_type), _sort, member=True)
    LISTS_EXT.add(
        "@sortByAssociatedKeys",
        f"list_{_name}_sortByAssociatedKeys",
        [LA, t.list_of(_type)],
        LA,
        _sorted_by,
        member=True,
    )


@LISTS_EXT.fn("lists.range", "lists_range", [t.INT], t.list_of(t.INT))
def _range(count: int) -> list[int]:
    if count > 10_000_000:
        raise CelError("list size exceeds limit")
    return list(range(count))


LISTS_EXT.add("reverse", "list_reverse", [LA], LA, lambda items: items[::-1], member=True)


@LISTS_EXT.member("distinct", "list_distinct", [LA], LA)
def _distinct(items: list[Any]) -> list[Any]:
    out: list[Any] = []
    seen: set[Any] = set()
    for item in items:
        if type(item) is str:
            if item in seen:
                continue
            seen.add(item)
        elif any(equal(item, other) for other in out):
            continue
        out.append(item)
    return out


# --- sets ------------------------------------------------------------------------------------------------------------
@SETS.fn("sets.contains", "list_sets_contains_list", [LA, LA], t.BOOL)
def _contains(items: list[Any], wanted: list[Any]) -> bool:
    return all(any(equal(x, y) for y in items) for x in wanted)


@SETS.fn("sets.intersects", "list_sets_intersects_list", [LA, LA], t.BOOL)
def _intersects(a: list[Any], b: list[Any]) -> bool:
    return any(any(equal(x, y) for y in b) for x in a)


@SETS.fn("sets.equivalent", "list_sets_equivalent_list", [LA, LA], t.BOOL)
def _equivalent(a: list[Any], b: list[Any]) -> bool:
    return bool(_contains(a, b) and _contains(b, a))


# --- optionals -------------------------------------------------------------------------------------------------------
_OPT = t.OPTIONAL_A
OPTIONALS.type(t.Type("type", "optional_type"))
OPTIONALS.add("optional.of", "optional_of", [t.A], _OPT, lambda v: Optional(True, v))
OPTIONALS.add("optional.none", "optional_none", [], _OPT, lambda: NONE)


@OPTIONALS.fn("optional.ofNonZeroValue", "optional_ofNonZeroValue", [t.A], _OPT)
def _of_non_zero(value: Any) -> Optional:
    return NONE if is_zero(value) else Optional(True, value)


def is_zero(value: Any) -> bool:
    if isinstance(value, Duration):
        return value.nanos == 0
    if isinstance(value, Timestamp):
        return value.nanos == -62135596800 * 10**9
    if isinstance(value, Optional):
        return not value.present
    return value is None or (isinstance(value, (bool, int, float, str, bytes, list, dict)) and not value)


@OPTIONALS.member("value", "optional_value", [_OPT], t.A)
def _value(opt: Optional) -> Any:
    if not opt.present:
        raise CelError("optional.none() dereference")
    return opt.value


OPTIONALS.add("hasValue", "optional_hasValue", [_OPT], t.BOOL, lambda opt: opt.present, member=True)
OPTIONALS.add("or", "optional_or_optional", [_OPT, _OPT], _OPT, lambda a, b: a if a.present else b, member=True)
OPTIONALS.add(
    "orValue", "optional_orValue_value", [_OPT, t.A], t.A, lambda a, b: a.value if a.present else b, member=True
)
_UNWRAP = [t.list_of(_OPT)]
OPTIONALS.add("optional.unwrap", "optional_unwrap", _UNWRAP, LA, lambda items: _unwrap(items))
OPTIONALS.add("unwrapOpt", "optional_unwrapOpt", _UNWRAP, LA, lambda items: _unwrap(items), member=True)


def _unwrap(items: list[Any]) -> list[Any]:
    return [item.value for item in items if item.present]


def _first(items: list[Any]) -> Optional:
    return Optional(True, items[0]) if items else NONE


def _last(items: list[Any]) -> Optional:
    return Optional(True, items[-1]) if items else NONE


OPTIONALS.add("first", "list_first", [LA], _OPT, _first, member=True)
OPTIONALS.add("last", "list_last", [LA], _OPT, _last, member=True)


def optional_index(container: Any, key: Any) -> Optional:
    """`container[?key]`."""
    if isinstance(container, Optional):
        return optional_index(container.value, key) if container.present else NONE
    if isinstance(container, dict):
        key = map_key(key)
        return Optional(True, container[key]) if key in container else NONE
    if type(container) in LISTS:
        if type(key) not in (int, Uint, float):
            raise no_overload()
        try:
            return Optional(True, index_list(container, key))
        except CelError:
            return NONE
    raise no_overload()


OPTIONALS.add("_[?_]", "list_optindex_optional_int", [LA, t.INT], _OPT, optional_index)
OPTIONALS.add("_[?_]", "optional_list_optindex_optional_int", [t.optional_of(LA), t.INT], _OPT, optional_index)
OPTIONALS.add("_[?_]", "map_optindex_optional_value", [t.MAP_AB, t.A], t.optional_of(t.B), optional_index)
OPTIONALS.add(
    "_[?_]", "optional_map_optindex_optional_value", [t.optional_of(t.MAP_AB), t.A], t.optional_of(t.B), optional_index
)


def _index_optional(container: Any, key: Any) -> Any:
    return optional_index(container, key)


OPTIONALS.add("_[_]", "optional_list_index_int", [t.optional_of(LA), t.INT], _OPT, _index_optional)
OPTIONALS.add("_[_]", "optional_map_index_value", [t.optional_of(t.MAP_AB), t.A], t.optional_of(t.B), _index_optional)


# --- comprehensions, encoders ----------------------------------------------------------------------------------------
@COMPREHENSIONS.fn("cel.@mapInsert", "@mapInsert_map_key_value", [t.MAP_AB, t.A, t.B], t.MAP_AB)
def map_insert(accu: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    python = map_key(key)
    if python in accu:
        raise CelError(f"insert failed: key {key} already exists")
    accu[python] = value
    return accu


@COMPREHENSIONS.fn("cel.@mapInsert", "@mapInsert_map_map", [t.MAP_AB, t.MAP_AB], t.MAP_AB)
def map_insert_all(accu: dict[Any, Any], other: dict[Any, Any]) -> dict[Any, Any]:
    for key, value in other.items():
        map_insert(accu, from_key(key), value)
    return accu


@ENCODERS.fn("base64.decode", "base64_decode_string", [t.STRING], t.BYTES)
def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise CelError("illegal base64 data at input byte 0") from None


ENCODERS.add("base64.encode", "base64_encode_bytes", [t.BYTES], t.STRING, lambda v: base64.b64encode(v).decode())
