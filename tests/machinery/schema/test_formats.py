"""String formats: good and bad values, those of strfmt's and Go's parsers."""

from __future__ import annotations

import pytest

from wherry.machinery.schema.formats import checker, is_supported

CASES: dict[str, tuple[list[str], list[str]]] = {
    "date": (["2020-02-29", "0000-01-01"], ["2021-02-29", "2020-1-1", "2020-01-01 ", ""]),
    "date-time": (
        ["2020-01-02T03:04:05Z", "2020-01-02t03:04:05.1+01:00"],
        ["2020-01-02 03:04:05Z", "2020-01-02T24:00:00Z"],
    ),
    "duration": (["1h2m", "22 ns", "3 days", "0", "-1.5s", "1µs"], ["", "x", "5", "h"]),
    "byte": (["YQ==", "YWJj"], ["", "YQ", "Y Q="]),
    "uuid": (["12345678-1234-1234-1234-123456789ABC", "12345678123412341234123456789abc"], ["x", "12345678-1234"]),
    "uuid4": (["12345678-1234-4234-8234-123456789abc"], ["12345678-1234-3234-8234-123456789abc"]),
    "ipv4": (["1.2.3.4", "01.02.03.04", "::1.2.3.4"], ["1.2.3", "::1", "1.2.3.256"]),
    "ipv6": (["::1", "fe80::1"], ["1.2.3.4", "fe80::1%eth0", ":::"]),
    "cidr": (["1.2.3.0/24", "::/0"], ["1.2.3.0", "1.2.3.0/33", "1.2.3.0/-1"]),
    "mac": (["01:23:45:67:89:ab", "01-23-45-67-89-AB", "0123.4567.89ab", "0123456789ab"], ["01:23:45:67:89", "01.23"]),
    "email": (["a@b", "Joe <joe@example.com>", '"a b"@c.d'], ["a", "a@", "@b", "a b@c"]),
    "hostname": (["a", "example.com", "EXAMPLE.com", "1.example.com"], ["", "-a", "a_b", "a..b", "1.2.3.4"]),
    "uri": (["http://a/b?c", "/abs", "mailto:x", "xyz://h"], ["", "rel", "a b", "http://[::1", "http://a:b/"]),
    "hexcolor": (["#fff", "AABBCC"], ["red", "#ff"]),
    "rgbcolor": (["rgb(0, 31,255)"], ["rgb(999)", "rgb(1,2,256)"]),
    "isbn10": (["3-401-01319-X"], ["1", "3423214121"]),
    "isbn13": (["978-3-8362-2119-1"], ["1", "978 3 8362 2119 0"]),
    "isbn": (["9784873113685", "3836221195"], ["x"]),
    "creditcard": (["4220-8554-2622-2389"], ["4220855426213389", "x"]),
    "ssn": (["111-22-3333"], ["111223333", "x"]),
    "bsonobjectid": (["507f1f77bcf86cd799439011"], ["x"]),
    "k8s-short-name": (["a-1"], ["A", "-a", "a" * 64]),
    "k8s-long-name": (["a.b-c"], ["a..b", "A"]),
}


@pytest.mark.parametrize("name", CASES)
def test_values(name: str) -> None:
    check = checker(name)
    assert check is not None
    good, bad = CASES[name]
    assert [text for text in good if not check(text)] == []
    assert [text for text in bad if check(text)] == []


def test_other_names_mean_nothing() -> None:
    assert checker("password") is None
    assert is_supported("datetime")
    assert not is_supported("int32")
    assert checker("binary") is None


@pytest.mark.parametrize("name", ["email", "hostname", "uri", "duration", "ipv6"])
def test_long_texts_take_no_time(name: str) -> None:
    check = checker(name)
    assert check is not None
    for text in ("a" * 20000, "a." * 10000, "a-" * 10000, "a b " * 5000, '"a" ' * 5000):
        check(text)  # a pattern that backtracks would not come back
