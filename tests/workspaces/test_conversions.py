"""Exports with versions that differ, and the rules by which they become each other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.workspaces.many import Many, names
from tests.workspaces.providers import APIS, MERGE, NAMES, SCHEMAS, binding, export

CONVERSIONS = "/apis/apis.kcp.io/v1alpha1/apiconversions"
NAME = "v1.widgets.example.com"
OLD, NEW = (f"/apis/example.com/{version}/namespaces/default/widgets" for version in ("v1", "v2"))
_STRING = {"type": "string"}
_MEASURES = {"type": "object", "properties": {"width": {"type": "integer"}}}


def version(name: str, *, stored: bool, **fields: Any) -> Any:
    spec = {"type": "object", "properties": fields}
    whole = {"type": "object", "properties": {"spec": spec}}
    return {"name": name, "served": True, "storage": stored, "schema": whole}


SCHEMA = {
    "apiVersion": "apis.kcp.io/v1alpha1",
    "kind": "APIResourceSchema",
    "metadata": {"name": NAME},
    "spec": {
        "group": "example.com",
        "names": NAMES,
        "scope": "Namespaced",
        "conversion": {"strategy": "None"},
        "versions": [
            version("v1", stored=True, width={"type": "string"}),
            version("v2", stored=False, measures=_MEASURES, colour=_STRING),
        ],
    },
}


def conversion(**other: Any) -> Any:
    forth = {"from": "v1", "to": "v2", "rules": [
        {"field": "spec.width", "destination": "spec.measures.width", "transformation": "int(self)"}]}  # fmt: skip
    back = {"from": "v2", "to": "v1", "preserve": ["spec.colour"], "rules": [
        {"field": ".spec.measures.width", "destination": ".spec.width", "transformation": "string(self)"}]}  # fmt: skip
    spec = {"conversions": [{**forth, **other}, back]}
    return {"apiVersion": "apis.kcp.io/v1alpha1", "kind": "APIConversion", "metadata": {"name": NAME}, "spec": spec}


def widget(version: str, name: str = "a", **spec: Any) -> Any:
    return {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


@pytest.fixture
def many() -> Iterator[Many]:
    """A provider with a schema of two versions."""
    with Many() as found:
        found.make("root:provider")
        found.must("POST", f"/clusters/root:provider{SCHEMAS}", SCHEMA)
        yield found


@pytest.fixture
def here(many: Many) -> str:
    """A workspace that binds the kind with its rules."""
    many.must("POST", f"/clusters/root:provider{CONVERSIONS}", conversion())
    return consumer(many, "consumer")


def consumer(many: Many, name: str) -> str:
    if many.ask("GET", f"/clusters/root:provider{APIS}/apiexports/widgets")[0] == 404:
        many.must("POST", f"/clusters/root:provider{APIS}/apiexports", export())
    many.make(f"root:{name}")
    many.must("POST", f"/clusters/root:{name}{APIS}/apibindings", binding("root:provider"))
    return f"/clusters/root:{name}"


def test_each_version_shows_the_object_in_its_own_fields(many: Many, here: str) -> None:
    many.must("POST", here + OLD, widget("v1", width="3"))
    assert many.must("GET", f"{here}{NEW}/a")["spec"] == {"measures": {"width": 3}}
    assert [each["spec"] for each in many.must("GET", here + NEW)["items"]] == [{"measures": {"width": 3}}]
    change = {"spec": {"measures": {"width": 5}, "colour": "red"}}
    assert many.must("PATCH", f"{here}{NEW}/a", change, media=MERGE)["spec"] == change["spec"]
    assert many.must("GET", f"{here}{OLD}/a")["spec"] == {"width": "5"}
    assert many.must("GET", f"{here}{NEW}/a")["spec"] == change["spec"]


def test_an_apply_in_one_version_owns_the_fields_of_the_other(many: Many, here: str) -> None:
    apply = {"media": "application/apply-patch+yaml"}
    many.must("PATCH", f"{here}{OLD}/a?fieldManager=one", widget("v1", width="3"), **apply)
    status, answer = many.ask("PATCH", f"{here}{NEW}/a?fieldManager=two", widget("v2", measures={"width": 4}), **apply)
    assert status == 409
    assert answer["message"].endswith('conflict with "one": .spec.width')


def test_a_provider_sees_all_consumers_in_the_version_that_it_asks_for(many: Many, here: str) -> None:
    many.must("POST", here + OLD, widget("v1", width="3"))
    other = consumer(many, "other")
    many.must("POST", other + OLD, widget("v1", "bad", width="wide"))
    provider = many.workspaces.tree.resolve("root:provider")
    view = f"/services/apiexport/{provider}/widgets/clusters/*/apis/example.com/v2/widgets"
    found = {each["metadata"]["name"]: (each["apiVersion"], each["spec"]) for each in many.must("GET", view)["items"]}
    assert found["a"] == ("example.com/v2", {"measures": {"width": 3}})
    assert found["bad"] == ("example.com/v1", {"width": "wide"})  # nobody hides the others by what he writes
    status, answer = many.ask("GET", f"{other}{NEW}/bad")
    assert status == 500
    assert "error converting: error executing transformation" in answer["message"]


def test_rules_are_refused_that_cannot_work_or_have_no_schema(many: Many) -> None:
    place = f"/clusters/root:provider{CONVERSIONS}"
    wrong = [{"field": "spec.none", "destination": "spec.width"}]
    status, answer = many.ask("POST", place, conversion(rules=wrong))
    assert status == 403
    assert (
        'error compiling conversion rules: spec.conversions[0].rules[0].field: Invalid value: "spec.none"'
        in answer["message"]
    )
    stray = {**conversion(), "metadata": {"name": "v9.widgets.example.com"}}
    status, answer = many.ask("POST", place, stray)
    assert status == 403
    assert answer["message"].endswith('apiresourceschemas.apis.kcp.io "v9.widgets.example.com" not found')


def test_rules_are_bound_with_their_schema(many: Many, here: str) -> None:
    change = conversion(rules=[])
    name = f"/clusters/root:provider{CONVERSIONS}/{NAME}"
    status, answer = many.ask("PATCH", name, {"spec": change["spec"]}, media=MERGE)
    assert status == 403
    assert answer["message"].endswith(f"APIResourceSchema {NAME} is bound already, and its rules with it")
    many.must("DELETE", name)
    many.must("POST", here + OLD, widget("v1", width="3"))
    assert many.must("GET", f"{here}{NEW}/a")["spec"] == {"measures": {"width": 3}}
    assert names(many.must("GET", here + OLD)) == ["a"]
