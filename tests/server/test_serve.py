"""The server on a real socket: TLS, identities, bounds, order, streams and the end."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.kit.pki import Pki, write_private
from wherry.kit.tls import ServerTls
from wherry.server.asgi import ApiApp
from wherry.server.connection import http_date
from wherry.server.http import Request, Response
from wherry.server.limits import Limits
from wherry.server.serve import ListenError, Server, listen

Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter
JSON = [("Content-Type", "application/json")]


async def echo(request: Request) -> Response:
    shown = {
        "path": request.path,
        "query": request.query,
        "body": request.body.decode(),
        "who": request.peer and request.peer[:2],
    }
    return Response(200, JSON, json.dumps(shown).encode())


@asynccontextmanager
async def serving(
    handler: Callable[[Request], Awaitable[Response]] = echo,
    limits: Limits | None = None,
    tls: ServerTls | None = None,
) -> AsyncIterator[Server]:
    server = Server(ApiApp(handler, limits), listen("127.0.0.1", 0), tls, sweep_seconds=0.02)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def connect(server: Server, tls: ssl.SSLContext | None = None) -> tuple[Reader, Writer]:
    host = "localhost" if tls else None
    return await asyncio.open_connection("127.0.0.1", server.port, ssl=tls, server_hostname=host)


async def answer(reader: Reader) -> tuple[int, dict[str, str], bytes]:
    """One answer off the connection."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
    status = int(head[0].split()[1])
    if headers.get("transfer-encoding") == "chunked":
        body = b""
        while True:
            size = int(await reader.readuntil(b"\r\n"), 16)
            body += (await reader.readexactly(size + 2))[:-2]
            if size == 0:
                return status, headers, body
    return status, headers, await reader.readexactly(int(headers.get("content-length", "0")))


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(work(), 10)

    asyncio.run(bounded())


