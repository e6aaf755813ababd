"""Differences between objects, and that the fast way of creates gives the same."""

import json

from hypothesis import given, settings

from wherry.machinery.builtins import schema
from wherry.machinery.fields import sets as fs
from wherry.machinery.fields.comparison import compare
from wherry.machinery.fields.creation import created
from wherry.machinery.fields.managed import UNOWNED, empty_object
from wherry.machinery.fields.nodes import from_openapi
from wherry.machinery.fields.typed import to_set

from .widgets import NODE, specs, widget


def texts(fields):
    return [fs.path_text(path) for path in fs.paths(fields)]


def test_added_modified_removed():
    old = widget(
        {"s": "a", "map": {"x": "1", "y": "1"}, "set": ["a"], "items": [{"name": "i", "v": "1"}], "list": ["a"]}
    )
    new = widget(
        {"n": 1, "map": {"x": "2"}, "set": ["b"], "items": [{"name": "i", "v": "2"}, {"name": "j"}], "list": []}
    )
    changes = compare(old, new, NODE)
    assert texts(changes.added) == [".spec.n", '.spec.items[name="j"]', '.spec.items[name="j"].name', '.spec.set[="b"]']
    assert texts(changes.modified) == [".spec.list", '.spec.items[name="i"].v', ".spec.map.x"]
    assert texts(changes.removed) == [".spec.s", ".spec.map.y", '.spec.set[="a"]']


def test_empty_and_null_are_values():
    changes = compare(widget({"map": {}, "items": None}), widget({"map": None, "items": []}), NODE)
    assert texts(changes.modified) == [".spec.items", ".spec.map"]


def test_true_is_not_one_and_one_is_one_point_zero():
    assert texts(compare(widget({"any": {"k": [1]}}), widget({"any": {"k": [True]}}), NODE).modified) == [".spec.any.k"]
    assert compare(widget({"any": {"k": [1]}}), widget({"any": {"k": [1.0]}}), NODE) == ({}, {}, {})


def test_repeated_items_are_one_leaf():
    once, twice = widget({"set": ["a"]}), widget({"set": ["a", "a"]})
    assert texts(compare(once, twice, NODE).added) == ['.spec.set[="a"]']
    assert texts(compare(twice, once, NODE).removed) == ['.spec.set[="a"]']
    assert compare(twice, twice, NODE) == ({}, {}, {})


@given(specs, specs)
def test_laws(left, right):
    old, new = widget(left), widget(right)
    before = json.dumps([old, new])
    forth, back = compare(old, new, NODE), compare(new, old, NODE)
    assert json.dumps([old, new]) == before
    assert (forth.added, forth.removed) == (back.removed, back.added)
    assert forth.modified == back.modified
    assert fs.intersection(forth.added, forth.removed) == {}
    assert (forth == ({}, {}, {})) == (old == new)


@given(specs)
def test_everything_is_added_to_nothing(spec):
    added = compare({"apiVersion": "", "kind": ""}, widget(spec), NODE).added
    assert fs.difference(to_set(widget(spec), NODE), added) == fs.difference(
        fs.of_fields("apiVersion", "kind"), fs.of_fields()
    )


@settings(max_examples=60)
@given(specs)
def test_creates_are_comparisons_with_an_empty_object(spec):
    obj = widget(spec, labels={"a": "b"}, uid="u", resourceVersion="1")
    changes = compare(empty_object(obj, NODE), obj, NODE)
    whole = fs.difference(fs.union(changes.modified, changes.added), UNOWNED)
    assert created(obj, NODE, {}) == whole
    reset = fs.of_fields("spec.map", "spec.s")
    assert created(obj, NODE, reset) == fs.recursive_difference(whole, reset)


def test_creates_of_structs_are_comparisons_with_an_empty_struct():
    node = from_openapi({"$ref": "io.k8s.api.apps.v1.Deployment"}, schema)
    obj = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "d", "labels": {"a": "b"}},
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%"}},
            "template": {
                "metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "resources": {}}], "securityContext": {}},
            },
        },
        "status": {},
    }
    changes = compare(empty_object(obj, node), obj, node)
    fields = fs.difference(fs.union(changes.modified, changes.added), UNOWNED)
    assert created(obj, node, {}) == fields
    assert fields == {
        "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
        "f:spec": {
            "f:replicas": {},
            "f:selector": {},
            "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
            "f:template": {
                "f:metadata": {"f:labels": {".": {}, "f:a": {}}},
                "f:spec": {
                    "f:containers": {'k:{"name":"c"}': {".": {}, "f:name": {}, "f:resources": {}}},
                    "f:securityContext": {},
                },
            },
        },
    }


def test_an_empty_list_is_owned_but_a_missing_one_is_not():
    node = from_openapi({"$ref": "io.k8s.api.rbac.v1.Role"}, schema)
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "r"}}
    assert created({**role, "rules": None}, node, {}) == {}
    assert created({**role, "rules": []}, node, {}) == {"f:rules": {}}
