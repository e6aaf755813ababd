"""A request to another API server, and its answer (kube-aggregator/pkg/apiserver/handler_proxy.go,
apimachinery/pkg/util/proxy/upgradeaware.go).

Who is asking has been found out and authorized here; the other server believes the headers that say so because of the
certificate that we show. It gets no credentials of the caller's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from wherry.access.user import User
from wherry.access.webhooks import Target, WebhookError, target_of
from wherry.machinery.aggregation import available
from wherry.server import answers
from wherry.server.aggregation.wire import Answer, Unreachable, Wires
from wherry.server.http import Request, Response
from wherry.server.limits import is_long_running
from wherry.server.upgrade import Channel, Upgrade

if TYPE_CHECKING:
    from wherry.server.aggregation.table import Aggregation
    from wherry.server.handler import Call

Obj = dict[str, Any]
DOCUMENTS = User("system:aggregator")  # in whose name descriptions of an API are asked for
WHOLE = 1 << 20  # bytes of an answer that is passed on in one piece
REDIRECTED = "the backend attempted to redirect this request, which is not permitted"
# Of one connection only (RFC 9110, 7.6.1), what the connection adds itself, and who the caller is.
_DROPPED = frozenset(
    (
        "connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade", "content-length", "host", "authorization", "expect",
    )
)  # fmt: skip
_LEGAL = frozenset("!#$&'*+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXWYZ^_`abcdefghijklmnopqrstuvwxyz|~")


def target(aggregation: Aggregation, api_service: Obj) -> Target:
    """Where an APIService leads now. Raises WebhookError where it leads nowhere."""
    spec = api_service["spec"]
    service = spec["service"]
    port = int(service.get("port") or 443)
    host, number = aggregation.outgoing.resolve(service["namespace"], service["name"], port)
    shown = f"[{host}]:{number}" if ":" in host else f"{host}:{number}"
    base = target_of({"url": f"https://{shown}", "caBundle": spec.get("caBundle") or ""})
    return base._replace(
        server_name=f"{service['name']}.{service['namespace']}.svc",
        identity=aggregation.identity(),
        unverified=bool(spec.get("insecureSkipTLSVerify")),
    )


def identity_headers(user: User) -> list[tuple[str, str]]:
    """Who is asking (client-go/transport.SetAuthProxyHeaders)."""
    found = [("X-Remote-User", user.name)]
    if user.uid:
        found.append(("X-Remote-Uid", user.uid))
    found += [("X-Remote-Group", group) for group in user.groups]
    for key, values in user.extra.items():
        found += [(f"X-Remote-Extra-{_escaped(key)}", value) for value in values]
    return [(name, value.encode("utf-8").decode("latin-1")) for name, value in found]


def _escaped(key: str) -> str:
    """A key as a part of a header's name: what may not stand there, and the percent sign, as bytes in hexadecimal."""
    return "".join(c if c in _LEGAL else "".join(f"%{byte:02X}" for byte in c.encode()) for c in key)


async def forward(aggregation: Aggregation, call: Call, api_service: Obj, user: User | None = None) -> Response:
    """The other server's answer to a request; `user` stands for the caller where it is we who want to know."""
    if not available(api_service):
        return answers.text(503, "service unavailable\n")
    try:
        where = target(aggregation, api_service)
    except WebhookError:
        return answers.text(503, "service unavailable\n")
    request, upgrading = call.request, _upgrades(call.request)
    path = quote(call.info.path, safe="/%:@!$&'()*+,;=~")
    path = f"{path}?{request.query}" if request.query else path
    wires = aggregation.wires()
    headers = _headers(request, where, user or call.user, upgrading)
    try:
        answer = await wires.ask(where, request.method, path, headers, request.body)
    except Unreachable as error:
        text = str(error) if upgrading else f"error trying to reach service: {error}"
        return answers.text(503, f"{text}\n")
    if answer.upgraded is not None:
        return Response(101, _upgrade_headers(answer), _Tunnel(answer, answer.upgraded))
    if 300 <= answer.status <= 399 and any(name == "location" for name, _ in answer.headers):
        wires.done(where, answer)
        return Response(502, [("content-type", "text/plain; charset=utf-8")], REDIRECTED.encode())
    return await _passed_on(call, wires, where, answer)


