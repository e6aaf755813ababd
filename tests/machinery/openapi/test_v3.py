"""OpenAPI v3 documents: what kubectl reads in them, custom kinds' schemas, the recorded document."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wherry.machinery import builtins
from wherry.machinery.kinds import Resource, Subresource
from wherry.machinery.openapi import builtin_routes, words
from wherry.machinery.openapi.custom import CustomKind, model_name, schemas
from wherry.machinery.openapi.routes import article, operation_id, tag
from wherry.machinery.openapi.schemas import closure
from wherry.machinery.openapi.v3 import OpenAPIV3

GROUP = "oas.crdtest.example.com"
VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")


def custom_kind(schema: dict[str, Any] | None, *, namespaced: bool = False, subs: tuple[str, ...] = ()) -> CustomKind:
    found = {
        "status": Subresource("status", GROUP, "v1", "Thing", ("get", "patch", "update")),
        "scale": Subresource("scale", "autoscaling", "v1", "Scale", ("get", "patch", "update")),
    }
    chosen = {name: found[name] for name in subs}
    resource = Resource(GROUP, "v1", "things", "thing", "Thing", namespaced, VERBS, subresources=chosen)
    return CustomKind(resource, schema)


SCHEMA = {
    "type": "object",
    "description": "A thing",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "a": {"type": "string", "description": "the a", "enum": ["x"], "default": "x"},
                "i": {"x-kubernetes-int-or-string": True},
            },
        }
    },
}


@pytest.fixture(scope="module")
def documents() -> OpenAPIV3:
    return OpenAPIV3(builtins.resources(), [custom_kind(SCHEMA)])


def read(documents: OpenAPIV3, path: str) -> dict[str, Any]:
    document = documents.document(path)
    assert document is not None
    loaded: dict[str, Any] = json.loads(document.body)
    return loaded


def test_names() -> None:
    assert operation_id("list", "", "v1", "NamespacedPod") == "listCoreV1NamespacedPod"
    assert operation_id("get", "rbac.authorization.k8s.io", "v1", "X") == "getRbacAuthorizationV1X"
    assert tag("oas.crdtest.example.com", "v1") == "oasCrdtestExampleCom_v1"
    assert [article(n) for n in ("Pod", "Ingress", "Event", "Endpoints")] == [" a ", " an ", " an ", " "]
    assert model_name("stable.example.com", "v1", "CronTab") == "com.example.stable.v1.CronTab"


def test_index(documents: OpenAPIV3) -> None:
    paths = json.loads(documents.index().body)["paths"]
    assert {"api/v1", "apis/apps/v1", f"apis/{GROUP}/v1", "apis/apps", "api", "apis"} <= set(paths)
    url = paths["apis/apps/v1"]["serverRelativeURL"]
    assert url == f"/openapi/v3/apis/apps/v1?hash={documents.hash('apis/apps/v1')}"
    document = documents.document("apis/apps/v1")
    assert document is not None
    assert document.etag == f'"{documents.hash("apis/apps/v1")}"'
    moved = json.loads(documents.index("/clusters/a:b").body)["paths"]["api/v1"]["serverRelativeURL"]
    assert moved.startswith("/clusters/a:b/openapi/v3/api/v1?hash=")
    assert documents.document("apis/nope/v1") is None


def test_hashes_follow_content(documents: OpenAPIV3) -> None:
    changed = OpenAPIV3(builtins.resources(), [custom_kind({"type": "object"})])
    assert changed.hash(f"apis/{GROUP}/v1") != documents.hash(f"apis/{GROUP}/v1")
    assert changed.hash("apis/apps/v1") == documents.hash("apis/apps/v1")
    assert OpenAPIV3(builtins.resources()).index().hash != documents.index().hash


def test_what_kubectl_asks_of_a_patch(documents: OpenAPIV3) -> None:
    patch = read(documents, "apis/apps/v1")["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"]
    assert patch["x-kubernetes-group-version-kind"] == {"group": "apps", "version": "v1", "kind": "Deployment"}
    assert {p["name"] for p in patch["parameters"]} == {"dryRun", "fieldManager", "fieldValidation", "force"}
    assert "application/strategic-merge-patch+json" in patch["requestBody"]["content"]
    custom = read(documents, f"apis/{GROUP}/v1")["paths"][f"/apis/{GROUP}/v1/things/{{name}}"]["patch"]
    assert "application/strategic-merge-patch+json" not in custom["requestBody"]["content"]
    assert "application/apply-patch+yaml" in custom["requestBody"]["content"]
    assert {p["name"] for p in custom["parameters"]} == {"dryRun", "fieldManager", "fieldValidation", "force"}


def test_strategic_merge_reads_merge_keys(documents: OpenAPIV3) -> None:
    components = read(documents, "apis/apps/v1")["components"]["schemas"]
    containers = components["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert containers["x-kubernetes-patch-merge-key"] == "name"
    assert containers["items"] == {"$ref": "#/components/schemas/io.k8s.api.core.v1.Container"}
    metadata = components["io.k8s.api.apps.v1.Deployment"]["properties"]["metadata"]
    assert metadata["allOf"] == [{"$ref": "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}]
    assert metadata["default"] == {}


def test_documents_are_closed(documents: OpenAPIV3) -> None:
    for path in ("api/v1", "apis/apiextensions.k8s.io/v1", f"apis/{GROUP}/v1", "apis/policy", "api"):
        text = json.dumps(read(documents, path))
        components = read(documents, path)["components"]["schemas"]
        referred = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
        assert referred <= set(components), path
    assert closure(["com.example.nope"]) == []


def test_descriptions(documents: OpenAPIV3) -> None:
    components = read(documents, "apis/policy/v1")["components"]["schemas"]
    assert components["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["description"].startswith("ObjectMeta is")
    pytest.importorskip("kubernetes_validate", reason="descriptions of built-in kinds come from this package")
    budget = components["io.k8s.api.policy.v1.PodDisruptionBudget"]
    assert budget["description"].startswith("PodDisruptionBudget is an object")
    assert budget["properties"]["spec"]["description"].startswith("Specification of")


def test_without_the_package_there_are_fields_and_types(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "_definitions_file", lambda: None)
    documents = OpenAPIV3(builtins.resources())
    budget = read(documents, "apis/policy/v1")["components"]["schemas"]["io.k8s.api.policy.v1.PodDisruptionBudget"]
    assert "description" not in budget
    assert budget["properties"]["kind"] == {"type": "string"}


def test_subresources_of_custom_kinds() -> None:
    document = read(OpenAPIV3({}, [custom_kind(SCHEMA, namespaced=True, subs=("status", "scale"))]), f"apis/{GROUP}/v1")
    root = f"/apis/{GROUP}/v1/namespaces/{{namespace}}/things"
    assert set(document["paths"]) == {
        root, f"{root}/{{name}}", f"{root}/{{name}}/status", f"{root}/{{name}}/scale", f"/apis/{GROUP}/v1/things",
    }  # fmt: skip
    scale = document["paths"][f"{root}/{{name}}/scale"]
    assert scale["get"]["operationId"] == "readOasCrdtestExampleComV1NamespacedThingScale"
    assert scale["get"]["description"] == "read scale of the specified Thing"
    assert scale["patch"]["description"] == "partially update scale of the specified Thing"
    schema = scale["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert schema == {"$ref": "#/components/schemas/io.k8s.api.autoscaling.v1.Scale"}
    assert "io.k8s.api.autoscaling.v1.ScaleSpec" in document["components"]["schemas"]
    everywhere = document["paths"][f"/apis/{GROUP}/v1/things"]["get"]
    assert everywhere["operationId"] == "listOasCrdtestExampleComV1ThingForAllNamespaces"


def published(schema: dict[str, Any] | None, *, v3: bool = True, **more: Any) -> dict[str, Any]:
    kind = custom_kind(schema)
    kind = CustomKind(kind.resource, kind.schema, **more)
    found: dict[str, Any] = schemas([kind], v3=v3)["com.example.crdtest.oas.v1.Thing"]
    return found


def test_published_schemas() -> None:
    embedded = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    schema = {
        "type": "object",
        "properties": {
            "e": embedded,
            "n": {"type": "string", "nullable": False, "pattern": ""},
            "i": {"x-kubernetes-int-or-string": True, "anyOf": [{"minimum": 1}]},
            "m": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
        },
    }
    out = published(schema)["properties"]
    assert out["e"]["required"] == ["kind", "apiVersion"]
    assert out["e"]["properties"]["metadata"]["allOf"][0]["$ref"].endswith(".ObjectMeta")
    assert out["n"] == {"type": "string"}
    assert out["i"]["allOf"] == [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]
    assert out["m"]["additionalProperties"]["items"] == {"type": "integer"}
    assert set(published(None)) == {"type", "x-kubernetes-group-version-kind"}
    fields = published(schema, selectable_fields=[".spec.a", "metadata.name"])["x-kubernetes-selectable-fields"]
    assert fields == [{"fieldPath": "spec.a"}]


def test_published_schemas_in_the_older_form() -> None:
    schema = {
        "type": "object",
        "properties": {
            "n": {"type": "array", "items": {"type": "string"}, "nullable": True},
            "u": {"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": True},
            "o": {"type": "object", "required": ["p", "q"], "properties": {
                "p": {"type": "string", "nullable": True}, "q": {"type": "string", "anyOf": [{"minLength": 1}]}}},
        },
    }  # fmt: skip
    out = published(schema, v3=False)["properties"]
    assert out["n"] == {}
    assert out["u"] == {"x-kubernetes-preserve-unknown-fields": True}
    assert out["o"]["required"] == ["q"]
    assert out["o"]["properties"]["q"] == {"type": "string"}
    assert out["metadata"]["$ref"] == "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    open_ended = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    assert "properties" not in published(open_ended, v3=False)


def test_every_builtin_operation_has_its_own_id() -> None:
    ids = [
        route.operation
        for (group, version), found in builtins.resources().items()
        for route in builtin_routes.routes(group, version, found)
    ]
    assert len(ids) == len(set(ids))
    assert len(ids) > 700


@pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recorded answers")
def test_recorded_document(documents: OpenAPIV3) -> None:
    file = Path(os.environ["WHERRY_CORPORA"]) / "transcripts" / "crd.jsonl"
    scenarios = [json.loads(line) for line in file.read_text().splitlines()]
    steps = next(s["steps"] for s in scenarios if s["scenario"] == "crd/openapi-v3")
    recorded = next(s["answer"]["body"] for s in steps if s["request"].startswith("GET /openapi/v3/"))
    assert read(documents, f"apis/{GROUP}/v1") == recorded
