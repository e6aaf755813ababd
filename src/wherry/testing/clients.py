"""Fixtures with the clients of others, each at home in the test's workspace. A library that is not installed skips."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from wherry.testing.workspace import Workspace

try:  # where it is installed pytest has it anyway; in its strict mode it takes no other asynchronous fixtures
    from pytest_asyncio import fixture as _async_fixture
except ImportError:
    _async_fixture = pytest.fixture  # type: ignore[assignment]


@pytest.fixture
def kubernetes_client(kubeconfig: Path) -> Iterator[Any]:
    """A `kubernetes.client.ApiClient` of the official library: `kubernetes.client.CoreV1Api(kubernetes_client)`."""
    pytest.importorskip("kubernetes")
    from kubernetes import config

    make: Any = config.new_client_from_config
    with make(config_file=str(kubeconfig)) as client:
        yield client


@pytest.fixture
def lightkube_client(workspace: Workspace) -> Iterator[Any]:
    """A `lightkube.Client`."""
    lightkube = pytest.importorskip("lightkube")
    config = lightkube.KubeConfig.from_file(workspace.kubeconfig)
    client = lightkube.Client(config=config, field_manager="test")
    yield client
    client._client._client.close()


@pytest.fixture
def kr8s_api(workspace: Workspace) -> Any:
    """A synchronous `kr8s` API object."""
    kr8s = pytest.importorskip("kr8s")
    return kr8s.api(kubeconfig=str(workspace.kubeconfig))


@_async_fixture
async def kubernetes_asyncio_client(kubeconfig: Path) -> AsyncIterator[Any]:
    """A `kubernetes_asyncio.client.ApiClient`, for tests under an asynchronous plugin such as pytest-asyncio."""
    config = pytest.importorskip("kubernetes_asyncio.config")
    async with await config.new_client_from_config(config_file=str(kubeconfig)) as client:
        yield client


@pytest.fixture
def pykube_api(workspace: Workspace) -> Iterator[Any]:
    """A `pykube.HTTPClient` of pykube-ng."""
    pykube = pytest.importorskip("pykube")
    client = pykube.HTTPClient(pykube.KubeConfig.from_file(str(workspace.kubeconfig)))
    yield client
    client.session.close()
