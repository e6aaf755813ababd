"""JSON patch, merge patch and strategic merge patch."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import (
    APPLY,
    JSON_PATCH,
    MERGE,
    STRATEGIC,
    Api,
    config_map,
    deployment,
    made,
    ok,
    pod,
    refused,
    service,
    spec_schema,
)
from tests.conformance.behaviours import Area, row

area = Area("patch", "Patches")

HANDLER = "apiserver/pkg/endpoints/handlers/patch.go"
JSON_PATCHER = f"{HANDLER} jsonPatcher"
STRATEGIC_DOC = "apimachinery/pkg/util/strategicpatch/patch.go StrategicMergePatch"
RFC_6902, RFC_7386 = "https://www.rfc-editor.org/rfc/rfc6902", "https://www.rfc-editor.org/rfc/rfc7386"


@area.table(
    RFC_6902,
    row("add-member", "`add` sets a member.", [{"op": "add", "path": "/data/c", "value": "3"}], {"a": "1", "b": "2", "c": "3"}),
    row("add-replaces", "`add` of a member that is there replaces it.", [{"op": "add", "path": "/data/a", "value": "9"}], {"a": "9", "b": "2"}),
    row("remove", "`remove` takes a member away.", [{"op": "remove", "path": "/data/a"}], {"b": "2"}),
    row("replace", "`replace` changes a member.", [{"op": "replace", "path": "/data/a", "value": "9"}], {"a": "9", "b": "2"}),
    row("move", "`move` renames a member.", [{"op": "move", "from": "/data/a", "path": "/data/c"}], {"b": "2", "c": "1"}),
    row("copy", "`copy` doubles a member.", [{"op": "copy", "from": "/data/a", "path": "/data/c"}], {"a": "1", "b": "2", "c": "1"}),
    row("test-passes", "A `test` that holds lets the rest happen.", [{"op": "test", "path": "/data/a", "value": "1"}, {"op": "remove", "path": "/data/b"}], {"a": "1"}),
    row("order", "Operations happen in order.", [{"op": "add", "path": "/data/c", "value": "3"}, {"op": "remove", "path": "/data/c"}], {"a": "1", "b": "2"}),
    row("escapes", "`~1` and `~0` in a pointer are a slash and a tilde.", [{"op": "add", "path": "/metadata/annotations", "value": {"x.io/y": "1"}}, {"op": "replace", "path": "/metadata/annotations/x.io~1y", "value": "2"}], {"a": "1", "b": "2"}),
    row("empty", "An empty patch changes nothing.", [], {"a": "1", "b": "2"}),
)  # fmt: skip
def test_json_patch(api: Api, operations: Any, data: Any) -> None:
    api.config_map(data={"a": "1", "b": "2"})
    assert ok(api.json_patch("configmaps/a", operations))["data"] == data


@area.table(
    JSON_PATCHER,
    row("test-fails", "A `test` that does not hold is 422: operators rely on it.", [{"op": "test", "path": "/data/a", "value": "9"}], 422, "Invalid", "the server rejected our request due to an error in our request"),
    row("revision-test-fails", "A `test` of the resourceVersion that does not hold is 422.", [{"op": "test", "path": "/metadata/resourceVersion", "value": "1"}], 422, "Invalid", ""),
    row("missing-path", "`remove` of what is not there is 422.", [{"op": "remove", "path": "/data/none"}], 422, "Invalid", ""),
    row("missing-parent", "`add` below what is not there is 422.", [{"op": "add", "path": "/none/x", "value": 1}], 422, "Invalid", ""),
    row("unknown-operation", "An unknown operation is 422.", [{"op": "frobnicate", "path": "/data"}], 422, "Invalid", ""),
    row("breaks-type", "A result that does not decode is 422 and shows the document.", [{"op": "replace", "path": "/data", "value": 1}], 422, "Invalid", "cannot unmarshal"),
    row("breaks-kind", "A result whose kind is no text is 422, before anything else of it is read.", [{"op": "replace", "path": "/kind", "value": 1}, {"op": "replace", "path": "/data", "value": 1}], 422, "Invalid", "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field .kind of type string"),
    row("no-list", "A patch that is no list is 400.", {"op": "remove"}, 400, "BadRequest", "error decoding patch: json: cannot unmarshal object"),
)  # fmt: skip
def test_json_patch_refused(api: Api, operations: Any, code: int, reason: str, text: str) -> None:
    api.config_map(data={"a": "1"})
    refused(api.json_patch("configmaps/a", operations), code, reason, text)


@area("More than 10,000 operations are 413.", f"{HANDLER} maxJSONPatchOperations")
def test_too_many_operations(api: Api) -> None:
    api.config_map(data={"a": "1"})
    operations = [{"op": "test", "path": "/data/a", "value": "1"}] * 10_001
    refused(
        api.json_patch("configmaps/a", operations),
        413,
        "RequestEntityTooLarge",
        "The allowed maximum operations in a JSON patch is 10000, got 10001",
    )


@area("A patch whose JSON is broken is 400.", JSON_PATCHER)
def test_broken_json(api: Api) -> None:
    api.config_map()
    refused(api.json_patch("configmaps/a", b"["), 400, "BadRequest", "unexpected end of JSON input")


@area.table(
    RFC_7386,
    row("null-removes", "A null removes a member.", {"data": {"a": None}}, {"b": "2"}),
    row("merge-adds", "What is not there is added.", {"data": {"c": "3"}}, {"a": "1", "b": "2", "c": "3"}),
    row("merge-nothing", "An empty patch changes nothing.", {}, {"a": "1", "b": "2"}),
    row(
        "null-of-nothing", "A null for what is not there changes nothing.", {"data": {"z": None}}, {"a": "1", "b": "2"}
    ),
)
def test_merge_patch(api: Api, patch: Any, data: Any) -> None:
    api.config_map(data={"a": "1", "b": "2"})
    assert ok(api.merge("configmaps/a", patch))["data"] == data


@area("A merge patch replaces lists as a whole.", RFC_7386)
def test_merge_lists(api: Api) -> None:
    api.post("services", service(ports=[{"port": 80, "name": "a"}, {"port": 81, "name": "b"}]))
    ports = ok(api.merge("services/s", {"spec": {"ports": [{"port": 82}]}}))["spec"]["ports"]
    assert [p["port"] for p in ports] == [82]


@area("A merge patch that is no object is 400.", HANDLER)
def test_merge_not_object(api: Api) -> None:
    api.config_map()
    refused(api.merge("configmaps/a", []), 400, "BadRequest")


@area("A resourceVersion in a merge patch locks: a stale one is 409.", HANDLER)
def test_merge_lock(api: Api) -> None:
    old = api.config_map(data={"a": "1"})["metadata"]["resourceVersion"]
    ok(api.merge("configmaps/a", {"data": {"a": "2"}}))
    refused(
        api.merge("configmaps/a", {"metadata": {"resourceVersion": old}}),
        409,
        "Conflict",
        "the object has been modified",
    )


@area.table(
    HANDLER,
    row("merge-missing", "A merge patch of what is not there is 404.", MERGE, {}),
    row("json-missing", "A JSON patch of what is not there is 404.", JSON_PATCH, []),
    row("strategic-missing", "A strategic merge patch of what is not there is 404.", STRATEGIC, {}),
)
def test_missing(api: Api, media: str, body: Any) -> None:
    refused(
        api.send("PATCH", "configmaps/none", body, content_type=media), 404, "NotFound", 'configmaps "none" not found'
    )


@area.table(
    HANDLER,
    row("json-type", "`application/json` is no patch: 415.", "application/json"),
    row("no-type", "A patch needs a content type: 415 without.", "none/none"),
    row("merge-without-json", "`application/merge-patch` without its suffix is 415.", "application/merge-patch"),
)
def test_unsupported(api: Api, media: str) -> None:
    api.config_map()
    refused(
        api.send("PATCH", "configmaps/a", {}, content_type=media),
        415,
        "UnsupportedMediaType",
        "415: Unsupported Media Type",
    )


@area(
    "Strategic merge of a custom resource is 415 and lists what there is: clients branch on it.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go ServeHTTP",
)
def test_strategic_of_custom(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    listed = f"accepted media types include: {JSON_PATCH}, {MERGE}, {APPLY}"
    refused(api.strategic(kind.path("a"), {}), 415, "UnsupportedMediaType", listed)


@area(
    "Any other content type of a patch of a custom resource is refused in the same words.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go ServeHTTP",
)
def test_other_type_of_custom(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    refused(
        api.send("PATCH", kind.path("a"), {}, content_type="text/plain"),
        415,
        "UnsupportedMediaType",
        "the body of the request was in an unknown format",
    )


def containers(document: Any) -> list[tuple[str, str]]:
    return [(c["name"], c["image"]) for c in document["spec"]["template"]["spec"]["containers"]]


def template(**spec: Any) -> Any:
    return {"spec": {"template": {"spec": spec}}}


ONE, TWO = {"name": "c", "image": "example.com/i"}, {"name": "d", "image": "example.com/d"}


@area.table(
    STRATEGIC_DOC,
    row("merges-by-key", "Containers merge by name.", template(containers=[{"name": "c", "image": "new"}]), [("c", "new"), ("d", "example.com/d")]),
    row("adds-item", "An item with a new key is added in front.", template(containers=[{"name": "e", "image": "e"}]), [("e", "e"), ("c", "example.com/i"), ("d", "example.com/d")]),
    row("deletes-item", "`$patch: delete` takes an item away.", template(containers=[{"name": "c", "$patch": "delete"}]), [("d", "example.com/d")]),
    row("replaces-list", "`$patch: replace` in a list replaces it.", template(containers=[{"name": "e", "image": "e"}, {"$patch": "replace"}]), [("e", "e")]),
    row("sets-order", "`$setElementOrder` orders a list.", template(**{"$setElementOrder/containers": [{"name": "d"}, {"name": "c"}]}), [("d", "example.com/d"), ("c", "example.com/i")]),
    row("order-needs-all", "`$setElementOrder` puts items that it leaves out where they stood.", template(**{"$setElementOrder/containers": [{"name": "d"}, {"name": "e"}], "containers": [{"name": "e", "image": "e"}]}), [("c", "example.com/i"), ("d", "example.com/d"), ("e", "e")]),
)  # fmt: skip
def test_strategic(api: Api, patch: Any, found: Any) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["containers"] = [ONE, TWO]
    made(api.post("apps/deployments", body))
    assert containers(ok(api.strategic("apps/deployments/d", patch))) == found


@area.table(
    STRATEGIC_DOC,
    row("map-replace", "`$patch: replace` in a map replaces it.", {"data": {"$patch": "replace", "z": "9"}}, {"z": "9"}),
    row("map-delete", "`$patch: delete` in a map takes it away.", {"data": {"$patch": "delete"}}, None),
    row("map-retain", "`$retainKeys` keeps only the keys that it names.", {"data": {"$retainKeys": ["a"], "a": "5"}}, {"a": "5"}),
    row("strategic-null", "A null removes a member.", {"data": {"a": None}}, {"b": "2"}),
)  # fmt: skip
def test_strategic_maps(api: Api, patch: Any, data: Any) -> None:
    api.config_map(data={"a": "1", "b": "2"})
    assert ok(api.strategic("configmaps/a", patch)).get("data") == data


@area("`$deleteFromPrimitiveList` takes values out of a list.", STRATEGIC_DOC)
def test_primitive_list(api: Api) -> None:
    api.config_map(metadata={"finalizers": ["example.com/a", "example.com/b"]})
    patch = {"metadata": {"$deleteFromPrimitiveList/finalizers": ["example.com/a"]}}
    assert ok(api.strategic("configmaps/a", patch))["metadata"]["finalizers"] == ["example.com/b"]


@area("Finalizers merge: a strategic patch adds to them.", STRATEGIC_DOC)
def test_strategic_finalizers(api: Api) -> None:
    api.config_map(metadata={"finalizers": ["example.com/a"]})
    found = ok(api.strategic("configmaps/a", {"metadata": {"finalizers": ["example.com/b"]}}))["metadata"]["finalizers"]
    assert sorted(found) == ["example.com/a", "example.com/b"]


@area(
    "Service ports merge by port alone, although apply tells them apart by protocol too.", "api/core/v1/types.go Ports"
)
def test_strategic_ports(api: Api) -> None:
    made(api.post("services", service(ports=[{"port": 80, "name": "a"}])))
    ports = ok(api.strategic("services/s", {"spec": {"ports": [{"port": 80, "name": "b"}]}}))["spec"]["ports"]
    assert [(p["port"], p["name"]) for p in ports] == [(80, "b")]


@area("`$retainKeys` of a union clears the other members.", "api/core/v1/types.go Volumes")
def test_retain_union(api: Api) -> None:
    body = deployment()
    body["spec"]["template"]["spec"]["volumes"] = [{"name": "v", "emptyDir": {}}]
    made(api.post("apps/deployments", body))
    volume = {"name": "v", "configMap": {"name": "m"}, "$retainKeys": ["name", "configMap"]}
    found = ok(api.strategic("apps/deployments/d", template(volumes=[volume])))["spec"]["template"]["spec"]["volumes"][
        0
    ]
    assert "emptyDir" not in found


@area("An unknown `$patch` directive is refused.", "apimachinery/pkg/util/strategicpatch/errors.go errBadPatchType")
def test_bad_directive(api: Api) -> None:
    api.config_map(data={"a": "1"})
    refused(
        api.strategic("configmaps/a", {"data": {"$patch": "nonsense"}}),
        500,
        "",
        "unknown patch type: nonsense in map: map[$patch:nonsense]",
    )


@area(
    "An item without its merge key is refused.",
    "apimachinery/pkg/util/strategicpatch/patch.go mergeSliceWithoutSpecialElements",
)
def test_no_merge_key(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    refused(
        api.strategic("apps/deployments/d", template(containers=[{"image": "x"}])),
        500,
        "",
        "does not contain declared merge key: name",
    )


@area("An unknown field in a patch is a warning by default.", f"{HANDLER} patchResource")
def test_unknown_field_warns(api: Api) -> None:
    api.config_map()
    answer = api.merge("configmaps/a", {"colour": "red"})
    ok(answer)
    assert answer.warnings == ['unknown field "colour"']


@area("An unknown field in a strict patch is refused.", f"{HANDLER} patchResource")
def test_unknown_field_strict(api: Api) -> None:
    api.config_map()
    refused(
        api.merge("configmaps/a?fieldValidation=Strict", {"colour": "red"}),
        422,
        "Invalid",
        'strict decoding error: unknown field "colour"',
    )


@area("A duplicate field in a strict patch is refused.", f"{HANDLER} patchResource")
def test_duplicate_field_strict(api: Api) -> None:
    api.config_map()
    answer = api.merge("configmaps/a?fieldValidation=Strict", b'{"data":{"a":"1","a":"2"}}')
    refused(answer, 422, "Invalid", 'strict decoding error: duplicate field "data.a"')


@area("A dry-run patch answers the result and keeps the object.", f"{HANDLER} patchResource")
def test_dry_run(api: Api) -> None:
    api.config_map(data={"a": "1"})
    assert ok(api.merge("configmaps/a?dryRun=All", {"data": {"a": "2"}}))["data"] == {"a": "2"}
    assert ok(api.get("configmaps/a"))["data"] == {"a": "1"}


@area(
    "A patch that changes nothing keeps the resourceVersion.", "apiserver/pkg/storage/etcd3/store.go GuaranteedUpdate"
)
def test_no_op(api: Api) -> None:
    before = api.config_map(data={"a": "1"})
    assert ok(api.merge("configmaps/a", {"data": {"a": "1"}})) == before


@area("A patch may not change the name.", "apiserver/pkg/registry/rest/update.go BeforeUpdate")
def test_no_new_name(api: Api) -> None:
    api.config_map()
    refused(
        api.merge("configmaps/a", {"metadata": {"name": "b"}}),
        400,
        "BadRequest",
        "the name of the object (b) does not match the name on the URL (a)",
    )


@area(
    "A patch may not change the namespace.",
    "apiserver/pkg/registry/rest/meta.go EnsureObjectNamespaceMatchesRequestNamespace",
)
def test_no_new_namespace(api: Api) -> None:
    api.config_map()
    refused(
        api.merge("configmaps/a", {"metadata": {"namespace": "b"}}),
        400,
        "BadRequest",
        "the namespace of the provided object does not match the namespace sent on the request",
    )


@area(
    "A patch may not change the uid.", "apimachinery/pkg/api/validation/objectmeta.go ValidateObjectMetaAccessorUpdate"
)
def test_no_new_uid(api: Api) -> None:
    api.config_map()
    refused(
        api.merge("configmaps/a", {"metadata": {"uid": "x"}}),
        422,
        "Invalid",
        'metadata.uid: Invalid value: "x": field is immutable',
    )


@area(
    "A patch cannot change the creationTimestamp: it is ignored.", "apiserver/pkg/registry/rest/update.go BeforeUpdate"
)
def test_no_new_time(api: Api) -> None:
    before = api.config_map()["metadata"]["creationTimestamp"]
    after = ok(api.merge("configmaps/a", {"metadata": {"creationTimestamp": "2001-01-01T00:00:00Z"}}))
    assert after["metadata"]["creationTimestamp"] == before


@area("A patch cannot change the generation: it is ignored.", "apiserver/pkg/registry/rest/update.go BeforeUpdate")
def test_no_new_generation(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    after = ok(api.merge("apps/deployments/d", {"metadata": {"generation": 9}}))
    assert after["metadata"]["generation"] == 1


@area("A patch of a custom resource may carry a null, which removes the field.", RFC_7386)
def test_custom_null(api: Api) -> None:
    kind = api.define(spec_schema(x={"type": "integer"}))
    made(kind.create(spec={"x": 1}))
    assert ok(api.merge(kind.path("a"), {"spec": {"x": None}}))["spec"] == {}


@area(
    "A JSON patch that removes a custom resource's kind is refused.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go",
)
def test_custom_without_kind(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    refused(
        api.json_patch(kind.path("a"), [{"op": "remove", "path": "/kind"}]),
        422,
        "Invalid",
        "Object 'Kind' is missing in",
    )


@area(
    "A patch's conflict with a concurrent write is tried again by the server: without a resourceVersion it succeeds.",
    HANDLER,
)
def test_no_conflict_without_revision(api: Api) -> None:
    api.config_map(data={"a": "1"})
    for number in range(3):
        ok(api.merge("configmaps/a", {"data": {f"k{number}": "1"}}))


@area("A pod's image may be patched.", "kubernetes/pkg/apis/core/validation/validation.go ValidatePodUpdate")
def test_pod_image(api: Api) -> None:
    made(api.post("pods", pod()))
    patch = {"spec": {"containers": [{"name": "c", "image": "example.com/new"}]}}
    assert ok(api.strategic("pods/p", patch))["spec"]["containers"][0]["image"] == "example.com/new"


@area(
    "Most other fields of a pod may not be patched.",
    "kubernetes/pkg/apis/core/validation/validation.go ValidatePodUpdate",
)
def test_pod_immutable(api: Api) -> None:
    made(api.post("pods", pod()))
    refused(
        api.merge("pods/p", {"spec": {"hostname": "h"}}), 422, "Invalid", "pod updates may not change fields other than"
    )


@area(
    "An immutable ConfigMap keeps its data.",
    "kubernetes/pkg/apis/core/validation/validation.go ValidateConfigMapUpdate",
)
def test_immutable_config_map(api: Api) -> None:
    made(api.post("configmaps", config_map(data={"a": "1"}, immutable=True)))
    refused(
        api.merge("configmaps/a", {"data": {"a": "2"}}),
        422,
        "Invalid",
        "data: Forbidden: field is immutable when `immutable` is set",
    )


@area(
    "An immutable ConfigMap cannot become mutable.",
    "kubernetes/pkg/apis/core/validation/validation.go ValidateConfigMapUpdate",
)
def test_stays_immutable(api: Api) -> None:
    made(api.post("configmaps", config_map(immutable=True)))
    refused(
        api.merge("configmaps/a", {"immutable": False}),
        422,
        "Invalid",
        "immutable: Forbidden: field is immutable when `immutable` is set",
    )


@area("A custom object whose patch takes its apiVersion away is an internal error.", JSON_PATCHER)
def test_json_patch_without_version(api: Api) -> None:
    kind = api.define()
    made(kind.create())
    text = "Object 'apiVersion' is missing in 'object has no apiVersion field'"
    refused(api.json_patch(kind.path("a"), [{"op": "remove", "path": "/apiVersion"}]), 500, "InternalError", text)


@area(
    "One and true are different values: the generation moves.",
    "apiextensions-apiserver/pkg/registry/customresource/strategy.go PrepareForUpdate",
)
def test_json_patch_of_truth(api: Api) -> None:
    kind = api.define()
    made(kind.create(free={"x": 1}))
    changed = ok(api.json_patch(kind.path("a"), [{"op": "replace", "path": "/free/x", "value": True}]))
    assert changed["free"] == {"x": True}
    assert changed["metadata"]["generation"] == 2
