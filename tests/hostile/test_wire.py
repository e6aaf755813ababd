"""A client that speaks HTTP as it should not: smuggling, tricks with lengths and chunks, heads and bodies without end.

Each is sent over a raw socket. What counts is that no second request gets in behind the first, that the answer is a
refusal, and that the server is there for the next client.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from tests.server.test_serve import answer, connect, serving

from wherry.server.http import Request, Response
from wherry.server.limits import Limits

HEAD = b"POST /a HTTP/1.1\r\nHost: x\r\n"
SECOND = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 10)

    asyncio.run(bounded())


class Seen:
    """A handler that keeps what reaches it."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, bytes]] = []

    async def __call__(self, request: Request) -> Response:
        self.requests.append((request.method, request.path, request.body))
        return Response(200, [("Content-Type", "text/plain")], b"fine")


async def said(sent: bytes, limits: Limits | None = None) -> tuple[list[tuple[str, str, bytes]], bytes]:
    """What reached the handler, and what came back until the server closed (or nothing more came)."""
    seen = Seen()
    async with serving(seen, limits) as server:
        reader, writer = await connect(server)
        writer.write(sent)
        back = b""
        try:
            async with asyncio.timeout(0.4):
                while part := await reader.read(65536):
                    back += part
        except (TimeoutError, ConnectionError):
            pass
        writer.close()
        reader, writer = await connect(server)  # it is there for the next
        writer.write(b"GET /next HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[0] == 200
        writer.close()
    assert seen.requests.pop()[1] == "/next"
    return seen.requests, back


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="CL and TE"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n", id="TE and CL"),
        pytest.param(HEAD + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd", id="two lengths"),
        pytest.param(HEAD + b"Content-Length: 4, 5\r\n\r\nabcd", id="a list of lengths"),
        pytest.param(HEAD + b"Content-Length: +4\r\n\r\nabcd", id="signed length"),
        pytest.param(HEAD + b"Content-Length: -1\r\n\r\n", id="negative length"),
        pytest.param(HEAD + b"Content-Length: 0x4\r\n\r\nabcd", id="hex length"),
        pytest.param(HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n", id="length beyond 64 bits"),
        pytest.param(HEAD + b"Content-Length : 4\r\n\r\nabcd", id="blank before the colon"),
        pytest.param(HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="unknown coding"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n", id="chunked is not last"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", id="chunk size is no number"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n-1\r\n", id="negative chunk"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", id="hex prefix"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", id="chunk beyond 64 bits"),
        pytest.param(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", id="chunk longer than said"),
        pytest.param(b"GET /a HTTP/1.1\nHost: x\n\n", id="bare line feeds"),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: x\r\nX: a\r\n b\r\n\r\n", id="folded header"),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: x\r\nX: a\rContent-Length: 5\r\n\r\n", id="bare carriage return"),
        pytest.param(b"GET /a HTTP/1.1\r\nHost: x\r\nX: a\0b\r\n\r\n", id="NUL in a header"),
        pytest.param(b"GET /a HTTP/1.1\r\n Host: x\r\n\r\n", id="first header is folded"),
        pytest.param(b"GET /a HTTP/9.9\r\nHost: x\r\n\r\n", id="version"),
        pytest.param(b"GET /a\r\n\r\n", id="HTTP/0.9"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", id="HTTP/2 preface"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", id="TLS on a plain port"),
        pytest.param(b"\x00" * 64, id="zeros"),
    ],
)
def test_no_second_request_gets_in(sent: bytes) -> None:
    async def work() -> None:
        requests, back = await said(sent + SECOND)
        assert "/smuggled" not in [path for _, path, _ in requests], (requests, back)
        assert back.startswith(b"HTTP/1.1 4") or requests in ([], [("GET", "/a", b"")]), (requests, back)
        assert back.count(b"HTTP/1.1 ") <= 1

    run(work)


def test_heads_without_end_are_cut_off() -> None:
    async def work() -> None:
        for sent in (
            b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 40_000 + b"\r\n",
            b"GET / HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
        ):
            requests, back = await said(sent)
            assert (requests, back[:12]) == ([], b"HTTP/1.1 431")

    run(work)


def test_bodies_without_end_are_cut_off() -> None:
    async def work() -> None:
        limits = Limits(body_bytes=1000)
        chunk = b"100\r\n" + b"x" * 256 + b"\r\n"
        for sent in (
            HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001,
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 50,
        ):
            requests, back = await said(sent, limits)
            assert (requests, back[:12]) == ([], b"HTTP/1.1 413")

    run(work)


@pytest.mark.parametrize("sent", [b"", b"GET", b"GET / HTTP/1.1\r\nX: ", HEAD + b"Content-Length: 9\r\n\r\nx"])
def test_clients_that_never_finish_are_ended(sent: bytes) -> None:
    async def work() -> None:
        limits = Limits(header_seconds=0.05, body_seconds=0.05, close_seconds=0.05)
        seen = Seen()
        async with serving(seen, limits) as server:
            reader, writer = await connect(server)
            writer.write(sent)
            for byte in b"abc":  # a drop now and then buys no time
                await asyncio.sleep(0.02)
                writer.write(bytes((byte,)) if sent.endswith((b": ", b"x")) else b"")
            await asyncio.wait_for(reader.read(), 5)
            assert seen.requests == []
            writer.close()

    run(work)


def test_an_upgrade_to_http2_is_not_taken() -> None:
    async def work() -> None:
        upgrade = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
        requests, back = await said(b"GET /a HTTP/1.1\r\nHost: x\r\n" + upgrade + SECOND)
        assert [path for _, path, _ in requests] == ["/a"]
        assert back.startswith(b"HTTP/1.1 200")
        assert b" 101 " not in back

    run(work)


def test_an_answer_that_does_not_begin_in_time_is_refused() -> None:
    async def work() -> None:
        async def hanging(_: Request) -> Response:
            await asyncio.Event().wait()
            raise AssertionError

        async with serving(hanging, Limits(request_seconds=0.05, close_seconds=0.05)) as server:
            reader, writer = await connect(server)
            writer.write(SECOND)
            status, headers, body = await answer(reader)
            assert (status, headers["connection"]) == (504, "close")
            assert b"request did not complete within the allotted timeout" in body
            writer.close()
            reader, writer = await connect(server)  # a watch may take its time
            writer.write(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            await asyncio.sleep(0.2)
            assert not reader.at_eof()
            writer.close()

    run(work)
