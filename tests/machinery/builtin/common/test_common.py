"""Rules that all kinds share: names, labels, quantities, metadata."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.builtin.common import labels, meta, names, quantities

Obj = dict[str, Any]
NUMBERS = st.fractions(min_value=-(10**9), max_value=10**9).map(lambda f: Fraction(round(f * 1000), 1000))


@given(NUMBERS, st.sampled_from(["DecimalSI", "BinarySI", "DecimalExponent"]))
def test_a_quantity_reads_back_as_what_was_written(value: Fraction, form: str) -> None:
    assert quantities.parse(quantities.text_of(value, form)) == value


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 10**6).map(str)), st.dictionaries(st.just("a"), st.just("5"))
)
def test_adding_lists_adds_every_resource(total: dict[str, str], more: dict[str, str]) -> None:
    want = {k: int(total.get(k, 0)) + int(more.get(k, 0)) for k in {*total, *more}}
    quantities.add_lists(total, more)
    assert {k: quantities.parse(v) for k, v in total.items()} == want


@given(NUMBERS)
def test_whole_and_milli_values_round_away_from_zero(value: Fraction) -> None:
    text = quantities.text_of(value)
    assert abs(quantities.whole_value(text)) - 1 < abs(value) <= abs(quantities.whole_value(text))
    assert quantities.milli_value(text) == value * 1000


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (names.dns1123_label, "a-1", "A"),
        (names.dns1123_subdomain, "a.b-c", "a..b"),
        (names.dns1035_label, "a1", "1a"),
        (names.label_key, "example.com/Some.key_", "-a"),
        (names.label_value, "", "a/b"),
        (names.label_value, "x" * 63, "x" * 64),
        (names.name_is_path_segment, "a:b", "a%b"),
    ],
)
def test_names(rule: Any, good: str, bad: str) -> None:
    good = good.removesuffix("_")
    assert not rule(good)
    assert rule(bad)


def test_a_prefix_may_end_as_a_name_may_not() -> None:
    assert not names.name_is_dns_subdomain("a-", True)
    assert names.name_is_dns_subdomain("a-", False)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        (None, False),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors(selector: Obj | None, matches: bool) -> None:
    assert labels.selector_matches(selector, {"a": "1"}) is matches


STORED: Obj = {"name": "a", "namespace": "n", "uid": "u", "resourceVersion": "1"}


def test_sound_metadata() -> None:
    assert meta.validate_object_meta(STORED, True) == []
    assert meta.validate_any_update(STORED, STORED, True, standard_finalizers=True, again=True) == []


def test_an_update_repeats_what_is_wrong_as_often_as_it_is_looked_at() -> None:
    new = {**STORED, "labels": {"a": "-"}}
    assert len(meta.validate_any_update(new, STORED, True)) == 2
    assert len(meta.validate_any_update(new, STORED, True, again=True)) == 3
    new = {**STORED, "uid": "v"}
    assert [str(e) for e in meta.validate_any_update(new, STORED, True, again=True)] == [
        'metadata.uid: Invalid value: "v": field is immutable'
    ] * 2


def test_a_name_is_not_judged_anew() -> None:
    odd = {**STORED, "name": "Not A Subdomain"}
    assert meta.validate_object_meta(odd, True)
    assert meta.validate_any_update(odd, odd, True) == []


def test_finalizers_of_built_in_kinds_are_standard_or_qualified() -> None:
    odd = {**STORED, "finalizers": ["mine"]}
    assert meta.validate_object_meta(odd, True) == []
    assert [e.field for e in meta.validate_object_meta(odd, True, standard_finalizers=True)] == [
        "metadata.finalizers[0]"
    ]


def test_no_finalizer_joins_an_object_that_is_going() -> None:
    old = {**STORED, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    (error,) = meta.validate_object_meta_update({**old, "finalizers": ["x/y"]}, old)
    assert error.field == "metadata.finalizers"


def test_one_owner_controls() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "1", "controller": True}
    found = meta.validate_object_meta({**STORED, "ownerReferences": [owner, {**owner, "uid": "2"}]}, True)
    assert [e.field for e in found] == ["metadata.ownerReferences"]
