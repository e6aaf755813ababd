"""Server-side apply: ownership, conflicts, removal, and what managedFields say."""

from __future__ import annotations

from typing import Any

from tests.conformance.api import (
    APPLY,
    Api,
    causes,
    config_map,
    deployment,
    made,
    managers,
    ok,
    refused,
    service,
    spec_schema,
)
from tests.conformance.behaviours import Area, row

area = Area("apply", "Server-side apply")

HANDLER = "apiserver/pkg/endpoints/handlers/patch.go applyPatcher"
FIELDS = "apimachinery/pkg/util/managedfields/internal/structuredmerge.go"
MERGE = "structured-merge-diff/v6/merge/update.go Apply"
OPTIONS = "apimachinery/pkg/apis/meta/v1/validation/validation.go ValidatePatchOptions"
UPDATES = "apimachinery/pkg/util/managedfields/internal/buildmanagerinfo.go"

OWN = ("one", "Apply", "")


def data(name: str = "a", **values: str) -> dict[str, Any]:
    return config_map(name, data=values)


@area("An apply of what is not there creates it and answers 201.", HANDLER)
def test_creates(api: Api) -> None:
    assert made(api.apply("configmaps/a", data(k="1")))["data"] == {"k": "1"}


@area("An apply of what is there answers 200.", HANDLER)
def test_changes(api: Api) -> None:
    api.apply("configmaps/a", data(k="1"))
    assert ok(api.apply("configmaps/a", data(k="2")))["data"] == {"k": "2"}


@area("An apply whose body carries a uid does not create.", HANDLER)
def test_uid_never_creates(api: Api) -> None:
    body = config_map("a", metadata={"uid": "11111111-2222-3333-4444-555555555555"})
    refused(api.apply("configmaps/a", body), 409, "Conflict", "uid mismatch: the provided object specified uid")


@area("The body may be YAML.", HANDLER)
def test_takes_yaml(api: Api) -> None:
    body = b"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata: {k: '1'}\n"
    assert made(api.apply("configmaps/a", body))["data"] == {"k": "1"}


@area("An apply needs a fieldManager.", OPTIONS)
def test_needs_manager(api: Api) -> None:
    answer = api.send("PATCH", "configmaps/a", data(), content_type=APPLY)
    status = refused(answer, 422, "Invalid", 'PatchOptions.meta.k8s.io "" is invalid')
    assert causes(status) == [("FieldValueRequired", "fieldManager")]


@area.table(
    OPTIONS,
    row("manager-too-long", "A fieldManager has at most 128 bytes.", "x" * 129, "FieldValueTooLong"),
    row("manager-unprintable", "A fieldManager consists of printable characters.", "a%07", "FieldValueInvalid"),
)
def test_refuses_manager(api: Api, manager: str, reason: str) -> None:
    status = refused(api.apply("configmaps/a", data(), manager), 422, "Invalid")
    assert causes(status) == [(reason, "fieldManager")]


@area("Only apply may force.", OPTIONS)
def test_force_is_for_apply(api: Api) -> None:
    api.config_map()
    status = refused(
        api.merge("configmaps/a?force=true", {}), 422, "Invalid", "may not be specified for non-apply patch"
    )
    assert causes(status) == [("FieldValueForbidden", "force")]


@area(
    "The body of an apply may not carry managedFields.",
    "apimachinery/pkg/util/managedfields/internal/fieldmanager.go Apply",
)
def test_refuses_managed_fields(api: Api) -> None:
    body = config_map(metadata={"managedFields": [{"manager": "x"}]})
    refused(api.apply("configmaps/a", body), 400, "BadRequest", "metadata.managedFields must be nil")


@area("The body must name its version.", HANDLER)
def test_needs_version(api: Api) -> None:
    body = {"kind": "ConfigMap", "metadata": {"name": "a"}}
    refused(api.apply("configmaps/a", body), 400, "BadRequest")


@area(
    "The body must be of the version in the URL.", "apimachinery/pkg/util/managedfields/internal/versioncheck.go Apply"
)
def test_version_must_match(api: Api) -> None:
    body = {**data(), "apiVersion": "apps/v1"}
    refused(api.apply("configmaps/a", body), 400, "BadRequest", "invalid object type: apps/v1, Kind=ConfigMap")


