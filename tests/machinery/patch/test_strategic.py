"""Strategic merge patch: keyed lists, directives, order, and the texts of patches that break the format."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest, StatusError
from wherry.machinery.builtins import schema
from wherry.machinery.patch import strategic
from wherry.machinery.patch.refusals import go_format

DEPLOYMENT = {"$ref": "io.k8s.api.apps.v1.Deployment"}


def run(doc, patch, root=DEPLOYMENT):
    before = json.dumps(doc), json.dumps(patch)
    result = strategic.apply(doc, patch, root, schema)
    assert (json.dumps(doc), json.dumps(patch)) == before
    return result


def pod_spec(spec):
    return {"spec": {"template": {"spec": spec}}}


def containers(*items):
    return pod_spec({"containers": list(items)})


def test_lists_of_maps_merge_by_key():
    doc = containers({"name": "a", "image": "1"}, {"name": "b", "image": "1", "command": ["x"]})
    result = run(doc, containers({"name": "b", "image": "2"}, {"name": "c", "image": "3"}))
    assert result == containers(
        {"name": "a", "image": "1"}, {"name": "b", "image": "2", "command": ["x"]}, {"name": "c", "image": "3"}
    )


def test_the_live_order_is_kept_around_patched_items():
    doc = containers({"name": "a"}, {"name": "b"}, {"name": "c"})
    names = [
        item["name"]
        for item in run(doc, containers({"name": "b", "image": "2"}))["spec"]["template"]["spec"]["containers"]
    ]
    assert names == ["a", "b", "c"]


def test_lists_without_a_strategy_are_replaced():
    assert run(pod_spec({"tolerations": [{"key": "a"}]}), pod_spec({"tolerations": [{"key": "b"}]})) == pod_spec(
        {"tolerations": [{"key": "b"}]}
    )


def test_null_deletes_and_is_dropped_from_what_is_new():
    doc = {"metadata": {"labels": {"a": "1"}}}
    assert run(doc, {"metadata": {"labels": {"a": None, "b": "2"}, "annotations": {"x": None}}}) == {
        "metadata": {"labels": {"b": "2"}, "annotations": {}}
    }


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ({"$patch": "replace", "q": "1"}, {"q": "1"}),
        ({"$patch": "delete"}, {}),
        (None, "gone"),
    ],
)
def test_directives_of_maps(labels, expected):
    result = run({"metadata": {"labels": {"a": "1"}}}, {"metadata": {"labels": labels}})
    assert result["metadata"].get("labels", "gone") == expected


def test_directives_of_lists():
    doc = containers({"name": "a"}, {"name": "b"})
    assert run(doc, containers({"name": "a", "$patch": "delete"})) == containers({"name": "b"})
    assert run(doc, containers({"$patch": "replace"}, {"name": "n"})) == containers({"name": "n"})
    assert run({}, containers({"name": "a", "$patch": "delete"}, {"name": "n"})) == containers({"name": "n"})


def test_primitive_lists():
    doc = {"metadata": {"finalizers": ["a", "b", "c"]}}
    assert run(doc, {"metadata": {"finalizers": ["c", "d"]}})["metadata"]["finalizers"] == ["a", "b", "c", "d"]
    result = run(doc, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b", "z"]}})
    assert result["metadata"]["finalizers"] == ["a", "c"]
    assert run({"metadata": {}}, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"]}}) == {"metadata": {}}


def test_set_element_order():
    doc = {"metadata": {"finalizers": ["a", "b", "c"]}}
    order = {"$setElementOrder/finalizers": ["d", "c", "a"], "finalizers": ["d"]}
    assert run(doc, {"metadata": order})["metadata"]["finalizers"] == ["d", "b", "c", "a"]
    assert run(doc, {"metadata": {"$setElementOrder/finalizers": ["c", "a"]}})["metadata"]["finalizers"] == [
        "b",
        "c",
        "a",
    ]
    assert run({"metadata": {}}, {"metadata": {"$setElementOrder/finalizers": ["c"]}}) == {"metadata": {}}


def test_order_after_a_deletion_is_that_of_the_array_upstream_reuses():
    doc = containers({"name": "b"}, {"name": "d"}, {"name": "a"})
    patch = pod_spec(
        {
            "$setElementOrder/containers": [{"name": "c"}],
            "containers": [{"name": "c"}, {"name": "a", "$patch": "delete"}],
        }
    )
    assert run(doc, patch) == containers({"name": "b"}, {"name": "d"}, {"name": "c"})


def test_retain_keys():
    doc = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert run(doc, patch) == {"spec": {"strategy": {"type": "Recreate"}}}


@pytest.mark.parametrize(
    ("doc", "patch", "code", "text"),
    [
        (
            containers({"name": "a"}),
            containers({"image": "x"}),
            500,
            "map: map[image:x] does not contain declared merge key: name",
        ),
        ({}, {"$patch": "bogus"}, 500, "unknown patch type: bogus in map: map[$patch:bogus]"),
        (
            containers({"name": "a"}),
            containers({"name": "a", "$patch": "merge"}),
            500,
            "merging lists cannot yet be specified in the patch",
        ),
        (
            {"metadata": {"finalizers": ["a"]}},
            {"metadata": {"$deleteFromPrimitiveList/finalizers": [1]}},
            500,
            "list element types are not identical: [[a] [1]]",
        ),
        (
            {"metadata": {"finalizers": ["x"]}},
            {"metadata": {"$setElementOrder/finalizers": ["a"], "finalizers": ["d"]}},
            500,
            "The order in patch list:\n[d]\n doesn't match $setElementOrder list:\n[a]\n",
        ),
        (
            {"metadata": {}},
            {"metadata": {"$setElementOrder/finalizers": "x"}},
            500,
            "expected a []interface {}, but received a string",
        ),
        (
            {"spec": {}},
            {"spec": {"$setElementOrder/none": ["x"]}},
            500,
            'unable to find api field in struct DeploymentSpec for the json field "none"',
        ),
        (
            {"spec": {"strategy": {}}},
            {"spec": {"strategy": {"$retainKeys": ["x"], "type": "a"}}},
            400,
            "invalid patch format of retainKeys",
        ),
        (
            {"metadata": {"finalizers": ["x"]}},
            {"metadata": {"$deleteFromPrimitiveListfinalizers": ["x"]}},
            400,
            "invalid patch format of primitive list",
        ),
    ],
)
def test_refusals(doc, patch, code, text):
    with pytest.raises(StatusError) as caught:
        run(doc, patch)
    assert (caught.value.code, caught.value.message) == (code, text)
    assert ("reason" in caught.value.to_status()) == (code == 400)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "unexpected end of JSON input"),
        (b"[]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
    ],
)
def test_malformed_documents(body, text):
    with pytest.raises(BadRequest) as caught:
        strategic.decode(body)
    assert caught.value.message == text


def test_what_is_left_of_a_patch_is_what_a_refusal_prints():
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "x", "rollingUpdate": None}}}
    _, rest = strategic.merge({"spec": {"strategy": {"a": "b"}}}, patch, DEPLOYMENT, schema)
    assert go_format(rest) == "map[spec:map[strategy:map[rollingUpdate:<nil> type:x]]]"


def test_only_changed_parts_are_new():
    doc = {"metadata": {"labels": {"a": "1"}}, "spec": {"template": {"metadata": {"labels": {"x": "y"}}}}}
    result = run(doc, {"metadata": {"labels": {"b": "2"}}})
    assert result["spec"] is doc["spec"]


names = st.lists(st.sampled_from("abcd"), unique=True, max_size=4)


@given(names, names)
def test_a_two_way_diff_leads_to_the_new_list(old, new):
    """What kubectl sends: new and changed items, deletions, and the order."""
    doc = containers(*({"name": name, "image": "old"} for name in old))
    wanted = containers(*({"name": name, "image": "new"} for name in new))
    items = [{"name": name, "image": "new"} for name in new]
    items += [{"name": name, "$patch": "delete"} for name in old if name not in new]
    patch = pod_spec({"$setElementOrder/containers": [{"name": name} for name in new], "containers": items})
    if old and items:
        assert run(doc, patch) == wanted
