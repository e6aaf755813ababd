"""Rules of custom resources: compile errors, cost limits, transition rules, messages."""

from __future__ import annotations

from typing import Any

from wherry.machinery.cel.rules_definition import check_definition
from wherry.machinery.cel.rules_run import Rules
from wherry.machinery.crd.cel_hooks import RuleScope


def _schema(prop: dict[str, Any], *rules: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"x": {**prop, "x-kubernetes-validations": list(rules)}}}


def _texts(schema: dict[str, Any]) -> list[str]:
    return [str(e) for e in check_definition(schema, "s", RuleScope())]


def test_unknown_field_points_at_the_dot() -> None:
    prop = {"type": "object", "properties": {"a": {"type": "string"}}}
    (text,) = _texts(_schema(prop, {"rule": "self.b == 'x'"}))
    assert "ERROR: <input>:1:5: undefined field 'b'\n | self.b == 'x'\n | ....^" in text


def test_cost_of_an_unbounded_string_in_a_list() -> None:
    texts = _texts(_schema({"type": "array", "items": {"type": "string"}}, {"rule": "self.all(x, x.contains('a'))"}))
    assert texts[0].startswith(
        "s.properties[x].x-kubernetes-validations[0].rule: Forbidden: estimated rule cost exceeds"
    )
    assert len(texts) == 3
    small = {"type": "array", "maxItems": 5, "items": {"type": "string", "maxLength": 10}}
    assert _texts(_schema(small, {"rule": "self.all(x, x.contains('a'))"})) == []


def test_transition_rule_runs_on_update_only() -> None:
    rules = Rules(_schema({"type": "string"}, {"rule": "self == oldSelf", "message": "immutable"}))
    assert rules({"x": "a"}, None) == []
    assert rules({"x": "a"}, {"x": "a"}) == []
    assert [str(e) for e in rules({"x": "b"}, {"x": "a"})] == ['x: Invalid value: "b": immutable']


def test_unchanged_values_are_ratcheted() -> None:
    rules = Rules(_schema({"type": "integer"}, {"rule": "self > 5"}))
    assert len(rules({"x": 3}, None)) == 1
    told: list[str] = []
    assert rules({"x": 3}, {"x": 3}, told) == []
    assert told == ["x: Invalid value: 3: failed rule: self > 5"]


def test_formats_are_converted_where_they_are_read() -> None:
    prop = {"type": "object", "properties": {"t": {"type": "string", "format": "date-time"}, "n": {"type": "number"}}}
    rules = Rules(_schema(prop, {"rule": "self.t > timestamp('2020-01-01T00:00:00Z') && self.n / 2.0 == 1.5"}))
    assert rules({"x": {"t": "2021-01-01T00:00:00Z", "n": 3}}, None) == []


def test_sets_compare_without_order() -> None:
    prop = {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}}
    rules = Rules(_schema(prop, {"rule": "self == oldSelf"}))
    assert rules({"x": ["a", "b"]}, {"x": ["b", "a"]}) == []
    assert len(rules({"x": ["a", "c"]}, {"x": ["b", "a"]})) == 1


def test_division_by_zero_names_the_rule() -> None:
    rules = Rules(_schema({"type": "integer"}, {"rule": "1 / self == 1"}))
    assert [e.text for e in rules({"x": 0}, None)] == [
        'Invalid value: "integer": division by zero evaluating rule: 1 / self == 1'
    ]
