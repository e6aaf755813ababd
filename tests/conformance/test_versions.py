"""Several versions of a custom kind, and what a definition adds: status, scale, columns, selectable fields."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import FREE, TABLE, Api, made, names, ok, refused, spec_schema
from tests.conformance.behaviours import Area

area = Area("versions", "Several versions, and what a definition adds")

DOC = "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/"
VERSIONS = "https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definition-versioning/"
VALIDATION = "apiextensions-apiserver/pkg/apis/apiextensions/validation/validation.go"
STRING = {"type": "string"}


def version(name: str = "v1", schema: Any = None, **more: Any) -> Any:
    return {"name": name, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema or FREE}, **more}


# --- several versions -------------------------------------------------------------------------------------------------


def two_versions(api: Api, **older: Any) -> Any:
    return api.define_versions([version("v1"), version("v1beta1", storage=False, **older)])


@area("An object may be read in every served version.", VERSIONS)
def test_read_other_version(api: Api) -> None:
    kind = two_versions(api)
    made(kind.create(spec={"x": 1}))
    found = ok(api.get(kind.path("a", "v1beta1")))
    assert (found["apiVersion"], found["spec"]) == (f"{kind.group}/v1beta1", {"x": 1})


@area("An object may be written in every served version.", VERSIONS)
def test_write_other_version(api: Api) -> None:
    kind = two_versions(api)
    made(api.post(kind.path(version="v1beta1"), kind.body(version="v1beta1", spec={"x": 1})))
    assert ok(api.get(kind.path("a")))["apiVersion"] == f"{kind.group}/v1"


@area(
    "managedFields name the version in which a manager wrote.",
    "apimachinery/pkg/util/managedfields/internal/structuredmerge.go Apply",
)
def test_managed_version(api: Api) -> None:
    kind = two_versions(api)
    made(api.post(kind.path(version="v1beta1"), kind.body(version="v1beta1", spec={"x": 1})))
    entries = ok(api.get(kind.path("a")))["metadata"]["managedFields"]
    assert [entry["apiVersion"] for entry in entries] == [f"{kind.group}/v1beta1"]


@area("A version that is not served is 404.", VERSIONS)
def test_not_served(api: Api) -> None:
    kind = api.define_versions([version("v1"), {**version("v1beta1", storage=False), "served": False}])
    assert api.get(kind.path(version="v1beta1")).status == 404


@area("A deprecated version warns and names the one to use.", f"{VERSIONS}#version-deprecation")
def test_deprecated(api: Api) -> None:
    kind = two_versions(api, deprecated=True)
    assert api.get(kind.path(version="v1beta1")).warnings == [
        f"{kind.group}/v1beta1 Widget is deprecated; use {kind.group}/v1 Widget"
    ]


@area("A version may bring its own words of deprecation.", f"{VERSIONS}#version-deprecation")
def test_deprecation_warning(api: Api) -> None:
    kind = two_versions(api, deprecated=True, deprecationWarning="use v1")
    assert api.get(kind.path(version="v1beta1")).warnings == ["use v1"]


@area("A watch of one version shows objects that were written in another.", VERSIONS)
def test_watch_version(api: Api) -> None:
    kind = two_versions(api)
    made(kind.create())
    with api.watch(kind.path(version="v1beta1") + "?watch=1&timeoutSeconds=2") as stream:
        event = stream.next()
    assert event
    assert event["object"]["apiVersion"] == f"{kind.group}/v1beta1"


@area(
    "A stored version cannot leave the definition while status lists it.",
    f"{VALIDATION} validateCustomResourceDefinitionUpdate",
)
def test_stored_version_stays(api: Api) -> None:
    kind = api.define()
    patch = [{"op": "replace", "path": "/spec/versions", "value": [version("v2")]}]
    refused(
        api.json_patch(kind.definition, patch),
        422,
        "Invalid",
        'status.storedVersions[0]: Invalid value: "v1": missing from spec.versions',
    )


@area("A change of the stored version adds to `status.storedVersions`.", VERSIONS)
def test_new_storage(api: Api) -> None:
    kind = two_versions(api)
    patch = [
        {"op": "replace", "path": "/spec/versions/0/storage", "value": False},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": True},
    ]
    assert ok(api.json_patch(kind.definition, patch))["status"]["storedVersions"] == ["v1", "v1beta1"]


@area(
    "A conversion webhook that cannot be reached makes reads of other versions fail.", f"{VERSIONS}#webhook-conversion"
)
def test_webhook_unreachable(api: Api) -> None:
    hook = {"clientConfig": {"url": "https://127.0.0.1:1/convert"}, "conversionReviewVersions": ["v1"]}
    kind = api.define_versions(
        [version("v1"), version("v1beta1", storage=False)], conversion={"strategy": "Webhook", "webhook": hook}
    )
    made(kind.create())
    refused(api.get(kind.path("a", "v1beta1")), 500, "", "conversion webhook for", "failed: Post")


@area("The stored version needs no webhook.", f"{VERSIONS}#webhook-conversion")
def test_webhook_not_needed(api: Api) -> None:
    hook = {"clientConfig": {"url": "https://127.0.0.1:1/convert"}, "conversionReviewVersions": ["v1"]}
    kind = api.define_versions(
        [version("v1"), version("v1beta1", storage=False)], conversion={"strategy": "Webhook", "webhook": hook}
    )
    made(kind.create())
    ok(api.get(kind.path("a")))


# --- what a definition adds -------------------------------------------------------------------------------------------


@area("Without the subresource, status is a field like any other.", f"{DOC}#status-subresource")
def test_status_plain(api: Api) -> None:
    kind = api.define()
    assert made(kind.create(status={"x": 1}))["status"] == {"x": 1}


@area("With the subresource, a create drops status.", f"{DOC}#status-subresource")
def test_status_dropped(api: Api) -> None:
    kind = api.define(subresources={"status": {}})
    assert "status" not in made(kind.create(status={"x": 1}))


@area("With the subresource, an update keeps the old status.", f"{DOC}#status-subresource")
def test_status_kept(api: Api) -> None:
    kind = api.define(subresources={"status": {}})
    made(kind.create())
    ok(api.merge(kind.path("a/status"), {"status": {"x": 1}}))
    assert ok(api.merge(kind.path("a"), {"status": {"x": 2}, "spec": {"y": 1}}))["status"] == {"x": 1}


@area("An update of status keeps everything else, labels too.", f"{DOC}#status-subresource")
def test_status_alone(api: Api) -> None:
    kind = api.define(subresources={"status": {}})
    made(kind.create(spec={"y": 1}))
    found = ok(
        api.merge(kind.path("a/status"), {"spec": {"y": 2}, "metadata": {"labels": {"a": "b"}}, "status": {"x": 1}})
    )
    assert (found["spec"], found["status"]) == ({"y": 1}, {"x": 1})
    assert "labels" not in found["metadata"]


@area("Status does not move the generation.", f"{DOC}#status-subresource")
def test_status_generation(api: Api) -> None:
    kind = api.define(subresources={"status": {}})
    made(kind.create())
    assert ok(api.merge(kind.path("a/status"), {"status": {"x": 1}}))["metadata"]["generation"] == 1


@area("Without the subresource, status moves the generation.", f"{DOC}#status-subresource")
def test_plain_status_generation(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    assert ok(api.merge(kind.path("a"), {"status": {"x": 1}}))["metadata"]["generation"] == 2


@area("A subresource that a kind has not is 404.", "apiextensions-apiserver/pkg/apiserver/customresource_handler.go")
def test_no_subresource(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    assert api.get(kind.path("a/status")).status == 404


SCALE = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}


@area("A scale shows replicas and selector of the object.", f"{DOC}#scale-subresource")
def test_scale(api: Api) -> None:
    kind = api.define(subresources={"status": {}, "scale": SCALE})
    made(kind.create(spec={"replicas": 3}))
    ok(api.merge(kind.path("a/status"), {"status": {"replicas": 2, "selector": "a=b"}}))
    scale = ok(api.get(kind.path("a/scale")))
    assert (scale["kind"], scale["apiVersion"]) == ("Scale", "autoscaling/v1")
    assert (scale["spec"], scale["status"]) == ({"replicas": 3}, {"replicas": 2, "selector": "a=b"})


@area("Writing a scale writes the replicas of the object.", f"{DOC}#scale-subresource")
def test_write_scale(api: Api) -> None:
    kind = api.define(subresources={"scale": SCALE})
    made(kind.create(spec={"replicas": 3}))
    ok(api.merge(kind.path("a/scale"), {"spec": {"replicas": 5}}))
    assert ok(api.get(kind.path("a")))["spec"]["replicas"] == 5


@area(
    "A body that is no Scale is refused without saying why.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go",
)
def test_scale_of_no_kind(api: Api) -> None:
    kind = api.define(subresources={"scale": SCALE})
    made(kind.create(spec={"replicas": 3}))
    body = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "a"}, "spec": {"replicas": "x"}}
    refused(
        api.put(kind.path("a/scale"), body), 400, "BadRequest", "no kind is registered for the type v1.Scale in scheme"
    )


@area(
    "Negative replicas are refused by the kind's own name.",
    "apiextensions-apiserver/pkg/registry/customresource/etcd.go ScaleREST",
)
def test_negative_scale(api: Api) -> None:
    kind = api.define(subresources={"scale": SCALE})
    made(kind.create(spec={"replicas": 3}))
    refused(
        api.merge(kind.path("a/scale"), {"spec": {"replicas": -1}}),
        422,
        "Invalid",
        "spec.replicas: Invalid value: -1: should be a non-negative integer",
    )


@area("Printer columns make the table.", f"{DOC}#additional-printer-columns")
def test_columns(api: Api) -> None:
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {"name": "More", "type": "string", "jsonPath": ".spec.more", "priority": 1},
    ]
    kind = api.define(additionalPrinterColumns=columns)
    made(kind.create(spec={"size": 3, "more": "x"}))
    table = ok(api.get(kind.path(), accept=TABLE))
    assert [(c["name"], c["priority"]) for c in table["columnDefinitions"]] == [("Name", 0), ("Size", 0), ("More", 1)]
    assert table["rows"][0]["cells"] == ["a", 3, "x"]


@area("Without printer columns a table has name and age.", f"{DOC}#additional-printer-columns")
def test_default_columns(api: Api) -> None:
    table = ok(api.get(api.define().path(), accept=TABLE))
    assert [c["name"] for c in table["columnDefinitions"]] == ["Name", "Age"]


@area("Selectable fields may be selected.", f"{DOC}#crd-selectable-fields")
def test_selectable(api: Api) -> None:
    kind = api.define(spec_schema(size=STRING), selectableFields=[{"jsonPath": ".spec.size"}])
    made(kind.create("a", spec={"size": "S"}))
    made(kind.create("b", spec={"size": "M"}))
    assert names(ok(api.get(kind.path() + "?fieldSelector=spec.size%3DM"))) == ["b"]


@area("Other fields of a custom kind may not.", f"{DOC}#crd-selectable-fields")
def test_not_selectable(api: Api) -> None:
    refused(
        api.get(api.define().path() + "?fieldSelector=spec.size%3DM"),
        400,
        "BadRequest",
        "field label not supported: spec.size",
    )


@area("A kind of the cluster has no namespace in its path.", f"{DOC}#create-a-customresourcedefinition")
def test_cluster_scope(api: Api) -> None:
    kind = api.define(scope="Cluster")
    assert "namespace" not in made(kind.create())["metadata"]


@area("An embedded resource keeps what it has, its metadata in form.", f"{DOC}#rawextension")
def test_embedded(api: Api) -> None:
    inner = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    value = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"x": 1}}
    assert made(api.define(spec_schema(x=inner)).create(spec={"x": value}))["spec"]["x"] == value


@area("An embedded resource needs a kind.", "apiextensions-apiserver/pkg/apiserver/schema/objectmeta/validation.go")
def test_embedded_kind(api: Api) -> None:
    inner = {"type": "object", "x-kubernetes-embedded-resource": True, "x-kubernetes-preserve-unknown-fields": True}
    refused(
        api.define(spec_schema(x=inner)).create(spec={"x": {"apiVersion": "v1"}}),
        422,
        "Invalid",
        "spec.x.kind: Required value",
    )
