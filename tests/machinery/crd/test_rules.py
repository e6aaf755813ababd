"""Conversion by rules."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from wherry.machinery.crd.review import ConversionError
from wherry.machinery.crd.rules import PRESERVE, Rules

STRING = {"type": "string"}


def schema(**fields: Any) -> Any:
    spec = {"type": "object", "properties": fields}
    return {"type": "object", "properties": {"spec": spec, "metadata": {"type": "object"}}}


FLAT = schema(first=STRING, last=STRING, since={"type": "string", "format": "date-time"}, count={"type": "integer"})
NESTED = schema(name={"type": "object", "properties": {"first": STRING}}, nick=STRING)


def rules(*given: Any, preserve: Any = (), back: Any = ()) -> Rules:
    forth = {"from": "v1", "to": "v2", "rules": list(given)}
    return Rules([forth, {"from": "v2", "to": "v1", "rules": list(back), "preserve": list(preserve)}],
                 {"v1": FLAT, "v2": NESTED})  # fmt: skip


def rule(field: str, destination: str, transformation: str = "") -> Any:
    made = {"field": field, "destination": destination}
    return {**made, "transformation": transformation} if transformation else made


def thing(version: str, annotations: Any = None, **spec: Any) -> Any:
    meta = {"name": "a", **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": f"example.com/{version}", "kind": "Thing", "metadata": meta, "spec": spec}


def forth(found: Rules, **spec: Any) -> Any:
    return found.convert(thing("v1", **spec), "example.com/v2")["spec"]


def test_a_field_moves_and_what_is_not_there_makes_nothing() -> None:
    found = rules(rule(".spec.first", ".spec.name.first"))
    assert forth(found, first="Ada")["name"] == {"first": "Ada"}
    assert "name" not in forth(found)


@pytest.mark.parametrize(
    ("field", "value", "expression", "wanted"),
    [
        ("first", "ada", "self.upperAscii()", "ADA"),
        ("count", 3, "[self, self + 1]", [3, 4]),
        ("first", "a,b", "{'all': self.split(',')}", {"all": ["a", "b"]}),
        ("since", "2026-01-02T03:04:05Z", "self.getFullYear()", 2026),
    ],
)
def test_an_expression_makes_the_new_value(field: str, value: Any, expression: str, wanted: Any) -> None:
    found = rules(rule(f"spec.{field}", "spec.made", expression))
    assert found.problems == []
    assert forth(found, **{field: value})["made"] == wanted


def test_the_object_that_is_converted_stays_as_it_is() -> None:
    before = thing("v1", first="Ada")
    rules(rule("spec.first", "spec.name.first")).convert(before, "example.com/v2")
    assert before == thing("v1", first="Ada")


def test_what_one_version_alone_has_comes_back() -> None:
    found = rules(preserve=[".spec.nick"])
    there = found.convert(thing("v2", nick="A"), "example.com/v1")
    assert orjson.loads(there["metadata"]["annotations"][f"{PRESERVE}v2"]) == {"spec.nick": "A"}
    del there["spec"]["nick"]  # as pruning does
    assert found.convert(there, "example.com/v2") == thing("v2", nick="A")


@pytest.mark.parametrize("text", ['{"metadata.name": "b", "spec.first": "x"}', "{", "[]", '"x"'])
def test_an_annotation_brings_back_nothing_else(text: str) -> None:
    found = rules(preserve=["spec.nick"])
    assert found.convert(thing("v1", {f"{PRESERVE}v2": text}), "example.com/v2") == thing("v2")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            rule("spec.none", "spec.a"),
            """rules[0].field: Invalid value: "spec.none": field "spec.none" doesn't exist""",
        ),
        (rule("spec.first.x", "spec.a"), 'expected field "spec.first" to be an object'),
        (rule("spec.first", "spec.a", "self +"), "error compiling CEL program: ERROR"),
        (rule("spec.first", "metadata.namespace"), "must not change metadata"),
        (rule("spec.first", "apiVersion"), "must not change apiVersion"),
    ],
)
def test_rules_that_cannot_work_are_told(given: Any, wanted: str) -> None:
    (problem,) = rules(given).problems
    assert wanted in str(problem)


def test_a_version_that_there_is_not_is_told() -> None:
    (problem,) = Rules([{"from": "v9", "to": "v1", "rules": []}], {"v1": FLAT}).problems
    assert str(problem).endswith('from: Invalid value: "v9": unable to find structural schema for version')


@pytest.mark.parametrize(
    ("given", "spec", "wanted"),
    [
        (rule("spec.count", "spec.a", "1 / self"), {"count": 0}, "error executing transformation: division by zero"),
        (
            rule("spec.first", "spec.last.x"),
            {"first": "a", "last": "b"},
            'error setting destination field "spec.last.x": value cannot be set because .spec.last is not a map',
        ),
    ],
)
def test_an_object_that_rules_fail_on_is_refused(given: Any, spec: Any, wanted: str) -> None:
    with pytest.raises(ConversionError, match="error converting") as refused:
        forth(rules(given), **spec)
    assert wanted in str(refused.value)
