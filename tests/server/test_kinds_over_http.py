"""What single kinds answer beyond storing and returning an object: evictions, reviews, scales, views of metadata."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from handler_face import JSON, MERGE, Face

NS = "/api/v1/namespaces/default"
PODS, SERVICES = NS + "/pods", NS + "/services"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
SETS = "/apis/apps/v1/namespaces/default/daemonsets"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
THINGS = "/apis/c.example.com/v1/namespaces/default/things"
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}


@pytest.fixture(scope="module")
def api() -> Iterator[Face]:
    face = Face()
    face("POST", NS + "/serviceaccounts", {"metadata": {"name": "default"}})
    properties = {
        "spec": {"type": "object", "properties": {"replicas": {"type": "integer", "minimum": 0}}},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}}},
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": properties}},
        "subresources": {"scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}},
    }
    names = {"plural": "things", "kind": "Thing"}
    spec = {"group": "c.example.com", "names": names, "scope": "Namespaced", "versions": [version]}
    assert face("POST", CRDS, {"metadata": {"name": "things.c.example.com"}, "spec": spec}).status == 201
    face.loop.run_until_complete(_served(face))
    yield face
    face.close()


async def _served(face: Face) -> None:
    import asyncio

    while face.handler.api.registry.find("root", "c.example.com", "v1", "things") is None:
        await asyncio.sleep(0)


def pod(name: str, **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, **meta}, "spec": {"automountServiceAccountToken": False, **TEMPLATE["spec"]}}


def evict(api: Face, name: str, **options: Any) -> Any:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options}
    return api("POST", f"{PODS}/{name}/eviction", body)


def test_an_evicted_pod_says_so_while_it_waits(api: Face) -> None:
    assert api("POST", PODS, pod("waits", finalizers=["a.example/b"])).status == 201
    assert evict(api, "waits").doc == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "code": 201,
    }
    found = api("GET", PODS + "/waits").doc
    (condition,) = (c for c in found["status"]["conditions"] if c["type"] == "DisruptionTarget")
    assert (condition["reason"], condition["message"]) == ("EvictionByEvictionAPI", "Eviction API: evicting")
    assert "deletionTimestamp" in found["metadata"]


def test_evictions_judge_their_delete_options(api: Face) -> None:
    assert api("POST", PODS, pod("judged")).status == 201
    wrong = 'DeleteOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Nope"]: supported values: "All"'
    assert evict(api, "judged", dryRun=["Nope"]).message == wrong
    why = "Invalid value: true: can not be set for pod eviction, try after removing the option"
    key = "ignoreStoreReadErrorWithClusterBreakingPotential"
    assert evict(api, "judged", **{key: True}).message == (
        f'Eviction.policy "judged" is invalid: deleteOptions.{key}: {why}'
    )
    conflict = evict(api, "judged", preconditions={"uid": "other"})
    assert conflict.status == 409
    assert conflict.message.startswith('Operation cannot be fulfilled on Pod "judged": the UID in the precondition')
    assert evict(api, "judged", dryRun=["All"]).status == 201
    assert api("GET", PODS + "/judged").status == 200


def test_a_job_deleted_without_a_policy_warns_of_orphans(api: Face) -> None:
    spec = {"template": {"spec": {**TEMPLATE["spec"], "restartPolicy": "Never"}}}
    for name, query, warns in (("plain", "", True), ("told", "?propagationPolicy=Background", False)):
        assert api("POST", JOBS, {"metadata": {"name": name}, "spec": spec}).status == 201
        warnings = api("DELETE", f"{JOBS}/{name}{query}").warnings
        assert warnings == (
            [
                '299 - "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background '
                'to remove them or set propagationPolicy=Orphan to suppress this warning"'
            ]
            if warns
            else []
        )


def test_metadata_alone_has_no_annotations_that_are_fields(api: Face) -> None:
    key = "deprecated.daemonset.template.generation"
    body = {
        "metadata": {"name": "set", "annotations": {key: "9"}},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE},
    }
    assert api("POST", SETS, body).doc["metadata"]["annotations"] == {key: "9"}
    form = f"{JSON};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    assert "annotations" not in api("GET", SETS + "/set", accept=form).doc["metadata"]
    assert api("GET", SETS + "/set").doc["metadata"]["annotations"] == {key: "9"}


def test_reviews_are_refused_without_a_kind(api: Face) -> None:
    path = "/apis/authorization.k8s.io/v1/namespaces/default/localsubjectaccessreviews"
    answer = api("POST", path, {"spec": {"user": "u"}})
    assert answer.message.startswith(
        '.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: null'
    )
    attributes = {"namespace": "default", "verb": "get", "resource": "pods"}
    answer = api("POST", path, {"spec": {"user": "u", "resourceAttributes": attributes}})
    assert (answer.status, answer.doc["metadata"]["namespace"]) == (201, "default")


def test_a_namespace_means_nothing_to_kinds_without(api: Face) -> None:
    body = {"metadata": {"name": "n", "namespace": "x"}, "value": 1}
    answer = api("POST", "/apis/scheduling.k8s.io/v1/priorityclasses?dryRun=All", body)
    assert (answer.status, "namespace" in answer.doc["metadata"]) == (201, False)


def test_custom_scales_are_judged_with_the_whole_object(api: Face) -> None:
    thing = {"apiVersion": "c.example.com/v1", "kind": "Thing", "metadata": {"name": "t"}, "spec": {"replicas": 1}}
    assert api("POST", THINGS, thing).status == 201
    answer = api("PATCH", THINGS + "/t/scale", {"spec": {"replicas": -1}}, MERGE)
    assert answer.message == (
        'Thing.c.example.com "t" is invalid: [spec.replicas: Invalid value: -1: spec.replicas in body should be '
        "greater than or equal to 0, .spec.replicas: Invalid value: -1: should be a non-negative integer]"
    )
    assert api("PUT", THINGS + "/t/scale", thing).status == 400


def test_strict_custom_objects_are_refused_as_built_in_ones(api: Face) -> None:
    thing = {"apiVersion": "c.example.com/v1", "kind": "Thing", "metadata": {"name": "s"}, "extra": 1}
    assert api("POST", THINGS + "?fieldValidation=Strict", thing).message == (
        'Thing in version "v1" cannot be handled as a Thing: strict decoding error: unknown field "extra"'
    )


def test_a_dry_run_of_a_service_asks_only_whether_a_port_is_free(api: Face) -> None:
    body = {"metadata": {"name": "s"}, "spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 5}]}}
    assert api("POST", SERVICES + "?dryRun=All", body).doc["spec"]["ports"][0]["nodePort"] == 5
    assert "provided port is not in the valid range" in api("POST", SERVICES, body).message


def test_owners_that_are_named_twice_count_once(api: Face) -> None:
    uid = api.config_map("owner")["metadata"]["uid"]  # a real one: objects of absent owners are collected
    owner = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
    text = (
        "{}; API server dedups owner references in 1.20+, and may reject such requests as early as 1.24; please fix "
        f"your requests; duplicate UID(s) observed: {uid}"
    )
    said = ".metadata.ownerReferences contains duplicate entries"
    body = {"metadata": {"name": "owned", "ownerReferences": [owner, {**owner, "controller": True}, owner]}}
    made = api("POST", NS + "/secrets", body)
    assert made.warnings == [f'299 - "{text.format(said)}"']
    assert made.doc["metadata"]["ownerReferences"] == [owner, {**owner, "controller": True}]
    patch = {"metadata": {"ownerReferences": [owner, owner]}}
    patched = api("PATCH", NS + "/secrets/owned", patch, MERGE)
    assert patched.warnings == [f'299 - "{text.format(said + " after mutating admission happens")}"']
    assert patched.doc["metadata"]["ownerReferences"] == [owner]
