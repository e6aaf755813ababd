"""Objects reduced to metadata, lists of them, and the refusals that name Go types."""

from __future__ import annotations

import orjson

from wherry.machinery.meta import (
    Transform,
    partial_metadata,
    partial_metadata_bytes,
    partial_metadata_list,
    refuse_list,
    refuse_object,
    transform_of,
)


def test_transforms() -> None:
    assert transform_of("Table", "meta.k8s.io", "v1") == Transform("Table", "v1")
    assert transform_of("PartialObjectMetadata", "meta.k8s.io", "v1beta1") is not None
    assert transform_of("Table", "meta.k8s.io", "v2") is None
    assert transform_of("Table", "", "") is None
    assert transform_of("Odd", "meta.k8s.io", "v1") is None


def test_partial_objects() -> None:
    obj = {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a"}, "spec": {}}
    partial = partial_metadata(obj)
    assert partial == {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "a"}}
    assert orjson.loads(partial_metadata_bytes(b'{"name":"a"}')) == partial
    assert partial_metadata(obj, "v1beta1")["apiVersion"] == "meta.k8s.io/v1beta1"


def test_lists() -> None:
    items = [partial_metadata_bytes(b'{"name":"a"}'), partial_metadata_bytes(b'{"name":"b"}')]
    listed = orjson.loads(partial_metadata_list(items, resource_version="9", continue_="c", remaining=3))
    assert listed["metadata"] == {"resourceVersion": "9", "continue": "c", "remainingItemCount": 3}
    assert [item["metadata"]["name"] for item in listed["items"]] == ["a", "b"]
    assert orjson.loads(partial_metadata_list([], resource_version="9"))["items"] is None


def test_refusals() -> None:
    assert refuse_list("rbac.authorization.k8s.io", "Role").message == (
        "you requested PartialObjectMetadata, but the requested object is a list (*rbac.RoleList)"
    )
    assert refuse_object("", "ConfigMap").message.endswith("is not a list (*core.ConfigMap)")
    assert refuse_object("example.com", "Widget").message.endswith("(*unstructured.Unstructured)")
    assert refuse_list("example.com", "Widget").code == 406
