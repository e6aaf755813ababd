"""Times: errors as Go's time.Parse words them."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kit.times import TimeError, format_micro, format_seconds, normal_micro_time, normal_time, parse

LAYOUT = "2006-01-02T15:04:05Z07:00"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00Z"),
        ("2020-01-01T1:00:00.123+02:30", "2019-12-31T22:30:00Z"),
        ("2024-02-29T23:59:59,999-01:00", "2024-03-01T00:59:59Z"),
        ("0001-01-01T00:00:00Z", None),  # Go's zero time is written as null
    ],
)
def test_times_become_utc_seconds(text: str, expected: str | None) -> None:
    assert normal_time(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("yesterday", f'parsing time "yesterday" as "{LAYOUT}": cannot parse "yesterday" as "2006"'),
        ("", f'parsing time "" as "{LAYOUT}": cannot parse "" as "2006"'),
        ("2020-01-01", f'parsing time "2020-01-01" as "{LAYOUT}": cannot parse "" as "T"'),
        ("2020-13-01T00:00:00Z", 'parsing time "2020-13-01T00:00:00Z": month out of range'),
        ("2023-02-29T00:00:00Z", 'parsing time "2023-02-29T00:00:00Z": day out of range'),
        ("2020-01-01T25:00:00Z", 'parsing time "2020-01-01T25:00:00Z": hour out of range'),
        ("2020-01-01T00:00:00Zx", 'parsing time "2020-01-01T00:00:00Zx": extra text: "x"'),
    ],
)
def test_what_is_no_time(text: str, message: str) -> None:
    with pytest.raises(TimeError) as caught:
        normal_time(text)
    assert str(caught.value) == message


def test_micro_times_need_their_six_digits() -> None:
    assert normal_micro_time("2020-01-01T00:00:00.123456Z") == "2020-01-01T00:00:00.123456Z"
    with pytest.raises(TimeError, match=r'cannot parse ".5Z" as ".000000"'):
        normal_micro_time("2020-01-01T00:00:00.5Z")


@given(st.datetimes(datetime.datetime(1, 1, 2), datetime.datetime(9999, 12, 31)))
def test_calendar_agrees_with_pythons(moment: datetime.datetime) -> None:
    text = moment.strftime("%Y").rjust(4, "0") + moment.strftime("-%m-%dT%H:%M:%SZ")
    seconds, _ = parse(text)
    assert seconds == (moment.replace(microsecond=0) - datetime.datetime(1970, 1, 1)) // datetime.timedelta(seconds=1)
    assert format_seconds(seconds) == text
    micro = format_micro(seconds, moment.microsecond * 1000)
    assert parse(micro, micro=True) == (seconds, moment.microsecond * 1000)
