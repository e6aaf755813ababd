"""Estimated cost and result size of single functions.

The lists and sets extensions first, then Kubernetes' own (k8s.io/apiserver/pkg/cel/library/cost.go), then cel-go's
standard functions; whatever is left costs one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from wherry.machinery.cel.ast import Call, Const, Node
from wherry.machinery.cel.cost import MAX, NOTHING, ONE, UNKNOWN, Entry, Part, Range, fixed
from wherry.machinery.cel.values import Uint

if TYPE_CHECKING:
    from wherry.machinery.cel.cost import Coster

Found = tuple[Range, Range | None]
_STEP = 0.1
_NOMINAL = frozenset(
    [
        "serviceAccount",
        "path",
        "group",
        "resource",
        "subresource",
        "namespace",
        "name",
        "allowed",
        "reason",
        "error",
        "errored",
        "masked",
        "prefixLength",
        "family",
        "isUnspecified",
        "isLoopback",
        "isLinkLocalMulticast",
        "isLinkLocalUnicast",
        "isGlobalUnicast",
        "format.named",
        "sign",
        "asInteger",
        "isInteger",
        "asApproximateFloat",
        "isGreaterThan",
        "isLessThan",
        "compareTo",
        "add",
        "sub",
        "major",
        "minor",
        "patch",
        "getScheme",
        "getHostname",
        "getHost",
        "getPort",
        "getEscapedPath",
        "getQuery",
    ]
)
_ORDER_OVERLOADS = frozenset(
    f"{word}_{kind}" for word in ("less", "greater", "less_equals", "greater_equals") for kind in ("string", "bytes")
) | {"equals", "not_equals"}


def function_cost(
    coster: Coster, node: Call, overload: str, target: Part | None, args: list[Part], costs: list[Range]
) -> Found:
    own = _extension(coster, overload, target, args)
    if own is None:
        own = _kubernetes(coster, node.name, overload, target, args)
    if own is None and overload in _SPECIAL:
        return _SPECIAL[overload](coster, node, args, costs)
    if own is None:
        own = _standard(coster, overload, target, args)
    total = own[0]
    for cost in costs:
        total = total.plus(cost)
    return total, own[1]


def _size(part: Part) -> Range:
    return UNKNOWN if part.size is None else part.size


# --- lists and sets --------------------------------------------------------------------------------------------------
def _allocating(factor: float, size: Range) -> Found:
    return size.scaled(factor).plus(ONE).plus(fixed(10)), size


def _int_value(node: Node | None, default: int) -> int:
    if isinstance(node, Const) and type(node.value) in (int, Uint):
        return max(int(node.value), 0)
    return default


def _extension(coster: Coster, overload: str, target: Part | None, args: list[Part]) -> Found | None:
    if overload.startswith("list_sets_"):
        factor = 2.0 if overload == "list_sets_equivalent_list" else 1.0
        return _size(args[0]).times(_size(args[1])).scaled(factor).plus(ONE), None
    if overload == "lists_range":
        return _allocating(1, fixed(_int_value(args[0].node, MAX)))
    if target is None:
        return _sorted(args[1]) if overload.endswith("_sortByAssociatedKeys") else None
    size = _size(target)
    if overload == "list_slice":
        start, end = _int_value(args[0].node, 0), _int_value(args[1].node, size.high)
        return _allocating(1, fixed((end - start) & MAX))
    if overload == "list_reverse":
        return _allocating(1, size)
    if overload in ("list_flatten", "list_flatten_int"):
        return _allocating(float(_int_value(args[0].node, MAX)) if args else 1.0, size)
    if overload == "list_distinct":
        return _allocating(2, size.times(size))
    if overload.endswith("_sort"):
        return _sorted(target)
    return _sorted(args[0]) if overload.endswith("_sortByAssociatedKeys") and args else None


def _sorted(part: Part) -> Found:
    size, kind = _size(part), part.type.params[0].kind if part.type.params else ""
    return _allocating(2.1 if kind in ("string", "bytes") else 2.0, size.times(size))


# --- Kubernetes ------------------------------------------------------------------------------------------------------
def _element(coster: Coster, part: Part) -> tuple[str, Range] | None:
    """(kind, size) of a list's elements."""
    if not part.type.params:
        return None
    found = coster.size_of((*part.path, "@items")) if part.path else None
    return part.type.params[0].kind, UNKNOWN if found is None else found


