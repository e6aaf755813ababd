"""The order of merged lists in a strategic merge patch.

Elements of the patch keep the patch's order, elements that only the server has keep theirs, and the two are interleaved
by the live order where it knows both. Mirrors normalizeElementOrder and its helpers in
k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import StatusError
from wherry.machinery.patch.json_patch import same
from wherry.machinery.patch.refusals import go_format, unclassified

DIRECTIVE = "$patch"
Items = list[Any]


def no_merge_key(item: Any, key: str) -> StatusError:
    return unclassified(f"map: {go_format(item)} does not contain declared merge key: {key}")


def go_type(value: Any) -> str:
    """The Go type of a decoded JSON value, as %s of reflect.TypeOf prints it."""
    if value is None:
        return "%!s(<nil>)"
    if isinstance(value, bool):
        return "bool"
    names: dict[type, str] = {str: "string", int: "int64", float: "float64", list: "[]interface {}"}
    return names.get(type(value), "map[string]interface {}")


def _need_map(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise unclassified(f"expected a map[string]interface {{}}, but received a {go_type(item)}")
    return item


def find(items: Items, key: str, value: Any) -> int:
    """Where the element with this merge key stands, or -1."""
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise unclassified(f"value for key {index} is not a map")
        if key in item and same(item[key], value):
            return index
    return -1


def deduplicate(items: Items) -> Items:
    """Drop repeated scalars; as upstream, the last element moves into the hole."""
    items = list(items)
    at = 0
    while at < len(items) - 1:
        other = at + 1
        while other < len(items):
            if same(items[at], items[other]):
                items[other] = items[-1]
                items.pop()
            else:
                other += 1
        at += 1
    return items


def partition(items: Items, by: Items, key: str) -> tuple[Items, Items]:
    """(those that `by` names, those that it does not)."""
    named: Items = []
    others: Items = []
    for item in items:
        if not key:
            inside = any(same(item, other) for other in by)
        else:
            if key not in _need_map(item):
                raise no_merge_key(item, key)
            inside = find(by, key, item[key]) >= 0
        (named if inside else others).append(item)
    return named, others


def check_order(patch: Items, order: Items, key: str) -> None:
    """The patch list must be a subsequence of the `$setElementOrder` list."""
    if not patch or not order:
        return
    items = [item for item in patch if _need_map(item).get(DIRECTIVE) != "delete"] if key else patch
    at = position = 0
    while at < len(items) and position < len(order):
        if isinstance(items[at], dict) and DIRECTIVE in items[at]:
            at += 1
            continue
        if _same_key(items[at], order[position], key):
            at += 1
        position += 1
    if at < len(items) and position >= len(order):
        listed = f"{go_format(patch)}\n doesn't match $setElementOrder list:\n{go_format(order)}\n"
        raise unclassified(f"The order in patch list:\n{listed}")


def _same_key(left: Any, right: Any, key: str) -> bool:
    if not key:
        return same(left, right)
    for item in (left, right):
        if key not in _need_map(item):
            raise no_merge_key(item, key)
    return same(left[key], right[key])


def overwritten(live: Items, patch: Items, key: str) -> Items:
    """The live list as upstream sees it after merging the patch: deleted elements close up, and new ones fill the
    places that became free, because both are written to the same array. The order of the result depends on it."""
    out, length = list(live), len(live)
    replaced = False
    for item in patch:
        word = item.get(DIRECTIVE)
        replaced = replaced or word == "replace"
        while word == "delete" and (at := find(out[:length], key, item.get(key))) >= 0:
            out[at : length - 1] = out[at + 1 : length]
            length -= 1
    for item in patch:
        if replaced or length == len(live):
            break
        if DIRECTIVE not in item and find(out[:length], key, item.get(key)) < 0:
            out[length] = item
            length += 1
    return out


def normalize(theirs: Items, ours: Items, order: Items, live: Items, key: str, are_maps: bool) -> Items:
    """`theirs` (of the patch) in `order`, `ours` (the server's) in `live` order, interleaved by `live`."""
    theirs = _sorted_by(theirs, order, key, are_maps)
    ours = _sorted_by(ours, live, key, are_maps)
    merged: Items = []
    left = right = 0
    while left < len(ours) or right < len(theirs):
        if left == len(ours):
            take_ours = False
        elif right == len(theirs):
            take_ours = True
        else:
            here, there = _index(live, ours[left], key, are_maps), _index(live, theirs[right], key, are_maps)
            take_ours = 0 <= here < there
        if take_ours:
            merged.append(ours[left])
            left += 1
        else:
            merged.append(theirs[right])
            right += 1
    return merged


def _sorted_by(items: Items, order: Items, key: str, are_maps: bool) -> Items:
    deleted: Items = []
    if are_maps:
        for group in (items, order):
            for item in group:
                if key not in _need_map(item):
                    raise no_merge_key(item, key)
        deleted = [item for item in items if item.get(DIRECTIVE) == "delete"]
        items = [item for item in items if item.get(DIRECTIVE) != "delete"]
    places = [_index(order, item, key, are_maps) for item in items]
    if -1 not in places:
        ranked = sorted(range(len(items)), key=places.__getitem__)
        return [items[at] for at in ranked] + deleted
    return _insertion_sorted(items, places) + deleted


def _insertion_sorted(items: Items, places: list[int]) -> Items:
    """What Go's stable sort makes of the comparison "unknown is always less"."""
    pairs = list(zip(places, items, strict=True))
    for start in range(1, len(pairs)):
        at = start
        while at > 0 and (pairs[at][0] < 0 or pairs[at - 1][0] < 0 or pairs[at][0] < pairs[at - 1][0]):
            pairs[at], pairs[at - 1] = pairs[at - 1], pairs[at]
            at -= 1
    return [item for _, item in pairs]


def _index(items: Items, wanted: Any, key: str, are_maps: bool) -> int:
    if are_maps:
        value = wanted.get(key) if isinstance(wanted, dict) else None
        for at, item in enumerate(items):
            if same(item.get(key) if isinstance(item, dict) else None, value):
                return at
        return -1
    return next((at for at, item in enumerate(items) if same(item, wanted)), -1)