@area("The name in the body must be the one in the URL.", "apiserver/pkg/endpoints/handlers/patch.go patchResource")
def test_name_must_match(api: Api) -> None:
    refused(api.apply("configmaps/b", data("a")), 400, "BadRequest")


@area(
    "A field of the wrong type is an error that names its path.",
    "apimachinery/pkg/util/managedfields/internal/typeconverter.go ObjectToTyped",
)
def test_type_error(api: Api) -> None:
    answer = api.apply("apps/deployments/d", deployment(replicas="three"))
    refused(answer, 500, "", "failed to create typed patch object", ".spec.replicas: expected numeric")


@area("A field that the schema does not know is an error.", "structured-merge-diff/v6/typed/validate.go")
def test_unknown_field(api: Api) -> None:
    body = {**data(), "colour": "red"}
    refused(api.apply("configmaps/a", body), 500, "", ".colour: field not declared in schema")


@area("The same key twice in a keyed list is an error.", "structured-merge-diff/v6/typed/validate.go visitListItems")
def test_duplicate_item(api: Api) -> None:
    ports = [{"port": 80, "name": "a"}, {"port": 80, "name": "b"}]
    refused(api.apply("services/s", service(ports=ports)), 500, "", "duplicate entries for key")


@area(
    "A change of another applier's field is a conflict that names the manager and the field.",
    "apimachinery/pkg/util/managedfields/internal/conflict.go NewConflictError",
)
def test_conflict(api: Api) -> None:
    api.apply("configmaps/a", data(k="1"), "other")
    status = refused(api.apply("configmaps/a", data(k="2")), 409, "Conflict")
    assert status["message"] == 'Apply failed with 1 conflict: conflict with "other": .data.k'
    assert causes(status) == [("FieldManagerConflict", ".data.k")]
    assert status["details"]["causes"][0]["message"] == 'conflict with "other"'


@area(
    "Several conflicts are counted and listed by manager.",
    "apimachinery/pkg/util/managedfields/internal/conflict.go NewConflictError",
)
def test_conflicts_are_counted(api: Api) -> None:
    api.apply("configmaps/a", data(j="1", k="1"), "other")
    status = refused(
        api.apply("configmaps/a", data(j="2", k="2")),
        409,
        "Conflict",
        'Apply failed with 2 conflicts: conflicts with "other":\n- .data.j\n- .data.k',
    )
    assert sorted(causes(status)) == [("FieldManagerConflict", ".data.j"), ("FieldManagerConflict", ".data.k")]


@area(
    "A conflict with an updater names its version and time.",
    "apimachinery/pkg/util/managedfields/internal/conflict.go printManager",
)
def test_conflict_with_updater(api: Api) -> None:
    api.post("configmaps?fieldManager=updater", data(k="1"))
    refused(api.apply("configmaps/a", data(k="2")), 409, "Conflict", 'conflict with "updater" using v1: .data.k')


@area("Force takes the field over, and the other manager loses it.", MERGE)
def test_force(api: Api) -> None:
    api.apply("configmaps/a", data(k="1"), "other")
    document = ok(api.force("configmaps/a", data(k="2")))
    assert document["data"] == {"k": "2"}
    assert ("other", "Apply", "") not in managers(document)


@area("Two appliers of the same value share the field.", MERGE)
def test_shared(api: Api) -> None:
    api.apply("configmaps/a", data(k="1"), "other")
    found = managers(ok(api.apply("configmaps/a", data(k="1"))))
    assert found[OWN] == found["other", "Apply", ""] == {"f:data": {"f:k": {}}}


@area("A field that its only owner leaves out is removed.", "structured-merge-diff/v6/merge/update.go prune")
def test_removes(api: Api) -> None:
    api.apply("configmaps/a", data(j="1", k="1"))
    assert ok(api.apply("configmaps/a", data(k="1")))["data"] == {"k": "1"}


@area(
    "A field that another manager has too stays when one leaves it out.",
    "structured-merge-diff/v6/merge/update.go prune",
)
def test_keeps_shared(api: Api) -> None:
    api.apply("configmaps/a", data(j="1", k="1"))
    api.apply("configmaps/a", data(j="1"), "other")
    document = ok(api.apply("configmaps/a", data(k="1")))
    assert document["data"] == {"j": "1", "k": "1"}
    assert managers(document)[OWN] == {"f:data": {"f:k": {}}}


