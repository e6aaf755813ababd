"""Server-side apply: merging, ownership, conflicts and removal, the exact texts, and the laws of it."""

import json

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from wherry.errors import BadRequest, Conflict, StatusError
from wherry.machinery.builtins import schema
from wherry.machinery.fields import lastapplied, managed
from wherry.machinery.fields import sets as fs
from wherry.machinery.fields.apply import apply, conversion_error
from wherry.machinery.fields.nodes import from_openapi, from_structural
from wherry.machinery.fields.reset import of_custom
from wherry.machinery.kinds import GroupVersionKind

from .widgets import API_VERSION, NODE, specs, widget

KIND = GroupVersionKind("example.com", "v1", "Widget")
T1, T2 = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"


def put(live, patch, manager="a", force=False, now=T1, **more):
    """Apply, and the object as it would be stored."""
    before = json.dumps([live, patch])
    applied = apply(live, patch, manager, force, more.pop("kind", KIND), now, more.pop("node", NODE), **more)
    assert json.dumps([live, patch]) == before
    meta = {**{key: value for key, value in applied.obj["metadata"].items() if key != "managedFields"}, "uid": "u"}
    if applied.managed_fields:
        meta["managedFields"] = applied.managed_fields
    return {**applied.obj, "metadata": meta}


def update(live, new, manager="u", now=T1):
    entries = managed.update(live, new, manager, API_VERSION, now, NODE)
    meta = {key: value for key, value in new["metadata"].items() if key != "managedFields"}
    return {**new, "metadata": {**meta, "uid": "u", "managedFields": entries}}


def owners(obj):
    return {
        (entry["manager"], entry["operation"]): [fs.path_text(path) for path in fs.paths(entry["fieldsV1"])]
        for entry in obj["metadata"].get("managedFields", [])
    }


def message(call, error=StatusError):
    with pytest.raises(error) as caught:
        call()
    return caught.value.message


# --- merging and owning -----------------------------------------------------------------------------------------------


def test_a_first_apply_creates():
    obj = put(None, widget({"s": "a", "map": {"x": "1"}, "items": [{"name": "i"}]}, labels={"l": "1"}))
    assert obj["spec"] == {"s": "a", "map": {"x": "1"}, "items": [{"name": "i"}]}
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "a",
            "operation": "Apply",
            "apiVersion": API_VERSION,
            "time": T1,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {"f:l": {}}},
                "f:spec": {"f:items": {'k:{"name":"i"}': {".": {}, "f:name": {}}}, "f:map": {"f:x": {}}, "f:s": {}},
            },
        }
    ]


def test_appliers_share_what_they_agree_on():
    obj = put(put(None, widget({"s": "a", "n": 1}), "a"), widget({"s": "a", "b": True}), "b")
    assert obj["spec"] == {"s": "a", "n": 1, "b": True}
    assert owners(obj) == {("a", "Apply"): [".spec.n", ".spec.s"], ("b", "Apply"): [".spec.b", ".spec.s"]}
    # and a shared field stays while anybody wants it
    obj = put(obj, widget({"n": 1}), "a")
    assert obj["spec"] == {"s": "a", "n": 1, "b": True}
    assert "s" not in put(obj, widget({"b": True}), "b")["spec"]


def test_what_is_applied_no_more_is_removed():
    obj = put(
        None, widget({"s": "a", "map": {"x": "1", "y": "1"}, "set": ["a", "b"], "items": [{"name": "i", "v": "1"}]})
    )
    obj = put(obj, widget({"map": {"x": "1"}, "set": ["b"], "items": [{"name": "i"}]}))
    assert obj["spec"] == {"map": {"x": "1"}, "set": ["b"], "items": [{"name": "i"}]}


def test_what_nobody_owns_is_left_alone():
    obj = update(
        put(None, widget({"items": [{"name": "i"}]})), widget({"items": [{"name": "i"}, {"name": "j"}], "n": 1})
    )
    obj = put(obj, widget({"s": "a"}))
    assert obj["spec"] == {"s": "a", "n": 1, "items": [{"name": "j"}]}


def test_lists_keep_the_live_order_where_the_configuration_has_none():
    obj = put(None, widget({"items": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}))
    obj = put(obj, widget({"items": [{"name": "c"}, {"name": "d"}, {"name": "a"}]}), "b")
    assert [item["name"] for item in obj["spec"]["items"]] == ["b", "c", "d", "a"]


