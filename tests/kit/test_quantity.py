"""Quantities: expected texts were taken from k8s.io/apimachinery/pkg/api/resource itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kit.quantity import FORMAT_WRONG, SUFFIX, Quantity, QuantityError, canonical, parse_quantity


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", "500m"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.1Ki", "102400m"),
        ("1000m", "1"),
        ("1e3", "1e3"),
        ("12e6", "12e6"),
        ("1e100", "10e99"),
        ("1.500", "1.500"),  # three digits after the point are a canonical scale already
        ("5.", "5."),
        ("+5", "+5"),
        ("Mi", "0"),
        ("0Mi", "0"),
        ("1Ei", "1Ei"),
        ("10Ei", "9223372036854775807"),  # binary values are capped
        ("999999999999999999999", "999999999999999999999"),
        ("0.0000000001", "1n"),  # rounded up to nano
        ("1e-20", "1e-9"),
        ("-1.5", "-1500m"),
        ("123456Mi", "123456Mi"),
        ("2048Ki", "2Mi"),
        ("111953.125Ki", "114640k"),
        (" 1 ", "1"),
    ],
)
def test_canonical_form(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", FORMAT_WRONG),
        ("1x", FORMAT_WRONG),
        ("1.2.3", FORMAT_WRONG),
        ("1KK", SUFFIX),
        ("1e", SUFFIX),
        ("1.1i", SUFFIX),
    ],
)
def test_refusals_are_upstreams(text: str, message: str) -> None:
    with pytest.raises(QuantityError) as caught:
        parse_quantity(text)
    assert str(caught.value) == message


def test_reading_rounds_up() -> None:
    assert parse_quantity("1500m").whole() == 2
    assert parse_quantity("1500m").milli() == 1500
    assert parse_quantity("1n").milli() == 1
    assert parse_quantity("2").as_int64() == 2
    assert parse_quantity("1500m").as_int64() is None


def test_a_zero_takes_the_format_of_what_is_added() -> None:
    assert str(parse_quantity("0").add(parse_quantity("1Gi"))) == "1Gi"
    assert str(parse_quantity("1Gi").add(parse_quantity("1Gi"))) == "2Gi"
    assert str(parse_quantity("1").subtract(parse_quantity("250m"))) == "750m"


def test_huge_exponents_cost_nothing() -> None:
    big, small = parse_quantity("1e2000000000"), parse_quantity("1e-2000000000")
    assert big > small
    assert str(small) == "1e-9"
    assert big.whole() == 0  # as upstream: an overflow of the fast form


texts = st.builds(
    lambda sign, whole, fraction, suffix: f"{sign}{whole}{fraction}{suffix}",
    st.sampled_from(["", "-"]),
    st.integers(0, 10**11).map(str),  # from 1e21 on there is no suffix, and upstream prints the digits without one
    st.sampled_from(["", ".5", ".25", ".125", ".001"]),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi", "e3", "e-3"]),
)


@given(texts)
def test_the_canonical_form_is_equal_and_stable(text: str) -> None:
    found = parse_quantity(text)
    again = parse_quantity(str(found))
    assert again == found
    assert hash(again) == hash(found)
    assert canonical(canonical(text)) == canonical(text)


@given(texts, texts)
def test_sums_and_order_agree(left: str, right: str) -> None:
    a, b = parse_quantity(left), parse_quantity(right)
    assert a.add(b) == b.add(a)
    assert a.add(b).subtract(b) == a
    assert (a < b) == (a.subtract(b) < 0)
    assert a.compare(b) == -b.compare(a)


@given(st.integers(-(10**12), 10**12), st.integers(-9, 6))
def test_rounding_up_moves_away_from_nought(value: int, scale: int) -> None:
    found = Quantity(value, -9)
    rounded = found.round_up(scale)
    assert abs(rounded.value) * 10**rounded.scale >= 0
    assert (rounded >= found) if value >= 0 else (rounded <= found)
    assert rounded.round_up(scale) == rounded
