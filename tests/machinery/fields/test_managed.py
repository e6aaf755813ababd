"""managedFields of creates and updates: who gets what, names, resets, the cap, and invalid entries."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.fields import managed
from wherry.machinery.fields import sets as fs
from wherry.machinery.fields.reset import of_builtin, of_custom

from .widgets import API_VERSION, NODE, specs, widget

T1, T2 = "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z"


def create(obj, manager="a", now=T1, **more):
    return {
        **obj,
        "metadata": {**obj["metadata"], "managedFields": managed.create(obj, manager, API_VERSION, now, NODE, **more)},
    }


def update(old, new, manager="b", now=T2, **more):
    entries = managed.update(old, new, manager, API_VERSION, now, NODE, **more)
    meta = {key: value for key, value in new["metadata"].items() if key != "managedFields"}
    return {**new, "metadata": {**meta, **({"managedFields": entries} if entries else {})}}


def owners(obj):
    return {
        (entry["manager"], entry["operation"]): [fs.path_text(path) for path in fs.paths(entry["fieldsV1"])]
        for entry in obj["metadata"].get("managedFields", [])
    }


def test_a_creator_owns_what_it_sent():
    obj = create(widget({"map": {"x": "1"}}, uid="u", generation=1, labels={"l": "1"}))
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "a",
            "operation": "Update",
            "apiVersion": API_VERSION,
            "time": T1,
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:metadata": {"f:labels": {".": {}, "f:l": {}}},
                "f:spec": {".": {}, "f:map": {".": {}, "f:x": {}}},
            },
        }
    ]


def test_nothing_sent_is_nothing_owned_and_then_nobody_is_tracked():
    obj = create(widget())
    assert obj["metadata"]["managedFields"] == []
    assert "managedFields" not in update(obj, widget({"s": "a"}))["metadata"]


def test_changes_change_hands():
    obj = create(widget({"s": "a", "n": 1, "map": {"x": "1"}}))
    obj = update(obj, widget({"s": "b", "map": {"x": "1", "y": "2"}}))
    assert owners(obj) == {
        ("a", "Update"): [".spec", ".spec.map", ".spec.map.x"],
        ("b", "Update"): [".spec.s", ".spec.map.y"],
    }


def test_who_loses_everything_is_gone():
    obj = update(create(widget({"s": "a"}), "a"), widget({"s": "b"}), "b")
    assert ("b", "Update") in owners(obj)
    obj = update(obj, widget())
    assert owners(obj) == {}


def test_nothing_changed_keeps_the_time():
    obj = create(widget({"s": "a"}))
    again = update(obj, widget({"s": "a"}), "a", T2)
    assert again["metadata"]["managedFields"] == obj["metadata"]["managedFields"]


def test_the_same_manager_gathers_its_fields_under_the_new_time():
    obj = update(create(widget({"s": "a"}), "a", T1), widget({"s": "a", "n": 1}), "a", T2)
    assert owners(obj) == {("a", "Update"): [".spec", ".spec.n", ".spec.s"]}
    assert obj["metadata"]["managedFields"][0]["time"] == T2


def test_subresources_have_entries_of_their_own():
    obj = create(widget({"s": "a"}))
    new = {**widget({"s": "a"}), "status": {"p": "1"}}
    obj = update(obj, new, "a", T2, subresource="status", reset=of_custom(True, "status"))
    assert [(entry.get("subresource"), entry["fieldsV1"]) for entry in obj["metadata"]["managedFields"]] == [
        (None, {"f:spec": {".": {}, "f:s": {}}}),
        ("status", {"f:status": {".": {}, "f:p": {}}}),
    ]


def test_reset_fields_are_nobodys():
    new = {**widget({"s": "a"}), "status": {"p": "1"}}
    obj = create(new, reset=of_custom(True))
    assert owners(obj) == {("a", "Update"): [".spec", ".spec.s"]}
    after = update(
        obj, {**widget({"s": "b"}), "status": {"p": "2"}}, "b", reset=of_custom(True, "status"), subresource="status"
    )
    assert owners(after) == {("a", "Update"): [".spec", ".spec.s"], ("b", "Update"): [".status.p"]}


def test_entries_are_sorted_appliers_first_then_by_time():
    entries = [
        {
            "manager": name,
            "operation": op,
            "apiVersion": API_VERSION,
            "time": time,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {f"f:{name}": {}}},
        }
        for name, op, time in [("n", "Update", T2), ("s", "Update", T1), ("b", "Apply", T2)]
    ]
    spec = {"n": 1, "s": "a", "b": True}
    obj = update(widget(spec, managedFields=entries), widget(spec), "x")
    assert [entry["manager"] for entry in obj["metadata"]["managedFields"]] == ["b", "s", "n"]


@pytest.mark.parametrize("reset", [[], [{}]])
def test_empty_entries_in_a_body_forget_everybody(reset):
    obj = create(widget({"s": "a"}))
    assert "managedFields" not in update(obj, widget({"s": "b"}, managedFields=reset))["metadata"]
    # ... but not through a subresource
    assert ("a", "Update") in owners(update(obj, widget({"s": "a"}, managedFields=reset), subresource="status"))


def test_entries_of_a_body_are_taken_over():
    obj = create(widget({"s": "a", "n": 1}))
    entries = [
        {**obj["metadata"]["managedFields"][0], "manager": "renamed", "fieldsV1": {"f:spec": {"f:s": {".": {}}}}}
    ]
    assert owners(update(obj, widget({"s": "a", "n": 2}, managedFields=entries))) == {
        ("renamed", "Update"): [".spec.s"],
        ("b", "Update"): [".spec.n"],
    }


@pytest.mark.parametrize(
    "entry",
    [
        {"operation": "Nope", "apiVersion": "v1", "fieldsType": "FieldsV1"},
        {"operation": "Update", "fieldsType": "FieldsV1"},
        {"operation": "Update", "apiVersion": "v1"},
        {"operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"bad": {}}},
    ],
)
def test_bad_entries_of_a_body_are_ignored(entry):
    obj = create(widget({"s": "a"}))
    assert update(obj, widget({"s": "a"}, managedFields=[entry]))["metadata"] == obj["metadata"]


def test_more_than_ten_updaters_become_ancient():
    obj = create(widget({"map": {"k0": "v"}}), "m00", "2026-01-01T00:00:00Z")
    for number in range(1, 12):
        keys = {f"k{index}": "v" for index in range(number + 1)}
        obj = update(obj, widget({"map": keys}), f"m{number:02}", f"2026-01-01T00:00:{number:02}Z")
    entries = obj["metadata"]["managedFields"]
    assert len(entries) == 10
    assert [entry["manager"] for entry in entries] == ["ancient-changes", *(f"m{number:02}" for number in range(3, 12))]
    assert entries[0]["time"] == "2026-01-01T00:00:02Z"
    assert entries[0]["fieldsV1"]["f:spec"]["f:map"] == {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}


def test_other_versions_see_the_change_as_converted():
    obj = create(widget({"s": "a"}))
    obj["metadata"]["managedFields"][0].update(apiVersion="example.com/v2", fieldsV1={"f:spec": {"f:n": {}, "f:b": {}}})

    def convert(old, version):
        assert version == "example.com/v2"
        return widget({"n": ord(old["spec"]["s"]), "b": True}), NODE

    after = update(obj, widget({"s": "b"}), convert=convert)
    assert owners(after) == {("a", "Update"): [".spec.b"], ("b", "Update"): [".spec.s"]}
    assert owners(update(obj, widget({"s": "b"}), convert=lambda old, version: None)) == {("b", "Update"): [".spec.s"]}


@pytest.mark.parametrize(
    ("agent", "manager", "name"),
    [
        ("kubectl/v1.36.0 (linux/amd64) kubernetes/abc", "", "kubectl"),
        ("curl/8.0", "mine", "mine"),
        ("no slash", "", "no slash"),
        ("a\x07b\n/1", "", "ab"),
        ("x" * 200, "", "x" * 128),
        ("é" * 100 + "/1", "", "é" * 64),
        ("", "", ""),
    ],
)
def test_manager_names(agent, manager, name):
    assert managed.manager_name(agent, manager) == name


def test_a_nameless_manager_is_unknown():
    assert owners(create(widget({"s": "a"}), "")) == {("unknown", "Update"): [".spec", ".spec.s"]}
    assert ("unknown", "Update") in owners(update(create(widget({"s": "a"})), widget({"s": "b"}), ""))


def test_validation():
    entries = [
        {"manager": "m\n", "operation": "Nope", "fieldsType": "V9", "subresource": "s" * 257},
        {"manager": "é" * 65, "operation": "Apply"},
    ]
    assert [str(error) for error in managed.validate(entries)] == [
        'metadata.managedFields[0].operation: Invalid value: "Nope": must be `Apply` or `Update`',
        'metadata.managedFields[0].fieldsType: Invalid value: "V9": must be `FieldsV1`',
        'metadata.managedFields[0].manager: Invalid value: "m\\n": invalid character U+000A (at position 1)',
        "metadata.managedFields[0].subresource: Too long: may not be more than 256 bytes",
        "metadata.managedFields[1].manager: Too long: may not be more than 128 bytes",
    ]


def test_resets_of_builtin_endpoints():
    assert of_builtin("", "configmaps") == {}
    assert of_builtin("apps", "deployments") == {"f:status": {}}
    assert of_builtin("apps", "deployments", "status") == {"f:metadata": {"f:labels": {}}, "f:spec": {}}
    assert of_builtin("apps", "deployments", "scale") == {}
    assert of_builtin("", "pods", "resize") == {}
    assert of_builtin("scheduling.k8s.io", "podgroups") == {}
    assert of_builtin("storage.k8s.io", "volumeattachments", "status") == {"f:metadata": {}, "f:spec": {}}
    assert of_custom(False) == {}
    assert of_custom(True, "status") == {"f:metadata": {}, "f:spec": {}}


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), specs), min_size=1, max_size=5))
def test_every_field_has_at_most_one_updater_and_none_that_is_gone(writes):
    obj = None
    for manager, spec in writes:
        new = widget(spec, labels={"l": "1"})
        before = json.dumps([obj, new])
        result = create(new, manager) if obj is None else update(obj, new, manager)
        assert json.dumps([obj, new]) == before
        obj = result
    owned = [path for entry in obj["metadata"]["managedFields"] for path in fs.paths(entry["fieldsV1"])]
    assert len(owned) == len(set(owned))
    everything = set(fs.paths(managed.compare({"apiVersion": 1, "kind": 1}, obj, NODE).added))
    assert set(owned) <= everything