def test_defaulted_keys_name_the_item():
    obj = put(None, widget({"ports": [{"port": 80}]}))
    assert '.spec.ports[port=80,proto="TCP"]' in owners(obj)[("a", "Apply")]
    obj = put(obj, widget({"ports": [{"port": 80, "proto": "TCP", "v": "1"}, {"port": 80, "proto": "UDP"}]}), "b")
    assert obj["spec"]["ports"] == [{"port": 80, "proto": "TCP", "v": "1"}, {"port": 80, "proto": "UDP"}]


def test_atomic_values_are_replaced_whole():
    obj = put(None, widget({"list": ["a"], "atomic": {"a": "1"}}))
    obj = put(obj, widget({"list": ["b"], "atomic": {"b": "2"}}))
    assert obj["spec"] == {"list": ["b"], "atomic": {"b": "2"}}
    assert owners(obj) == {("a", "Apply"): [".spec.atomic", ".spec.list"]}


def test_nulls_are_owned_values():
    obj = put(None, widget({"s": None, "map": None}))
    assert obj["spec"] == {"s": None, "map": None}
    assert owners(obj) == {("a", "Apply"): [".spec.map", ".spec.s"]}


def test_nothing_changed_keeps_the_time_and_says_so():
    obj = put(None, widget({"s": "a"}))
    again = apply(obj, widget({"s": "a"}), "a", False, KIND, T2, NODE)
    assert not again.changed
    assert again.managed_fields == obj["metadata"]["managedFields"]
    assert apply(obj, widget({"s": "b"}), "a", False, KIND, T2, NODE).managed_fields[0]["time"] == T2


def test_reset_fields_are_not_owned():
    patch = {**widget({"s": "a"}), "status": {"p": "1"}}
    obj = put(None, patch, reset=of_custom(True))
    assert owners(obj) == {("a", "Apply"): [".spec.s"]}
    after = put(obj, {**widget(), "status": {"p": "2"}}, "b", reset=of_custom(True, "status"), subresource="status")
    assert owners(after) == {("a", "Apply"): [".spec.s"], ("b", "Apply"): [".status.p"]}
    assert [entry.get("subresource") for entry in after["metadata"]["managedFields"]] == [None, "status"]


def test_an_object_without_a_uid_does_not_exist_yet():
    obj = apply(widget({"s": "default"}), widget({"n": 1}), "a", False, KIND, T1, NODE)
    assert obj.obj == widget({"n": 1})
    assert [entry["manager"] for entry in obj.managed_fields] == ["a"]


def test_who_joins_without_a_change_has_no_time():
    obj = put(put(None, widget({"s": "a"}), "a"), widget({"s": "a"}), "b", now=T2)
    assert [(entry["manager"], entry.get("time")) for entry in obj["metadata"]["managedFields"]] == [
        ("b", None),
        ("a", T1),
    ]


# --- conflicts --------------------------------------------------------------------------------------------------------


def test_one_conflict():
    obj = put(None, widget({"s": "a"}), "a")
    with pytest.raises(Conflict) as caught:
        put(obj, widget({"s": "b"}), "b")
    assert caught.value.to_status() == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": 'Apply failed with 1 conflict: conflict with "a": .spec.s',
        "reason": "Conflict",
        "details": {"causes": [{"reason": "FieldManagerConflict", "message": 'conflict with "a"', "field": ".spec.s"}]},
        "code": 409,
    }


def test_conflicts_with_several():
    obj = put(None, widget({"s": "a", "items": [{"name": "i", "v": "1"}]}), "b")
    obj = update(obj, widget({**obj["spec"], "n": 1, "map": {"x": "1"}}), "u")
    wanted = widget({"s": "z", "n": 2, "items": [{"name": "i", "v": "2"}], "map": {"x": "2"}})
    assert message(lambda: put(obj, wanted, "c"), Conflict) == (
        'Apply failed with 4 conflicts: conflicts with "b":\n'
        "- .spec.s\n"
        '- .spec.items[name="i"].v\n'
        'conflicts with "u" using example.com/v1:\n'
        "- .spec.n\n"
        "- .spec.map.x"
    )


def test_a_conflict_with_a_subresource():
    obj = put(None, widget({"s": "a"}), "a", subresource="scale")
    text = message(lambda: put(obj, widget({"s": "b"}), "b"), Conflict)
    assert text == 'Apply failed with 1 conflict: conflict with "a" with subresource "scale": .spec.s'


