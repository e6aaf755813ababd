"""Methods, paths, tokens and forms at the edge of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from handler_face import APPLY, JSON, MAPS, MERGE, Face, applied, warning

from wherry.server.asgi import ApiApp
from wherry.server.http import Request, Response
from wherry.server.serve import Server, listen

PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"


@pytest.fixture
def api() -> Iterator[Face]:
    face = Face()
    yield face
    face.close()


@pytest.mark.parametrize("method", ["FOO", "get", "PROPFIND", "HEAD"])
def test_other_methods_are_405_where_there_is_something(api: Face, method: str) -> None:
    assert api(method, MAPS).status == 405
    assert api(method, f"{MAPS}/a").status == 405
    assert api(method, "/api/v1/namespaces/default/nope/a").status == 404


@pytest.mark.parametrize(
    ("path", "status"), [("/apis", 200), ("/apis/apps", 200), ("/apis/apps/v1", 405), ("/api", 405), ("/version", 405)]
)
def test_discovery_and_other_methods(api: Face, path: str, status: int) -> None:
    assert api("HEAD", path).status == status


def test_a_connection_passes_on_methods_that_its_parser_does_not_know() -> None:
    async def shown(request: Request) -> Response:
        return Response(200, [("content-type", "text/plain")], f"{request.method} {request.body.decode()};".encode())

    async def main() -> bytes:
        server = Server(ApiApp(shown), listen("127.0.0.1", 0), None)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"FOO /x HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nhi")
        first = await reader.readuntil(b";")
        writer.write(b"get /y HTTP/1.1\r\nHost: h\r\n\r\n")
        second = await reader.readuntil(b";")
        writer.write(b"PUT /z HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        third = await reader.read()
        writer.close()
        await server.stop()
        return first.split(b"\r\n\r\n")[1] + second.split(b"\r\n\r\n")[1] + third.split(b"\r\n\r\n")[1]

    assert asyncio.run(asyncio.wait_for(main(), 10)) == b"FOO hi;get ;PUT ;"


def test_what_is_no_token_is_no_method() -> None:
    async def never(request: Request) -> Response:
        raise AssertionError(request)

    async def main() -> bytes:
        server = Server(ApiApp(never), listen("127.0.0.1", 0), None)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"F(O /x HTTP/1.1\r\nHost: h\r\n\r\n")
        found = await reader.readuntil(b"\r\n")
        writer.close()
        await server.stop()
        return found

    assert b" 400 " in asyncio.run(asyncio.wait_for(main(), 10))


def test_broken_escapes_never_reach_the_api(api: Face) -> None:
    answer = api("GET", f"{MAPS}/a%2")
    assert (answer.status, answer.media, answer.body) == (400, "text/plain; charset=utf-8", b"400 Bad Request")


def test_names_are_quoted_as_go_does_it(api: Face) -> None:
    assert api("GET", f"{MAPS}/a%00").message == 'configmaps "a\\x00" not found'


def test_a_deprecated_version_warns_with_every_answer(api: Face) -> None:
    text = warning("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice")
    path = "/api/v1/namespaces/default/endpoints"
    assert api("GET", f"{path}?fieldSelector=x=y").warnings == [text]
    assert api("PATCH", f"{path}/none", {}, MERGE).warnings == [text]
    assert api("DELETE", f"{path}/none").warnings == [text]
    assert api("FOO", path).warnings == []  # no endpoint has been reached


def test_the_collection_of_a_delete_is_read_like_a_list(api: Face) -> None:
    api.config_map("a")
    assert api("DELETE", f"{MAPS}?timeoutSeconds=x").message == 'strconv.ParseInt: parsing "x": invalid syntax'
    text = "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"
    assert api("DELETE", f"{MAPS}?continue=x").message == text
    assert api("GET", f"{MAPS}?continue=x").message == text
    assert api("GET", f"{MAPS}/a").status == 200


def test_a_watch_can_show_no_lists(api: Face) -> None:
    api.config_map("a")
    answer = api("GET", f"{MAPS}?watch=1&timeoutSeconds=20", accept=PARTIAL_LIST)
    assert (answer.status, answer.body) == (200, b"")


def test_a_token_needs_a_service_account(api: Face) -> None:
    answer = api("POST", "/api/v1/namespaces/default/serviceaccounts/none/token", {})
    assert (answer.status, answer.message) == (404, 'serviceaccounts "none" not found')


def test_old_watch_paths_have_no_subresources(api: Face) -> None:
    answer = api("GET", "/api/v1/watch/namespaces/default/pods/a/status")
    assert answer.message == "the server could not find the requested resource"


def test_the_last_event_shows_the_object_as_it_stood(api: Face) -> None:
    made = api.config_map("a", metadata={"finalizers": ["x.io/f"]})
    api("DELETE", f"{MAPS}/a")
    put = api("PUT", f"{MAPS}/a", applied("a"))
    assert "finalizers" not in put.doc["metadata"]
    assert put.doc["metadata"]["deletionGracePeriodSeconds"] == 0
    since = made["metadata"]["resourceVersion"]
    watched = api("GET", f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={since}", accept=JSON)
    last = watched.body.splitlines()[-1]
    assert last.startswith(b'{"type":"DELETED"')
    assert b'"finalizers":["x.io/f"]' in last
    assert api("GET", f"{MAPS}/a").status == 404


def test_namespaces_word_preconditions_in_their_own_way(api: Face) -> None:
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "n"}}
    uid = api("POST", "/api/v1/namespaces", space).doc["metadata"]["uid"]
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "x"}}
    assert api("DELETE", "/api/v1/namespaces/n", options).message == (
        'Operation cannot be fulfilled on namespaces "n": Precondition failed: '
        f"UID in precondition: x, UID in object meta: {uid}"
    )


def test_a_version_on_create_is_refused_by_the_storage_alone(api: Face) -> None:
    """After validation, and not where a dry run leaves the storage out."""
    body = {"metadata": {"name": "versioned", "resourceVersion": "7"}}
    assert api("POST", MAPS, {**body, "data": {"no/key": ""}}).status == 422
    assert api("POST", f"{MAPS}?dryRun=All", body).doc["metadata"]["resourceVersion"] == "7"
    applied_dry = api("PATCH", f"{MAPS}/versioned?fieldManager=m&dryRun=All", {**applied("versioned"), **body}, APPLY)
    assert applied_dry.doc["metadata"]["resourceVersion"] == "7"
    refused = api("POST", MAPS, body)
    assert (refused.status, refused.message) == (500, "resourceVersion should not be set on objects to be created")
