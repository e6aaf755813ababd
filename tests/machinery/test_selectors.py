"""Label selectors: upstream's grammar and words, and matching against an evaluator written the obvious way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.selectors import (
    EVERYTHING,
    NOTHING,
    Requirement,
    Selector,
    SelectorError,
    from_label_selector,
    from_set,
    parse_label_selector,
)

NAMES = st.sampled_from(["a", "b", "in", "notin", "x.io/a", "k8s.io/app-name", "A_1"])
VALUES = st.sampled_from(["", "1", "2", "-5", "in", "notin", "v.1", "007", "x_y"]).filter(lambda v: v != "-5")
LABELS = st.dictionaries(NAMES, VALUES, max_size=4)


@st.composite
def requirements(draw: st.DrawFn) -> Requirement:
    key, operator = draw(NAMES), draw(st.sampled_from(["=", "==", "!=", "in", "notin", "exists", "!", "gt", "lt"]))
    if operator in ("exists", "!"):
        return Requirement(key, operator)
    if operator in ("gt", "lt"):
        return Requirement(key, operator, (draw(st.sampled_from(["0", "1", "10"])),))
    if operator in ("in", "notin"):
        return Requirement(key, operator, tuple(sorted(draw(st.sets(VALUES, min_size=1, max_size=3)))))
    return Requirement(key, operator, (draw(VALUES),))


def naive(requirement: Requirement, labels: dict[str, str]) -> bool:
    present, value = requirement.key in labels, labels.get(requirement.key)
    match requirement.operator:
        case "=" | "==" | "in":
            return present and value in requirement.values
        case "!=" | "notin":
            return not present or value not in requirement.values
        case "exists":
            return present
        case "!":
            return not present
    if not present or not value or not value.lstrip("+-").isdigit():
        return False
    bound = int(requirement.values[0])
    return int(value) > bound if requirement.operator == "gt" else int(value) < bound


@given(st.lists(requirements(), max_size=4), LABELS)
def test_matching_agrees_with_the_obvious_evaluator(terms: list[Requirement], labels: dict[str, str]) -> None:
    selector = Selector(tuple(terms))
    assert selector.matches(labels) == all(naive(term, labels) for term in terms)


@given(st.lists(requirements(), max_size=4))
def test_what_is_printed_parses_to_the_same(terms: list[Requirement]) -> None:
    selector = Selector(tuple(terms))
    again = parse_label_selector(str(selector))
    assert again.requirements == selector.requirements
    assert str(again) == str(selector)


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("", ""),
        ("a", "a"),
        ("!a", "!a"),
        ("b=2,a=1", "a=1,b=2"),
        ("a in (z,b,b)", "a in (b,z)"),
        ("a in ()", "a in ()"),
        ("a in (,x)", "a in (,x)"),
        ("a in (x,)", "a in (,x)"),
        ("a in (,,x)", "a in (,x)"),
        ("a notin (in,notin)", "a notin (in,notin)"),
        ("in in (in)", "in in (in)"),
        ("a = , b", "a=,b"),
        ("a\tin\n(1)", "a in (1)"),
        ("a==1", "a==1"),
        ("a>1,b<-3", "a>1,b<-3"),
        ("notin", "notin"),
        ("!in", "!in"),
    ],
)
def test_forms(text: str, printed: str) -> None:
    if "<-3" in text:  # label values may not start with a dash, so negative bounds cannot be written
        with pytest.raises(SelectorError, match=r"values\[0\]\[b\]"):
            parse_label_selector(text)
        return
    assert str(parse_label_selector(text)) == printed


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (",", "found ',', expected: !, identifier, or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a,,b", "found ',', expected: identifier after ','"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        ("!!a", "unable to parse requirement: found '!', expected: identifier"),
        ("!a=1", "found '=', expected: ',' or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a (1)", "unable to parse requirement: found '(', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in", "unable to parse requirement: found '' expected: '('"),
        ("a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a in (1", "unable to parse requirement: found '', expected: ',' or ')'"),
        ("a in (1,", "unable to parse requirement: found '', expected: ',', or identifier"),
        ("a in (1 2)", "unable to parse requirement: found '2', expected: ',' or ')'"),
        ("a in (=)", "unable to parse requirement: found '=', expected: ',', ')' or identifier"),
        ("a=(1)", "unable to parse requirement: found '(', expected: identifier"),
        ("a=1 b=2", "found 'b', expected: ',' or 'end of string'"),
        ("a=1)", "found ')', expected: ',' or 'end of string'"),
        (
            "a>x",
            'unable to parse requirement: values[0]: Invalid value: "x": '
            "for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        ("/a=1", 'unable to parse requirement: <nil>: Invalid value: "/a": prefix part must be non-empty'),
    ],
)
def test_refusals(text: str, message: str) -> None:
    with pytest.raises(SelectorError) as caught:
        parse_label_selector(text)
    assert caught.value.message == message
    assert caught.value.code == 400


def test_long_and_odd_names_and_values() -> None:
    with pytest.raises(SelectorError, match="name part must be no more than 63 bytes"):
        parse_label_selector("a" * 64)
    with pytest.raises(SelectorError, match="must be no more than 63 bytes"):
        parse_label_selector("a=" + "v" * 64)
    with pytest.raises(SelectorError, match="prefix part must be no more than 253 bytes"):
        parse_label_selector("a" * 254 + "/x")
    with pytest.raises(SelectorError, match="a valid label key must consist"):
        parse_label_selector("a/b/c")


def test_integers_beyond_int64_do_not_compare() -> None:
    selector = parse_label_selector("a>5")
    assert selector.matches({"a": str(2**63 - 1)})
    assert not selector.matches({"a": str(2**63)})
    assert not selector.matches({"a": "1_0"})
    assert not selector.matches({"a": "٣"})


def test_label_selector_objects() -> None:
    assert from_label_selector(None) is NOTHING
    assert not NOTHING.matches({})
    assert EVERYTHING.matches({})
    selector = from_label_selector(
        {"matchLabels": {"b": "1"}, "matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["x", "w"]}]}
    )
    assert str(selector) == "a notin (w,x),b=1"
    assert selector.matches({"b": "1"})
    assert not selector.matches({"b": "1", "a": "x"})
    with pytest.raises(SelectorError, match='"Near" is not a valid label selector operator'):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "Near"}]})
    with pytest.raises(SelectorError, match="values: Invalid value: null: for 'in', 'notin' operators"):
        from_label_selector({"matchExpressions": [{"key": "a", "operator": "In"}]})


def test_exact_and_sets() -> None:
    assert parse_label_selector("a in (1),b in (1,2)").exact("a") == "1"
    assert parse_label_selector("a in (1,2)").exact("a") is None
    assert from_set({"z": "1", "a": ""}).matches({"z": "1", "a": "", "q": "r"})
    assert from_set(None).empty