def test_force_takes_over():
    obj = put(put(None, widget({"s": "a", "n": 1}), "a"), widget({"s": "b"}), "b", force=True)
    assert obj["spec"] == {"s": "b", "n": 1}
    assert owners(obj) == {("a", "Apply"): [".spec.n"], ("b", "Apply"): [".spec.s"]}


def test_who_updated_and_who_applies_are_two_even_with_one_name():
    obj = update(put(None, widget({"s": "a"}), "m"), widget({"s": "b"}), "m")
    text = message(lambda: put(obj, widget({"s": "c"}), "m"), Conflict)
    assert text == 'Apply failed with 1 conflict: conflict with "m" using example.com/v1: .spec.s'


def test_untracked_fields_belong_to_before_first_apply():
    live = widget({"s": "a", "n": 1}, uid="u")
    text = message(lambda: put(live, widget({"s": "b"})), Conflict)
    assert text == 'Apply failed with 1 conflict: conflict with "before-first-apply" using example.com/v1: .spec.s'
    obj = put(live, widget({"s": "a"}), now=T2)
    assert owners(obj) == {
        ("a", "Apply"): [".spec.s"],
        ("before-first-apply", "Update"): [".spec", ".spec.n", ".spec.s"],
    }


# --- kubectl ----------------------------------------------------------------------------------------------------------


def client_side(spec, last=None):
    """An object that kubectl applied from the client."""
    obj = widget(spec, uid="u")
    text = json.dumps(widget(spec if last is None else last))
    obj["metadata"]["annotations"] = {lastapplied.ANNOTATION: text}
    return {
        **obj,
        "metadata": {
            **obj["metadata"],
            "managedFields": managed.create(obj, "kubectl-client-side-apply", API_VERSION, T1, NODE),
        },
    }


def test_kubectl_takes_over_from_its_former_self():
    obj = put(client_side({"s": "a", "n": 1}), widget({"s": "b", "n": 1}), "kubectl", now=T2)
    assert obj["spec"] == {"s": "b", "n": 1}
    renewed = json.loads(obj["metadata"]["annotations"][lastapplied.ANNOTATION])
    assert renewed == widget({"s": "b", "n": 1})
    assert obj["metadata"]["annotations"][lastapplied.ANNOTATION].endswith('"s":"b"}}\n')


def test_kubectl_conflicts_where_somebody_else_came_between():
    obj = client_side({"s": "changed", "n": 1}, last={"s": "a", "n": 1})
    text = message(lambda: put(obj, widget({"s": "b", "n": 2}), "kubectl"), Conflict)
    assert text.endswith('conflict with "kubectl-client-side-apply" using example.com/v1: .spec.s')
    # others get no such favour
    assert "2 conflicts" in message(lambda: put(obj, widget({"s": "b", "n": 2}), "other"), Conflict)


# --- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"nope": 1}, ".spec.nope: field not declared in schema"),
        ({"s": 1}, ".spec.s: expected string, got &value.valueUnstructured{Value:1}"),
        ({"s": True}, ".spec.s: expected string, got &value.valueUnstructured{Value:true}"),
        (
            {"s": {"a": ["b", 1.5, None]}},
            '.spec.s: expected string, got &value.valueUnstructured{Value:map[string]interface {}{"a":[]interface {}'
            '{"b", 1.5, interface {}(nil)}}}',
        ),
        ({"n": "1"}, ".spec.n: expected numeric (int or float), got string"),
        ({"n": {}}, ".spec.n: expected numeric (int or float), got map[string]interface {}"),
        ({"b": "yes"}, ".spec.b: expected boolean, got &{yes}"),
        ({"map": ["a"]}, ".spec.map: expected map, got &{[a]}"),
        ({"set": {"a": 1}}, ".spec.set: expected list, got &{map[a:1]}"),
        ({"set": ["a", "a"]}, '.spec.set: duplicate entries for key [="a"]'),
        ({"set": [None]}, ".spec.set: element 0: associative list without keys has an element that's an explicit null"),
        ({"set": [{}]}, ".spec.set: element 0: associative list without keys has an element that's a map type"),
        ({"items": [{"name": "x"}, {"name": "x"}]}, '.spec.items: duplicate entries for key [name="x"]'),
        ({"items": ["x"]}, ".spec.items: element 0: associative list with keys may not have non-map elements"),
        ({"items": [None]}, ".spec.items: element 0: associative list with keys may not have a null element"),
        (
            {"items": [{"v": "1"}]},
            '.spec.items: element 0: associative list with keys has an element that omits all key fields ["name"] '
            "(and doesn't have default values for any key fields)",
        ),
        (
            {"ports": [{"port": 80}, {"port": 80, "proto": "TCP"}]},
            '.spec.ports: duplicate entries for key [port=80,proto="TCP"]',
        ),
        ({"list": [1]}, ".spec.list[0]: expected string, got &value.valueUnstructured{Value:1}"),
        (
            {"s": 1, "n": "1"},
            "errors:\n  .spec.s: expected string, got &value.valueUnstructured{Value:1}\n"
            "  .spec.n: expected numeric (int or float), got string",
        ),
    ],
)
def test_values_that_do_not_fit(spec, text):
    patch = widget(spec, namespace="ns")
    with pytest.raises(StatusError) as caught:
        put(None, patch)
    assert caught.value.message == f"failed to create typed patch object (ns/w; example.com/v1, Kind=Widget): {text}"
    assert caught.value.code == 500
    assert "reason" not in caught.value.to_status()