async def _passed_on(call: Call, wires: Wires, where: Target, answer: Answer) -> Response:
    headers = [(name, value) for name, value in answer.headers if _kept(name)]
    if answer.length is not None and answer.length <= WHOLE:
        try:
            body = b"".join([piece async for piece in answer.pieces()])
        except ConnectionError as broken:
            wires.done(where, answer)
            return answers.text(503, f"error trying to reach service: {broken}\n")
        except BaseException:
            wires.done(where, answer)
            raise
        wires.done(where, answer)
        return Response(answer.status, headers, body)
    watches = None
    if is_long_running(call.request.path, call.request.query):
        watches = call.api.watches
        try:
            watches.enter(call.user.name)
        except BaseException:
            wires.done(where, answer)
            raise
    return Response(answer.status, headers, _Stream(call, wires, where, answer, counted=watches is not None))


class _Stream(AsyncIterator[bytes]):
    """The body of an answer that is long, or whose length nobody knows: its reader sets the pace."""

    def __init__(self, call: Call, wires: Wires, where: Target, answer: Answer, *, counted: bool):
        self._call, self._wires, self._where, self._answer, self._counted = call, wires, where, answer, counted
        self._pieces = answer.pieces()
        self._open = True

    def __aiter__(self) -> _Stream:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._pieces)
        except BaseException:
            self._end()
            raise

    async def aclose(self) -> None:
        """Nobody wants the rest."""
        self._end()

    def _end(self) -> None:
        if self._open:
            self._open = False
            self._wires.done(self._where, self._answer)
            if self._counted:
                self._call.api.watches.leave(self._call.user.name)


class _Tunnel(Upgrade):
    """Both directions of a connection that has left HTTP."""

    def __init__(self, answer: Answer, first: bytes):
        self._wire, self._first = answer.wire, first

    async def aclose(self) -> None:
        self._wire.close()

    async def run(self, channel: Channel) -> None:
        if self._first:
            await channel.write(self._first)
        outwards = asyncio.ensure_future(self._out(channel))
        try:
            while data := await self._wire.reader.read(65536):
                await channel.write(data)
        except OSError:
            pass  # the other server has gone: so does the client's connection
        finally:
            outwards.cancel()
            await asyncio.wait((outwards,))
            self._wire.close()

    async def _out(self, channel: Channel) -> None:
        writer = self._wire.writer
        try:
            while data := await channel.read():
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
            else:  # TLS knows no half-closed connections
                self._wire.close()
        except OSError:
            self._wire.close()


# --- headers ---------------------------------------------------------------------------------------------------------


def _upgrades(request: Request) -> bool:
    """Whether the client wants to leave HTTP (httpstream.IsUpgradeRequest)."""
    return any(name == "connection" and "upgrade" in value.lower() for name, value in request.headers)


def _kept(name: str) -> bool:
    return name not in _DROPPED and not name.startswith("access-control-")


def _headers(request: Request, where: Target, user: User, upgrading: bool) -> list[tuple[str, str]]:
    own = [
        (name, value)
        for name, value in request.headers
        if name not in _DROPPED and not name.startswith(("x-remote-", "impersonate-"))
    ]
    host = f"[{where.host}]:{where.port}" if ":" in where.host else f"{where.host}:{where.port}"
    found = [("host", host), *own, *identity_headers(user)]
    address = request.remote.rpartition(":")[0].strip("[]")
    if address:
        before = [value for name, value in own if name == "x-forwarded-for"]
        found = [(name, value) for name, value in found if name != "x-forwarded-for"]
        found.append(("x-forwarded-for", ", ".join([*before, address])))
    found += [("x-forwarded-uri", request.raw_path or request.path), ("x-forwarded-proto", "https")]
    if given := request.header("host"):
        found.append(("x-forwarded-host", given))
    if upgrading:
        found += [("connection", "Upgrade"), ("upgrade", request.header("upgrade"))]
    return found


def _upgrade_headers(answer: Answer) -> list[tuple[str, str]]:
    """The head of a 101, `Upgrade` included."""
    found = [(name, value) for name, value in answer.headers if _kept(name)]
    protocol = next((value for name, value in answer.headers if name == "upgrade"), "")
    return [*found, ("connection", "Upgrade"), ("upgrade", protocol)]
