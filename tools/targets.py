"""API servers as a synchronous caller sees them: Wherry in this process, or any server that a kubeconfig names.

The conformance suite (tests/conformance) and the differential test (tools/differential.py) send the same requests
through this face to whatever they look at. `call` gives a whole answer, `stream` a watch whose events are taken one by
one.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import os
import ssl
import string
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote, unquote, urlsplit

import yaml

from tools.jumping import JumpingLoop

Obj = dict[str, Any]
JSON = "application/json"
TOKEN = "conformance"
_AGENT = "conformance/1.0"


@dataclass
class Answer:
    """What came back; header names are lower case."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key == name), "")

    @property
    def media(self) -> str:
        return self.header("content-type")

    @property
    def warnings(self) -> list[str]:
        """The texts of the Warning headers, without code, agent and quotes."""
        return [json.loads(value.split(" ", 2)[2]) for key, value in self.headers if key == "warning"]

    @property
    def doc(self) -> Any:
        return json.loads(self.body)

    def __repr__(self) -> str:
        return f"{self.status} {self.media} {self.body[:1500]!r}"


class Stream(Protocol):
    """An open watch."""

    answer: Answer

    def next(self, seconds: float = 5) -> Obj | None:
        """The next event, or None when the stream has ended or nothing came in time."""

    def rest(self) -> list[Obj]:
        """All events up to the end of the stream."""

    def close(self) -> None: ...


class Target(Protocol):
    """A server."""

    ours: bool  # Wherry
    name: str

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer: ...
    def stream(self, path: str, headers: dict[str, str] | None = None) -> Stream: ...
    def wait(self, seconds: float) -> None: ...
    def close(self) -> None: ...


@contextmanager
def watching(target: Target, path: str, headers: dict[str, str] | None = None) -> Iterator[Stream]:
    opened = target.stream(path, headers)
    try:
        yield opened
    finally:
        opened.close()


def _event(line: bytes) -> Obj:
    """A line of a stream: an event, or the text of one in another form than JSON."""
    try:
        read = json.loads(line)
    except ValueError:
        return {"line": line.decode("utf-8", "replace")}
    return read if isinstance(read, dict) else {"line": read}


# --- in process ------------------------------------------------------------------------------------------------------


class InProcess:
    """A control plane in memory, entered where HTTP ends; its clock jumps instead of passing."""

    ours = True
    name = "Wherry, in process"

    def __init__(self, *, controllers: bool = True) -> None:
        from wherry.controlplane.features import Features, chosen
        from wherry.server.asgi import ApiApp
        from wherry.server.build import build_handler
        from wherry.storage import open_storage

        self.loop = JumpingLoop()
        self._zero = time.time() - self.loop.time()
        self._storage = open_storage("memory:")
        self.handler = self._run(build_handler(self._storage, token=TOKEN, clock=self._now, collect=controllers))
        self.app = ApiApp(self.handler)
        features = chosen(("workloads",), {}) if controllers else chosen((), {}, alone=True)
        self._features = Features(self.handler, features)
        self._run(self._start_features())

    def _now(self) -> float:
        return self._zero + self.loop.time()

    async def _start_features(self) -> None:
        self._features.start()

    def _run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    def request(self, method: str, path: str, headers: dict[str, str] | None, body: bytes) -> Any:
        from wherry.server.http import Request

        raw, _, query = path.partition("?")
        sent = {"accept": JSON, "user-agent": _AGENT, "authorization": f"Bearer {TOKEN}"}
        if body:
            sent["content-type"] = JSON
        sent.update({name.lower(): value for name, value in (headers or {}).items()})
        return Request(method, unquote(raw), raw, query, [(k, v) for k, v in sent.items() if v], body)

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        return self._run(self._call(self.request(method, path, headers, body)))

    async def _call(self, request: Any) -> Answer:
        response = await self.app.respond(request)
        body = response.body
        if isinstance(body, list | tuple):
            body = b"".join(body)
        elif not isinstance(body, bytes):
            body = b"".join([part async for part in body])
        headers = [(name.lower(), value) for name, value in response.headers]
        return Answer(response.status, headers, b"" if request.method == "HEAD" else body)

    def stream(self, path: str, headers: dict[str, str] | None = None) -> Stream:
        return self._run(self._stream(self.request("GET", path, headers, b"")))

    async def _stream(self, request: Any) -> Stream:
        response = await self.app.respond(request)
        headers = [(name.lower(), value) for name, value in response.headers]
        body = response.body
        if isinstance(body, bytes | list | tuple):
            whole = body if isinstance(body, bytes) else b"".join(body)
            return _Pulled(self, Answer(response.status, headers, whole), None)
        opened = _Pulled(self, Answer(response.status, headers), body)
        await asyncio.sleep(0)  # the watch begins now, not when someone looks
        return opened

    def wait(self, seconds: float) -> None:
        """Let background work have its turn for as long."""
        self._run(asyncio.sleep(seconds))

    def close(self) -> None:
        self._run(self._features.stop())
        self._run(self.handler.close())
        self._run(self._storage.close())
        self.loop.close()


