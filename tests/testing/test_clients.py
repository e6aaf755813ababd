"""The clients of others that the plugin gives are at home in the test's workspace, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from wherry.client import Kind
from wherry.testing.workspace import Workspace

MAPS = Kind("", "v1", "configmaps")
HEAD = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine", "namespace": "default"}}


@pytest.fixture
def mine(workspace: Workspace) -> str:
    """The value in a config map that only this workspace has."""
    workspace.client().create(MAPS, {**HEAD, "data": {"whose": workspace.path}}, "default")
    return workspace.path


@pytest.mark.filterwarnings("ignore:Kubernetes version:UserWarning")
def test_kr8s(mine: str, kr8s_api: Any) -> None:
    (found,) = [each for each in kr8s_api.get("configmaps", namespace="default") if each.name == "mine"]
    assert found.data["whose"] == mine


@pytest.mark.filterwarnings("ignore:Kubernetes version:UserWarning")
def test_kr8s_in_the_next_test(mine: str, kr8s_api: Any) -> None:
    (found,) = [each for each in kr8s_api.get("configmaps", namespace="default") if each.name == "mine"]
    assert found.data["whose"] == mine


def test_pykube(mine: str, pykube_api: Any) -> None:
    import pykube

    found = pykube.ConfigMap.objects(pykube_api).filter(namespace="default").get_by_name("mine")
    assert found.obj["data"] == {"whose": mine}


@pytest.mark.asyncio
async def test_kubernetes_asyncio(mine: str, kubernetes_asyncio_client: Any) -> None:
    from kubernetes_asyncio.client import CoreV1Api

    found = await CoreV1Api(kubernetes_asyncio_client).read_namespaced_config_map("mine", "default")
    assert found.data == {"whose": mine}
