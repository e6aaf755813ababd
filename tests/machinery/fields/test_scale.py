"""Ownership of replicas between an object and its Scale."""

from wherry.machinery.fields.scale import to_parent, to_scale

MAPPINGS = {"apps/v1": ("f:spec", "f:replicas"), "example.com/v1": ("f:spec", "f:count"), "example.com/v2": None}
T1 = "2026-01-01T00:00:01Z"


def entry(manager, fields, operation="Update", api_version="apps/v1", time=T1, **more):
    out = {"manager": manager, "operation": operation, "apiVersion": api_version}
    if time:
        out["time"] = time
    return {**out, "fieldsType": "FieldsV1", "fieldsV1": fields, **more}


REPLICAS = {"f:spec": {"f:replicas": {}}}
BOTH = {"f:spec": {"f:paused": {}, "f:replicas": {}}}


def test_the_scale_shows_who_owns_the_replicas():
    parent = [
        entry("a", BOTH, "Apply"),
        entry("b", {"f:spec": {"f:paused": {}}}),
        entry("c", REPLICAS, api_version="gone/v1"),
    ]
    assert to_scale(parent, MAPPINGS) == [entry("a", REPLICAS, "Apply", "autoscaling/v1")]
    custom = [
        entry("a", {"f:spec": {"f:count": {}}}, "Apply", "example.com/v1"),
        entry("b", REPLICAS, "Apply", "example.com/v2"),
    ]
    assert to_scale(custom, MAPPINGS) == [entry("a", REPLICAS, "Apply", "autoscaling/v1")]
    assert to_scale(None, MAPPINGS) == []


def test_who_scales_takes_the_replicas():
    parent = [entry("a", BOTH, "Apply")]
    scale = [entry("s", REPLICAS, api_version="autoscaling/v1", subresource="scale")]
    assert to_parent(parent, scale, "apps/v1", MAPPINGS) == [
        entry("a", {"f:spec": {"f:paused": {}}}, "Apply"),
        entry("s", REPLICAS, time=None, subresource="scale"),
    ]


def test_an_applier_that_keeps_the_replicas_keeps_its_entry():
    parent = [entry("a", BOTH, "Apply"), entry("b", {"f:status": {}})]
    assert to_parent(parent, to_scale(parent, MAPPINGS), "apps/v1", MAPPINGS) == parent


def test_who_owned_nothing_else_is_gone():
    parent = [entry("a", REPLICAS, "Apply")]
    scale = [entry("s", REPLICAS, api_version="autoscaling/v1", subresource="scale")]
    assert [one["manager"] for one in to_parent(parent, scale, "apps/v1", MAPPINGS)] == ["s"]


def test_versions_without_a_scale_are_left_alone_and_unknown_ones_dropped():
    parent = [entry("a", REPLICAS, api_version="example.com/v2"), entry("b", REPLICAS, api_version="gone/v1")]
    assert to_parent(parent, [], "example.com/v2", MAPPINGS) == parent[:1]
