"""JSON as Go reads it; the texts are those of encoding/json."""

from __future__ import annotations

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kit import gojson


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "unexpected end of JSON input"),
        (b"{", "unexpected end of JSON input"),
        (b'{"a":1} trailing', "invalid character 't' after top-level value"),
        (b"[1,]", "invalid character ']' looking for beginning of value"),
        (b'{"a":1,}', "invalid character '}' looking for beginning of object key string"),
        (b"{'a':1}", "invalid character '\\'' looking for beginning of object key string"),
        (b'{"a" 1}', "invalid character '1' after object key"),
        (b'{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
        (b"[1 2]", "invalid character '2' after array element"),
        (b"trux", "invalid character 'x' in literal true (expecting 'e')"),
        (b"tr", "invalid character ' ' in literal true (expecting 'u')"),
        (b"-", "invalid character ' ' in numeric literal"),
        (b"01", "invalid character '1' after top-level value"),
        (b"1.x", "invalid character 'x' after decimal point in numeric literal"),
        (b'"\x01"', "invalid character '\\x01' in string literal"),
        (b'"\\q"', "invalid character 'q' in string escape code"),
        (b"\xef\xbb\xbf{}", "invalid character 'ï' looking for beginning of value"),
        (b"NaN", "invalid character 'N' looking for beginning of value"),
        (b"[" * 300 + b"]" * 300, "exceeded max depth"),
    ],
)
def test_syntax_errors(body: bytes, message: str) -> None:
    with pytest.raises(gojson.JSONError) as caught:
        gojson.loads(body)
    assert str(caught.value) == message


def test_bad_text_is_replaced_byte_by_byte() -> None:
    assert gojson.loads(b'{"a":"\xff\xe2\x82"}') == {"a": "\ufffd\ufffd\ufffd"}
    assert gojson.loads(b'{"a":"\\ud800x"}') == {"a": "\ufffdx"}
    assert gojson.loads(b'{"a":"\\ud83d\\ude00"}') == {"a": "\U0001f600"}


def test_repeated_keys_are_kept() -> None:
    found = gojson.loads(b'{"a": {"x" : 1, "x": 2}, "b": ["a:b", "\\u003a"]}')
    assert found == {"a": {"x": 2}, "b": ["a:b", ":"]}
    assert found["a"].pairs == [("x", 1), ("x", 2)]
    assert type(found) is dict


def test_floats_keep_their_text_only_when_asked() -> None:
    assert gojson.read_exactly(b"[8e1]")[0].text == "8e1"
    assert type(gojson.loads(b'{"a":8e1,"a":8e1}')["a"]) is float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.5, "1.5"),
        (1e21, "1e+21"),
        (1e20, "100000000000000000000"),
        (1e-7, "1e-7"),
        (0.000001, "0.000001"),
        (-2.5e-9, "-2.5e-9"),
    ],
)
def test_floats_are_written_as_go_writes_them(value: float, text: str) -> None:
    assert gojson.format_float(value) == text


documents = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=12,
)


@given(documents, st.booleans())
def test_both_readers_agree(document: object, spaced: bool) -> None:
    try:
        body = json.dumps(document, ensure_ascii=False).encode() if spaced else orjson.dumps(document)
    except (UnicodeEncodeError, orjson.JSONEncodeError):
        return  # a lone surrogate
    fast, plain = gojson.read(body)
    assert fast == document
    assert gojson.read_exactly(body) == document
    assert plain or b"\\u003" in body
    assert gojson.syntax_error(body) == ""


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_float_texts_read_back(value: float) -> None:
    assert float(gojson.format_float(value)) == value
