"""A client without rights at every route: nothing but what the default roles allow answers other than 401 and 403.

Every resource of discovery with every subresource and every method, and every other path, asked by nobody, by a user
whom no role knows, and with credentials that nobody accepts. Path tricks must lead to the same door.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from tests.server.handler_face import Face

from wherry.access.user import User
from wherry.server.http import Request

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
NOBODY = User("nobody", groups=("system:authenticated",))
# What the default roles give: system:public-info-viewer to all, system:discovery and system:basic-user to the known.
PUBLIC = ("/healthz", "/livez", "/readyz", "/version", "/version/")
KNOWN = ("/api", "/apis", "/openapi", "/healthz", "/livez", "/readyz", "/version")
SELF = ("selfsubjectaccessreviews", "selfsubjectrulesreviews", "selfsubjectreviews")
OTHER = (
    "/", "/api", "/api/", "/api/v1", "/apis", "/apis/", "/apis/apps", "/apis/apps/v1", "/openapi/v2", "/openapi/v3",
    "/openapi/v3/api/v1", "/metrics", "/metrics/slis", "/debug/pprof/", "/debug/flags/v", "/logs", "/statusz", "/flagz",
    "/livez/ping", "/readyz/log", "/healthz/etcd", "/.well-known/openid-configuration", "/openid/v1/jwks", "/configz",
    "/clusters/root/api/v1/secrets", "/clusters/other/api/v1/secrets", "/clusters/", "/favicon.ico", "/ui",
    "/swagger.json",
)  # fmt: skip


@pytest.fixture(scope="module")
def face() -> Iterator[Face]:
    made = Face()
    made("POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "x"}, "data": {"k": "aHVzaA=="}})
    yield made
    made.close()


def ask(face: Face, method: str, path: str, user: User | None, token: str = "") -> tuple[int, bytes]:
    raw, _, query = path.partition("?")
    headers = [("accept", "application/json"), ("content-type", "application/json")]
    headers += [("authorization", f"Bearer {token}")] if token else []
    request = Request(method, unquote(raw), raw, query, headers, b"{}" if method in ("POST", "PUT", "PATCH") else b"")
    request.user = user
    response = face.loop.run_until_complete(face.app.respond(request))
    body = response.body
    if isinstance(body, list | tuple):
        return response.status, b"".join(body)
    return response.status, body if isinstance(body, bytes) else b"(a stream)"


def resource_paths(face: Face) -> Iterator[tuple[str, str]]:
    """(resource, path): collections, objects, everything below them."""
    for res in face.handler.api.registry.resources("root"):
        prefix = f"/apis/{res.group}/{res.version}" if res.group else f"/api/{res.version}"
        places = [f"{prefix}/{res.name}"]
        places += [f"{prefix}/namespaces/default/{res.name}"] if res.namespaced else []
        for place in places:
            yield res.name, place
            yield res.name, f"{place}?watch=true"
            yield res.name, f"{place}/x"
            for sub in (*res.subresources, "status", "scale", "proxy", "nonsense"):
                yield res.name, f"{place}/x/{sub}"
        yield res.name, f"{prefix}/watch/{res.name}"


def allowed(user: User | None, resource: str, method: str, path: str) -> bool:
    bare = path.partition("?")[0]
    if not resource:
        if method not in ("GET", "HEAD"):
            return False
        return bare in PUBLIC if user is None else any(bare == p or bare.startswith(f"{p}/") for p in KNOWN)
    return user is not None and resource in SELF and method == "POST"


@pytest.mark.parametrize("user", [None, NOBODY], ids=["anonymous", "nobody"])
def test_no_resource_answers_who_has_no_rights(face: Face, user: User | None) -> None:
    answered = []
    asked = 0
    for resource, path in resource_paths(face):
        for method in METHODS:
            status, body = ask(face, method, path, user)
            asked += 1
            if status not in (401, 403) and not allowed(user, resource, method, path):
                answered.append((method, path, status, body[:100]))
    assert answered == []
    assert asked > 5_000


@pytest.mark.parametrize("user", [None, NOBODY], ids=["anonymous", "nobody"])
def test_no_other_path_does(face: Face, user: User | None) -> None:
    answered = []
    for path in OTHER:
        for method in METHODS:
            status, body = ask(face, method, path, user)
            if status not in (401, 403) and not allowed(user, "", method, path):
                answered.append((method, path, status, body[:100]))
    assert answered == []


def test_credentials_that_nobody_accepts_get_no_answer_at_all(face: Face) -> None:
    for path in (*OTHER, *PUBLIC, "/api/v1/secrets"):
        assert ask(face, "GET", path, None, token="wrong")[0] == 401, path


@pytest.mark.parametrize("user", [None, NOBODY], ids=["anonymous", "nobody"])
@pytest.mark.parametrize(
    "path",
    [
        "//api/v1/secrets", "/api//v1/secrets", "/api/v1//secrets", "/api/v1/secrets/", "/api/v1/secrets//",
        "/api/v1/./secrets", "/api/v1/pods/../secrets", "/api/v1/%2e/secrets", "/api/v1/pods/%2e%2e/secrets",
        "/api/v1/namespaces/default/secrets/%78", "/api/v1/namespaces/default/%73ecrets/x", "/api/v1/secrets;a=b",
        "/api/v1/secrets%00", "/api/v1/secrets%2Fx", "/api/v1/namespaces/default%2Fsecrets/x", "/API/v1/secrets",
        "/api/V1/secrets", "/api/v1/Secrets", "/api/v1/secrets%20", "/api/v1/secrets?", "/api/v1/secrets%3Fwatch=1",
        "/healthz/../api/v1/secrets", "/healthz%2f..%2fapi/v1/secrets", "/version/../metrics",
        "/version%2f..%2fmetrics",
        "/livez/%2e%2e/%2e%2e/metrics", "/clusters/root/../root/api/v1/secrets", "/clusters/root//api/v1/secrets",
        "/api/v1/watch/secrets", "/api/v1/watch/namespaces/default/secrets/x",
        "/api/v1/proxy/namespaces/default/pods/x",
        "/api/v1/namespaces/default/secrets/x?fieldSelector=metadata.name%3Dy",
        "/%61pi/v1/secrets", "\\api\\v1\\secrets",
    ],
)  # fmt: skip
def test_path_tricks_lead_to_the_same_door(face: Face, user: User | None, path: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        status, body = ask(face, method, path, user)
        assert status >= 400, (method, path, status, body)
        assert b"aHVzaA==" not in body
        assert b"apiserver_request_total" not in body
        assert status in (400, 401, 403, 404, 405, 500), (method, path, status)
        if status == 500:
            assert b"unable to determine kind and namespace" in body
