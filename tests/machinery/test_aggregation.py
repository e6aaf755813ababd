"""APIServices: which there should be, what to do about those that differ, what others' discovery says."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.machinery import builtins
from wherry.machinery.aggregation import (
    ALWAYS,
    ON_START,
    PRIORITIES,
    aggregated,
    api_service,
    custom_group_versions,
    fix,
    from_legacy,
)

Obj = dict[str, Any]


def test_every_built_in_group_version_has_a_priority_in_the_order_of_discovery() -> None:
    served = [gv for gv in builtins.resources() if gv[0] != "apiregistration.k8s.io"]
    assert set(served) == set(PRIORITIES)
    assert [PRIORITIES[gv][0] for gv in served if gv[0] != "discovery.k8s.io"] == sorted(
        (PRIORITIES[gv][0] for gv in served if gv[0] != "discovery.k8s.io"), reverse=True
    )
    assert api_service("", "v1", ON_START)["metadata"]["name"] == "v1."
    assert "group" not in api_service("", "v1", ON_START)["spec"]
    custom = api_service("example.com", "v1", ALWAYS)["spec"]
    assert custom == {
        "group": "example.com",
        "version": "v1",
        "groupPriorityMinimum": 1000,
        "versionPriority": 100,
    }


def test_definitions_serve_what_they_say() -> None:
    versions = [{"name": "v1", "served": True}, {"name": "v2", "served": False}]
    assert custom_group_versions([{"spec": {"group": "g", "versions": versions}}]) == {("g", "v1")}


def _there(managed: str, **spec: Any) -> Obj:
    obj = api_service("g", "v1", managed)
    return {**obj, "spec": {**obj["spec"], **spec}}


@pytest.mark.parametrize(
    ("live", "wanted", "at_start", "synced", "verb"),
    [
        (None, None, False, False, None),
        (None, ON_START, False, False, "create"),
        (None, ON_START, False, True, None),  # deleted since: it stays away until the next start
        (None, ALWAYS, False, True, "create"),
        ("", ALWAYS, True, False, None),  # somebody's own
        (ON_START, ON_START, False, False, None),  # made by another server since
        (ON_START, None, True, False, "delete"),
        (ON_START, None, True, True, None),
        (ON_START, ON_START, True, False, "update"),
        (ALWAYS, ALWAYS, True, True, "update"),
        (ALWAYS, None, False, True, "delete"),
    ],
)
def test_what_is_done(live: str | None, wanted: str | None, at_start: bool, synced: bool, verb: str | None) -> None:
    there = None if live is None else _there(live, versionPriority=1)
    found = fix(there, None if wanted is None else _there(wanted), at_start=at_start, synced=synced)
    assert (found.verb if found else None) == verb
    if found is not None and found.verb == "update":
        assert found.obj["spec"]["versionPriority"] == 100


def test_what_is_right_is_left_alone() -> None:
    assert fix(_there(ALWAYS), _there(ALWAYS), at_start=True, synced=False) is None


def test_others_resources_in_both_forms() -> None:
    entry = {"resource": "flunders", "scope": "Namespaced"}
    document = {
        "kind": "APIGroupDiscoveryList",
        "items": [{"metadata": {"name": "g"}, "versions": [{"version": "v1", "resources": [entry]}]}],
    }
    assert aggregated(document) == {("g", "v1"): (entry,)}
    legacy = {
        "kind": "APIResourceList",
        "resources": [
            {"name": "flunders", "singularName": "flunder", "namespaced": True, "kind": "Flunder", "verbs": ["get"]},
            {"name": "flunders/status", "namespaced": True, "kind": "Flunder", "verbs": ["update"]},
        ],
    }
    kind = {"group": "", "version": "", "kind": "Flunder"}
    assert from_legacy(legacy) == (
        {
            "resource": "flunders",
            "responseKind": kind,
            "scope": "Namespaced",
            "singularResource": "flunder",
            "verbs": ["get"],
            "subresources": [{"subresource": "status", "responseKind": kind, "verbs": ["update"]}],
        },
    )
    for parse in (aggregated, from_legacy):
        with pytest.raises(ValueError, match="not an API"):
            parse({"kind": "Status"})
