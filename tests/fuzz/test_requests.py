"""Bodies and query strings that nobody should send: always a `Status` of the 4xx kind, and the server goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wherry.server.asgi import ApiApp
from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage

MAPS = "/api/v1/namespaces/default/configmaps"
PATHS = [MAPS, "/apis/apps/v1/namespaces/default/deployments", "/api/v1/namespaces", "/api/v1/namespaces/default/pods"]
MEDIA = [
    "application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/merge-patch+json",
    "application/json-patch+json", "application/strategic-merge-patch+json", "application/apply-patch+yaml",
    "text/plain", "application/json; charset=latin-1", "", "multipart/form-data", "application/cbor",
]  # fmt: skip
FUZZ = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
# Kubernetes objects have few shapes, so that random ones seldom get past the first check; these are near misses.
WORDS = [
    "kind",
    "apiVersion",
    "metadata",
    "name",
    "namespace",
    "labels",
    "spec",
    "data",
    "v1",
    "ConfigMap",
    "Deployment",
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.sampled_from(WORDS)
)
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=6), inner, max_size=5)
    ),
    max_leaves=20,
)
REASONS = {
    400: {"BadRequest", "Invalid"}, 403: {"Forbidden"}, 404: {"NotFound"}, 405: {"MethodNotAllowed"},
    406: {"NotAcceptable"}, 409: {"AlreadyExists", "Conflict"}, 410: {"Expired", "Gone"},
    413: {"RequestEntityTooLarge"}, 415: {"UnsupportedMediaType"}, 422: {"Invalid"},
}  # fmt: skip


# Two refusals that the real server words so, as errors of its own: the fault is the client's, but they are exact.
UPSTREAM_500 = ("failed to create typed patch object", "resourceVersion: Invalid value: ")


class Face:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.storage = open_storage("memory:")
        self.handler = self.loop.run_until_complete(build_handler(self.storage, token="t"))
        self.app = ApiApp(self.handler)

    def close(self) -> None:
        self.loop.run_until_complete(self.handler.close())
        self.loop.run_until_complete(self.storage.close())
        self.loop.close()

    def ask(self, method: str, path: str, query: str = "", body: bytes = b"", media: str = MEDIA[0]) -> tuple[int, Any]:
        """The handler below the application, so that a fault shows as its exception and not as a neat 500."""
        headers = [("authorization", "Bearer t"), ("content-type", media), ("user-agent", "fuzz/1")]
        return self.loop.run_until_complete(self._ask(Request(method, path, path, query, headers, body)))

    async def _ask(self, request: Request) -> tuple[int, Any]:
        response = await self.app.handler(request)
        content: Any = response.body
        if isinstance(content, list | tuple):
            content = b"".join(content)
        elif not isinstance(content, bytes):
            await content.aclose()
            return response.status, None
        return response.status, orjson.loads(content)

    def sane(self, method: str, path: str, query: str = "", body: bytes = b"", media: str = MEDIA[0]) -> int:
        code, document = self.ask(method, path, query, body, media)
        if code >= 400:
            assert document["kind"] == "Status"
            assert (document["status"], document["code"]) == ("Failure", code)
            assert document["message"]
            if code == 500:
                assert document["message"].startswith(UPSTREAM_500), document
                return code
            assert code in REASONS, document
            assert document["reason"] in REASONS[code], document
        return code

    def goes_on(self) -> None:
        assert self.ask("GET", MAPS)[0] == 200


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    face = Face()
    kept = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"kept"}}'
    assert face.ask("POST", MAPS, body=kept)[0] == 201
    yield face
    face.close()


@FUZZ
@given(path=st.sampled_from(PATHS), media=st.sampled_from(MEDIA), body=st.binary(max_size=64))
def test_garbage_bodies(face: Face, path: str, media: str, body: bytes) -> None:
    assert 400 <= face.sane("POST", path, body=body, media=media) < 500
    face.sane("PATCH", f"{MAPS}/kept", body=body, media=media)
    face.goes_on()


@FUZZ
@given(path=st.sampled_from(PATHS), body=JSON, strict=st.sampled_from(["", "fieldValidation=Strict", "dryRun=All"]))
def test_json_of_any_shape(face: Face, path: str, body: Any, strict: str) -> None:
    face.sane("POST", path, strict, orjson.dumps(body, option=orjson.OPT_NON_STR_KEYS) if _fits(body) else b"{}")


@FUZZ
@given(
    part=JSON,
    where=st.sampled_from(["metadata", "data", "kind", "apiVersion", "spec", "immutable"]),
    name=st.text(max_size=12),
)
def test_near_misses(face: Face, part: Any, where: str, name: str) -> None:
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}}
    if not _fits([part, name]):
        return
    data = orjson.dumps({**body, where: part})
    for path in PATHS[:2]:
        face.sane("POST", path, "fieldValidation=Strict&dryRun=All", data)
    face.sane("PUT", f"{MAPS}/kept", "dryRun=All", data)
    for media in MEDIA[3:7]:
        face.sane("PATCH", f"{MAPS}/kept", "dryRun=All&fieldManager=f", data, media)
    face.goes_on()


@FUZZ
@given(
    body=st.binary(max_size=80),
    kind=st.sampled_from([b"", b"\n\x0f\n\x02v1\x12\tConfigMap", b"\x0a\xff\xff\xff\xff\x0f"]),
)
def test_protobuf_garbage(face: Face, body: bytes, kind: bytes) -> None:
    face.sane("POST", MAPS, "dryRun=All", b"k8s\x00" + kind + body, MEDIA[2])
    face.goes_on()


@FUZZ
@given(
    query=st.dictionaries(
        st.sampled_from([
            "labelSelector", "fieldSelector", "resourceVersion", "resourceVersionMatch", "limit", "continue",
            "timeoutSeconds",
            "pretty", "dryRun", "fieldValidation", "propagationPolicy", "sendInitialEvents", "allowWatchBookmarks",
        ]),
        st.text(max_size=10) | st.sampled_from(["a=b", "a in (b", "!!", "metadata.name=x",
            "-1", "99999999999999999999", "Exact", "true"]),
        max_size=4,
    )
)  # fmt: skip
def test_query_strings(face: Face, query: dict[str, str]) -> None:
    if _fits(list(query.values())):
        text = urlencode(query)
        face.sane("GET", MAPS, text)
        face.sane("GET", f"{MAPS}/kept", text)
        face.sane("DELETE", f"{MAPS}/absent", text)
    face.goes_on()


@FUZZ
@given(name=st.text(min_size=1, max_size=20))
def test_names_in_paths(face: Face, name: str) -> None:
    if _fits(name):
        for method in ("GET", "DELETE"):
            face.sane(method, f"{MAPS}/{quote(name, safe='')}")
    face.goes_on()


@pytest.mark.parametrize(
    "body",
    [
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"}',
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b"[" * 100_000,
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"x"},"data":{"x":"' + b"y" * (3 << 20) + b'"}}',
        b'{"apiVersion":"v1","kind":"Secret","metadata":{"name":"x"}}',
        b'{"apiVersion":"v2","kind":"ConfigMap","metadata":{"name":"x"}}',
        b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"No_Good"}}',
    ],
    ids=["truncated", "nested-objects", "nested-lists", "three-mebibytes", "other-kind", "other-version", "bad-name"],
)
def test_what_is_never_stored(face: Face, body: bytes) -> None:
    assert 400 <= face.sane("POST", MAPS, body=body) < 500
    face.goes_on()


def _fits(value: Any) -> bool:
    """JSON as text can carry it: no lone surrogates, no integers over 64 bits."""
    try:
        orjson.dumps(value)
    except (TypeError, ValueError):
        return False
    return True
