"""Names, metadata, deletion, selectors, and the words of refusals."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import Api, causes, config_map, deployment, made, names, ok, pod, refused, service, unique
from tests.conformance.behaviours import Area, row

area = Area("objects", "Objects: names, deletion, selectors, refusals")

META = "apimachinery/pkg/api/validation/objectmeta.go"
DELETE = "apiserver/pkg/registry/rest/delete.go BeforeDelete"
STORE = "apiserver/pkg/registry/generic/registry/store.go"
STATUS = "apimachinery/pkg/api/errors/errors.go"
SELECTOR = "apimachinery/pkg/labels/selector.go"
GC = "https://kubernetes.io/docs/concepts/architecture/garbage-collection/"


@area(
    "A new object has a uid, a time and a revision.", "apiserver/pkg/registry/rest/meta.go FillObjectMetaSystemFields"
)
def test_system_fields(api: Api) -> None:
    meta = api.config_map()["metadata"]
    assert len(meta["uid"]) == 36
    assert meta["creationTimestamp"].endswith("Z")
    assert int(meta["resourceVersion"]) > 0


@area(
    "What a creator says of uid and times is ignored.", "apiserver/pkg/registry/rest/meta.go WipeObjectMetaSystemFields"
)
def test_system_fields_are_the_servers(api: Api) -> None:
    meta = api.config_map(
        metadata={"uid": "x", "creationTimestamp": "2001-01-01T00:00:00Z", "deletionGracePeriodSeconds": 5}
    )["metadata"]
    assert meta["uid"] != "x"
    assert not meta["creationTimestamp"].startswith("2001")
    assert "deletionGracePeriodSeconds" not in meta


@area("A resourceVersion on create is refused.", "apiserver/pkg/storage/errors.go")
def test_no_revision_on_create(api: Api) -> None:
    refused(
        api.post("configmaps", config_map(metadata={"resourceVersion": "1"})),
        500,
        "",
        "resourceVersion should not be set on objects to be created",
    )


@area("A second create of a name is 409.", f"{STATUS} NewAlreadyExists")
def test_already_exists(api: Api) -> None:
    api.config_map()
    status = refused(api.post("configmaps", config_map()), 409, "AlreadyExists", 'configmaps "a" already exists')
    assert status["details"] == {"name": "a", "kind": "configmaps"}


@area("generateName adds five characters.", "apiserver/pkg/storage/names/generate.go")
def test_generate_name(api: Api) -> None:
    meta = made(api.post("configmaps", {"metadata": {"generateName": "g-"}}))["metadata"]
    assert meta["generateName"] == "g-"
    assert len(meta["name"]) == len("g-12345")


@area("A name beats a generateName.", "apiserver/pkg/registry/rest/create.go BeforeCreate")
def test_name_beats_generate(api: Api) -> None:
    assert api.config_map("n", metadata={"generateName": "g-"})["metadata"]["name"] == "n"


@area("A long generateName is cut so that the name fits.", "apiserver/pkg/storage/names/generate.go")
def test_long_generate_name(api: Api) -> None:
    assert len(made(api.post("configmaps", {"metadata": {"generateName": "x" * 100}}))["metadata"]["name"]) == 63


@area.table(
    f"{META} ValidateObjectMetaAccessor",
    row("no-name", "An object needs a name.", {"name": ""}, "FieldValueRequired", "metadata.name"),
    row("bad-name", "A name is a DNS subdomain for most kinds.", {"name": "Bad_Name"}, "FieldValueInvalid", "metadata.name"),
    row("bad-label-key", "A label's key is a qualified name.", {"name": "a", "labels": {"a b": ""}}, "FieldValueInvalid", "metadata.labels"),
    row("bad-label-value", "A label's value is short and plain.", {"name": "a", "labels": {"a": "b c"}}, "FieldValueInvalid", "metadata.labels"),
    row("bad-annotation-key", "An annotation's key is a qualified name.", {"name": "a", "annotations": {"a b": ""}}, "FieldValueInvalid", "metadata.annotations"),
    row("long-annotations", "Annotations together have at most 256 KiB.", {"name": "a", "annotations": {"a": "x" * 262145}}, "FieldValueTooLong", "metadata.annotations"),
    row("bad-finalizer", "A finalizer is a qualified name.", {"name": "a", "finalizers": ["a b/c"]}, "FieldValueInvalid", "metadata.finalizers"),
    row("owner-without-uid", "An owner reference needs a uid.", {"name": "a", "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]}, "FieldValueInvalid", "metadata.ownerReferences.uid"),
)  # fmt: skip
def test_metadata(api: Api, metadata: Any, reason: str, field: str) -> None:
    status = refused(api.post("configmaps", {"metadata": metadata}), 422, "Invalid")
    assert causes(status)[0] == (reason, field)


@area("Of several owners only one may be the controller.", f"{META} ValidateOwnerReferences")
def test_one_controller(api: Api) -> None:
    owners = [{"apiVersion": "v1", "kind": "Pod", "name": f"p{n}", "uid": f"u{n}", "controller": True} for n in (1, 2)]
    refused(
        api.post("configmaps", config_map(metadata={"ownerReferences": owners})),
        422,
        "Invalid",
        "Only one reference can have Controller set to true",
    )


@area.table(
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names/",
    row("service-name", "A Service's name is a DNS label.", "services", service("has.dots")),
    row(
        "namespace-name", "A Namespace's name is a DNS label.", "/api/v1/namespaces", {"metadata": {"name": "has.dots"}}
    ),
    row(
        "slash-name", "A Role's name may be anything but a path: no slash.", "rbac/roles", {"metadata": {"name": "a/b"}}
    ),
)
def test_names_by_kind(api: Api, path: str, body: Any) -> None:
    assert causes(refused(api.post(path, body), 422, "Invalid"))[0] == ("FieldValueInvalid", "metadata.name")


@area("A Role's name may have colons.", "kubernetes/pkg/apis/rbac/validation/validation.go ValidateRBACName")
def test_role_name(api: Api) -> None:
    made(api.post("rbac/roles", {"metadata": {"name": "system:x:Y"}}))


@area(
    "A create in a namespace that is not there is 404.",
    "apiserver/pkg/admission/plugin/namespace/lifecycle/admission.go",
)
def test_no_namespace(api: Api) -> None:
    status = refused(
        api.post("/api/v1/namespaces/no-such-one/configmaps", config_map()),
        404,
        "NotFound",
        'namespaces "no-such-one" not found',
    )
    assert status["details"] == {"name": "no-such-one", "kind": "namespaces"}


# --- the Status of a refusal ------------------------------------------------------------------------------------------


@area("404 names the resource in its details, not the kind.", f"{STATUS} NewNotFound")
def test_not_found(api: Api) -> None:
    status = refused(api.get("apps/deployments/none"), 404, "NotFound", 'deployments.apps "none" not found')
    assert status["details"] == {"name": "none", "group": "apps", "kind": "deployments"}


@area("422 names the kind in its details, not the resource.", f"{STATUS} NewInvalid")
def test_invalid(api: Api) -> None:
    status = refused(
        api.post("apps/deployments", deployment(replicas=-1)),
        422,
        "Invalid",
        'Deployment.apps "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
    )
    details = status["details"]
    assert (details["name"], details["group"], details["kind"]) == ("d", "apps", "Deployment")
    assert details["causes"] == [
        {
            "reason": "FieldValueInvalid",
            "message": "Invalid value: -1: must be greater than or equal to 0",
            "field": "spec.replicas",
        }
    ]


@area("Several errors are a list in brackets.", "apimachinery/pkg/util/errors/errors.go Error")
def test_several_errors(api: Api) -> None:
    status = refused(
        api.post("apps/deployments", deployment(replicas=-1, minReadySeconds=-1)),
        422,
        "Invalid",
        "is invalid: [spec.replicas: ",
    )
    assert len(status["details"]["causes"]) == 2


@area("A path that names nothing is 404 without details of an object.", f"{STATUS} NewGenericServerResponse")
def test_unknown_resource(api: Api) -> None:
    status = refused(api.get("nothings"), 404, "NotFound", "the server could not find the requested resource")
    assert status["details"] == {}


@area("A path in a group that is not there is plain text.", "apiserver/pkg/endpoints/handlers/../../server/handler.go")
def test_unknown_group(api: Api) -> None:
    answer = api.get("/apis/nothing.example.com/v1/things")
    assert (answer.status, answer.body) == (404, b"404 page not found\n")


@area("A method that a resource lacks is 405.", f"{STATUS} NewGenericServerResponse")
def test_method(api: Api) -> None:
    refused(
        api.put("configmaps", {}),
        405,
        "MethodNotAllowed",
        "the server does not allow this method on the requested resource",
    )


@area("A namespaced kind cannot be created without a namespace.", "apiserver/pkg/endpoints/installer.go")
def test_create_everywhere(api: Api) -> None:
    refused(api.post("/api/v1/configmaps", config_map()), 405, "MethodNotAllowed")


@area("What can only be created in a namespace has no path without one.", "apiserver/pkg/endpoints/installer.go")
def test_no_path_everywhere(api: Api) -> None:
    refused(api.post("/api/v1/bindings", {}), 404, "NotFound")


@area("An object of the cluster has no path in a namespace.", "apiserver/pkg/endpoints/installer.go")
def test_cluster_in_namespace(api: Api) -> None:
    refused(api.get("rbac/clusterroles/x"), 404, "NotFound", "the server could not find the requested resource")


# --- deletion ---------------------------------------------------------------------------------------------------------


@area("A deletion answers a Status with the uid: kubectl waits for that.", f"{STORE} finalizeDelete")
def test_delete(api: Api) -> None:
    uid = api.config_map()["metadata"]["uid"]
    status = ok(api.delete("configmaps/a"))
    assert status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {"name": "a", "kind": "configmaps", "uid": uid},
    }


@area.table(
    f"{STORE} ReturnDeletedObject",
    row("delete-shows-service", "The deletion of a Service answers the Service.", "services", service(), "Service"),
    row("delete-shows-pod", "The deletion of a Pod answers the Pod.", "pods", pod("s"), "Pod"),
    row(
        "delete-shows-claim",
        "The deletion of a ServiceAccount answers it.",
        "serviceaccounts",
        {"metadata": {"name": "s"}},
        "ServiceAccount",
    ),
)
def test_delete_shows(api: Api, path: str, body: Any, kind: str) -> None:
    made(api.post(path, body))
    assert ok(api.delete(f"{path}/s"))["kind"] == kind


@area("A second deletion is 404.", STORE)
def test_delete_again(api: Api) -> None:
    api.config_map()
    ok(api.delete("configmaps/a"))
    refused(api.delete("configmaps/a"), 404, "NotFound")


@area("A finalizer holds a deleted object, which shows when it was deleted.", DELETE)
def test_finalizer_holds(api: Api) -> None:
    api.config_map(metadata={"finalizers": ["example.com/f"]})
    meta = ok(api.delete("configmaps/a"))["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 0
    assert meta["deletionTimestamp"]
    assert ok(api.get("configmaps/a"))["metadata"]["deletionTimestamp"] == meta["deletionTimestamp"]


@area(
    "Removing the last finalizer of a deleted object removes it in the same request.",
    f"{STORE} deleteWithoutFinalizers",
)
def test_last_finalizer(api: Api) -> None:
    api.config_map(metadata={"finalizers": ["example.com/f"]})
    ok(api.delete("configmaps/a"))
    ok(api.merge("configmaps/a", {"metadata": {"finalizers": None}}))
    refused(api.get("configmaps/a"), 404, "NotFound")


@area("A deleted object takes no new finalizers.", f"{META} ValidateObjectMetaAccessorUpdate")
def test_no_new_finalizer(api: Api) -> None:
    api.config_map(metadata={"finalizers": ["example.com/f"]})
    ok(api.delete("configmaps/a"))
    patch = {"metadata": {"finalizers": ["example.com/f", "example.com/g"]}}
    refused(
        api.merge("configmaps/a", patch),
        422,
        "Invalid",
        "no new finalizers can be added if the object is being deleted",
    )


@area("The deletion of an object with finalizers moves its generation.", DELETE)
def test_generation_moves(api: Api) -> None:
    body = deployment()
    body["metadata"]["finalizers"] = ["example.com/f"]
    made(api.post("apps/deployments", body))
    assert ok(api.delete("apps/deployments/d"))["metadata"]["generation"] == 2


@area(
    "A create of a name whose object is being deleted says so.",
    "apiserver/pkg/registry/generic/registry/store.go Create",
)
def test_create_while_deleted(api: Api) -> None:
    api.config_map(metadata={"finalizers": ["example.com/f"]})
    ok(api.delete("configmaps/a"))
    refused(
        api.post("configmaps", config_map()),
        409,
        "AlreadyExists",
        'object is being deleted: configmaps "a" already exists',
    )


@area.table(
    DELETE,
    row(
        "foreground",
        "Foreground deletion adds the finalizer foregroundDeletion.",
        {"propagationPolicy": "Foreground"},
        ["foregroundDeletion"],
    ),
    row("orphan", "Orphaning deletion adds the finalizer orphan.", {"propagationPolicy": "Orphan"}, ["orphan"]),
    row("orphan-dependents", "orphanDependents is the old form of it.", {"orphanDependents": True}, ["orphan"]),
)
def test_propagation(api: Api, options: Any, finalizers: Any) -> None:
    api.config_map()
    assert ok(api.delete("configmaps/a", options))["metadata"]["finalizers"] == finalizers


@area.table(
    "apimachinery/pkg/apis/meta/v1/validation/validation.go ValidateDeleteOptions",
    row("both-policies", "orphanDependents and a propagationPolicy exclude each other.", {"orphanDependents": True, "propagationPolicy": "Orphan"}, ["FieldValueInvalid"]),
    row("unknown-policy", "A propagationPolicy is one of three.", {"propagationPolicy": "Whatever"}, ["FieldValueNotSupported"]),
    row("two-faults", "Both faults of a policy are named.", {"orphanDependents": True, "propagationPolicy": "Whatever"}, ["FieldValueInvalid", "FieldValueNotSupported"]),
    row("delete-dry-run", "A dryRun of a deletion is All.", {"dryRun": ["Some"]}, ["FieldValueNotSupported"]),
)  # fmt: skip
def test_delete_options(api: Api, options: Any, reasons: Any) -> None:
    api.config_map()
    status = refused(api.delete("configmaps/a", options), 422, "Invalid", 'DeleteOptions.meta.k8s.io "" is invalid')
    assert [reason for reason, _ in causes(status)] == reasons


@area.table(
    "apiserver/pkg/storage/interfaces.go Preconditions",
    row("uid-precondition", "A deletion may ask for a uid: another is 409.", {"uid": "x"}, "the UID in the precondition (x) does not match the UID in record"),
    row("revision-precondition", "A deletion may ask for a resourceVersion: another is 409.", {"resourceVersion": "1"}, "the ResourceVersion in the precondition (1) does not match the ResourceVersion in record"),
)  # fmt: skip
def test_preconditions(api: Api, conditions: Any, text: str) -> None:
    api.config_map()
    refused(api.delete("configmaps/a", {"preconditions": conditions}), 409, "Conflict", text)


@area("A dry-run deletion keeps the object.", f"{STORE} Delete")
def test_dry_deletion(api: Api) -> None:
    api.config_map()
    assert ok(api.delete("configmaps/a?dryRun=All"))["status"] == "Success"
    ok(api.get("configmaps/a"))


@area("A pod without a node goes at once.", "kubernetes/pkg/registry/core/pod/strategy.go CheckGracefulDelete")
def test_pod_goes(api: Api) -> None:
    made(api.post("pods", pod()))
    assert ok(api.delete("pods/p"))["metadata"]["deletionGracePeriodSeconds"] == 0
    refused(api.get("pods/p"), 404, "NotFound")


@area(
    "A pod on a node has its grace period, and shows until when.",
    "kubernetes/pkg/registry/core/pod/strategy.go CheckGracefulDelete",
)
def test_pod_grace(api: Api) -> None:
    made(api.post("pods", pod(nodeName=unique("node"), terminationGracePeriodSeconds=7)))
    assert ok(api.delete("pods/p"))["metadata"]["deletionGracePeriodSeconds"] == 7
    ok(api.delete("pods/p?gracePeriodSeconds=0"))


@area(
    "A second delete may only shorten the time of the first; else it changes nothing, finalizers included.",
    "apiserver/pkg/registry/rest/delete.go BeforeDelete",
)
def test_pod_grace_again(api: Api) -> None:
    made(api.post("pods", pod(nodeName=unique("node"), terminationGracePeriodSeconds=30)))
    first = ok(api.delete("pods/p"))["metadata"]
    again = ok(api.delete("pods/p", {"gracePeriodSeconds": 40, "propagationPolicy": "Foreground"}))["metadata"]
    assert again == first
    assert ok(api.delete("pods/p?gracePeriodSeconds=9"))["metadata"]["deletionGracePeriodSeconds"] == 9


@area(
    "A Service takes the Endpoints of its name along.",
    "kubernetes/pkg/registry/core/service/storage/storage.go afterDelete",
)
def test_service_takes_endpoints(api: Api) -> None:
    made(api.post("services", service()))
    made(api.post("endpoints", {"metadata": {"name": "s"}})) if api.get("endpoints/s").status == 404 else None
    ok(api.delete("services/s"))
    refused(api.get("endpoints/s"), 404, "NotFound")


# --- selectors --------------------------------------------------------------------------------------------------------


def labelled(api: Api) -> None:
    for name, labels in (("a", {"t": "x", "n": "1"}), ("b", {"t": "y", "n": "2"}), ("c", {"t": "z"})):
        made(api.post("secrets", {"metadata": {"name": name, "labels": labels}}))


@area.table(
    f"{SELECTOR} Parse",
    row("equal", "`=` matches a value.", "t%3Dx", ["a"]),
    row("double-equal", "`==` is the same.", "t%3D%3Dx", ["a"]),
    row("unequal", "`!=` matches others, and those without the label.", "n!%3D1", ["b", "c"]),
    row("in", "`in` matches one of a set.", "t%20in%20(x,y)", ["a", "b"]),
    row("notin", "`notin` matches none of a set, and those without the label.", "n%20notin%20(1)", ["b", "c"]),
    row("exists", "A key alone matches who has it.", "n", ["a", "b"]),
    row("absent", "`!` matches who has it not.", "!n", ["c"]),
    row("greater", "`>` compares numbers.", "n%3E1", ["b"]),
    row("less", "`<` compares numbers.", "n%3C2", ["a"]),
    row("conjunction", "A comma means and.", "n,t%3Dy", ["b"]),
    row("spaces", "Spaces between tokens do not matter.", "%20t%20%3D%20x%20", ["a"]),
)
def test_labels(api: Api, selector: str, found: Any) -> None:
    labelled(api)
    assert names(ok(api.get(f"secrets?labelSelector={selector}"))) == found


@area.table(
    f"{SELECTOR} Parse",
    row("set-unclosed", "A set that is not closed is 400.", "t%20in%20(x", "unable to parse requirement: found '', expected: ',' or ')'"),
    row("no-operator", "Two words without an operator are 400.", "a%20b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
    row("bad-key", "A key that no label has is 400.", "-a%3Db", "unable to parse requirement: <nil>: Invalid value: \"-a\""),
    row("trailing-comma", "A comma at the end is 400 for labels.", "t%3Dx,", "found '', expected: identifier after ','"),
    row("greater-no-number", "`>` needs a number.", "n%3Ex", "for 'Gt', 'Lt' operators, the value must be an integer"),
)  # fmt: skip
def test_bad_labels(api: Api, selector: str, text: str) -> None:
    refused(api.get(f"secrets?labelSelector={selector}"), 400, "BadRequest", text)


@area.table(
    "apimachinery/pkg/fields/selector.go ParseSelector",
    row("field-name", "metadata.name selects everywhere.", "secrets", "metadata.name%3Da", ["a"]),
    row("field-not-name", "`!=` of a field.", "secrets", "metadata.name!%3Da", ["b", "c"]),
    row(
        "field-trailing-comma",
        "A comma at the end does no harm to fields: kr8s sends it.",
        "secrets",
        "metadata.name%3Da,",
        ["a"],
    ),
    row("field-type", "Secrets may be selected by type.", "secrets", "type%3DOpaque", ["a", "b", "c"]),
    row("field-and", "A comma means and.", "secrets", "metadata.name%3Da,metadata.name%3Db", []),
)
def test_fields(api: Api, path: str, selector: str, found: Any) -> None:
    labelled(api)
    assert names(ok(api.get(f"{path}?fieldSelector={selector}"))) == found


@area.table(
    "kubernetes/pkg/apis/core/v1/conversion.go",
    row("pod-phase", "Pods may be selected by status.phase.", "pods", "status.phase%3DPending"),
    row("pod-node", "Pods may be selected by spec.nodeName.", "pods", "spec.nodeName%3D"),
    row("pod-policy", "Pods may be selected by spec.restartPolicy.", "pods", "spec.restartPolicy%3DAlways"),
    row("pod-account", "Pods may be selected by spec.serviceAccountName.", "pods", "spec.serviceAccountName%3Ddefault"),
    row("job-successful", "Jobs may be selected by status.successful.", "batch/jobs", "status.successful%3D0"),
    row(
        "event-object",
        "Events may be selected by their object.",
        "events",
        "involvedObject.kind%3DPod,reason%3DR,type%3DNormal",
    ),
)
def test_fields_of_kinds(api: Api, path: str, selector: str) -> None:
    if path == "pods":
        made(api.post("pods", pod()))
    found = names(ok(api.get(f"{path}?fieldSelector={selector}")))
    assert found == (["p"] if path == "pods" else [])


@area.table(
    "apimachinery/pkg/runtime/conversion.go DefaultMetaV1FieldSelectorConversion",
    row("field-unknown", "Another field is 400.", "configmaps", "data%3Dx", '"data" is not a known field selector: only "metadata.name", "metadata.namespace"'),
    row("field-unknown-secret", "Another field of a kind with fields of its own is 400.", "secrets", "data%3Dx", "field label not supported: data"),
    row("field-syntax", "A field selector that is none is 400.", "configmaps", "metadata.name", "invalid selector: 'metadata.name'; can't understand 'metadata.name'"),
)  # fmt: skip
def test_bad_fields(api: Api, path: str, selector: str, text: str) -> None:
    refused(api.get(f"{path}?fieldSelector={selector}"), 400, "BadRequest", text)


@area(
    "Generation begins at 1 and moves with the spec.",
    "kubernetes/pkg/registry/apps/deployment/strategy.go PrepareForUpdate",
)
def test_generation(api: Api) -> None:
    assert made(api.post("apps/deployments", deployment()))["metadata"]["generation"] == 1
    assert ok(api.merge("apps/deployments/d", {"spec": {"paused": True}}))["metadata"]["generation"] == 2


@area("Generation does not move with labels.", "kubernetes/pkg/registry/apps/deployment/strategy.go PrepareForUpdate")
def test_generation_stays(api: Api) -> None:
    made(api.post("apps/deployments", deployment()))
    assert ok(api.merge("apps/deployments/d", {"metadata": {"labels": {"a": "b"}}}))["metadata"]["generation"] == 1


@area("ConfigMaps have no generation.", "kubernetes/pkg/registry/core/configmap/strategy.go")
def test_no_generation(api: Api) -> None:
    assert "generation" not in api.config_map()["metadata"]


@area.table(
    "https://kubernetes.io/docs/reference/using-api/api-concepts/#dry-run",
    row("dry-create", "A dry-run create answers what it would make.", "All", 201),
    row("dry-unknown", "A dryRun is All.", "Some", 422),
)
def test_dry_run(api: Api, value: str, code: int) -> None:
    answer = api.post(f"configmaps?dryRun={value}", config_map())
    assert answer.status == code, answer
    refused(api.get("configmaps/a"), 404, "NotFound")


@area(
    "A dry-run create shows a uid but no resourceVersion.", "apiserver/pkg/registry/generic/registry/dryrun.go Create"
)
def test_dry_create_shows(api: Api) -> None:
    meta = made(api.post("configmaps?dryRun=All", config_map()))["metadata"]
    assert meta["uid"]
    assert "resourceVersion" not in meta


@area(
    "Warnings of deprecated versions come with every answer.",
    "kubernetes/pkg/apis/core/v1/zz_generated.prerelease-lifecycle.go",
)
def test_deprecation(api: Api) -> None:
    assert api.get("endpoints").warnings == [
        "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    ]


@area(
    "Every answer names the flow schema and the priority level that it went through.",
    "https://kubernetes.io/docs/concepts/cluster-administration/flow-control/",
)
def test_fairness_headers(api: Api) -> None:
    answer = api.get("configmaps")
    assert answer.header("x-kubernetes-pf-flowschema-uid")
    assert answer.header("x-kubernetes-pf-prioritylevel-uid")


@area("Every answer has an audit id, the client's own if it sent one.", "apiserver/pkg/endpoints/filters/audit_init.go")
def test_audit_id(api: Api) -> None:
    assert api.get("configmaps", audit_id="mine").header("audit-id") == "mine"
    assert api.get("configmaps").header("audit-id")


@area("Answers are not to be kept by caches.", "apiserver/pkg/endpoints/filters/cachecontrol.go")
def test_cache_control(api: Api) -> None:
    assert api.get("configmaps").header("cache-control") == "no-cache, private"