@area(
    "An applier that gives up everything disappears from managedFields.",
    "apimachinery/pkg/util/managedfields/internal/structuredmerge.go Apply",
)
def test_gives_up_everything(api: Api) -> None:
    api.config_map(data={"j": "1"})
    api.apply("configmaps/a", data(k="1"))
    assert OWN not in managers(ok(api.apply("configmaps/a", config_map())))


@area(
    "An apply that changes nothing keeps the resourceVersion and the time of its entry.",
    "apimachinery/pkg/util/managedfields/internal/managedfieldsupdater.go Apply",
)
def test_no_op(api: Api) -> None:
    first = made(api.apply("configmaps/a", data(k="1")))
    assert ok(api.apply("configmaps/a", data(k="1"))) == first


@area("An update takes fields over from an applier without asking.", "structured-merge-diff/v6/merge/update.go Update")
def test_update_takes_over(api: Api) -> None:
    api.apply("configmaps/a", data(j="1", k="1"))
    found = managers(ok(api.merge("configmaps/a?fieldManager=two", {"data": {"k": "2"}})))
    assert found[OWN] == {"f:data": {"f:j": {}}}
    assert found["two", "Update", ""] == {"f:data": {"f:k": {}}}


@area("A map that two managers write to has one entry per key, and a dot for who made it.", FIELDS)
def test_map_dot(api: Api) -> None:
    found = managers(made(api.post("configmaps?fieldManager=two", data(k="1"))))
    assert found["two", "Update", ""] == {"f:data": {".": {}, "f:k": {}}}


@area("Dry-run answers what an apply would make, and makes nothing.", HANDLER)
def test_dry_run(api: Api) -> None:
    assert made(api.apply("configmaps/a", data(k="1"), more="&dryRun=All"))["data"] == {"k": "1"}
    refused(api.get("configmaps/a"), 404, "NotFound")


@area("Dry-run finds conflicts.", HANDLER)
def test_dry_run_conflict(api: Api) -> None:
    api.apply("configmaps/a", data(k="1"), "other")
    refused(api.apply("configmaps/a", data(k="2"), more="&dryRun=All"), 409, "Conflict")


@area("A resourceVersion in the body locks: a stale one is a conflict.", HANDLER)
def test_lock(api: Api) -> None:
    old = made(api.apply("configmaps/a", data(k="1")))["metadata"]["resourceVersion"]
    api.apply("configmaps/a", data(k="2"))
    body = config_map(metadata={"resourceVersion": old}, data={"k": "3"})
    refused(api.apply("configmaps/a", body), 409, "Conflict", "the object has been modified")


@area(
    "managedFields of [{}] or of an empty list in an update drops all entries.",
    "apimachinery/pkg/util/managedfields/internal/managedfields.go RemoveObjectManagedFields",
)
def test_reset(api: Api) -> None:
    api.apply("configmaps/a", data(k="1"))
    found = managers(ok(api.merge("configmaps/a?fieldManager=two", {"metadata": {"managedFields": [{}]}})))
    assert found == {}


@area(
    "After a reset the fields have no owner until someone changes them, and the first apply adds 'before-first-apply'.",
    "apimachinery/pkg/util/managedfields/internal/skipnonapplied.go Apply",
)
def test_before_first_apply(api: Api) -> None:
    api.config_map(data={"k": "1"})
    api.merge("configmaps/a", {"metadata": {"managedFields": [{}]}})
    found = managers(ok(api.apply("configmaps/a", data(j="1"))))
    assert found["before-first-apply", "Update", ""] == {"f:data": {".": {}, "f:k": {}}}


@area("A null in a body is as if the field were not there.", "structured-merge-diff/v6/typed/merge.go")
def test_null(api: Api) -> None:
    body = config_map(data=None)
    assert "data" not in made(api.apply("configmaps/a", body))


@area(
    "Service ports are keyed by port and protocol, with the protocol's default filled in.", "api/core/v1/types.go Ports"
)
def test_ports_by_key(api: Api) -> None:
    api.apply("services/s", service(ports=[{"port": 80, "name": "a"}]))
    ports = [{"port": 80, "name": "b", "protocol": "UDP"}]
    answer = ok(api.apply("services/s", service(ports=ports), "other"))
    assert [(p["port"], p["protocol"], p["name"]) for p in answer["spec"]["ports"]] == [
        (80, "TCP", "a"),
        (80, "UDP", "b"),
    ]
    assert '{"port":80,"protocol":"TCP"}' in str(managers(answer)[OWN])