def test_the_client_certificate_becomes_the_requests_subject(tmp_path: Path) -> None:
    async def work() -> None:
        pki = Pki(tmp_path)
        pair = pki.client("jane", "jane", ("dev", "ops"))
        write_private(tmp_path / "jane.pem", pair.certificate + pair.key)
        anonymous = ssl.create_default_context(cadata=pki.authority.decode())
        jane = ssl.create_default_context(cadata=pki.authority.decode())
        jane.load_cert_chain(tmp_path / "jane.pem")
        async with serving(tls=ServerTls(pki, ["localhost"])) as server:
            for context, expected in ((anonymous, None), (jane, ["jane", ["dev", "ops"]])):
                reader, writer = await connect(server, context)
                for _ in range(2):  # the second request of the connection knows it as well
                    writer.write(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n")
                    assert json.loads((await answer(reader))[2])["who"] == expected
                writer.close()

    run(work)


def test_paths_queries_and_bodies_arrive() -> None:
    async def work() -> None:
        async with serving() as server:
            reader, writer = await connect(server)
            writer.write(
                b"POST /a%20b?x=%20 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"
            )
            status, headers, body = await answer(reader)
            assert json.loads(body) == {"path": "/a b", "query": "x=%20", "body": "hello", "who": None}
            assert (status, headers["content-type"], headers.get("connection")) == (200, "application/json", None)
            assert headers["date"].endswith("GMT")
            writer.write(b"GET http://proxy.example/p?q HTTP/1.1\r\n\r\n")
            assert json.loads((await answer(reader))[2])["path"] == "/p"
            writer.close()

    run(work)


@given(st.integers(0, 4_000_000_000))
def test_dates_are_those_of_the_standard_library(seconds: int) -> None:
    assert http_date(seconds) == formatdate(seconds, usegmt=True)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def work() -> None:
        async with serving() as server:
            reader, writer = await connect(server)
            writer.write(b"".join(b"GET /%d HTTP/1.1\r\n\r\n" % number for number in range(30)))
            paths = [json.loads((await answer(reader))[2])["path"] for _ in range(30)]
            assert paths == [f"/{number}" for number in range(30)]
            writer.close()

    run(work)


def test_a_refusal_waits_for_the_answers_before_it() -> None:
    async def work() -> None:
        async with serving() as server:
            reader, writer = await connect(server)
            writer.write(b"GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nthis is not HTTP\r\n\r\n")
            assert [(await answer(reader))[0] for _ in range(3)] == [200, 200, 400]
            writer.close()

    run(work)


@pytest.mark.parametrize(
    ("sent", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 3000, 431, "RequestHeaderFieldsTooLarge"),
        (b"GET / HTTP/1.1\r\nx: " + b"a" * 3000 + b"\r\n\r\n", 431, "RequestHeaderFieldsTooLarge"),
        (b"GET /" + b"a" * 3000, 431, "RequestHeaderFieldsTooLarge"),
        (b"nonsense\r\n\r\n", 400, "BadRequest"),
        (b"GET * HTTP/1.1\r\n\r\n", 400, "BadRequest"),
        (b"POST / HTTP/1.1\r\nContent-Length: 101\r\n\r\n", 413, "RequestEntityTooLarge"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n" + b"a" * 101, 413, "RequestEntityTooLarge"),
        (b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nslow", 504, "Timeout"),
    ],
)
def test_bounds_are_refused_with_a_status(sent: bytes, status: int, reason: str) -> None:
    async def work() -> None:
        limits = Limits(header_bytes=2000, body_bytes=100, body_seconds=0.05, close_seconds=0.05)
        async with serving(limits=limits) as server:
            reader, writer = await connect(server)
            writer.write(sent)
            got, headers, body = await answer(reader)
            assert (got, json.loads(body)["reason"], headers["connection"]) == (status, reason, "close")
            assert await reader.read() == b""  # and the connection ends
            writer.close()

    run(work)


def test_a_body_larger_than_a_head_may_be_leaves_the_connection_alive() -> None:
    async def work() -> None:
        async with serving(limits=Limits(header_bytes=2000)) as server:
            reader, writer = await connect(server)
            for _ in range(2):
                writer.write(b"POST /x HTTP/1.1\r\nContent-Length: 5000\r\n\r\n")
                await writer.drain()
                writer.write(b"a" * 5000)
                status, _, body = await answer(reader)
                assert (status, len(json.loads(body)["body"])) == (200, 5000)
            writer.close()

    run(work)


def test_idle_connections_end() -> None:
    async def work() -> None:
        async with serving(limits=Limits(idle_seconds=0.05)) as server:
            reader, writer = await connect(server)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await answer(reader)
            assert await reader.read() == b""
            writer.close()

    run(work)


def test_a_client_that_waits_for_continue_gets_it() -> None:
    async def work() -> None:
        async with serving() as server:
            reader, writer = await connect(server)
            writer.write(b"PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"ok")
            assert json.loads((await answer(reader))[2])["body"] == "ok"
            writer.close()

    run(work)


def test_old_clients_and_upgrades_are_answered_and_closed() -> None:
    async def work() -> None:
        async with serving() as server:
            for sent in (
                b"GET / HTTP/1.0\r\n\r\n",
                b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
                b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00",
            ):
                reader, writer = await connect(server)
                writer.write(sent)
                status, headers, _ = await answer(reader)
                assert (status, headers["connection"], await reader.read()) == (200, "close", b"")
                writer.close()

    run(work)


def test_head_and_large_answers() -> None:
    big = [b"x" * 100_000] * 30

    async def handler(request: Request) -> Response:
        return Response(200, JSON, list(big))

    async def work() -> None:
        async with serving(handler) as server:
            reader, writer = await connect(server)
            writer.write(b"HEAD / HTTP/1.1\r\n\r\n")
            assert b"Content-Length: 3000000\r\n" in await reader.readuntil(b"\r\n\r\n")
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert (await answer(reader))[2] == b"".join(big)
            writer.close()

    run(work)


class Watch:
    """A watch that sends what is put into it."""

    def __init__(self) -> None:
        self.parts: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def __call__(self, request: Request) -> Response:
        return Response(200, JSON, self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        part = await self.parts.get()
        if part is None:
            raise StopAsyncIteration
        return part

    async def aclose(self) -> None:
        self.closed.set()


GET_WATCH = b"GET /pods?watch=1 HTTP/1.1\r\n\r\n"


def test_a_watch_flushes_its_head_and_each_event_and_ends_with_the_connection_alive() -> None:
    async def work() -> None:
        watch = Watch()
        async with serving(watch) as server:
            reader, writer = await connect(server)
            writer.write(GET_WATCH)
            await reader.readuntil(b"\r\n\r\n")
            watch.parts.put_nowait(b"one\n")
            assert await reader.readexactly(9) == b"4\r\none\n\r\n"
            watch.parts.put_nowait(None)
            assert await reader.readexactly(5) == b"0\r\n\r\n"
            watch.parts.put_nowait(None)
            writer.write(GET_WATCH)
            assert (await answer(reader))[0] == 200
            writer.close()

    run(work)


def test_a_client_that_goes_ends_its_watch() -> None:
    async def work() -> None:
        watch = Watch()
        async with serving(watch) as server:
            reader, writer = await connect(server)
            writer.write(GET_WATCH)
            await reader.readuntil(b"\r\n\r\n")
            writer.close()
            await watch.closed.wait()

    run(work)


def test_stop_ends_watches_well_and_lets_answers_finish() -> None:
    async def work() -> None:
        watch, release, entered = Watch(), asyncio.Event(), asyncio.Event()

        async def handler(request: Request) -> Response:
            if request.path == "/slow":
                entered.set()
                await release.wait()
                return Response(200, JSON, b"{}")
            return await watch(request)

        async with serving(handler) as server:
            watching, watching_out = await connect(server)
            watching_out.write(GET_WATCH)
            await watching.readuntil(b"\r\n\r\n")
            slow, slow_out = await connect(server)
            slow_out.write(b"GET /slow HTTP/1.1\r\n\r\n")
            idle, idle_out = await connect(server)
            await entered.wait()
            stopping = asyncio.create_task(server.stop())
            assert await watching.read() == b"0\r\n\r\n"
            assert await idle.read() == b""
            release.set()
            assert (await answer(slow))[1]["connection"] == "close"
            await stopping
            assert watch.closed.is_set()
            for writer in (watching_out, slow_out, idle_out):
                writer.close()

    run(work)


def test_stop_does_not_wait_for_ever() -> None:
    async def work() -> None:
        entered = asyncio.Event()

        async def handler(request: Request) -> Response:
            entered.set()
            await asyncio.Event().wait()
            raise AssertionError

        async with serving(handler) as server:
            _, writer = await connect(server)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await entered.wait()
            await asyncio.wait_for(server.stop(), 3)
            writer.close()

    run(work)


def test_a_taken_port_is_said_plainly() -> None:
    with listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ListenError, match=f"port {port} on 127.0.0.1 is taken; choose another with --port"):
            listen("127.0.0.1", port)


@pytest.mark.parametrize(("bind", "port", "said"), [("127.0.0.1", 70000, "not a port"), ("192.0.2.1", 0, "--bind")])
def test_addresses_that_cannot_be_had_are_said_plainly(bind: str, port: int, said: str) -> None:
    with pytest.raises(ListenError, match=said):
        listen(bind, port)


def test_plain_http_on_the_tls_port_leaves_no_noise(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async with serving(tls=ServerTls(Pki(tmp_path), ["localhost"])) as server:
            reader, writer = await connect(server)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            try:
                await reader.read()
            except ConnectionError:
                pass
            writer.close()

    run(work)
    assert caplog.text == ""


def test_the_loop_of_uvloop_serves_the_same(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def work() -> None:
        pki = Pki(tmp_path)
        async with serving(tls=ServerTls(pki, ["localhost"])) as server:
            reader, writer = await connect(server, ssl.create_default_context(cadata=pki.authority.decode()))
            writer.write(b"GET /a HTTP/1.1\r\n\r\n")
            assert (await answer(reader))[0] == 200
            sock: socket.socket = writer.get_extra_info("socket")
            assert sock.family == socket.AF_INET
            writer.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(asyncio.wait_for(work(), 10))
