"""Three-way merge: what one side changed goes into the other."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from tests.machinery.test_difference import TREES

from wherry.machinery.difference import ABSENT
from wherry.machinery.threeway import Clash, merge


def merged(base: Any, theirs: Any, ours: Any) -> tuple[Any, list[Clash]]:
    clashes: list[Clash] = []
    return merge(base, theirs, ours, clashes), clashes


@given(TREES, TREES)
def test_what_one_side_changed_is_taken_as_it_is(base: Any, other: Any) -> None:
    assert merged(base, other, base) == (other, [])
    assert merged(base, base, other) == (other, [])
    assert merged(base, other, other) == (other, [])


@given(TREES, TREES, TREES)
def test_without_a_clash_it_does_not_matter_whose_changes_come_first(base: Any, one: Any, other: Any) -> None:
    found, clashes = merged(base, one, other)
    back, turned = merged(base, other, one)
    assert bool(clashes) == bool(turned)
    if not clashes and not _has_lists(found):  # of lists the order of the items is that of `ours`
        assert found == back


def _has_lists(tree: Any) -> bool:
    return isinstance(tree, list) or (isinstance(tree, dict) and any(map(_has_lists, tree.values())))


@pytest.mark.parametrize(
    ("base", "theirs", "ours", "found"),
    [
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}),
        ({"a": 1}, {}, {"a": 1, "b": 1}, {"b": 1}),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 1}}, {"a": {"x": 2}}, {"a": {"x": 2, "y": 1}}),
        ({}, {"m": {"a": 1}}, {"m": {"b": 1}}, {"m": {"b": 1, "a": 1}}),
        (
            {"c": [{"name": "a", "i": 1}, {"name": "b", "i": 1}]},
            {"c": [{"name": "a", "i": 2}]},
            {"c": [{"name": "new"}, {"name": "a", "i": 1, "x": 1}, {"name": "b", "i": 1}]},
            {"c": [{"name": "new"}, {"name": "a", "i": 2, "x": 1}]},
        ),
        ({"l": [1]}, {"l": [1, 2]}, {"l": [1]}, {"l": [1, 2]}),
    ],
)
def test_changes_of_other_fields_go_together(base: Any, theirs: Any, ours: Any, found: Any) -> None:
    assert merged(base, theirs, ours) == (found, [])


@pytest.mark.parametrize(
    ("base", "theirs", "ours", "clash"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}, ("a", 1, 2, 3)),
        ({"a": 1}, {}, {"a": 3}, ("a", 1, ABSENT, 3)),
        ({"a": 1}, {"a": 2}, {}, ("a", 1, 2, ABSENT)),
        ({}, {"a": 2}, {"a": 3}, ("a", ABSENT, 2, 3)),
        ({"l": [1]}, {"l": [2]}, {"l": [3]}, ("l", [1], [2], [3])),
        (
            {"c": [{"name": "a", "i": 1}]},
            {"c": [{"name": "a", "i": 2}]},
            {"c": [{"name": "a", "i": 3}]},
            ("c[a].i", 1, 2, 3),
        ),
    ],
)
def test_a_field_that_both_changed_is_named(base: Any, theirs: Any, ours: Any, clash: Any) -> None:
    found, clashes = merged(base, theirs, ours)
    assert clashes == [clash]
    assert found == theirs
