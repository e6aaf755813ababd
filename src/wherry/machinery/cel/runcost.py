"""What a call costs at run time, where that depends on the sizes of its values. Follows cel-go and library/cost.go."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from wherry.machinery.cel.values import LISTS, Named, size_of

Price = Callable[[Sequence[Any], Any], int]
_STEP = 0.1


def _ceil(size: float, factor: float = _STEP) -> int:
    return math.ceil(size * factor)


def _traversal(value: Any) -> int:
    if isinstance(value, str | bytes):
        return int(len(value) * _STEP)
    if type(value) in LISTS:
        return sum(_traversal(item) for item in value)
    if isinstance(value, dict):
        return sum(_traversal(k) + _traversal(v) for k, v in value.items())
    return 1


def _compared(values: Sequence[Any], result: Any) -> int:
    a, b = values
    if isinstance(a, Named):
        return 1
    return _ceil(min(size_of(a), size_of(b)))


def _first(factor: float = _STEP) -> Price:
    return lambda values, result: _ceil(size_of(values[0]), factor)


def _second(factor: float = _STEP) -> Price:
    return lambda values, result: _ceil(size_of(values[1]), factor)


def _pattern(values: Sequence[Any], result: Any) -> int:
    return _ceil(1 + size_of(values[0])) * _ceil(size_of(values[1]), 0.25)


def _added(values: Sequence[Any], result: Any) -> int:
    if isinstance(values[0], str | bytes):
        return _ceil(size_of(values[0]) + size_of(values[1]))
    return 1


def _contained(values: Sequence[Any], result: Any) -> int:
    return size_of(values[1]) if type(values[1]) in LISTS else 1


def _selector(values: Sequence[Any], result: Any) -> int:
    size = size_of(values[1])
    return 10 + _ceil(size) + _ceil(_ceil(size, 0.5), 50.0)


def _validated(values: Sequence[Any], result: Any) -> int:
    size = getattr(values[0], "regex_size", 128)
    return _ceil(1 + size_of(values[1])) * _ceil(size, 0.25)


def _product(values: Sequence[Any], result: Any) -> int:
    return _ceil(size_of(values[0])) * _ceil(size_of(values[1]))


def _in_cidr(extra: int) -> Price:
    def price(values: Sequence[Any], result: Any) -> int:
        own = getattr(values[0], "size", 4)
        cost = _ceil(own + own) + (_ceil(own) + 1) * extra
        return cost + (_ceil(len(values[1])) if isinstance(values[1], str) else 0)

    return price


_ONE_TRAVERSAL: Price = lambda values, result: _traversal(values[0])  # noqa: E731
_PRICES: dict[str, Price] = {
    "_==_": _compared,
    "_!=_": _compared,
    "_<_": _compared,
    "_<=_": _compared,
    "_>_": _compared,
    "_>=_": _compared,
    "_+_": _added,
    "@in": _contained,
    "contains": _product,
    "startsWith": _second(),
    "endsWith": _second(),
    "matches": _pattern,
    "find": _pattern,
    "findAll": _pattern,
    "string": _first(),
    "bytes": _first(),
    "format": _first(),
    "strings.quote": _first(),
    "check": lambda values, result: 350_000,
    "fieldSelector": _selector,
    "labelSelector": _selector,
    "url": _first(),
    "lowerAscii": _first(),
    "upperAscii": _first(),
    "substring": _first(),
    "trim": _first(),
    "jsonpatch.escapeKey": _first(),
    "replace": _first(0.2),
    "split": _first(0.2),
    "join": lambda values, result: _ceil(size_of(result), 0.2),
    "cidr": _first(),
    "isIP": _first(),
    "isCIDR": _first(),
    "ip": _first(),
    "ip.isCanonical": _first(0.2),
    "containsIP": _in_cidr(0),
    "containsCIDR": _in_cidr(1),
    "quantity": _first(),
    "isQuantity": _first(),
    "semver": _first(),
    "isSemver": _first(),
    "validate": _validated,
    "sets.contains": lambda values, result: size_of(values[0]) * size_of(values[1]) + 1,
    "sets.intersects": lambda values, result: size_of(values[0]) * size_of(values[1]) + 1,
    "sets.equivalent": lambda values, result: 2 * size_of(values[0]) * size_of(values[1]) + 1,
    "isSorted": _ONE_TRAVERSAL,
    "sum": _ONE_TRAVERSAL,
    "max": _ONE_TRAVERSAL,
    "min": _ONE_TRAVERSAL,
    "indexOf": _ONE_TRAVERSAL,
    "lastIndexOf": _ONE_TRAVERSAL,
    "sort": lambda values, result: size_of(values[0]) * 2 + 1,
    "distinct": lambda values, result: size_of(values[0]) ** 2 + 1,
    "flatten": lambda values, result: size_of(result) + 1,
    "lists.range": lambda values, result: size_of(result) + 1,
    "slice": lambda values, result: size_of(result) + 1,
    "reverse": lambda values, result: size_of(values[0]) + 1,
}


def call_cost(name: str, overload: str) -> Price | None:
    """None for a call that always costs one."""
    if overload == "cidr_ip":
        return None
    return _PRICES.get(name)
