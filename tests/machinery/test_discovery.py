"""Discovery documents: order of groups and versions, legacy and aggregated forms, recorded answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import orjson
import pytest

from wherry.machinery import builtins
from wherry.machinery.discovery import (
    CUSTOM_VERBS,
    SUBRESOURCE_VERBS,
    Discovery,
    aggregated_media_type,
    storage_version_hash,
    version_order,
)
from wherry.machinery.kinds import Resource, Subresource

GROUP = "disc.crdtest.example.com"


def widget(version: str, *, subresources: bool = False) -> Resource:
    subs = {
        "status": Subresource("status", GROUP, version, "Widget", SUBRESOURCE_VERBS),
        "scale": Subresource("scale", "autoscaling", "v1", "Scale", SUBRESOURCE_VERBS),
    }
    return Resource(
        group=GROUP,
        version=version,
        name="widgets",
        singular="widget",
        kind="Widget",
        namespaced=True,
        verbs=CUSTOM_VERBS,
        short_names=("crdwdg", "crdwd"),
        categories=("crdtestcat",),
        subresources=subs if subresources else {},
        storage_version_hash=storage_version_hash(GROUP, "v1", "Widget"),
    )


@pytest.fixture
def discovery() -> Discovery:
    custom = [widget("v1alpha1"), widget("v1", subresources=True)]
    return Discovery(builtins.resources(), custom, server_address="127.0.0.1:6443")


def test_version_order() -> None:
    versions = [
        "v1beta1",
        "foo1",
        "v11beta2",
        "v10",
        "v1",
        "v2",
        "v3beta1",
        "v12alpha1",
        "foo10",
        "v11alpha2",
        "v10beta3",
    ]
    assert sorted(versions, key=version_order) == [
        "v10", "v2", "v1", "v11beta2", "v10beta3", "v3beta1", "v1beta1", "v12alpha1", "v11alpha2", "foo1", "foo10",
    ]  # fmt: skip


def test_groups(discovery: Discovery) -> None:
    listed = [g["name"] for g in discovery.group_list().obj["groups"]]
    assert listed[:3] == ["apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert listed[-1] == GROUP
    assert "" not in listed
    autoscaling = discovery.group("autoscaling")
    assert autoscaling is not None
    assert autoscaling.obj["preferredVersion"] == autoscaling.obj["versions"][0]
    assert autoscaling.obj["preferredVersion"]["version"] == "v2"
    assert discovery.group("nope.example.com") is None
    assert discovery.group("") is None
    assert discovery.resources("apps", "v2") is None
    assert discovery.api_versions().obj == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1:6443"}],
    }


def test_resources_of_the_core_group(discovery: Discovery) -> None:
    listed = discovery.resources("", "v1")
    assert listed is not None
    assert set(listed.obj) == {"kind", "groupVersion", "resources"}
    assert listed.obj["groupVersion"] == "v1"
    by_name = {entry["name"]: entry for entry in listed.obj["resources"]}
    assert by_name["pods/eviction"]["group"] == "policy"
    assert "group" not in by_name["pods/status"]
    assert by_name["serviceaccounts/token"]["kind"] == "TokenRequest"


def test_custom_kinds(discovery: Discovery) -> None:
    group = discovery.group(GROUP)
    assert group is not None
    assert [v["version"] for v in group.obj["versions"]] == ["v1", "v1alpha1"]
    listed = discovery.resources(GROUP, "v1")
    assert listed is not None
    assert [r["name"] for r in listed.obj["resources"]] == ["widgets", "widgets/status", "widgets/scale"]
    assert listed.obj["resources"][0]["storageVersionHash"] == "stGpPkfrzQQ="
    assert listed.obj["resources"][2]["group"] == "autoscaling"
    item = discovery.aggregated(core=False).obj["items"][-1]
    assert item["metadata"] == {"name": GROUP}
    entry = item["versions"][0]["resources"][0]
    assert entry["responseKind"] == {"group": GROUP, "version": "v1", "kind": "Widget"}
    assert [s["responseKind"]["kind"] for s in entry["subresources"]] == ["Widget", "Scale"]


def test_custom_kinds_in_a_builtin_group() -> None:
    foreign = Resource("policy", "v2", "rules", "rule", "Rule", True, CUSTOM_VERBS)
    group = Discovery(builtins.resources(), [foreign]).group("policy")
    assert group is not None
    assert [v["version"] for v in group.obj["versions"]] == ["v1", "v2"]


def test_documents_are_cached_and_tagged(discovery: Discovery) -> None:
    document = discovery.aggregated(core=False)
    assert document is discovery.aggregated(core=False)
    assert orjson.loads(document.body) == document.obj
    assert len(document.etag) == 130
    assert document.etag[0] == '"'
    assert document.etag == document.etag.upper()
    assert Discovery(builtins.resources()).aggregated(core=False).etag != document.etag
    older = discovery.aggregated(core=False, version="v2beta1")
    assert older.obj["apiVersion"] == "apidiscovery.k8s.io/v2beta1"
    assert older.obj["items"] == document.obj["items"]
    assert aggregated_media_type() == "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"


@pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recorded answers")
def test_recorded_documents(discovery: Discovery) -> None:
    seen = set()
    folder = Path(os.environ["WHERRY_CORPORA"]) / "transcripts"
    for name in ("protocol.jsonl", "crd.jsonl"):
        for line in (folder / name).read_text().splitlines():
            for step in json.loads(line)["steps"]:
                body = step["answer"].get("body")
                kind = body.get("kind") if isinstance(body, dict) else None
                if kind == "APIGroup":
                    mine = discovery.group(body["name"])
                elif kind == "APIResourceList":
                    mine = discovery.resources(*body["groupVersion"].rpartition("/")[::2])
                elif kind == "APIGroupDiscoveryList":
                    mine = discovery.aggregated(core=step["request"].split()[1] == "/api")
                else:
                    continue
                if mine is not None:  # other custom groups of the recording are not set up here
                    seen.add(kind)
                    assert mine.obj == body, step["request"]
    assert seen == {"APIGroup", "APIResourceList", "APIGroupDiscoveryList"}
