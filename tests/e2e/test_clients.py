"""The official Python client (typed, dynamic, watch) and lightkube, unmodified."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client as official
from kubernetes import config, dynamic, watch
from lightkube import ApiError, Client, KubeConfig
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import ConfigMap

from .conftest import Kubectl


@pytest.fixture
def api(kubeconfig: Path) -> Iterator[official.ApiClient]:
    with config.new_client_from_config(str(kubeconfig)) as api:
        yield api


def named(name: str, **data: str) -> official.V1ConfigMap:
    return official.V1ConfigMap(metadata=official.V1ObjectMeta(name=name), data=data)


def test_typed_calls(api: official.ApiClient, kubectl: Kubectl) -> None:
    core, namespace = official.CoreV1Api(api), kubectl.namespace
    made = core.create_namespaced_config_map(namespace, named("a", x="1"))
    made.data["x"] = "2"
    core.replace_namespaced_config_map("a", namespace, made)
    with pytest.raises(official.ApiException) as conflict:
        core.replace_namespaced_config_map("a", namespace, made)
    assert (conflict.value.status, conflict.value.reason) == (409, "Conflict")
    assert core.patch_namespaced_config_map("a", namespace, {"data": {"y": "3"}}).data == {"x": "2", "y": "3"}
    for name in ("b", "c"):
        core.create_namespaced_config_map(namespace, named(name))
    page = core.list_namespaced_config_map(namespace, limit=2)
    rest = core.list_namespaced_config_map(namespace, limit=2, _continue=page.metadata._continue)
    assert [item.metadata.name for item in page.items + rest.items] == ["a", "b", "c"]
    core.delete_namespaced_config_map("a", namespace)
    with pytest.raises(official.ApiException) as gone:
        core.read_namespaced_config_map("a", namespace)
    assert gone.value.status == 404


def test_watch_resumes_where_it_was(api: official.ApiClient, kubectl: Kubectl) -> None:
    core, namespace = official.CoreV1Api(api), kubectl.namespace
    begin = core.list_namespaced_config_map(namespace).metadata.resource_version
    core.create_namespaced_config_map(namespace, named("a"))
    core.patch_namespaced_config_map("a", namespace, {"data": {"x": "1"}})
    core.delete_namespaced_config_map("a", namespace)
    seen: list[str] = []
    version = begin
    for _ in range(3):  # each watch ends after one event; the next goes on from there
        stream = watch.Watch()
        for event in stream.stream(core.list_namespaced_config_map, namespace, resource_version=version):
            seen.append(event["type"])
            version = event["object"].metadata.resource_version
            stream.stop()
    assert seen == ["ADDED", "MODIFIED", "DELETED"]


def test_dynamic_client(api: official.ApiClient, kubectl: Kubectl) -> None:
    maps = dynamic.DynamicClient(api).resources.get(api_version="v1", kind="ConfigMap")
    namespace = kubectl.namespace
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "d"}, "data": {"x": "1"}}
    maps.create(body=body, namespace=namespace)
    changed = maps.patch(body={"data": {"x": None}}, name="d", namespace=namespace,
                         content_type="application/merge-patch+json")  # fmt: skip
    assert not changed.data
    applied = maps.server_side_apply(
        body={**body, "data": {"z": "9"}}, name="d", namespace=namespace, field_manager="tester"
    )
    assert applied.data.z == "9"
    assert [item.metadata.name for item in maps.get(namespace=namespace).items] == ["d"]
    for event in maps.watch(namespace=namespace, timeout=5):
        assert (event["type"], event["object"].metadata.name) == ("ADDED", "d")
        break
    maps.delete(name="d", namespace=namespace)


def test_lightkube(kubeconfig: Path, kubectl: Kubectl) -> None:
    client = Client(KubeConfig.from_file(kubeconfig), namespace=kubectl.namespace, field_manager="tester")
    for name in ("a", "b", "c"):
        client.create(ConfigMap(metadata=ObjectMeta(name=name), data={"x": "1"}))
    listed = client.list(ConfigMap, chunk_size=2)
    assert [item.metadata.name for item in listed] == ["a", "b", "c"]
    applied = client.apply(ConfigMap(apiVersion="v1", kind="ConfigMap", metadata=ObjectMeta(name="d"), data={"z": "1"}))
    assert client.patch(ConfigMap, "d", {"data": {"z": "2"}}).data == {"z": "2"}
    for what, found in client.watch(ConfigMap, resource_version=applied.metadata.resourceVersion):
        assert (what, found.data) == ("MODIFIED", {"z": "2"})
        break
    client.delete(ConfigMap, "d")
    with pytest.raises(ApiError) as gone:
        client.get(ConfigMap, "d")
    assert gone.value.status.code == 404