@area("Containers are keyed by name: another applier's containers stay.", "api/core/v1/types.go Containers")
def test_containers_by_name(api: Api) -> None:
    api.apply("apps/deployments/d", deployment())
    template = {"spec": {"containers": [{"name": "more", "image": "example.com/more"}]}}
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": {"template": template}}
    document = ok(api.apply("apps/deployments/d", body, "other"))
    assert [c["name"] for c in document["spec"]["template"]["spec"]["containers"]] == ["c", "more"]


@area("Finalizers are a set: appliers own single values.", "apimachinery/pkg/apis/meta/v1/types.go Finalizers")
def test_finalizers_are_a_set(api: Api) -> None:
    api.apply("configmaps/a", config_map(metadata={"finalizers": ["example.com/a"]}))
    document = ok(api.apply("configmaps/a", config_map(metadata={"finalizers": ["example.com/b"]}), "other"))
    assert sorted(document["metadata"]["finalizers"]) == ["example.com/a", "example.com/b"]
    assert managers(document)[OWN] == {"f:metadata": {"f:finalizers": {'v:"example.com/a"': {}}}}


@area("Owner references are keyed by uid.", "apimachinery/pkg/apis/meta/v1/types.go OwnerReferences")
def test_owners_by_uid(api: Api) -> None:
    def owner(name: str) -> dict[str, Any]:
        uid = api.config_map(name)["metadata"]["uid"]
        return {"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid}

    first, second = owner("o1"), owner("o2")
    api.apply("configmaps/a", config_map(metadata={"ownerReferences": [first]}))
    document = ok(api.apply("configmaps/a", config_map(metadata={"ownerReferences": [second]}), "other"))
    assert [o["name"] for o in document["metadata"]["ownerReferences"]] == ["o1", "o2"]


@area(
    "A label selector is atomic: it is owned and replaced as a whole.",
    "apimachinery/pkg/apis/meta/v1/types.go LabelSelector",
)
def test_atomic_selector(api: Api) -> None:
    spec = {"podSelector": {"matchLabels": {"a": "1"}}}
    body = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n"}, "spec": spec}
    document = made(api.apply("networking/networkpolicies/n", body))
    assert managers(document)[OWN] == {"f:spec": {"f:podSelector": {}}}


@area("Status has an entry of its own, with the subresource's name.", UPDATES)
def test_status_entry(api: Api) -> None:
    api.apply("apps/deployments/d", deployment())
    body = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "status": {"replicas": 3}}
    found = managers(ok(api.apply("apps/deployments/d/status", body)))
    assert found["one", "Apply", "status"] == {"f:status": {"f:replicas": {}}}


@area(
    "Apply to the main resource does not own what only status writes.",
    "apiserver/pkg/registry/rest/update.go ResetFields",
)
def test_main_drops_status(api: Api) -> None:
    body = {**deployment(), "status": {"replicas": 3}}
    document = made(api.apply("apps/deployments/d", body))
    assert "f:status" not in managers(document)[OWN]
    assert "replicas" not in document["status"]


@area(
    "Apply to the scale of a Deployment owns .spec.replicas of the Deployment.",
    "apimachinery/pkg/util/managedfields/scalehandler.go ToParent",
)
def test_scale_maps_to_parent(api: Api) -> None:
    body = deployment()
    del body["spec"]["replicas"]
    api.apply("apps/deployments/d", body)
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "d", "namespace": api.namespace},
        "spec": {"replicas": 0},
    }
    ok(api.apply("apps/deployments/d/scale", scale, "scaler", "&force=true"))
    found = managers(ok(api.get("apps/deployments/d")))
    assert found["scaler", "Apply", "scale"] == {"f:spec": {"f:replicas": {}}}