def test_the_wrong_kind_or_version():
    other = {**widget(), "apiVersion": "example.com/v2"}
    assert message(lambda: put(None, other), BadRequest) == "invalid object type: example.com/v2, Kind=Widget"
    assert message(lambda: put(None, {}), BadRequest) == "invalid object type: /, Kind="
    assert (
        message(lambda: put(None, {"apiVersion": "v1", "kind": "X"}), BadRequest) == "invalid object type: /v1, Kind=X"
    )


@pytest.mark.parametrize("entries", [[], [{}]])
def test_managed_fields_may_not_be_applied(entries):
    assert message(lambda: put(None, widget(managedFields=entries)), BadRequest) == "metadata.managedFields must be nil"
    put(None, widget(managedFields=None))


def test_bad_live_entries():
    live = widget(uid="u", managedFields=[{"operation": "Update", "apiVersion": "v1"}])
    text = "failed to decode managed fields: missing fieldsType in managed fields entry 0"
    assert message(lambda: put(live, widget())) == text


def test_conversion_error():
    assert conversion_error(widget(), GroupVersionKind("", "v1", "Pod"), "why").message == (
        "failed to convert new object (/w; /v1, Kind=Pod) to proper version: "
        "unable to convert unstructured object to /v1, Kind=Pod: why"
    )


# --- versions and schemas ---------------------------------------------------------------------------------------------


def test_an_applier_that_moves_to_another_version_prunes_in_the_old_one():
    obj = put(None, widget({"s": "a", "n": 1}))
    obj["metadata"]["managedFields"][0]["apiVersion"] = "example.com/v0"
    seen = []

    def convert(old, version):
        seen.append(version)
        return {**old, "apiVersion": version}, NODE

    after = put(obj, widget({"s": "a"}), convert=convert)
    assert after["spec"] == {"s": "a"}
    assert after["apiVersion"] == API_VERSION
    assert "example.com/v0" in seen
    # a version that is gone prunes nothing, and its entries go
    assert put(obj, widget({"s": "a"}), convert=lambda old, version: None)["spec"] == {"s": "a", "n": 1}


def test_what_is_pruned_in_an_old_version_is_looked_at_by_its_type():
    fields = {"old": {"type": "string"}, "n": {"type": "integer"}}
    old_node = from_structural(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": fields}}}, schema
    )

    def convert(obj, version):
        before, after = ("s", "old") if version == "example.com/v0" else ("old", "s")
        spec = {after if key == before else key: value for key, value in obj.get("spec", {}).items()}
        return {**obj, "apiVersion": version, "spec": spec}, old_node if after == "old" else NODE

    obj = put(None, widget({"s": "a", "n": 1}))
    entry = {**obj["metadata"]["managedFields"][0], "apiVersion": "example.com/v0"}
    obj["metadata"]["managedFields"] = [
        {**entry, "fieldsV1": {"f:spec": {"f:n": {}, "f:old": {}}}},
        {**entry, "manager": "b", "operation": "Update", "fieldsV1": {"f:spec": {"f:old": {}}}},
    ]
    after = put(obj, widget({"s": "a"}), convert=convert)
    assert after["spec"] == {"s": "a"}
    assert owners(after) == {("a", "Apply"): [".spec.s"], ("b", "Update"): [".spec.old"]}


