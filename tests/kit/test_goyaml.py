"""YAML as sigs.k8s.io/yaml turns it into JSON; results and texts were taken from that library."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wherry.kit import goyaml


def value(text: str) -> Any:
    return goyaml.loads(text.encode())[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("yes", True), ("No", False), ("y", True), ("on", True), ("tRue", "tRue"), ("~", None), ("", None),
        ("0777", 511), ("0o17", 15), ("08", 8), ("0x1F", 31), ("0b11", 3), ("1_000", 1000), ("+12", 12),
        ("1:30", "1:30"), ("1.5", 1.5), (".5", 0.5), ("1.", 1), ("1e3", 1000), ("2020-01-01", "2020-01-01"),
        ("18446744073709551615", 18446744073709551615), ('"1"', "1"), ("'yes'", "yes"), ("!!str 4", "4"),
        ("!!int '5'", 5), ("!!float 3", 3), ("!!binary YQ==", "a"), ("!foo bar", "bar"),
    ],
)  # fmt: skip
def test_scalars(text: str, expected: Any) -> None:
    found = value(f"a: {text}")["a"]
    assert found == expected
    assert isinstance(found, bool) == isinstance(expected, bool)


def test_keys_become_sorted_strings() -> None:
    assert list(value("b: 1\n1: x\ntrue: y\na: 2\nn: z\n").items()) == [
        ("1", "x"), ("a", 2), ("b", 1), ("false", "z"), ("true", True),
    ]  # fmt: skip


def test_only_the_first_document_counts() -> None:
    assert value("---\na: b\n---\nc: d\n") == {"a": "b"}
    assert value("# nothing\n") is None


def test_merges_and_aliases() -> None:
    assert value("x: &x {a: b}\nz:\n  <<: *x\n  c: d\nw: *x\n") == {
        "w": {"a": "b"}, "x": {"a": "b"}, "z": {"a": "b", "c": "d"},
    }  # fmt: skip


def test_repeated_keys_are_told_with_their_lines() -> None:
    found, repeated = goyaml.loads(b"a: one\nb: {c: 1, c: 2}\na: two\n")
    assert found == {"a": "two", "b": {"c": 2}}
    assert repeated == ['line 2: key "c" already set in map', 'line 3: key "a" already set in map']


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: v1\nb: c\nd:\n\tname: y4\n", "yaml: line 4: found character that cannot start any token"),
        ("a: v1\nb: c\nmetadata: {name: y5\n", "yaml: line 3: did not find expected ',' or '}'"),
        ("kind: A\n metadata:\n", "yaml: line 2: mapping values are not allowed in this context"),
        ("a: *nope", "yaml: unknown anchor 'nope' referenced"),
        ("%YAML 9.9\n---\na: b\n", "yaml: found incompatible YAML document"),
        ("null: z", 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "z"'),
        ("a: .nan", "json: unsupported value: NaN"),
        ("a: !!int x", "yaml: cannot decode !!str `x` as a !!int"),
        ("a: &a [*a]", "yaml: anchor 'a' value contains itself"),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(goyaml.YAMLError) as caught:
        goyaml.loads(text.encode())
    assert str(caught.value) == message


def test_a_bomb_of_aliases_is_refused() -> None:
    lines = ["a: &a [x,x,x,x,x,x,x,x,x]"]
    lines += [
        f"{name}: &{name} [{','.join(['*' + last] * 9)}]" for last, name in zip("abcdefg", "bcdefgh", strict=True)
    ]
    with pytest.raises(goyaml.YAMLError, match="excessive aliasing"):
        goyaml.loads("\n".join(lines).encode())


ascii_text = st.text(st.characters(codec="ascii", min_codepoint=32), max_size=8)
words = st.text(st.characters(codec="ascii", min_codepoint=97, max_codepoint=122), min_size=2, max_size=6)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | ascii_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=10,
)


@given(documents)
def test_what_is_quoted_comes_back(document: Any) -> None:
    text = yaml.safe_dump(document, default_style='"' if isinstance(document, str) else None, sort_keys=False)
    quoted = isinstance(document, str) or not _has_plain_words(document)
    if quoted:
        assert value(text) == document


def _has_plain_words(document: Any) -> bool:
    """Strings that PyYAML writes bare and Go reads as something else (y, n, 0o7, 1_0)."""
    if isinstance(document, str):
        return goyaml._resolve("", document)[0] not in ("str", "null") or document[:1] in "+-.0123456789~<"
    if isinstance(document, dict):
        return any(_has_plain_words(key) or _has_plain_words(item) for key, item in document.items())
    return isinstance(document, list) and any(map(_has_plain_words, document))
