"""No pattern hangs: what takes long to backtrack is run by an automaton, which says the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.regex import PatternError, bounds, compile_go
from wherry.machinery.regex.automaton import Automaton
from wherry.machinery.regex.parser import parse
from wherry.machinery.regex.syntax import Chars, Choice, Edge, Node, Repeat, Sequence, source

_ATOMS = st.sampled_from(["a", "b", "[ab]", "[^a]", ".", "-", r"\b", r"\B", "^", "$", "(?m:^)", "(?m:$)", "(?i:A)"])
_TEXTS = st.text("abA-\n", max_size=8)


def _larger(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeated = st.tuples(inner, st.sampled_from(["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}"]))
    return st.one_of(
        st.lists(inner, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda branches: f"(?:{'|'.join(branches)})"),
        repeated.map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
    )


_PATTERNS = st.recursive(_ATOMS, _larger, max_leaves=8)


@given(_PATTERNS, _TEXTS)
def test_the_automaton_finds_what_backtracking_finds(pattern: str, text: str) -> None:
    node = parse(pattern)
    expected = re.compile(source(node)).search(text)
    assert Automaton(node).search(text) is (expected is not None)
    if not _repeats_nothing(node):  # where a turn may read nothing, Python and Go end a repetition in different ways
        assert Automaton(node).first(text, 0) == (expected and expected.span())


@given(_PATTERNS, _TEXTS)
def test_backtracking_takes_no_more_ways_than_the_bound(pattern: str, text: str) -> None:
    node = parse(pattern)
    allowed = bounds.weigh(node)(len(text)).tried
    assert all(sum(1 for _ in _every_way(node, text, at)) <= allowed for at in range(len(text) + 1))


def _every_way(node: Node, text: str, at: int) -> Iterator[int | None]:
    """The end of each way to read the part at `at`, None for a way that fails; what reads nothing is not repeated."""
    match node:
        case Chars() | Edge():
            found = re.compile(source(node)).match(text, at)
            yield found.end() if found else None
        case Sequence(items=()):
            yield at
        case Sequence(items=items):
            for end in _every_way(items[0], text, at):
                if end is None:
                    yield None
                else:
                    yield from _every_way(Sequence(items[1:]), text, end)
        case Choice(branches=branches):
            for branch in branches:
                yield from _every_way(branch, text, at)
        case Repeat(node=part, low=low, high=high):
            if low == 0:
                yield at
            if high == 0:
                return
            rest = Repeat(part, max(low - 1, 0), None if high is None else high - 1, False, "")
            for end in _every_way(part, text, at):
                if end is None:
                    yield None
                elif end > at:
                    yield from _every_way(rest, text, end)
                else:
                    yield end if low <= 1 else None


def _repeats_nothing(node: Node) -> bool:
    match node:
        case Repeat(node=part):
            return bounds._length(part) == 0 or _repeats_nothing(part)
        case Sequence(items=parts) | Choice(branches=parts):
            return any(map(_repeats_nothing, parts))
        case _:
            return False


@pytest.mark.parametrize(
    "pattern", ["^(a+)+$", "^(a|a)*$", "^(a|aa)+$", "(a*)*b", "(a*a*a*a*)*c", "(?:a?){50}a{50}$", "^(([a-z])+.)+[A-Z]$"]
)
def test_a_pattern_that_explodes_ends(pattern: str) -> None:
    assert compile_go(pattern).search("a" * 20_000 + "!") is False


def test_long_texts_are_read_once() -> None:
    assert compile_go("x*x*x*y").find_all("x" * 2000 + "y" + "x") == ["x" * 2000 + "y"]


def test_names_of_hosts_need_no_automaton() -> None:
    """The pattern that half of all definitions carry is safe at every length that a name may have."""
    pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
    assert bounds.longest_text(parse(pattern)) >= 200


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [("|a", "a", ["", ""]), ("a*", "baac", ["", "aa", ""]), ("a*?", "aa", ["", "", ""]), ("b", "abab", ["b", "b"])],
)
def test_all_matches_as_go_counts_them(pattern: str, text: str, expected: list[str]) -> None:
    assert compile_go(pattern).find_all(text) == expected


def test_a_pattern_of_too_many_parts_is_refused() -> None:
    with pytest.raises(PatternError, match="expression too large"):
        compile_go("(?:" + "a" * 60 + "){1000}")


@pytest.mark.parametrize("depth", [90, 101, 5000])
def test_deep_patterns_are_run_or_refused(depth: int) -> None:
    pattern = "(" * depth + "a" + ")*" * depth
    if depth > 100:
        with pytest.raises(PatternError, match="expression nests too deeply"):
            compile_go(pattern)
    else:
        assert compile_go(pattern).search("a" * 1000)
