"""The built-in kinds, held against what a real server's discovery lists."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from wherry.machinery import builtins
from wherry.machinery.kinds import GroupVersion


def test_groups_in_order_of_discovery() -> None:
    groups = builtins.groups()
    assert list(groups)[:4] == ["", "apiregistration.k8s.io", "apps", "events.k8s.io"]
    assert groups["autoscaling"] == ["v2", "v1"]
    assert groups["certificates.k8s.io"] == ["v1"]  # no beta is served by default


def test_lookups() -> None:
    deployments = builtins.resource("apps", "v1", "deployments")
    assert deployments is not None
    assert (deployments.kind, deployments.namespaced, deployments.list_kind) == ("Deployment", True, "DeploymentList")
    assert deployments.short_names == ("deploy",)
    scale = deployments.subresources["scale"]
    assert (scale.group, scale.version, scale.kind) == ("autoscaling", "v1", "Scale")
    assert builtins.resource("apps", "v1", "nothings") is None
    found = builtins.resource_of_kind("", "v1", "Pod")
    assert found is not None
    assert found.name == "pods"


def test_events_are_stored_in_core() -> None:
    assert builtins.storage_group_version("events.k8s.io", "events") == GroupVersion("", "v1")
    assert builtins.storage_group_version("autoscaling", "horizontalpodautoscalers") == GroupVersion(
        "autoscaling", "v2"
    )


def test_every_resource_has_a_schema_and_a_type() -> None:
    from wherry.machinery.typed.facts import definition

    for (group, version), found in builtins.resources().items():
        for resource in found:
            name = builtins.schema_name(group, version, resource.kind)
            assert builtins.schema(name)["type"] == "object", name
            assert definition(builtins.go_type_name(group, version, resource.kind)), name


def test_a_schema_that_another_names_is_there() -> None:
    """Those of any shape too, which are empty."""
    from wherry.machinery.openapi.schemas import references

    named = {name for schema in builtins.schemas().values() for name in references(schema)}
    assert named - set(builtins.schemas()) == set()
    assert builtins.schema("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSON") == {}


def test_names_of_kinds_described_elsewhere() -> None:
    assert builtins.schema_name("apps", "v1", "DeleteOptions") == "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"
    expected = "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService"
    assert builtins.schema_name("apiregistration.k8s.io", "v1", "APIService") == expected


def listed(resource: Any, group: str, version: str) -> list[dict[str, Any]]:
    """A resource and its subresources as an APIResourceList has them."""
    entry: dict[str, Any] = {
        "name": resource.name, "singularName": resource.singular, "namespaced": resource.namespaced,
        "kind": resource.kind, "verbs": list(resource.verbs),
    }  # fmt: skip
    for key, value in (("shortNames", resource.short_names), ("categories", resource.categories)):
        if value:
            entry[key] = list(value)
    if resource.storage_version_hash:
        entry["storageVersionHash"] = resource.storage_version_hash
    out = [entry]
    for sub in resource.subresources.values():
        elsewhere = {} if (sub.group, sub.version) == (group, version) else {"group": sub.group, "version": sub.version}
        name = f"{resource.name}/{sub.name}"
        out.append(
            {
                "name": name,
                "singularName": "",
                "namespaced": resource.namespaced,
                "kind": sub.kind,
                "verbs": list(sub.verbs),
            }
            | elsewhere
        )
    return out


@pytest.mark.skipif("WHERRY_CORPORA" not in os.environ, reason="WHERRY_CORPORA is not set: no recorded answers")
def test_a_real_server_lists_the_same() -> None:
    file = Path(os.environ["WHERRY_CORPORA"]) / "transcripts" / "protocol.jsonl"
    checked = 0
    for line in file.read_text(encoding="utf-8").splitlines():
        for step in json.loads(line)["steps"]:
            body = step["answer"].get("body")
            if not isinstance(body, dict) or body.get("kind") != "APIResourceList":
                continue
            group, _, version = body["groupVersion"].rpartition("/")
            if (group, version) not in builtins.resources():
                continue
            ours = [entry for r in builtins.resources()[(group, version)] for entry in listed(r, group, version)]
            assert ours == body["resources"], body["groupVersion"]
            checked += 1
    assert checked > 10