@area(
    "A conflict at the scale is one with the owner of the Deployment's replicas.",
    "apimachinery/pkg/util/managedfields/scalehandler.go ToSubresource",
)
def test_scale_conflict(api: Api) -> None:
    api.apply("apps/deployments/d", deployment(replicas=0))
    scale = {
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {"name": "d", "namespace": api.namespace},
        "spec": {"replicas": 2},
    }
    refused(
        api.apply("apps/deployments/d/scale", scale, "scaler"), 409, "Conflict", 'conflict with "one"', ".spec.replicas"
    )


@area.table(
    UPDATES,
    row(
        "manager-from-agent",
        "Without a fieldManager the manager is the User-Agent up to the first slash.",
        "tool/1.2 (x)",
        "tool",
    ),
    row("manager-whole-agent", "An agent without a slash is the manager as a whole.", "tool", "tool"),
)
def test_manager_of_agent(api: Api, agent: str, manager: str) -> None:
    assert (manager, "Update", "") in managers(made(api.post("configmaps", data(k="1"), user_agent=agent)))


@area(
    "The body must carry the name: a generateName is not enough.", "apiserver/pkg/registry/rest/update.go BeforeUpdate"
)
def test_generate_name(api: Api) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "g-"}}
    refused(api.apply("configmaps/a", body), 400, "BadRequest", "name must be provided")


@area("Apply to a namespace that is not there is 404.", HANDLER)
def test_missing_namespace(api: Api) -> None:
    refused(
        api.apply("/api/v1/namespaces/no-such-one/configmaps/a", data()),
        404,
        "NotFound",
        'namespaces "no-such-one" not found',
    )


def widgets(api: Api, **properties: Any) -> Any:
    return api.define(spec_schema(**properties))


NUMBERS = {"type": "array", "items": {"type": "integer"}}
STRINGS = {"type": "array", "items": {"type": "string"}}
PAIR = {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}


