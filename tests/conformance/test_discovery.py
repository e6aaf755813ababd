"""Discovery and OpenAPI."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import DEFINITIONS, Api, ok, refused, spec_schema
from tests.conformance.behaviours import Area, row

area = Area("discovery", "Discovery and OpenAPI")

LEGACY = "apiserver/pkg/endpoints/discovery/legacy.go"
AGGREGATED = "https://github.com/kubernetes/enhancements/tree/master/keps/sig-api-machinery/3352-aggregated-discovery"
OPENAPI_V3 = "https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3"
V2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@area("`/api` lists v1.", LEGACY)
def test_api(api: Api) -> None:
    found = ok(api.get("/api"))
    assert (found["kind"], found["versions"]) == ("APIVersions", ["v1"])


@area("`/apis` lists the groups, and each prefers one of its versions.", LEGACY)
def test_apis(api: Api) -> None:
    found = ok(api.get("/apis"))
    assert found["kind"] == "APIGroupList"
    assert all(group["preferredVersion"] in group["versions"] for group in found["groups"])
    assert {"apps", "batch", "rbac.authorization.k8s.io", "apiextensions.k8s.io"} <= {
        g["name"] for g in found["groups"]
    }


@area("A group has a document of its own.", LEGACY)
def test_group(api: Api) -> None:
    found = ok(api.get("/apis/apps"))
    assert (found["kind"], found["name"], found["preferredVersion"]) == (
        "APIGroup",
        "apps",
        {"groupVersion": "apps/v1", "version": "v1"},
    )


@area("A version lists its resources, subresources among them.", LEGACY)
def test_resources(api: Api) -> None:
    found = ok(api.get("/apis/apps/v1"))
    resources = {r["name"]: r for r in found["resources"]}
    assert found["groupVersion"] == "apps/v1"
    assert resources["deployments"]["kind"] == "Deployment"
    assert resources["deployments"]["shortNames"] == ["deploy"]
    assert (resources["deployments/scale"]["group"], resources["deployments/scale"]["kind"]) == ("autoscaling", "Scale")
    assert set(resources["deployments/status"]["verbs"]) == {"get", "patch", "update"}


@area("A resource says whether it has namespaces.", LEGACY)
def test_namespaced(api: Api) -> None:
    resources = {r["name"]: r["namespaced"] for r in ok(api.get("/api/v1"))["resources"]}
    assert (resources["pods"], resources["nodes"]) == (True, False)


@area("A resource says what it is called in the singular and in which categories it is.", LEGACY)
def test_singular(api: Api) -> None:
    pods = next(r for r in ok(api.get("/api/v1"))["resources"] if r["name"] == "pods")
    assert (pods["singularName"], pods["categories"]) == ("pod", ["all"])


@area("A resource that is stored has a storageVersionHash.", LEGACY)
def test_storage_hash(api: Api) -> None:
    resources = {r["name"]: r for r in ok(api.get("/api/v1"))["resources"]}
    assert resources["pods"]["storageVersionHash"]
    assert "storageVersionHash" not in resources["pods/log"]


@area.table(
    LEGACY,
    row("version-unknown", "A version that a built-in group lacks is a Status.", "/apis/apps/v9", True),
    row("core-version-unknown", "A version that the core lacks is a Status.", "/api/v9", True),
    row("group-unknown", "A group that is not there is plain text.", "/apis/none.example.com", False),
    row(
        "group-version-unknown",
        "A version of a group that is not there is plain text.",
        "/apis/none.example.com/v1",
        False,
    ),
)
def test_unknown(api: Api, path: str, status: bool) -> None:
    answer = api.get(path)
    assert answer.status == 404
    if status:
        refused(answer, 404, "NotFound", "the server could not find the requested resource")
    else:
        assert answer.body == b"404 page not found\n"


@area.table(
    AGGREGATED,
    row("aggregated-core", "`/api` answers all of the core at once to those who ask for it.", "/api"),
    row("aggregated-groups", "`/apis` answers all groups at once to those who ask for it.", "/apis"),
)
def test_aggregated(api: Api, path: str) -> None:
    answer = api.get(path, accept=V2)
    found = ok(answer)
    assert (found["kind"], found["apiVersion"]) == ("APIGroupDiscoveryList", "apidiscovery.k8s.io/v2")
    assert answer.media == V2
    version = found["items"][0]["versions"][0]
    assert version["freshness"] == "Current"
    resource = version["resources"][0]
    assert {"resource", "responseKind", "scope", "singularResource", "verbs"} <= set(resource)


@area("Aggregated discovery has an ETag: who sends it back gets 304.", AGGREGATED)
def test_etag(api: Api) -> None:
    tag = api.get("/apis", accept=V2).header("etag")
    assert tag
    assert api.get("/apis", accept=V2, if_none_match=tag).status == 304


@area("Aggregated discovery nests subresources.", AGGREGATED)
def test_aggregated_subresources(api: Api) -> None:
    groups = {g["metadata"].get("name", ""): g for g in ok(api.get("/apis", accept=V2))["items"]}
    resources = {r["resource"]: r for r in groups["apps"]["versions"][0]["resources"]}
    assert {s["subresource"] for s in resources["deployments"]["subresources"]} == {"scale", "status"}


@area(
    "A new kind is in discovery as soon as its definition is established.",
    "apiextensions-apiserver/pkg/apiserver/customresource_discovery_controller.go",
)
def test_new_kind(api: Api) -> None:
    kind = api.define(subresources={"status": {}})
    assert api.eventually(lambda: api.get(f"/apis/{kind.group}/v1").status == 200, 10)
    assert [r["name"] for r in ok(api.get(f"/apis/{kind.group}/v1"))["resources"]] == ["widgets", "widgets/status"]
    assert api.eventually(lambda: any(g["name"] == kind.group for g in ok(api.get("/apis"))["groups"]), 10)


@area("The ETag of aggregated discovery changes with a new kind.", AGGREGATED)
def test_etag_changes(api: Api) -> None:
    tag = api.get("/apis", accept=V2).header("etag")
    api.define()
    assert api.eventually(lambda: api.get("/apis", accept=V2, if_none_match=tag).status == 200, 10)


@area(
    "A deleted definition leaves discovery.",
    "apiextensions-apiserver/pkg/apiserver/customresource_discovery_controller.go",
)
def test_kind_leaves(api: Api) -> None:
    kind = api.define()
    ok(api.delete(kind.definition))
    assert api.eventually(lambda: api.get(f"/apis/{kind.group}").status == 404)


@area(
    "Each group version has an APIService.", "kube-aggregator/pkg/controllers/autoregister/autoregister_controller.go"
)
def test_api_services(api: Api) -> None:
    found = {s["metadata"]["name"] for s in ok(api.get("/apis/apiregistration.k8s.io/v1/apiservices"))["items"]}
    assert {"v1.", "v1.apps", "v1.batch"} <= found


@area("A new group gets its APIService.", "kube-aggregator/pkg/controllers/autoregister/autoregister_controller.go")
def test_new_api_service(api: Api) -> None:
    kind = api.define()
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/v1.{kind.group}"
    assert api.eventually(lambda: api.get(path).status == 200, 10)


@area("The index of OpenAPI v3 names a document per group version, with a hash.", OPENAPI_V3)
def test_index(api: Api) -> None:
    paths = ok(api.get("/openapi/v3"))["paths"]
    assert paths["apis/apps/v1"]["serverRelativeURL"].startswith("/openapi/v3/apis/apps/v1?hash=")
    assert "api/v1" in paths


@area("A document that is asked for by its hash may be kept for ever.", OPENAPI_V3)
def test_hash_caches(api: Api) -> None:
    url = ok(api.get("/openapi/v3"))["paths"]["apis/batch/v1"]["serverRelativeURL"]
    assert "immutable" in api.get(url).header("cache-control")


@area("A document that is asked for by an old hash leads to the present one.", OPENAPI_V3)
def test_old_hash(api: Api) -> None:
    answer = api.get("/openapi/v3/apis/batch/v1?hash=OLD")
    assert answer.status == 301
    assert answer.header("location").startswith("/openapi/v3/apis/batch/v1?hash=")


def operation(api: Api, version: str, path: str, method: str = "patch") -> Any:
    return ok(api.get(f"/openapi/v3/{version}"))["paths"][path][method]


DEPLOYMENT = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}"


@area.table(
    OPENAPI_V3,
    row(
        "patch-field-validation",
        "A patch lists the parameter fieldValidation: kubectl looks for it.",
        "fieldValidation",
    ),
    row("patch-dry-run", "A patch lists the parameter dryRun: kubectl looks for it.", "dryRun"),
    row("patch-manager", "A patch lists the parameter fieldManager.", "fieldManager"),
    row("patch-force", "A patch lists the parameter force.", "force"),
)
def test_parameters(api: Api, name: str) -> None:
    assert name in {p["name"] for p in operation(api, "apis/apps/v1", DEPLOYMENT)["parameters"] if "name" in p}


@area("An operation names its kind.", OPENAPI_V3)
def test_operation_kind(api: Api) -> None:
    kind = operation(api, "apis/apps/v1", DEPLOYMENT)["x-kubernetes-group-version-kind"]
    assert kind == {"group": "apps", "version": "v1", "kind": "Deployment"}


@area("The patch of a built-in kind takes strategic merge.", OPENAPI_V3)
def test_strategic(api: Api) -> None:
    assert (
        "application/strategic-merge-patch+json" in operation(api, "apis/apps/v1", DEPLOYMENT)["requestBody"]["content"]
    )


def custom_document(api: Api) -> Any:
    kind = api.define(spec_schema(x={"type": "integer", "minimum": 1}))
    path = f"/openapi/v3/apis/{kind.group}/v1"
    assert api.eventually(lambda: api.get(path).status == 200 and "components" in api.get(path).doc, 20)
    return kind, ok(api.get(path))


@area(
    "The patch of a custom kind does not: kubectl would use it.",
    "apiextensions-apiserver/pkg/controller/openapi/builder/builder.go",
)
def test_no_strategic(api: Api) -> None:
    kind, document = custom_document(api)
    content = document["paths"][f"/apis/{kind.group}/v1/namespaces/{{namespace}}/widgets/{{name}}"]["patch"][
        "requestBody"
    ]["content"]
    assert set(content) == {
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/apply-patch+yaml",
    }


@area("A custom kind's schema is in OpenAPI v3.", "apiextensions-apiserver/pkg/controller/openapi/builder/builder.go")
def test_custom_schema(api: Api) -> None:
    _, document = custom_document(api)
    schema = next(s for name, s in document["components"]["schemas"].items() if name.endswith(".v1.Widget"))
    assert schema["properties"]["spec"]["properties"]["x"] == {"type": "integer", "minimum": 1}


@area(
    "OpenAPI v2 is served as JSON: Terraform reads it.",
    "https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v2",
)
def test_v2_json(api: Api) -> None:
    found = ok(api.get("/openapi/v2"))
    assert found["swagger"] == "2.0"
    assert "io.k8s.api.apps.v1.Deployment" in found["definitions"]


@area(
    "OpenAPI v2 is served as protobuf: Argo CD reads it.",
    "https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v2",
)
def test_v2_protobuf(api: Api) -> None:
    answer = api.get("/openapi/v2", accept="application/com.github.proto-openapi.spec.v2@v1.0+protobuf")
    assert answer.status == 200
    assert b"io.k8s.api.apps.v1.Deployment" in answer.body


@area("OpenAPI has an ETag.", "https://kubernetes.io/docs/concepts/overview/kubernetes-api/")
def test_openapi_etag(api: Api) -> None:
    tag = api.get("/openapi/v3/apis/batch/v1").header("etag")
    assert tag
    assert api.get("/openapi/v3/apis/batch/v1", if_none_match=tag).status == 304


@area("The schema of lists in OpenAPI carries what strategic merge needs.", OPENAPI_V3)
def test_patch_extensions(api: Api) -> None:
    schemas = ok(api.get("/openapi/v3/apis/apps/v1"))["components"]["schemas"]
    containers = schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["containers"]
    assert (containers["x-kubernetes-patch-merge-key"], containers["x-kubernetes-patch-strategy"]) == ("name", "merge")
    assert (containers["x-kubernetes-list-type"], containers["x-kubernetes-list-map-keys"]) == ("map", ["name"])


@area("`/version` names the version.", "component-base/version/base.go")
def test_version(api: Api) -> None:
    found = ok(api.get("/version"))
    assert found["major"] == "1"
    assert found["gitVersion"].startswith("v1.")


@area.table(
    "https://kubernetes.io/docs/reference/using-api/health-checks/",
    row("livez", "`/livez` says ok.", "/livez"),
    row("readyz", "`/readyz` says ok.", "/readyz"),
    row("healthz", "`/healthz` says ok.", "/healthz"),
    row("readyz-ping", "A single check has a path.", "/readyz/ping"),
)
def test_health(api: Api, path: str) -> None:
    answer = api.get(path)
    assert (answer.status, answer.body) == (200, b"ok")


@area("`verbose` lists the checks.", "https://kubernetes.io/docs/reference/using-api/health-checks/")
def test_verbose(api: Api) -> None:
    assert b"[+]ping ok" in api.get("/readyz?verbose").body


@area("`/` lists paths.", "apiserver/pkg/server/routes/index.go")
def test_root(api: Api) -> None:
    assert {"/api", "/apis", "/healthz", "/version"} <= set(ok(api.get("/"))["paths"])


@area("Definitions themselves are in discovery with their short names.", LEGACY)
def test_definitions(api: Api) -> None:
    resources = {r["name"]: r for r in ok(api.get(DEFINITIONS.rpartition("/")[0]))["resources"]}
    assert resources["customresourcedefinitions"]["shortNames"] == ["crd", "crds"]