def _kubernetes(coster: Coster, name: str, overload: str, target: Part | None, args: list[Part]) -> Found | None:
    if name == "check":
        return fixed(350_000), None
    if name in _NOMINAL or overload == "cidr_ip":
        return ONE, None
    if name in ("fieldSelector", "labelSelector") and len(args) == 1:
        size = _size(args[0])
        return fixed(10).plus(size.scaled(_STEP)).plus(size.scaled(0.5).scaled(50.0)), None
    if name in ("url", "jsonpatch.escapeKey") and len(args) == 1:
        return _size(args[0]).scaled(_STEP), _size(args[0])
    if name in ("cidr", "isIP", "isCIDR", "ip", "quantity", "isQuantity", "semver", "isSemver") and args:
        return _size(args[0]).scaled(_STEP), None
    if name == "ip.isCanonical" and args:
        return _size(args[0]).scaled(0.2), None
    if name in ("containsIP", "containsCIDR") and args:
        return _in_cidr(name, overload, args), None
    if name == "validate" and args:
        return _size(args[0]).scaled(_STEP).scaled(128 * 0.25), None
    if name == "_==_" and len(args) == 2:
        return _equal_types(args)
    return _on_target(coster, name, target, args) if target is not None else None


def _in_cidr(name: str, overload: str, args: list[Part]) -> Range:
    size = Range(4, 16)
    cost = size.plus(size).scaled(_STEP)
    if name == "containsCIDR":
        cost = cost.plus(size.scaled(_STEP)).plus(ONE)
    if overload in ("cidr_contains_ip_string", "cidr_contains_cidr_string"):
        cost = cost.plus(_size(args[0]).scaled(_STEP))
    return cost


def _equal_types(args: list[Part]) -> Found | None:
    left, right = args[0].type, args[1].type
    if left.name != right.name:
        return None
    if left.name in ("net.IP", "net.CIDR", "kubernetes.Quantity", "kubernetes.Semver"):
        return ONE, None
    if left.name.startswith("kubernetes.authorization."):
        return ONE, None
    if left.name == "kubernetes.NamedFormat":
        return Range(1, 64).scaled(_STEP), None
    if left.name == "kubernetes.URL":
        size = args[1].size
        return Range(1, size.high if size is not None else 1).scaled(_STEP), None
    return None


def _on_target(coster: Coster, name: str, target: Part, args: list[Part]) -> Found | None:
    size = _size(target)
    if name in ("isSorted", "sum", "max", "min", "indexOf", "lastIndexOf"):
        element = _element(coster, target)
        if element is None:
            return size.scaled(_STEP), None
        each = ONE.plus(element[1].scaled(_STEP)) if element[0] in ("string", "bytes") else ONE
        return size.times(each), None
    if name in ("lowerAscii", "upperAscii", "substring", "trim"):
        return size.scaled(_STEP), size
    if name == "replace" and len(args) >= 2:
        return size.scaled(0.2), _replaced(size, _size(args[0]), _size(args[1]))
    if name == "split":
        limit = size.high
        if len(args) > 1 and isinstance(args[1].node, Const) and type(args[1].node.value) is int:
            limit = args[1].node.value & MAX
        return size.scaled(0.2), Range(0, limit)
    if name == "join":
        return _joined(coster, target, args)
    if name in ("find", "findAll") and args:
        cost = size.plus(ONE).scaled(_STEP).times(_size(args[0]).scaled(0.25))
        return cost, Range(0, size.high)
    return None


