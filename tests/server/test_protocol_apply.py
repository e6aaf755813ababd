"""Bodies of server-side apply, and when each of their faults is found."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handler_face import APPLY, MAPS, Face, applied, warning

TWICE = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v, k: w}\n"


@pytest.fixture
def api() -> Iterator[Face]:
    face = Face()
    yield face
    face.close()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "invalid object type: /, Kind="),
        ("null", "invalid object type: /, Kind="),
        (
            "a: b: c",
            "error decoding YAML: error converting YAML to JSON: "
            "yaml: mapping values are not allowed in this context",
        ),
        (
            "[]",
            "error decoding YAML: error unmarshaling JSON: while decoding JSON: "
            "json: cannot unmarshal array into Go value of type map[string]interface {}",
        ),
    ],
)  # fmt: skip
def test_what_is_no_object(api: Face, body: str, text: str) -> None:
    answer = api("PATCH", f"{MAPS}/a?fieldManager=m", body, APPLY)
    assert (answer.status, answer.message) == (400, text)


def test_repeated_keys_warn_or_refuse_once_the_fields_are_merged(api: Face) -> None:
    answer = api("PATCH", f"{MAPS}/a?fieldManager=m", TWICE, APPLY)
    assert answer.status == 201
    assert answer.warnings == [warning('line 4: key "k" already set in map')]
    strict = api("PATCH", f"{MAPS}/a?fieldManager=m&fieldValidation=Strict", TWICE, APPLY)
    assert strict.status == 400
    assert strict.message.startswith(
        "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:"
    )
    conflict = api("PATCH", f"{MAPS}/a?fieldManager=other&fieldValidation=Strict", TWICE.replace("w}", "x}"), APPLY)
    assert conflict.status == 409  # the merge comes first
    assert api("PATCH", f"{MAPS}/a?fieldManager=m&fieldValidation=Ignore", TWICE, APPLY).warnings == []


def test_a_name_may_be_left_out_where_there_is_an_object(api: Face) -> None:
    nameless = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"k": "v"}}
    absent = api("PATCH", f"{MAPS}/a?fieldManager=m", nameless, APPLY)
    assert absent.message == "the name of the object (a based on URL) was undeterminable: name must be provided"
    api.config_map("a")
    assert api("PATCH", f"{MAPS}/a?fieldManager=m", nameless, APPLY).doc["data"] == {"k": "v"}
    other = api("PATCH", f"{MAPS}/a?fieldManager=m", applied("b"), APPLY)
    assert other.message == "the name of the object (b) does not match the name on the URL (a)"


def test_a_revision_counts_only_where_there_is_an_object(api: Face) -> None:
    made = api("PATCH", f"{MAPS}/a?fieldManager=m", applied("a", metadata={"resourceVersion": "1"}), APPLY)
    assert made.status == 201
    stale = api("PATCH", f"{MAPS}/a?fieldManager=m", applied("a", metadata={"resourceVersion": "1"}), APPLY)
    assert stale.status == 409
    bad = api("PATCH", f"{MAPS}/a?fieldManager=m", applied("a", metadata={"resourceVersion": "x"}), APPLY)
    assert (bad.status, bad.message) == (500, 'strconv.ParseUint: parsing "x": invalid syntax')


def test_who_sends_an_empty_list_that_is_always_written_owns_it(api: Face) -> None:
    roles = "/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles"
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role"}
    empty = api("POST", roles, {**role, "metadata": {"name": "a"}, "rules": []}).doc
    assert empty["rules"] is None
    assert empty["metadata"]["managedFields"][0]["fieldsV1"] == {"f:rules": {}}
    none = api("POST", roles, {**role, "metadata": {"name": "b"}, "rules": None}).doc
    assert "managedFields" not in none["metadata"]


def test_a_creator_owns_nothing_that_is_wiped(api: Face) -> None:
    made = api.config_map("a", metadata={"deletionTimestamp": "2020-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5})
    assert "managedFields" not in made["metadata"]
    assert "deletionTimestamp" not in made["metadata"]


def test_a_definition_with_values_of_any_shape_can_be_applied(api: Face) -> None:
    """`default`, `enum`, `items` and `additionalProperties` have types that say nothing about what is in them."""
    any_shape = {
        "type": "object",
        "default": {"tags": ["a"]},
        "properties": {
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    }
    schema = {"openAPIV3Schema": {"type": "object", "properties": {"spec": any_shape}}}
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.sea.example.com"},
        "spec": {
            "group": "sea.example.com",
            "scope": "Namespaced",
            "names": {"plural": "boats", "kind": "Boat"},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema}],
        },
    }
    path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/boats.sea.example.com?fieldManager=m"
    created = api("PATCH", path, definition, APPLY)
    assert (created.status, created.doc["spec"]["versions"][0]["schema"]) == (201, schema)
    owned = created.doc["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]
    assert owned["f:versions"] == {}
    assert api("PATCH", path, definition, APPLY).status == 200
