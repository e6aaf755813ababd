"""Watches over WebSocket: frames by themselves, and a real client against a real port."""

from __future__ import annotations

import asyncio
import base64
import json
import socket as sockets
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import websocket as client
from hypothesis import given
from hypothesis import strategies as st

from wherry.controlplane.plane import ControlPlane
from wherry.server.http import Request
from wherry.server.upgrade import Channel, Upgrade
from wherry.server.websocket import BINARY, TEXT, WebSocket, bearer, frame, switch, unmask

MAPS = "/api/v1/namespaces/default/configmaps"


# --- frames ----------------------------------------------------------------------------------------------------------
class Pipe:
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    resume_reading = pause_reading


def masked(kind: int, payload: bytes, *, final: bool = True, mask: bytes = b"abcd") -> bytes:
    """A frame as a client sends it."""
    whole = frame(kind, payload)
    head = bytearray(whole[: len(whole) - len(payload)])
    head[1] |= 0x80
    if not final:
        head[0] &= 0x7F
    return bytes(head) + mask + unmask(payload, mask)


def talk(*data: bytes, limit: int = 1 << 20) -> tuple[list[tuple[int, bytes]], bytes]:
    """What a server receives and what it answers."""

    async def go() -> tuple[list[tuple[int, bytes]], bytes]:
        pipe = Pipe()

        async def drain() -> None:
            pass

        channel = Channel(pipe, drain)  # type: ignore[arg-type]
        for part in data:
            channel.feed(part)
        channel.end()
        channel._ended = False  # the client still listens, it only says no more
        channel._buffer.append(b"")
        socket, got = WebSocket(channel, limit), []
        while (message := await socket.receive()) is not None:
            got.append(message)
        return got, pipe.sent

    return asyncio.run(go())


@given(st.binary(max_size=70_000), st.binary(min_size=4, max_size=4), st.integers(1, 70_000))
def test_a_message_arrives_whole_however_it_is_cut(payload: bytes, mask: bytes, cut: int) -> None:
    data = masked(BINARY, payload, mask=mask)
    got, _ = talk(*[data[at : at + cut] for at in range(0, len(data), cut)])
    assert got == [(BINARY, payload)]


def test_fragments_pings_and_the_close_between_them() -> None:
    got, sent = talk(
        masked(TEXT, b"a", final=False), masked(0x9, b"ping"), masked(0, b"b"), masked(0x8, struct.pack("!H", 1000))
    )
    assert got == [(TEXT, b"ab")]
    assert sent == frame(0xA, b"ping") + frame(0x8, struct.pack("!H", 1000))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"not masked"), 1002),
        (masked(0, b"nothing to continue"), 1002),
        (masked(0x3, b"unknown kind"), 1002),
        (masked(0x9, b"x" * 126), 1002),
        (masked(TEXT, b"x" * 101), 1009),
        (masked(TEXT, b"x" * 60, final=False) + masked(0, b"x" * 60), 1009),
    ],
)
def test_what_breaks_the_protocol_closes_with_its_code(data: bytes, code: int) -> None:
    got, sent = talk(data, limit=100)
    assert got == []
    assert sent == frame(0x8, struct.pack("!H", code))


