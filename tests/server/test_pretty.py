"""JSON is indented for people: where the query asks for it, and for browsers and command-line tools."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from handler_face import JSON, MAPS, Face

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
DEFAULT = "/api/v1/namespaces/default"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


@pytest.fixture(scope="module")
def api() -> Iterator[Face]:
    face = Face()
    yield face
    face.close()


def indented(body: bytes) -> bool:
    """As upstream, a line ends JSON exactly if it is not indented."""
    pretty = body.startswith(b'{\n  "')
    assert body.endswith(b"\n") is not pretty
    return pretty


@pytest.mark.parametrize(
    "agent", ["curl/8.5.0", "Wget/1.21", "Mozilla/5.0 (X11)", "kubectl/v1.36.0", "Mozilla/4.0", ""]
)
@pytest.mark.parametrize("accept", [JSON, "*/*", "", TABLE])
@pytest.mark.parametrize("path", [DEFAULT, f"{DEFAULT}/pods", f"{DEFAULT}/pods/nope"])
def test_the_agent_says_who_reads(api: Face, agent: str, accept: str, path: str) -> None:
    reader = agent.startswith(("curl", "Wget", "Mozilla/5.0"))
    assert indented(api("GET", path, accept=accept, agent=agent).body) is reader


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", True), ("1", True), ("T", True), ("false", False), ("junk", False), ("yes", False), ("0", False)],
)
def test_the_query_goes_before_the_agent(api: Face, value: str, expected: bool) -> None:
    for agent in ("curl/8", "kubectl/v1.36.0"):
        assert indented(api("GET", f"{DEFAULT}?pretty={value}", agent=agent).body) is expected


def test_an_empty_word_says_nothing(api: Face) -> None:
    assert indented(api("GET", f"{DEFAULT}?pretty=", agent="curl/8").body)
    assert not indented(api("GET", f"{DEFAULT}?pretty=").body)


@pytest.mark.parametrize("path", ["/api", "/apis", "/apis/apps", "/apis/apps/v1"])
def test_discovery(api: Face, path: str) -> None:
    assert indented(api("GET", path, agent="curl/8").body)
    assert not indented(api("GET", path).body)


def test_discovery_in_one_document(api: Face) -> None:
    assert indented(api("GET", "/apis", accept=AGGREGATED, agent="curl/8").body)
    assert not indented(api("GET", "/apis", accept=AGGREGATED).body)


@pytest.mark.parametrize("path", ["/version", "/"])
def test_what_only_people_ask_for(api: Face, path: str) -> None:
    assert indented(api("GET", path).body)


def test_writes_and_reviews(api: Face) -> None:
    map_ = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "pretty"}}
    assert indented(api("POST", MAPS, map_, agent="curl/8").body)
    review = {"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}
    assert b'"allowed": true' in api("POST", REVIEWS, review, agent="curl/8").body
    assert indented(api("DELETE", f"{MAPS}/pretty", agent="curl/8").body)


def test_not_acceptable(api: Face) -> None:
    assert indented(api("GET", DEFAULT, accept="text/none", agent="curl/8").body)
