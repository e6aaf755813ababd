"""How long a text may be for backtracking to be cheap, whatever the text says.

`re` tries one way after another. The number of ways in which a pattern can read a text of n characters is bounded from
above here: a product over a sequence, a sum over branches, a power over repetitions; or one, where the next character
alone decides. Where the bound passes the budget, texts go to the automaton, which reads each character once.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import inf
from typing import NamedTuple

from wherry.machinery.regex.syntax import Chars, Choice, Edge, Node, Repeat, Sequence

_BUDGET = 4_000_000  # steps: some ten milliseconds
_LENGTHS = [2**exponent for exponent in range(2, 23)]
_CHARACTERS_A_STEP = 32  # `re` walks along one set of characters this much faster than it tries a way

Set = tuple[tuple[int, int], ...]


class Ways(NamedTuple):
    """`whole`: ways to read the part that let what follows begin. `tried`: all ways, failing ones too."""

    whole: float
    tried: float


Weight = Callable[[int], Ways]  # of a text of this length


def longest_text(node: Node) -> int:
    """A length up to which `re` searches texts within the budget: a power of two, or 0. Raises RecursionError."""
    weight = weigh(node)
    anchored = _begins_at_start(node)
    longest = 0
    for length in _LENGTHS:
        if weight(length).tried * (1 if anchored else length) * (1 + length / _CHARACTERS_A_STEP) > _BUDGET:
            break
        longest = length
    return longest


def _begins_at_start(node: Node) -> bool:
    match node:
        case Edge():
            return node.kind == "text_start"
        case Sequence():
            return bool(node.items) and _begins_at_start(node.items[0])
        case Choice():
            return all(map(_begins_at_start, node.branches))
        case _:
            return False


def weigh(node: Node, follow: Set | None = ()) -> Weight:
    """The ways of a part. `follow`: the characters that may come after it (nothing after the end of the pattern, which
    is the end of the search); None where they are not known."""
    weight = _weigh(node, follow)
    if _one_way(node) and _apart([_characters(node), follow]):
        # Of all places where the part may end only one lets the rest begin: the first character that it cannot read.
        return lambda length: Ways(1, weight(length).tried)
    return weight


def _weigh(node: Node, follow: Set | None) -> Weight:
    match node:
        case Chars() | Edge():
            return lambda _: Ways(1, 1)
        case Sequence():
            return _in_turn(node.items, follow)
        case Choice():
            return _one_of(node.branches, follow)
        case Repeat():
            return _repeated(node, follow)


def _in_turn(items: tuple[Node, ...], follow: Set | None) -> Weight:
    weights: list[Weight] = []
    for item in reversed(items):
        weights.append(weigh(item, follow))
        follow = () if item == Edge("text_end") else _before(item, follow)
    weights.reverse()

    def weight(length: int) -> Ways:
        whole = tried = 1.0
        for part in weights:
            ways = part(length)
            tried += whole * ways.tried
            whole *= ways.whole
        return Ways(whole, tried)

    return weight


def _one_of(branches: tuple[Node, ...], follow: Set | None) -> Weight:
    weights = [weigh(branch, follow) for branch in branches]
    whole = max if _apart([_before(branch, follow) for branch in branches]) else sum

    def weight(length: int) -> Ways:
        ways = [part(length) for part in weights]
        return Ways(whole(way.whole for way in ways), sum(way.tried for way in ways))

    return weight


def _repeated(node: Repeat, follow: Set | None) -> Weight:
    first, least = _first(node.node), _length(node.node)
    part = weigh(node.node, _union([first, follow]))
    decided = node.low == node.high or (least > 0 and _apart([first, follow]))

    def weight(length: int) -> Ways:
        longest = max(length, node.low) + (least == 0)  # one turn more may read nothing
        most = longest if node.high is None else min(node.high, longest)
        each = part(length)
        turns = 1 if decided else most - min(node.low, most) + 1
        begun = most - (most == node.high)  # the turns after which one more is tried
        return Ways(turns * _power(each.whole, most), (begun + 1) * _power(each.whole, begun) * each.tried + 1)

    return weight


def _power(base: float, exponent: int) -> float:
    try:
        return base**exponent
    except OverflowError:
        return inf


# --- what is certain about the characters ----------------------------------------------------------------------------
def _before(node: Node, follow: Set | None) -> Set | None:
    """The characters that may come where the part begins, `follow` those after it."""
    return _first(node) if _length(node) else _union([_first(node), follow])


def _first(node: Node) -> Set | None:
    """The characters with which a reading of the part may begin; None where they are not known."""
    match node:
        case Chars():
            return node.ranges
        case Edge():
            return ()
        case Sequence(items=items):
            last = next((index for index, item in enumerate(items) if _length(item)), len(items))
            return _union([_first(item) for item in items[: last + 1]])
        case Choice(branches=branches):
            return _union([_first(branch) for branch in branches])
        case Repeat():
            return _first(node.node)


def _characters(node: Node) -> Set | None:
    """All characters that the part may read; None where they are not known."""
    match node:
        case Chars():
            return node.ranges
        case Edge():
            return ()
        case Sequence(items=parts) | Choice(branches=parts):
            return _union(list(map(_characters, parts)))
        case Repeat():
            return _characters(node.node)


def _union(sets: list[Set | None]) -> Set | None:
    out: list[tuple[int, int]] = []
    for each in sets:
        if each is None:
            return None
        out += each
    return _merged(out)


def _merged(ranges: list[tuple[int, int]]) -> Set:
    out: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if out and low <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(high, out[-1][1]))
        else:
            out.append((low, high))
    return tuple(out)


def _apart(sets: list[Set | None]) -> bool:
    """None of the sets shares a character with another one."""
    ranges: list[tuple[int, int]] = []
    for each in sets:
        if each is None:
            return False
        ranges += _merged(list(each))
    ranges.sort()
    return all(left[1] < right[0] for left, right in pairwise(ranges))


def _one_way(node: Node) -> bool:
    """Any stretch of text is read in at most one way: no choices, and no two parts of changing length."""
    match _unwrapped(node):
        case Chars() | Edge():
            return True
        case Sequence(items=items):
            return all(map(_one_way, items)) and sum(not _fixed(item) for item in items) <= 1
        case Repeat(node=part, low=low, high=high):
            if low == high:
                return _one_way(part) and _fixed(part)
            return _one_way(part) and _length(part) > 0 and (_fixed(part) or high == 1)
        case _:
            return False


def _fixed(node: Node) -> bool:
    match _unwrapped(node):
        case Chars() | Edge():
            return True
        case Sequence(items=items):
            return all(map(_fixed, items))
        case Repeat(node=part, low=low, high=high):
            return low == high and _fixed(part)
        case _:
            return False


def _unwrapped(node: Node) -> Node:
    while isinstance(node, Choice) and len(node.branches) == 1:
        node = node.branches[0]
    return node


def _length(node: Node) -> int:
    """The least number of characters that the part reads."""
    match node:
        case Chars():
            return 1
        case Edge():
            return 0
        case Sequence(items=items):
            return sum(map(_length, items))
        case Choice(branches=branches):
            return min(map(_length, branches))
        case Repeat(node=part, low=low):
            return low * _length(part)
