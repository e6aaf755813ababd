"""One server for the whole suite: a Wherry in this process, or whichever CONFORMANCE_SERVER names.

CONFORMANCE_SERVER is an address (with CONFORMANCE_TOKEN) or a kubeconfig. A behaviour that Wherry lacks is expected to
fail there, and only there.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.conformance.api import Api
from tools.targets import Target, target


@pytest.fixture(scope="session")
def server() -> Iterator[Target]:
    opened = target(os.environ.get("CONFORMANCE_SERVER", ""), os.environ.get("CONFORMANCE_TOKEN", ""))
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def controllers(server: Target) -> bool:
    """Whether anyone makes what a namespace is to have."""
    api = Api(server)
    return server.ours or api.eventually(lambda: api.get("serviceaccounts/default").status == 200, seconds=10)


@pytest.fixture
def api(server: Target, request: pytest.FixtureRequest) -> Api:
    marked = request.node.get_closest_marker("behaviour")
    if marked and marked.args[0].gap and server.ours:
        request.node.add_marker(pytest.mark.xfail(reason=marked.args[0].gap, strict=True))
    if request.node.get_closest_marker("controllers") and not request.getfixturevalue("controllers"):
        pytest.skip("the server has no controller manager")
    return Api(server)