def test_an_owner_whose_version_lacks_a_field_refuses_every_apply():
    obj = put(None, widget({"s": "a"}))
    obj["metadata"]["managedFields"][0]["apiVersion"] = "example.com/v0"
    poor = from_structural(
        {"type": "object", "properties": {"spec": {"type": "object", "properties": {"n": {}}}}}, schema
    )

    def convert(old, version):
        return {**old, "apiVersion": version}, poor

    said = message(lambda: put(obj, widget({"n": 1}), manager="b", convert=convert))
    assert said == ".spec.s: field not declared in schema"


def test_what_became_atomic_is_owned_whole():
    live = widget({"atomic": {"a": "1", "b": "2"}}, uid="u")
    entry = {"manager": "o", "operation": "Update", "apiVersion": API_VERSION, "fieldsType": "FieldsV1"}
    live["metadata"]["managedFields"] = [{**entry, "fieldsV1": {"f:spec": {"f:atomic": {"f:a": {}}}}}]
    obj = put(live, widget({"s": "x"}))
    assert owners(obj) == {("a", "Apply"): [".spec.s"], ("o", "Update"): [".spec.atomic"]}


def test_builtin_service_ports_go_by_port_and_protocol():
    node = from_openapi({"$ref": "io.k8s.api.core.v1.Service"}, schema)
    kind = GroupVersionKind("", "v1", "Service")

    def service(*ports):
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": list(ports)}}

    obj = put(None, service({"port": 53, "protocol": "UDP"}, {"port": 53}), node=node, kind=kind)
    assert owners(obj) == {
        ("a", "Apply"): [
            '.spec.ports[port=53,protocol="TCP"]',
            '.spec.ports[port=53,protocol="UDP"]',
            '.spec.ports[port=53,protocol="TCP"].port',
            '.spec.ports[port=53,protocol="UDP"].port',
            '.spec.ports[port=53,protocol="UDP"].protocol',
        ]
    }


# --- laws -------------------------------------------------------------------------------------------------------------


@given(specs, specs)
def test_applying_twice_is_applying_once(first, second):
    obj = put(put(None, widget(first)), widget(second), "b", force=True)
    again = apply(obj, widget(second), "b", False, KIND, T2, NODE)
    assert not again.changed
    assert again.managed_fields == obj["metadata"]["managedFields"]


def has_empty(value):
    if isinstance(value, dict | list):
        return not value or any(map(has_empty, value.values() if isinstance(value, dict) else value))
    return False


@given(specs)
def test_a_lone_applier_gets_exactly_what_it_says(spec):
    assume(not has_empty(spec))  # emptied containers stay behind as nulls
    obj = put(put(None, widget({"map": {"q": "1"}, "set": ["q"], "n": 9})), widget(spec))
    assert {key: value for key, value in (obj["spec"] or {}).items() if value is not None} == spec
    assert owners(obj) == owners(put(None, widget(spec)))


disjoint = st.tuples(specs, specs).map(
    lambda pair: (pair[0], {key: value for key, value in pair[1].items() if key not in pair[0]})
)


@given(disjoint)
def test_disjoint_appliers_never_conflict_and_need_no_order(pair):
    first, second = pair
    forth = put(put(None, widget(first), "a"), widget(second), "b")
    back = put(put(None, widget(second), "b"), widget(first), "a")
    assert forth["spec"] == back["spec"] == {**first, **second}
    if not has_empty([first, second]):  # an empty set is owned by nobody, and an object without owners is untracked
        assert owners(forth) == owners(back)


@given(specs, specs)
def test_without_force_nobody_loses_a_field(first, second):
    obj = put(None, widget(first), "a")
    try:
        after = put(obj, widget(second), "b")
    except Conflict:
        return
    assert owners(after).get(("a", "Apply")) == owners(obj).get(("a", "Apply"))


@given(specs, specs)
def test_with_force_what_is_said_holds(first, second):
    obj = put(put(None, widget(first), "a"), widget(second), "b", force=True)
    assert not apply(obj, widget(second), "b", False, KIND, T1, NODE).changed
    assert owners(obj).get(("b", "Apply")) == owners(put(None, widget(second), "b")).get(("b", "Apply"))
