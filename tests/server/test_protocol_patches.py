"""What a patch may make of an object, and the words in which the rest is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from handler_face import APPLY, MAPS, MERGE, PATCH, STRATEGIC, Face, applied, warning

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/v1/namespaces/default/widgets"


@pytest.fixture
def api() -> Iterator[Face]:
    face = Face()
    yield face
    face.close()


def deployment(name: str = "d") -> dict[str, Any]:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize("media", [MERGE, PATCH, STRATEGIC])
def test_a_patch_of_nothing_is_not_found_whatever_it_says(api: Face, media: str) -> None:
    answer = api("PATCH", f"{MAPS}/none", "{not json", media)
    assert (answer.status, answer.message) == (404, 'configmaps "none" not found')
    api.config_map("a")
    assert api("PATCH", f"{MAPS}/a", "{not json", media).status == 400


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        ({"name": "b"}, "the name of the object (b) does not match the name on the URL (a)"),
        ({"name": None}, "the name of the object (a based on URL) was undeterminable: name must be provided"),
        (
            {"namespace": "other"},
            "the namespace of the provided object does not match the namespace sent on the request",
        ),
    ],
)
@pytest.mark.parametrize("media", [MERGE, STRATEGIC])
def test_identity_is_the_urls(api: Face, media: str, patch: dict[str, Any], text: str) -> None:
    api.config_map("a")
    answer = api("PATCH", f"{MAPS}/a", {"metadata": patch}, media)
    assert (answer.status, answer.message) == (400, text)


def test_a_json_patch_may_leave_out_the_kind_but_not_be_another(api: Face) -> None:
    api.config_map("a", data={"k": "v"})
    assert api("PATCH", f"{MAPS}/a", [{"op": "remove", "path": "/kind"}], PATCH).doc["kind"] == "ConfigMap"
    other = api("PATCH", f"{MAPS}/a", [{"op": "replace", "path": "/kind", "value": "Pod"}], PATCH)
    assert other.status == 422
    assert other.message.endswith("converting (v1.Pod) to (core.ConfigMap): unknown conversion")
    gone = api("PATCH", f"{MAPS}/a", [{"op": "replace", "path": "/apiVersion", "value": "v9"}], PATCH)
    assert gone.message.endswith('no kind "ConfigMap" is registered for version "v9" in scheme '
                                 '"pkg/api/legacyscheme/scheme.go:30"')  # fmt: skip


def test_without_a_version_a_document_is_internal_and_warnings_go_out_with_the_refusal(api: Face) -> None:
    api.config_map("a", data={"k": "v"})
    answer = api("PATCH", f"{MAPS}/a", [{"op": "remove", "path": "/apiVersion"}], PATCH)
    assert answer.status == 400
    assert answer.warnings == [warning('unknown field "data"'), warning('unknown field "metadata"')]


def test_a_strategic_patch_changes_no_kind(api: Face) -> None:
    api("POST", DEPLOYMENTS, deployment())
    answer = api("PATCH", f"{DEPLOYMENTS}/d", {"kind": "X", "apiVersion": "y/v1"}, STRATEGIC).doc
    assert (answer["kind"], answer["apiVersion"]) == ("Deployment", "apps/v1")


def test_a_refused_document_is_printed_in_gos_order(api: Face) -> None:
    api("POST", DEPLOYMENTS, deployment())
    answer = api("PATCH", f"{DEPLOYMENTS}/d", [{"op": "replace", "path": "/spec/replicas", "value": "3"}], PATCH)
    assert '{\\"name\\":\\"c\\",\\"image\\":\\"i\\",\\"resources\\":{},\\"terminationMessagePath\\":' in answer.message
    assert answer.message.endswith("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas "
                                   "of type int32")  # fmt: skip


def test_a_revision_in_a_patch_is_a_lock_and_must_be_a_number(api: Face) -> None:
    api.config_map("a")
    answer = api("PATCH", f"{MAPS}/a", {"metadata": {"resourceVersion": "abc"}}, MERGE)
    assert (answer.status, answer.message) == (500, 'strconv.ParseUint: parsing "abc": invalid syntax')
    assert api("PATCH", f"{MAPS}/a", {"metadata": {"resourceVersion": "1"}}, MERGE).status == 409
    assert api("PATCH", f"{MAPS}/a", {"metadata": {"resourceVersion": "0"}}, MERGE).status == 200


def test_owners_are_forgotten_when_asked(api: Face) -> None:
    for reset in ([], [{}]):
        name = f"r{len(reset)}"
        api("PATCH", f"{MAPS}/{name}?fieldManager=m", applied(name, data={"k": "v"}), APPLY)
        answer = api("PUT", f"{MAPS}/{name}", applied(name, metadata={"managedFields": reset}, data={"k": "v"}))
        assert "managedFields" not in answer.doc["metadata"]


def test_a_scale_shows_no_owners(api: Face) -> None:
    api("POST", DEPLOYMENTS, deployment())
    answer = api("PATCH", f"{DEPLOYMENTS}/d/scale", {"spec": {"replicas": 4}}, MERGE)
    assert answer.doc["spec"] == {"replicas": 4}
    assert "managedFields" not in answer.doc["metadata"]
    owners = api("GET", f"{DEPLOYMENTS}/d").doc["metadata"]["managedFields"]
    assert {o.get("subresource") for o in owners} == {None, "scale"}


def widgets(api: Face, **more: Any) -> None:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, **more}
    names = {"plural": "widgets", "kind": "Widget"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    crd = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec}
    assert api("POST", CRDS, {**crd, "metadata": {"name": "widgets.example.com"}}).status == 201
    for _ in range(200):
        if api("GET", WIDGETS).status == 200:
            break
    made = api("POST", WIDGETS, {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
    assert made.status == 201


def test_custom_objects_keep_their_kind_and_have_to_name_a_revision(api: Face) -> None:
    widgets(api)
    other = api("PATCH", f"{WIDGETS}/w", {"kind": "Other"}, MERGE)
    assert (other.status, other.message) == (
        422,
        'Other.example.com "w" is invalid: kind: Invalid value: "Other": must be Widget',
    )
    version = api("PATCH", f"{WIDGETS}/w", {"apiVersion": "example.com/v9"}, MERGE)
    assert version.message.endswith('apiVersion: Invalid value: "example.com/v9": must be example.com/v1')
    put = api("PUT", f"{WIDGETS}/w", {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}})
    assert put.message == (
        'widgets.example.com "w" is invalid: metadata.resourceVersion: Invalid value: 0: '
        "must be specified for an update"
    )
    assert api("PATCH", f"{WIDGETS}/w/status", {}, MERGE).message == 'widgets.example.com "w" not found'


def test_custom_subresources_name_the_verb_that_they_have_not(api: Face) -> None:
    widgets(api, subresources={"status": {}})
    answer = api("POST", f"{WIDGETS}/w/status", {})
    text = 'create is not supported on resources of kind "widgets.example.com"'
    assert (answer.status, answer.message) == (405, text)
