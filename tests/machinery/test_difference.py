"""How two objects differ in what people meant."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.machinery.difference import ABSENT, Field, fields, hidden, meant

TREES = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from(["", "a", "b"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "x", "y"]), inner, max_size=3),
    max_leaves=12,
)


@given(TREES)
def test_nothing_differs_from_itself(tree: Any) -> None:
    assert list(fields(tree, tree)) == []


@given(TREES, TREES)
def test_what_differs_is_found_and_turned_round(one: Any, other: Any) -> None:
    found = list(fields(one, other))
    assert bool(found) == (json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True))
    back = {(f.path, repr(f.after), repr(f.before)) for f in fields(other, one)}
    assert {(f.path, repr(f.before), repr(f.after)) for f in found} == back


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 2}, [("a", 1, 2)]),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": {"b": 1}}, {"a": {"c": 1}}, [("a.b", 1, ABSENT), ("a.c", ABSENT, 1)]),
        ({"a": {"x.y/z": 1}}, {"a": {"x.y/z": 2}}, [("a['x.y/z']", 1, 2)]),
        (
            {"c": [{"name": "app", "image": "1"}, {"name": "log", "image": "1"}]},
            {"c": [{"name": "log", "image": "1"}, {"name": "app", "image": "2"}]},
            [("c[app].image", "1", "2")],
        ),
        ({"c": [{"name": "a"}]}, {"c": []}, [("c[a]", {"name": "a"}, ABSENT)]),
        ({"l": [1, 2]}, {"l": [1, 3]}, [("l[1]", 2, 3)]),
        ({"l": [1, 2]}, {"l": [1]}, [("l", [1, 2], [1])]),
        (
            {"l": [{"name": "a"}, {"name": "b"}]},
            {"l": [{"name": "b"}, {"name": "a"}]},
            [("l", [{"name": "a"}, {"name": "b"}], [{"name": "b"}, {"name": "a"}])],
        ),
    ],
)
def test_paths_are_as_one_would_write_them(before: Any, after: Any, found: list[tuple[str, Any, Any]]) -> None:
    assert [tuple(field) for field in fields(before, after)] == found


def test_what_the_server_notes_is_not_meant() -> None:
    noted = {"uid": "u", "resourceVersion": "1", "creationTimestamp": "t", "managedFields": [], "generation": 2}
    owner = {"kind": "A", "name": "a", "uid": "u"}
    last = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
    obj = {
        "kind": "X",
        "metadata": {"name": "n", **noted, "annotations": last, "ownerReferences": [owner]},
        "spec": {},
        "status": {"a": 1},
    }
    assert meant(obj) == {"metadata": {"name": "n", "ownerReferences": [{"kind": "A", "name": "a"}]}, "spec": {}}
    assert meant(obj, status=True)["status"] == {"a": 1}
    assert obj["metadata"]["uid"] == "u"


def test_tokens_of_accounts_are_the_servers() -> None:
    secret = {
        "metadata": {"name": "s"},
        "type": "kubernetes.io/service-account-token",
        "data": {"token": "a", "x": "b"},
    }
    assert meant(secret)["data"] == {"x": "b"}


def test_secret_values_are_hidden_and_their_coming_and_going_is_not() -> None:
    assert hidden(Field("data.a", "x", ABSENT)) == ("data.a", "(hidden)", ABSENT)