@dataclass
class _Pulled:
    """A stream of the handler, read by a task."""

    target: InProcess
    answer: Answer
    body: Any
    _lines: list[Obj] = field(default_factory=list)
    _task: Any = None

    def __post_init__(self) -> None:
        if self.body is not None:
            self._more = asyncio.Event()
            self._task = self.target.loop.create_task(self._pull())

    async def _pull(self) -> None:
        try:
            async for chunk in self.body:
                self._lines += [_event(line) for line in chunk.splitlines() if line.strip()]
                self._more.set()
        finally:
            self._more.set()

    async def _wait(self, seconds: float) -> None:
        end = self.target.loop.time() + seconds
        while not self._lines and not self._task.done() and self.target.loop.time() < end:
            self._more.clear()
            try:
                await asyncio.wait_for(self._more.wait(), end - self.target.loop.time())
            except TimeoutError:
                return

    def next(self, seconds: float = 5) -> Obj | None:
        if self._task is None:
            return None
        self.target._run(self._wait(seconds))
        return self._lines.pop(0) if self._lines else None

    def rest(self) -> list[Obj]:
        if self._task is not None:
            self.target._run(asyncio.wait({self._task}))
        lines, self._lines = self._lines, []
        return lines

    def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self.target._run(asyncio.wait({self._task}))
            self.target._run(self.body.aclose())


# --- over HTTP -------------------------------------------------------------------------------------------------------


class Remote:
    """The server of a kubeconfig's current context: a bearer token or a client certificate."""

    def __init__(self, config: Obj, path: Path) -> None:
        named = {kind: {e["name"]: e[one] for e in config[kind]} for kind, one in _ONE.items()}
        context = named["contexts"][config["current-context"]]
        cluster, user = named["clusters"][context["cluster"]], named["users"][context["user"]]
        self.url = urlsplit(cluster["server"])
        self.token: str = user.get("token", "")
        self._tls = _tls(cluster, user, path.parent)
        self._kept: http.client.HTTPConnection | None = None
        version = self.call("GET", "/version").doc
        self.ours = "wherry" in version["gitVersion"].lower() or "wherry" in version.get("gitCommit", "").lower()
        self.name = f"{'Wherry' if self.ours else 'kube-apiserver'} {version['gitVersion']}"

    def _connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self.url.hostname or "", self.url.port, timeout=timeout)
        return http.client.HTTPSConnection(self.url.hostname or "", self.url.port, timeout=timeout, context=self._tls)

    def _send(self, to: http.client.HTTPConnection, method: str, path: str, headers: Any, body: bytes) -> Any:
        sent = {"accept": JSON, "user-agent": _AGENT}
        if self.token:
            sent["authorization"] = f"Bearer {self.token}"
        if body:
            sent["content-type"] = JSON
        sent.update({name.lower(): value for name, value in (headers or {}).items()})
        where = self.url.path.rstrip("/") + quote(path, safe=string.printable)
        to.request(method, where, body or None, {k: v for k, v in sent.items() if v})
        return to.getresponse()

    def call(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Answer:
        for last in (False, True):
            connection, self._kept = self._kept or self._connect(), None
            try:
                got = self._send(connection, method, path, headers, body)
                answer = Answer(got.status, [(k.lower(), v) for k, v in got.getheaders()], got.read())
            except (OSError, http.client.HTTPException):
                connection.close()  # a kept connection may have been closed meanwhile
                if last:
                    return Answer(0, [], b"the connection was closed without an answer")
                continue
            if got.will_close:
                connection.close()
            else:
                self._kept = connection
            return answer
        raise AssertionError

    def stream(self, path: str, headers: dict[str, str] | None = None) -> Stream:
        connection = self._connect()
        got = self._send(connection, "GET", path, headers, b"")
        answer = Answer(got.status, [(k.lower(), v) for k, v in got.getheaders()])
        if got.status != 200:
            answer.body = got.read()
        return _Read(connection, got, answer)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def close(self) -> None:
        if self._kept is not None:
            self._kept.close()


_ONE = {"clusters": "cluster", "users": "user", "contexts": "context"}


def _tls(cluster: Obj, user: Obj, folder: Path) -> ssl.SSLContext | None:
    if not cluster["server"].startswith("https"):
        return None
    context = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    elif authority := _file(cluster, "certificate-authority", folder):
        context.load_verify_locations(authority)
    certificate, key = _file(user, "client-certificate", folder), _file(user, "client-key", folder)
    if certificate and key:
        context.load_cert_chain(certificate, key)
    return context


def _file(where: Obj, name: str, folder: Path) -> str:
    """The file that an entry names, or one with the data that it holds."""
    if data := where.get(f"{name}-data"):
        handle, made = tempfile.mkstemp(suffix=".pem")
        with os.fdopen(handle, "wb") as file:
            file.write(base64.b64decode(data))
        return made
    return str(folder / where[name]) if name in where else ""


@dataclass
class _Read:
    connection: http.client.HTTPConnection
    got: Any
    answer: Answer

    def next(self, seconds: float = 5) -> Obj | None:
        if self.answer.status != 200:
            return None
        if self.connection.sock is not None:
            self.connection.sock.settimeout(seconds)
        try:
            line = self.got.readline()
        except (OSError, http.client.HTTPException):
            return None
        return _event(line) if line.strip() else None

    def rest(self) -> list[Obj]:
        found = []
        while (event := self.next(60)) is not None:
            found.append(event)
        return found

    def close(self) -> None:
        self.connection.close()
        self.got.close()


def target(server: str = "", token: str = "", *, controllers: bool = True) -> Target:
    """The server at an address or of a kubeconfig, or without one a control plane of our own: as whole as a cluster is,
    or as bare as kube-apiserver without its controller manager."""
    if not server:
        return InProcess(controllers=controllers)
    return Remote(address(server, token) if "://" in server else yaml.safe_load(Path(server).read_text()), Path(server))


def address(url: str, token: str) -> Obj:
    """A kubeconfig for a server whose certificate nobody vouches for."""
    cluster = {"server": url, "insecure-skip-tls-verify": True}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "server", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "server", "context": {"cluster": "server", "user": "admin"}}],
        "current-context": "server",
    }