def _replaced(size: Range, old: Range, new: Range) -> Range:
    """The size of s.replace(old, new)."""
    if old.low == 0:
        most, kept_most = min(size.high + 1, MAX), size.high
    elif new.high <= old.low:
        most, kept_most = 0, size.high
    else:
        most, kept_most = _quotient(size.high, old.low), 0
    if old.high == 0:
        least, kept_least = min(size.low + 1, MAX), size.low
    elif old.high <= new.low:
        least, kept_least = 0, size.low
    else:
        least, kept_least = _quotient(size.low, old.high), 0
    return Range(least, most).times(new).plus(Range(kept_least, kept_most))


def _quotient(a: int, b: int) -> int:
    return min(math.ceil(float(a) / float(b)), MAX)


def _joined(coster: Coster, target: Part, args: list[Part]) -> Found:
    size, count = NOTHING, _size(target)
    element = _element(coster, target)
    if element is not None:
        size = count.times(element[1])
    if args:
        separators = Range(max(count.low - 1, 0), max(count.high - 1, 0))
        size = size.plus(_size(args[0]).times(separators))
    return size.scaled(_STEP), size


# --- standard --------------------------------------------------------------------------------------------------------
def _standard(coster: Coster, overload: str, target: Part | None, args: list[Part]) -> Found:
    if overload == "string_format" and target is not None:
        return _size(target).scaled(_STEP), None
    if overload == "string_to_bytes":
        size = _size(args[0])
        return size.scaled(_STEP), Range(size.low, min(size.high * 4, MAX) if size.high != MAX else MAX - 3)
    if overload == "bytes_to_string":
        size = _size(args[0])
        return size.scaled(_STEP), Range(size.low // 4, size.high)
    if overload == "strings_quote":
        size = _size(args[0])
        return size.scaled(_STEP), Range(size.low + 2, (size.high * 2 + 2) & MAX)
    if overload in ("starts_with_string", "ends_with_string"):
        return _size(args[0]).scaled(_STEP), None
    if overload == "in_list":
        return _size(args[1]), None
    if overload == "matches_string" and target is not None:
        return _size(target).plus(ONE).scaled(_STEP).times(_size(args[0]).scaled(0.25)), None
    if overload == "contains_string" and target is not None:
        return _size(target).scaled(_STEP).times(_size(args[0]).scaled(_STEP)), None
    if overload in _ORDER_OVERLOADS:
        smallest = min(_size(args[0]).high, _size(args[1]).high)
        return Range(1 if smallest else 0, smallest).scaled(_STEP), None
    return ONE, None


def _logical(coster: Coster, node: Call, args: list[Part], costs: list[Range]) -> Found:
    return Range(costs[0].low, costs[0].plus(costs[1]).high), None


def _conditional(coster: Coster, node: Call, args: list[Part], costs: list[Range]) -> Found:
    first, second = coster.entry(node.args[1]), coster.entry(node.args[2])
    if first is not None and second is not None:
        coster.entries[node.id] = _union(first, second)
    size = _size(args[1]).union(_size(args[2]))
    return costs[0].plus(costs[1].union(costs[2])), size


def _union(first: Entry, second: Entry) -> Entry:
    return Entry(first.kind, first.key.union(second.key), first.value.union(second.value))


def _add(coster: Coster, node: Call, args: list[Part], costs: list[Range]) -> Found:
    size = _size(args[0]).plus(_size(args[1]))
    first, second = coster.entry(node.args[0]), coster.entry(node.args[1])
    if first is not None and second is not None:
        coster.entries[node.id] = _union(first, second)
    own = size.scaled(_STEP)
    return own.plus(costs[0]).plus(costs[1]), size


def _add_list(coster: Coster, node: Call, args: list[Part], costs: list[Range]) -> Found:
    _, size = _add(coster, node, args, costs)
    return ONE.plus(costs[0]).plus(costs[1]), size


_SPECIAL = {
    "logical_and": _logical,
    "logical_or": _logical,
    "conditional": _conditional,
    "add_string": _add,
    "add_bytes": _add,
    "add_list": _add_list,
}