@area.table(
    "https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy",
    row("list-default-atomic", "A custom list without a type is atomic: the last applier's list stands.", STRINGS, ["a"], ["b"], ["b"]),
    row("list-atomic", "An atomic list is replaced as a whole.", {**STRINGS, "x-kubernetes-list-type": "atomic"}, ["a"], ["b"], ["b"]),
    row("list-set", "A set takes the values of both appliers.", {**STRINGS, "x-kubernetes-list-type": "set"}, ["a"], ["b"], ["a", "b"]),
    row("map-granular", "A map is granular by default: each key has its owner.", {"type": "object", "additionalProperties": {"type": "string"}}, {"a": "1"}, {"b": "2"}, {"a": "1", "b": "2"}),
    row("map-atomic", "An atomic map is replaced as a whole.", {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}}, {"a": "1"}, {"b": "2"}, {"b": "2"}),
    row("list-map", "A keyed list takes the items of both appliers.", {"type": "array", "items": PAIR, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"]}, [{"k": "a"}], [{"k": "b"}], [{"k": "a"}, {"k": "b"}]),
    row("preserved", "Fields that no schema knows but that are preserved are owned one by one.", {"type": "object", "x-kubernetes-preserve-unknown-fields": True}, {"a": 1}, {"b": {"c": 2}}, {"a": 1, "b": {"c": 2}}),
)  # fmt: skip
def test_custom_types(api: Api, schema: Any, first: Any, second: Any, merged: Any) -> None:
    kind = widgets(api, x=schema)
    made(api.apply(kind.path("a"), kind.body(spec={"x": first})))
    document = ok(api.apply(kind.path("a"), kind.body(spec={"x": second}), "other", "&force=true"))
    assert document["spec"]["x"] == merged


@area(
    "A key's default identifies an item that leaves the key out.",
    "structured-merge-diff/v6/typed/helpers.go keyedAssociativeListItemToPathElement",
)
def test_defaulted_key(api: Api) -> None:
    item = {
        "type": "object",
        "required": ["n"],
        "properties": {"n": {"type": "string"}, "p": {"type": "string", "default": "TCP"}, "v": {"type": "integer"}},
    }
    kind = widgets(
        api,
        x={"type": "array", "items": item, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["n", "p"]},
    )
    api.apply(kind.path("a"), kind.body(spec={"x": [{"n": "a"}]}))
    document = ok(api.apply(kind.path("a"), kind.body(spec={"x": [{"n": "a", "p": "TCP", "v": 1}]}), "other"))
    assert document["spec"]["x"] == [{"n": "a", "p": "TCP", "v": 1}]


@area(
    "A field that a custom schema does not know is an error too, not pruned.",
    "apiextensions-apiserver/pkg/apiserver/customresource_handler.go",
)
def test_custom_unknown_field(api: Api) -> None:
    kind = widgets(api, x={"type": "string"})
    answer = api.apply(kind.path("a"), kind.body(spec={"x": "1", "y": "2"}))
    refused(answer, 500, "", ".spec.y: field not declared in schema")


@area("An item that is taken out of a keyed list by its only owner goes, and the order of the others stays.", MERGE)
def test_removes_item(api: Api) -> None:
    api.apply("services/s", service(ports=[{"port": p, "name": f"p{p}"} for p in (80, 81, 82)]))
    document = ok(api.apply("services/s", service(ports=[{"port": p, "name": f"p{p}"} for p in (80, 82)])))
    assert [p["port"] for p in document["spec"]["ports"]] == [80, 82]


@area("The order of a keyed list is the applier's.", "structured-merge-diff/v6/typed/merge.go")
def test_item_order(api: Api) -> None:
    api.apply("services/s", service(ports=[{"port": p, "name": f"p{p}"} for p in (80, 81)]))
    document = ok(api.apply("services/s", service(ports=[{"port": p, "name": f"p{p}"} for p in (81, 80)])))
    assert [p["port"] for p in document["spec"]["ports"]] == [81, 80]


@area("An apply may change the type of a union: the old member goes when its owner leaves it out.", MERGE)
def test_changes_union(api: Api) -> None:
    def body(volume: Any) -> Any:
        made = deployment()
        made["spec"]["template"]["spec"]["volumes"] = [{"name": "v", **volume}]
        return made

    api.apply("apps/deployments/d", body({"emptyDir": {}}))
    document = ok(api.apply("apps/deployments/d", body({"configMap": {"name": "m"}})))
    assert "emptyDir" not in document["spec"]["template"]["spec"]["volumes"][0]


@area("An invalid result of an apply is 422 with the causes of a create.", HANDLER)
def test_invalid_result(api: Api) -> None:
    status = refused(api.apply("apps/deployments/d", deployment(replicas=-1)), 422, "Invalid")
    assert causes(status) == [("FieldValueInvalid", "spec.replicas")]


@area("Two writes by one manager, one by apply and one by update, are two entries.", UPDATES)
def test_operations_apart(api: Api) -> None:
    api.apply("configmaps/a", data(k="1"))
    found = managers(ok(api.merge("configmaps/a?fieldManager=one", {"data": {"j": "1"}})))
    assert set(found) == {OWN, ("one", "Update", "")}


@area(
    "kubectl's migration: an update entry that is moved to an apply entry by JSON patch lets the applier remove fields.",
    "client-go/util/csaupgrade/upgrade.go UpgradeManagedFields",
)
def test_migration(api: Api) -> None:
    created = made(api.post("configmaps?fieldManager=kubectl-client-side-apply", data(j="1", k="1")))
    entry = {**created["metadata"]["managedFields"][0], "manager": "kubectl", "operation": "Apply"}
    patch = [{"op": "replace", "path": "/metadata/managedFields", "value": [entry]}]
    patch.append(
        {"op": "replace", "path": "/metadata/resourceVersion", "value": created["metadata"]["resourceVersion"]}
    )
    ok(api.json_patch("configmaps/a?fieldManager=kubectl", patch))
    assert ok(api.apply("configmaps/a", data(k="1"), "kubectl"))["data"] == {"k": "1"}


@area("The time of an entry is a whole second.", "apimachinery/pkg/util/managedfields/internal/managedfieldsupdater.go")
def test_entry_time(api: Api) -> None:
    entry = made(api.apply("configmaps/a", data(k="1")))["metadata"]["managedFields"][0]
    assert entry["fieldsType"] == "FieldsV1"
    assert len(entry["time"]) == len("2026-01-01T00:00:00Z")


@area("Metadata that the server sets has no owner.", "apimachinery/pkg/util/managedfields/internal/stripmeta.go")
def test_system_metadata(api: Api) -> None:
    found = managers(made(api.apply("configmaps/a", config_map(metadata={"labels": {"a": "1"}}))))
    assert found[OWN] == {"f:metadata": {"f:labels": {"f:a": {}}}}