def test_handshakes_that_are_not_right() -> None:
    def answer(**headers: str) -> Any:
        request = Request("GET", "/", headers=[(k.replace("_", "-"), v) for k, v in headers.items()])
        return switch(request, Upgrade(), ("v5", "v4"))

    key = base64.b64encode(b"0" * 16).decode()
    assert answer(sec_websocket_key=key, sec_websocket_version="8").status == 400
    assert answer(sec_websocket_key="short", sec_websocket_version="13").status == 400
    good = answer(
        sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ==", sec_websocket_version="13", sec_websocket_protocol="v4, v5"
    )
    assert (good.status, dict(good.headers)["Sec-WebSocket-Accept"]) == (101, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    assert dict(good.headers)["Sec-WebSocket-Protocol"] == "v5"


def test_a_token_among_the_protocols_needs_another_protocol() -> None:
    token = "base64url.bearer.authorization.k8s.io." + base64.urlsafe_b64encode(b"secret").decode().rstrip("=")

    def given_(value: str) -> str:
        return bearer(Request("GET", "/", headers=[("sec-websocket-protocol", value)]))

    assert given_(f"{token}, base64.binary.k8s.io") == "Bearer secret"
    assert given_(token) == ""
    assert given_("base64url.bearer.authorization.k8s.io.!!, x") == ""


# --- a real client ---------------------------------------------------------------------------------------------------
class Running:
    """A control plane in a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.plane = ControlPlane()
        self.loop.run_until_complete(self.plane.serve())
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()

    def do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def close(self) -> None:
        self.do(self.plane.stop())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def request(self, method: str, path: str, body: Any = None) -> None:
        headers = [("authorization", f"Bearer {self.plane.token}"), ("content-type", "application/json")]
        handler = self.plane._handler
        assert handler is not None
        data = json.dumps(body).encode() if body is not None else b""
        answer = self.do(handler(Request(method, path, path, "", headers, data)))
        assert answer.status < 300, answer.body

    def connect(self, query: str, **options: Any) -> client.WebSocket:
        url = self.plane.url.replace("https", "wss") + MAPS + query
        options.setdefault("header", [f"Authorization: Bearer {self.plane.token}"])
        return client.create_connection(url, sslopt={"cert_reqs": 0}, timeout=10, **options)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    server = Running()
    yield server
    server.close()


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0)


def made(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def test_one_text_frame_per_event(running: Running) -> None:
    running.request("POST", MAPS, made("a", x="1"))
    running.request("POST", MAPS, made("b", x="y" * 70_000))
    socket = running.connect("?watch=true&timeoutSeconds=30&labelSelector=!none")
    kinds = []
    for _ in range(2):
        kind, data = socket.recv_data()
        assert kind == client.ABNF.OPCODE_TEXT
        assert data.endswith(b"}\n")
        event = json.loads(data)
        kinds.append((event["type"], event["object"]["metadata"]["name"]))
    assert kinds == [("ADDED", "a"), ("ADDED", "b")]
    socket.ping("still there?")
    socket.send("nobody reads this")
    running.request("DELETE", MAPS + "/a")
    frames = [socket.recv_data_frame(control_frame=True) for _ in range(2)]
    assert frames[0][0] == client.ABNF.OPCODE_PONG
    assert json.loads(frames[1][1].data)["type"] == "DELETED"
    socket.close()


def test_the_end_of_a_watch_is_a_close_frame(running: Running) -> None:
    socket = running.connect("?watch=true&timeoutSeconds=1&fieldSelector=metadata.name=none")
    kind, data = socket.recv_data_frame(control_frame=True)
    assert (kind, data.data) == (client.ABNF.OPCODE_CLOSE, struct.pack("!H", 1000))
    socket.shutdown()


def test_a_watch_ends_when_its_client_goes(running: Running) -> None:
    handler: Any = running.plane._handler
    hub = handler.api.hub
    before = len(hub)
    sockets_ = [running.connect("?watch=true&fieldSelector=metadata.name=none") for _ in range(3)]
    running.do(asyncio.wait_for(until(lambda: len(hub) == before + 3), 5))
    sockets_[0].close()
    sockets_[1].sock.shutdown(sockets.SHUT_RDWR)
    sockets_[2].close()

    running.do(asyncio.wait_for(until(lambda: len(hub) == before), 5))


def test_a_token_as_a_subprotocol(running: Running) -> None:
    token = base64.urlsafe_b64encode(running.plane.token.encode()).decode().rstrip("=")
    names = [f"base64url.bearer.authorization.k8s.io.{token}", "base64.binary.k8s.io"]
    socket = running.connect("?watch=true&fieldSelector=metadata.name=none", header=[], subprotocols=names)
    assert socket.getsubprotocol() == "base64.binary.k8s.io"
    socket.close()
    with pytest.raises(client.WebSocketBadStatusException, match=r"401|403"):
        running.connect("?watch=true", header=[])


def test_refusals_come_before_the_upgrade(running: Running) -> None:
    with pytest.raises(client.WebSocketBadStatusException) as refused:
        running.connect("?watch=true&resourceVersion=x")
    assert json.loads(refused.value.resp_body)["kind"] == "Status"
