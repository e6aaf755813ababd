"""Go's regular expressions: what compiles, what matches, and the words of refusals (recorded from Go 1.26)."""

from __future__ import annotations

import pytest

from wherry.machinery.regex import PatternError, compile_go


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[", "missing closing ]: `[`"),
        ("x[a", "missing closing ]: `[a`"),
        ("(", "missing closing ): `(`"),
        ("a)b", "unexpected ): `a)b`"),
        ("*a", "missing argument to repetition operator: `*`"),
        ("a**", "invalid nested repetition operator: `**`"),
        ("a++", "invalid nested repetition operator: `++`"),
        ("x{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
        ("\\", "trailing backslash at end of expression: ``"),
        ("a{2,1}", "invalid repeat count: `{2,1}`"),
        ("a{1001}", "invalid repeat count: `{1001}`"),
        ("(a{1000}){1000}", "invalid repeat count: `{1000}`"),
        ("(?P<n", "invalid named capture: `(?P<n`"),
        ("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`"),
        ("[b-a]", "invalid character class range: `b-a`"),
        ("\\p{Foo}", "invalid character class range: `\\p{Foo}`"),
        ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
        ("(?z)", "invalid or unsupported Perl syntax: `(?z`"),
        ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
        ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
        ("\\8", "invalid escape sequence: `\\8`"),
        ("[a-\\d]", "invalid escape sequence: `\\d`"),
    ],
)
def test_refusals(pattern: str, why: str) -> None:
    with pytest.raises(PatternError) as caught:
        compile_go(pattern)
    assert str(caught.value) == f"error parsing regexp: {why}"


@pytest.mark.parametrize(
    ("pattern", "matching", "failing"),
    [
        ("^a$", ["a"], ["a\n", "\na"]),
        ("(?m)^a$", ["a\n", "b\na"], ["ab"]),
        ("a.b", ["a\rb", "axb"], ["a\nb"]),
        ("(?s)a.b", ["a\nb"], ["ab"]),
        ("^\\w+$", ["a_1"], ["é", "٣"]),
        ("^\\s$", ["\f", " "], ["\v", "\xa0"]),
        ("^[[:alpha:]-]+$", ["a-b"], ["1"]),
        ("^\\pL+$", ["é日"], ["1"]),
        ("^\\p{Greek}$", ["λ"], ["l"]),
        ("^(?i:ab)c$", ["ABc"], ["ABC"]),
        ("^a(?i)b|c$", ["aB", "C"], ["Ab"]),
        ("^\\Qa.b\\E$", ["a.b"], ["axb"]),
        ("^a{,2}$", ["a{,2}"], ["aa"]),
        ("^(?P<n>a)(?P<n>b)$", ["ab"], ["a"]),
        ("\\Aa\\z", ["a"], ["a\n"]),
        ("^\\x{1F600}$", ["😀"], ["x"]),
        ("\\B", ["", "ab"], ["a"]),
    ],
)
def test_matches(pattern: str, matching: list[str], failing: list[str]) -> None:
    compiled = compile_go(pattern)
    assert [text for text in matching if not compiled.search(text)] == []
    assert [text for text in failing if compiled.search(text)] == []
