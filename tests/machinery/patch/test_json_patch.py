"""JSON patch: every operation, the texts of malformed documents, and that nothing given is changed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest, Invalid, RequestTooLarge, StatusError
from wherry.machinery.patch import json_patch
from wherry.machinery.patch.refusals import go_json

DOC = {"b": {"x": 1, "y": None}, "a": ["0", "1", "2"], "s": "t"}


def run(*ops):
    before = json.dumps(DOC)
    result = json_patch.apply(DOC, list(ops))
    assert json.dumps(DOC) == before
    return result


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        ({"op": "add", "path": "/n", "value": 1}, {**DOC, "n": 1}),
        ({"op": "add", "path": "/n"}, {**DOC, "n": None}),
        ({"op": "add", "path": "/a/-", "value": "3"}, {**DOC, "a": ["0", "1", "2", "3"]}),
        ({"op": "add", "path": "/a/3", "value": "3"}, {**DOC, "a": ["0", "1", "2", "3"]}),
        ({"op": "add", "path": "/a/1", "value": "n"}, {**DOC, "a": ["0", "n", "1", "2"]}),
        ({"op": "add", "path": "/a/-1", "value": "n"}, {**DOC, "a": ["0", "1", "2", "n"]}),
        ({"op": "remove", "path": "/b/y"}, {**DOC, "b": {"x": 1}}),
        ({"op": "remove", "path": "/a/-1"}, {**DOC, "a": ["0", "1"]}),
        ({"op": "remove", "path": "/a/+0"}, {**DOC, "a": ["1", "2"]}),
        ({"op": "replace", "path": "/b", "value": []}, {**DOC, "b": []}),
        ({"op": "replace", "path": "/absent", "value": 1}, {**DOC, "absent": 1}),
        ({"op": "replace", "path": "", "value": {"q": 1}}, {"q": 1}),
        ({"op": "move", "from": "/b/x", "path": "/x"}, {"b": {"y": None}, "a": DOC["a"], "s": "t", "x": 1}),
        ({"op": "copy", "from": "/b", "path": "/c"}, {**DOC, "c": DOC["b"]}),
        ({"op": "copy", "from": "/absent", "path": "/c"}, {**DOC, "c": None}),
        ({"op": "test", "path": "/b/x", "value": 1}, DOC),
        ({"op": "test", "path": "/absent", "value": None}, DOC),
        ({"op": "test", "path": "/absent"}, DOC),
        ({"op": "test", "path": "", "value": DOC}, DOC),
        ({"op": "add", "path": "ignored/n", "value": 1}, {**DOC, "n": 1}),
    ],
)
def test_operations(op, expected):
    assert run(op) == expected


@pytest.mark.parametrize(
    "op",
    [
        {"op": "add", "path": "/absent/n", "value": 1},
        {"op": "add", "path": "/s/n", "value": 1},
        {"op": "add", "path": "/a/4", "value": 1},
        {"op": "add", "path": "/a/x", "value": 1},
        {"op": "add", "path": "", "value": {}},
        {"op": "add"},
        {"op": "remove", "path": "/absent"},
        {"op": "remove", "path": "/a/3"},
        {"op": "remove", "path": "/a/-"},
        {"op": "replace", "path": "/a/3", "value": 1},
        {"op": "replace", "path": "", "value": 1},
        {"op": "move", "from": "/absent", "path": "/n"},
        {"op": "test", "path": "/b/x", "value": 1.0},
        {"op": "test", "path": "/b/x", "value": True},
        {"op": "test", "path": "/b/x"},
        {"op": "test", "path": "/a/9", "value": None},
        {"op": "unheard", "path": "/b"},
        {},
        None,
    ],
)
def test_what_does_not_apply_is_one_bare_422(op):
    with pytest.raises(StatusError) as caught:
        run(op)
    status = caught.value.to_status()
    assert (status["code"], status["reason"], status["details"]) == (422, "Invalid", {})
    assert status["message"] == "the server rejected our request due to an error in our request"


def test_pointers_are_unescaped():
    doc = {"a/b": {"m~n": 1}, "~1": 2}
    assert json_patch.apply(doc, [{"op": "remove", "path": "/a~1b/m~0n"}]) == {"a/b": {}, "~1": 2}
    assert json_patch.apply(doc, [{"op": "remove", "path": "/~01"}]) == {"a/b": {"m~n": 1}}


def test_operations_see_each_other_and_copies_are_independent():
    result = run(
        {"op": "copy", "from": "/b", "path": "/c"},
        {"op": "add", "path": "/c/z", "value": 1},
        {"op": "copy", "from": "/c", "path": "/d"},
        {"op": "remove", "path": "/c/z"},
        {"op": "test", "path": "/d/z", "value": 1},
    )
    assert result["b"] == DOC["b"] == result["c"]
    assert result["d"] == {"x": 1, "y": None, "z": 1}


def test_what_is_not_touched_is_shared():
    result = run({"op": "add", "path": "/b/z", "value": 1})
    assert result["a"] is DOC["a"]


def test_touched_objects_are_printed_sorted_and_others_as_they_were():
    doc = {"kind": "K", "apiVersion": "v1", "spec": {"z": 1, "a": 2}, "meta": {"z": 1, "a": 2}}
    result = json_patch.apply(doc, [{"op": "add", "path": "/meta/m", "value": {"z": "<", "a": 1}}])
    text = '{"apiVersion":"v1","kind":"K","meta":{"a":2,"m":{"z":"\\u003c","a":1},"z":1},"spec":{"z":1,"a":2}}'
    assert go_json(result) == text


def test_a_root_that_is_no_object_is_invalid():
    with pytest.raises(Invalid) as caught:
        run({"op": "replace", "path": "", "value": [1]})
    assert caught.value.message.startswith(' "" is invalid: patch: Invalid value: "[1]": couldn\'t get version/kind; ')


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{}", "json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp"),
        (b'"x"', "json: cannot unmarshal string into Go value of type []handlers.jsonPatchOp"),
        (b"[1]", "json: cannot unmarshal number into Go value of type handlers.jsonPatchOp"),
        (b'[{"op":1}]', "json: cannot unmarshal number into Go struct field jsonPatchOp.op of type string"),
        (b'[{"path":[]}]', "json: cannot unmarshal array into Go struct field jsonPatchOp.path of type string"),
        (b"not json", "invalid character 'o' in literal null (expecting 'u')"),
        (b"", "unexpected end of JSON input"),
    ],
)
def test_malformed_documents(body, text):
    with pytest.raises(BadRequest) as caught:
        json_patch.decode(body)
    assert caught.value.message == f"error decoding patch: {text}"


def test_malformed_documents_without_strictness():
    with pytest.raises(BadRequest, match=r"^json: cannot unmarshal object into Go value of type jsonpatch.Patch$"):
        json_patch.decode(b"{}", strict=False)
    with pytest.raises(BadRequest, match=r"^json: cannot unmarshal number into Go value of type jsonpatch.Operation$"):
        json_patch.decode(b"[1]", strict=False)
    assert json_patch.decode(b'[{"op":1}]', strict=False) == ([{"op": 1}], [])


def test_strict_complaints_once_and_in_order():
    body = b'[{"op":"add","no":1,"path":"/a","value":{"k":1,"k":{"j":1,"j":2}}},{"op":"x","op":"test","no":1,"no":2}]'
    operations, complaints = json_patch.decode(body)
    assert operations[0]["value"] == {"k": {"j": 2}}
    assert complaints == [
        'json patch unknown field "[0].no"',
        'json patch duplicate field "[0].value.k"',
        'json patch duplicate field "[0].value.k.j"',
        'json patch duplicate field "[1].op"',
        'json patch unknown field "[1].no"',
    ]
    assert json_patch.decode(body, strict=False)[1] == []


def test_values_that_nobody_takes_apart_stay_as_they_were_sent():
    body = b'[{"op":"add","path":"/v","value":{"k":1.5,"k":2}},{"op":"add","path":"/w","value":{"k":1,"k":2}}]'
    operations, _ = json_patch.decode(body)
    result = json_patch.apply({}, [*operations, {"op": "add", "path": "/w/l", "value": 3}])
    assert go_json(result) == '{"v":{"k":1.5,"k":2},"w":{"k":2,"l":3}}'
    assert result == {"v": {"k": 2}, "w": {"k": 2, "l": 3}}
    json_patch.apply(result, [{"op": "test", "path": "/v", "value": {"k": 2}}])


def test_too_many_operations():
    with pytest.raises(RequestTooLarge) as caught:
        json_patch.decode(json.dumps([{}] * 10001).encode())
    text = "Request entity too large: The allowed maximum operations in a JSON patch is 10000, got 10001"
    assert (caught.value.code, caught.value.message) == (413, text)
    json_patch.decode(json.dumps([{}] * 10000).encode())


def test_null_is_an_empty_patch():
    assert json_patch.decode(b"null") == ([], [])
    assert json_patch.apply(DOC, b"null") == DOC


values = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab/~", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)
documents = st.dictionaries(st.text("ab/~", max_size=2), values, max_size=4)


def pointer(path):
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


@given(documents, st.text("ab/~", max_size=2), values)
def test_add_then_test_then_remove(doc, key, value):
    path = pointer([key])
    ops = [{"op": "add", "path": path, "value": value}, {"op": "test", "path": path, "value": value}]
    assert json_patch.apply(doc, ops) == {**doc, key: value}
    removed = json_patch.apply(doc, [*ops, {"op": "remove", "path": path}])
    assert removed == {k: v for k, v in doc.items() if k != key}


@given(documents, values)
def test_replacing_the_root_is_the_value(doc, value):
    ops = [{"op": "replace", "path": "", "value": {"v": value}}]
    assert json_patch.apply(doc, ops) == {"v": value}
