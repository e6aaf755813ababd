"""Three-way merge of objects: what one side changed goes into what the other side made of the same thing.

A field that both changed, to different values, is a conflict, as with server-side apply a field that another manager
owns. Items of lists are matched by what names them (`difference.by_name`); other lists are one value.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from wherry.machinery.difference import ABSENT, below, by_name

Map = dict[str, Any]


class Clash(NamedTuple):
    """A field that both sides changed; `ABSENT` stands where a side has none."""

    path: str
    base: Any
    theirs: Any
    ours: Any


def merge(base: Any, theirs: Any, ours: Any, clashes: list[Clash], path: str = "") -> Any:
    """`ours` with what `theirs` changed since `base`. `clashes` takes what both changed; there it is `theirs` that
    counts. None of the inputs changes, and parts of them are shared with the result."""
    if _same(theirs, base) or _same(theirs, ours):
        return ours
    if _same(ours, base):
        return theirs
    if isinstance(theirs, dict) and isinstance(ours, dict):
        return _maps(base if isinstance(base, dict) else {}, theirs, ours, clashes, partial(below, path))
    if isinstance(theirs, list) and isinstance(ours, list):
        was, new, there = by_name(base if isinstance(base, list) else []), by_name(theirs), by_name(ours)
        if was is not None and new is not None and there is not None:
            return list(_maps(was, new, there, clashes, lambda name: f"{path}[{name}]").values())
    clashes.append(Clash(path, base, theirs, ours))
    return theirs


def _maps(base: Map, theirs: Map, ours: Map, clashes: list[Clash], path: Callable[[str], str]) -> Map:
    """Ours keep their places, what is new comes behind them."""
    found: Map = {}
    for name in dict.fromkeys((*ours, *theirs)):
        was, new, there = (side.get(name, ABSENT) for side in (base, theirs, ours))
        value = merge(was, new, there, clashes, path(name))
        if value is not ABSENT:
            found[name] = value
    return found


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))
