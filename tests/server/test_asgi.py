"""The ASGI skin: requests in, responses out, refusals as Status, whoever runs it."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from wherry.errors import NotFound
from wherry.kit.pki import Peer
from wherry.server.asgi import ApiApp, accepts_gzip, pieces
from wherry.server.http import Request, Response
from wherry.server.limits import Limits, is_long_running

Handler = Callable[[Request], Awaitable[Response]]
JSON = [("Content-Type", "application/json")]


class Exchange:
    """One request through the application, with a client that sends `parts` and then waits."""

    def __init__(self, parts: list[bytes], *, hang: bool = False):
        self.parts = parts
        self.hang = hang
        self.gone = asyncio.Event()
        self.sent: list[dict[str, Any]] = []
        self.arrived = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        if self.parts:
            body = self.parts.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(self.parts) or self.hang}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.arrived.set()

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode().lower(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent[1:])

    @property
    def complete(self) -> bool:
        return bool(self.sent) and not self.sent[-1].get("more_body", False) and len(self.sent) > 1


def scope(method: str = "GET", path: str = "/version", **more: Any) -> dict[str, Any]:
    found = {"type": "http", "method": method, "path": path, "query_string": b"", "headers": [], "http_version": "1.1"}
    return {**found, **more}


def call(handler: Handler, given: dict[str, Any], parts: list[bytes] | None = None, **more: Any) -> Exchange:
    async def run() -> Exchange:
        limits = more.pop("limits", None)
        exchange = Exchange(parts or [b""], **more)
        await asyncio.wait_for(ApiApp(handler, limits)(given, exchange.receive, exchange.send), 5)
        return exchange

    return asyncio.run(run())


def answering(body: bytes | list[bytes], status: int = 200, headers: list[tuple[str, str]] = JSON) -> Handler:
    async def handler(request: Request) -> Response:
        return Response(status, list(headers), body)

    return handler


def recording(seen: list[Request]) -> Handler:
    async def handler(request: Request) -> Response:
        seen.append(request)
        return Response(200, [], b"")

    return handler


def test_a_request_arrives_whole() -> None:
    seen: list[Request] = []
    given = scope(
        "POST",
        "/api/v1/a b",
        raw_path=b"/api/v1/a%20b",
        query_string=b"dryRun=All",
        headers=[(b"Content-Length", b"5"), (b"Accept", b"a"), (b"accept", b"b")],
        client=("10.0.0.1", 99),
        extensions={"tls": {"client_subject": ("jane", ("dev",)), "client_cert_der": b"der"}},
    )
    call(recording(seen), given, [b"he", b"llo"])
    (request,) = seen
    assert (request.method, request.path, request.raw_path) == ("POST", "/api/v1/a b", "/api/v1/a%20b")
    assert (request.query, request.body, request.remote) == ("dryRun=All", b"hello", "10.0.0.1:99")
    assert request.headers == [("content-length", "5"), ("accept", "a"), ("accept", "b")]
    assert (request.peer, request.peer_certificate) == (Peer("jane", ("dev",)), b"der")


@pytest.mark.parametrize("path", ["/kube/api/v1", "/api/v1"])  # servers differ in whether they take the prefix off
def test_a_mount_point_is_taken_off(path: str) -> None:
    seen: list[Request] = []
    call(recording(seen), scope(path=path, raw_path=path.encode(), root_path="/kube"))
    assert (seen[0].path, seen[0].raw_path) == ("/api/v1", "/api/v1")


def test_a_neighbour_of_the_mount_point_is_not_taken_off() -> None:
    seen: list[Request] = []
    call(recording(seen), scope(path="/kubelet", raw_path=b"/kubelet", root_path="/kube"))
    assert seen[0].path == "/kubelet"


def test_pieces_are_joined_and_counted() -> None:
    got = call(answering([b"ab", b"cd"]), scope())
    assert (got.status, got.body, got.headers["content-length"]) == (200, b"abcd", "4")


def test_head_has_the_length_but_no_body() -> None:
    got = call(answering(b"abcd"), scope("HEAD"))
    assert (got.body, got.headers["content-length"]) == (b"", "4")


def test_not_modified_has_neither() -> None:
    got = call(answering(b"", 304), scope())
    assert "content-length" not in got.headers


def test_a_line_break_in_a_value_starts_no_header() -> None:
    got = call(answering(b"", headers=[("Warning", '299 - "a\r\nSet-Cookie: x"')]), scope())
    assert got.headers["warning"] == '299 - "a  Set-Cookie: x"'


def test_a_refusal_is_a_status() -> None:
    async def handler(request: Request) -> Response:
        raise NotFound.of("", "pods", "x")

    got = call(handler, scope())
    assert (got.status, json.loads(got.body)["reason"]) == (404, "NotFound")


def test_a_fault_is_a_status_without_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    async def handler(request: Request) -> Response:
        raise RuntimeError("the secret is 42")

    got = call(handler, scope())
    status = json.loads(got.body)
    assert (got.status, status["kind"], status["reason"]) == (500, "Status", "InternalError")
    assert "42" not in got.body.decode()
    assert "the secret is 42" in caplog.text


LIMIT = Limits(body_bytes=10)


@pytest.mark.parametrize("headers", [[(b"content-length", b"11")], [(b"transfer-encoding", b"chunked")]])
def test_a_body_over_the_limit_is_413(headers: list[tuple[bytes, bytes]]) -> None:
    got = call(answering(b""), scope("POST", headers=headers), [b"12345", b"678901"], limits=LIMIT)
    status = json.loads(got.body)
    assert (got.status, status["reason"]) == (413, "RequestEntityTooLarge")
    assert status["message"] == "Request entity too large: limit is 10"


def test_a_body_of_the_limit_is_fine() -> None:
    got = call(answering(b""), scope("POST", headers=[(b"content-length", b"10")]), [b"1234567890"], limits=LIMIT)
    assert got.status == 200


def test_a_body_that_does_not_come_is_a_timeout() -> None:
    given = scope("POST", headers=[(b"content-length", b"10")])
    got = call(answering(b""), given, [b"12"], hang=True, limits=Limits(body_seconds=0.02))
    assert (got.status, json.loads(got.body)["reason"]) == (504, "Timeout")


def test_too_many_at_once_are_429_watches_apart() -> None:
    async def run() -> list[Exchange]:
        release = asyncio.Event()

        async def handler(request: Request) -> Response:
            await release.wait()
            return Response(200, [], b"")

        app = ApiApp(handler, Limits(mutating_in_flight=1, read_only_in_flight=1))
        given = [scope("POST"), scope("POST"), scope("GET"), scope("GET", query_string=b"watch=1")]
        exchanges = [Exchange([b""]) for _ in given]
        tasks = [asyncio.create_task(app(g, e.receive, e.send)) for g, e in zip(given, exchanges, strict=True)]
        await tasks[1]
        release.set()
        await asyncio.gather(*tasks)
        assert (app.in_flight.mutating, app.in_flight.read_only) == (0, 0)
        return exchanges

    got = asyncio.run(run())
    assert [exchange.status for exchange in got] == [200, 429, 200, 200]
    assert got[1].headers["retry-after"] == "1"
    assert json.loads(got[1].body)["message"] == "Too many requests, please try again later."


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/api/v1/pods", "watch=true", True),
        ("/api/v1/pods", "watch=", True),
        ("/api/v1/pods", "watch=False", False),
        ("/api/v1/pods", "watch=0", False),
        ("/api/v1/pods", "labelSelector=watch", False),
        ("/api/v1/watch/pods", "", True),
        ("/api/v1/namespaces/a/pods/b/exec", "command=ls", True),
        ("/api/v1/pods", "", False),
    ],
)
def test_what_is_long_running(path: str, query: str, expected: bool) -> None:
    assert is_long_running(path, query) is expected


@pytest.mark.parametrize("size", [130_000, 600_000])  # on the loop, and in a thread
@pytest.mark.parametrize("accept", ["gzip", "deflate, gzip;q=0.5"])
def test_large_answers_are_compressed_for_those_who_accept_it(size: int, accept: str) -> None:
    body = [b"x" * 1000] * (size // 1000)
    limits = Limits(gzip_bytes=100_000)
    got = call(answering(body), scope(headers=[(b"accept-encoding", accept.encode())]), limits=limits)
    assert (got.headers["content-encoding"], got.headers["vary"]) == ("gzip", "Accept-Encoding")
    assert gzip.decompress(got.body) == b"".join(body)
    assert int(got.headers["content-length"]) == len(got.body)


def test_small_answers_and_unwilling_clients_get_plain_bytes() -> None:
    assert (
        "content-encoding"
        not in call(answering(b"x" * 131_072), scope(headers=[(b"accept-encoding", b"gzip")])).headers
    )
    assert "content-encoding" not in call(answering(b"x" * 200_000), scope()).headers


@pytest.mark.parametrize(("header", "expected"), [("gzip", True), ("gzip;q=0", False), ("xgzip", False), ("", False)])
def test_who_accepts_gzip(header: str, expected: bool) -> None:
    assert accepts_gzip(header) is expected


def test_pieces_lose_nothing() -> None:
    for body in (b"x" * 700_001, [b"ab" * 1000] * 400, [b"a", b"b" * 600_000, b"c"]):
        cut = pieces(body)
        assert b"".join(cut) == (body if isinstance(body, bytes) else b"".join(body))
        assert max(map(len, cut)) <= 2 * 256 * 1024


class Events:
    """A stream that says whether it was closed."""

    def __init__(self, parts: list[bytes], *, endless: bool = False, fail: bool = False):
        self.parts, self.endless, self.fail, self.closed = parts, endless, fail, False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.parts:
            return self.parts.pop(0)
        if self.fail:
            raise RuntimeError("half way")
        if self.endless:
            await asyncio.Event().wait()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


def streaming(events: Events) -> Handler:
    async def handler(request: Request) -> Response:
        return Response(200, JSON, events)

    return handler


@pytest.mark.parametrize("fail", [False, True])
def test_a_stream_ends_cleanly(fail: bool, caplog: pytest.LogCaptureFixture) -> None:
    events = Events([b"1\n", b"2\n"], fail=fail)
    got = call(streaming(events), scope(query_string=b"watch=1"))
    assert (got.body, got.complete, events.closed) == (b"1\n2\n", True, True)
    assert "content-length" not in got.headers
    assert got.sent[1] == {"type": "http.response.body", "body": b"", "more_body": True}  # flushes the head
    assert ("half way" in caplog.text) is fail


def test_a_client_that_goes_ends_the_stream() -> None:
    async def run() -> None:
        events = Events([b"1\n"], endless=True)
        exchange = Exchange([b""])
        task = asyncio.create_task(ApiApp(streaming(events))(scope(), exchange.receive, exchange.send))
        while len(exchange.sent) < 3:
            exchange.arrived.clear()
            await exchange.arrived.wait()
        assert not exchange.complete
        exchange.gone.set()
        await asyncio.wait_for(task, 5)
        assert events.closed

    asyncio.run(run())


def test_a_client_that_goes_before_its_body_is_complete_is_not_answered() -> None:
    async def run() -> Exchange:
        exchange = Exchange([b"12"], hang=True)
        exchange.gone.set()
        await ApiApp(answering(b""))(
            scope("POST", headers=[(b"content-length", b"9")]), exchange.receive, exchange.send
        )
        return exchange

    assert asyncio.run(run()).sent == []


def test_lifespan_and_websocket_scopes_are_answered(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)

    async def run(kind: str, incoming: list[str]) -> list[str]:
        sent: list[str] = []

        async def receive() -> dict[str, Any]:
            return {"type": incoming.pop(0)}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        await ApiApp(answering(b""))({"type": kind}, receive, send)
        return sent

    got = asyncio.run(run("lifespan", ["lifespan.startup", "lifespan.shutdown"]))
    assert got == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert asyncio.run(run("websocket", ["websocket.connect"])) == ["websocket.close"]
