"""JSON merge patch: the examples and laws of RFC 7386, and the texts of malformed documents."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.errors import BadRequest, Invalid
from wherry.machinery.patch import merge_patch
from wherry.machinery.patch.refusals import go_json


@pytest.mark.parametrize(
    ("doc", "patch", "expected"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": 1}, {"a": {"b": None, "c": [None, {"d": None}]}}, {"a": {"c": [None, {}]}}),
        # a list in place of an object is taken as it is, nulls and all
        ({"a": {}}, {"a": [{"d": None}]}, {"a": [{"d": None}]}),
    ],
)
def test_examples(doc, patch, expected):
    given_doc, given_patch = json.dumps(doc), json.dumps(patch)
    assert merge_patch.apply(doc, patch) == expected
    assert (json.dumps(doc), json.dumps(patch)) == (given_doc, given_patch)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"[]", "error decoding patch: json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (b"1", "error decoding patch: json: cannot unmarshal number into Go value of type map[string]interface {}"),
        (b"x", "error decoding patch: invalid character 'x' looking for beginning of value"),
        (b"", "error decoding patch: unexpected end of JSON input"),
        (b"{} {}", "error decoding patch: invalid character '{' after top-level value"),
        (b"null", "Invalid JSON Patch"),
    ],
)
def test_malformed_documents(body, text):
    with pytest.raises(BadRequest) as caught:
        merge_patch.decode(body)
    assert caught.value.message == text


@pytest.mark.parametrize("body", [b"x", b"", b"null", b"1", b'"s"'])
def test_malformed_documents_without_strictness(body):
    with pytest.raises(BadRequest, match=r"^Invalid JSON Patch$"):
        merge_patch.decode(body, strict=False)


def test_a_list_replaces_the_document_which_then_is_no_object():
    with pytest.raises(Invalid, match=r'Invalid value: "\[{}\]": couldn.t get version/kind'):
        merge_patch.decode(b'[{"a":null}]', strict=False)


def test_repeated_keys():
    patch, complaints = merge_patch.decode(b'{"a":{"b":1,"b":2},"l":[{"c":1,"c":2}],"a":3}')
    assert (patch, type(patch)) == ({"a": 3, "l": [{"c": 2}]}, dict)
    assert complaints == ['duplicate field "a.b"', 'duplicate field "l[0].c"', 'duplicate field "a"']
    assert merge_patch.decode(b'{"a":1,"a":2}', strict=False)[1] == []


def test_touched_objects_are_printed_sorted_and_others_as_they_were():
    doc = {"z": {"b": 1, "a": 1}, "m": {"b": 1, "a": 1}}
    assert go_json(merge_patch.apply(doc, {"z": {"c": {"y": 1, "x": 2}}})) == (
        '{"m":{"b":1,"a":1},"z":{"a":1,"b":1,"c":{"x":2,"y":1}}}'
    )


scalars = st.booleans() | st.integers(-2, 2) | st.text("ab", max_size=2)
keys = st.text("abc", min_size=1, max_size=1)
plain = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=3), max_leaves=8
)
plain_objects = st.dictionaries(keys, plain, max_size=3)
patches = st.recursive(
    st.none() | scalars | st.lists(plain, max_size=2),
    lambda inner: st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
patch_objects = st.dictionaries(keys, patches, max_size=3)


@given(plain_objects, patch_objects)
def test_applying_twice_is_applying_once(doc, patch):
    once = merge_patch.apply(doc, patch)
    assert merge_patch.apply(once, patch) == once


@given(plain_objects)
def test_the_empty_patch_changes_nothing_and_a_document_is_a_patch_for_itself(doc):
    assert merge_patch.apply(doc, {}) == doc
    assert merge_patch.apply({}, doc) == doc
    assert merge_patch.apply(doc, doc) == doc


def diff(old, new):
    out = {key: None for key in old if key not in new}
    for key, value in new.items():
        if isinstance(old.get(key), dict) and isinstance(value, dict):
            out[key] = diff(old[key], value)
        elif key not in old or old[key] is not value:
            out[key] = value
    return out


@given(plain_objects, plain_objects)
def test_any_document_can_be_reached(old, new):
    assert merge_patch.apply(old, diff(old, new)) == new


@given(plain_objects, patch_objects)
def test_what_the_patch_does_not_name_is_the_same_object(doc, patch):
    result = merge_patch.apply(doc, patch)
    for key, value in doc.items():
        if key not in patch:
            assert result[key] is value
