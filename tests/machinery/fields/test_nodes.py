"""Types of fields from OpenAPI schemas: built-in kinds, custom resources, and what empty Go structs show."""

import pytest

from wherry.machinery.builtins import schema
from wherry.machinery.fields.nodes import DEDUCED, UNTYPED_ATOMIC, from_openapi, from_structural


def at(node, *path):
    for part in path:
        node = node.list.element if part == "[]" else node.map.field(part)
    return node


def kind(name):
    return from_openapi({"$ref": f"io.k8s.api.{name}"}, schema)


def test_builtin_lists():
    pod = kind("core.v1.Pod")
    containers = at(pod, "spec", "containers").list
    assert containers.associative
    assert containers.keys == (("name", ""),)
    ports = at(pod, "spec", "containers", "[]", "ports").list
    assert ports.keys == (("containerPort", 0), ("protocol", "TCP"))
    assert not at(pod, "spec", "tolerations").list.associative
    finalizers = at(pod, "metadata", "finalizers").list
    assert (finalizers.associative, finalizers.keys) == (True, ())


def test_builtin_maps():
    deployment = kind("apps.v1.Deployment")
    assert at(deployment, "spec", "selector").map.atomic
    assert at(deployment, "spec", "template", "spec", "nodeSelector").map.atomic
    assert not at(deployment, "metadata", "labels").map.atomic
    assert at(deployment, "spec").map.field("absent") is None


def test_types_are_made_once():
    assert kind("core.v1.Pod") is kind("core.v1.Pod")
    assert at(kind("core.v1.Pod"), "metadata") is at(kind("core.v1.Service"), "metadata")
    assert from_openapi(schema("io.k8s.api.rbac.v1.Role"), schema).map.zero["rules"] is None


@pytest.mark.parametrize(
    ("name", "zero"),
    [
        ("core.v1.ConfigMap", {"metadata": {}}),
        ("rbac.v1.Role", {"metadata": {}, "rules": None}),
        (
            "apps.v1.Deployment",
            {
                "metadata": {},
                "spec": {"selector": None, "strategy": {}, "template": {"metadata": {}, "spec": {"containers": None}}},
                "status": {},
            },
        ),
    ],
)
def test_what_an_empty_struct_shows(name, zero):
    assert kind(name).map.zero == zero


def test_structural_schemas():
    node = from_structural(
        {
            "type": "object",
            "properties": {
                "open": {
                    "type": "object",
                    "x-kubernetes-preserve-unknown-fields": True,
                    "properties": {"a": {"type": "object", "properties": {"b": {"type": "string"}}}},
                },
                "closed": {"type": "object", "properties": {"a": {"type": "string"}}},
                "free": {"type": "object"},
                "either": {"x-kubernetes-int-or-string": True},
                "inner": {"type": "object", "x-kubernetes-embedded-resource": True},
            },
        },
        schema,
    )
    assert node.map.zero == {}
    assert at(node, "open", "undeclared") is DEDUCED
    assert at(node, "open", "a", "undeclared") is DEDUCED  # openness goes down
    assert at(node, "closed").map.field("undeclared") is None
    assert at(node, "free", "x", "y") is DEDUCED
    assert at(node, "either").scalar == "untyped"
    assert at(node, "inner", "metadata", "labels") is not DEDUCED
    assert at(node, "metadata", "labels").map is not None


def test_without_a_schema_maps_are_split_and_lists_are_leaves():
    node = from_structural(None, schema)
    assert at(node, "spec", "anything") is DEDUCED
    assert DEDUCED.list is not None
    assert not DEDUCED.list.associative
    assert DEDUCED.list.element is UNTYPED_ATOMIC
