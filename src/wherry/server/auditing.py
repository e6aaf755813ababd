"""Audit of what comes over HTTP or in process: from Request and Response to a trail (endpoints/filters/audit.go).

Stands around the answer of a request: `handler` begins it once the caller is known and finishes it with the answer.
Whole answers are told before they leave, streams when they begin and when they end.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import orjson

from wherry import errors
from wherry.access.audit import current
from wherry.access.user import Attributes, Decision, User
from wherry.server.handler import attributes
from wherry.server.http import Request, Response
from wherry.server.slices import Sliced
from wherry.server.upgrade import Channel, Upgrade

if TYPE_CHECKING:
    from wherry.access.audit.auditor import Auditor
    from wherry.access.audit.trail import Trail
    from wherry.server.requestinfo import RequestInfo

HEADER = "audit-id"
_STATUS = b'{"kind":"Status"'
_JSON = "application/json"
_NOBODY = User("")

# Ids need not be secret, only distinct: a random half for the process, a counter for the request.
_process, _counter = os.urandom(8).hex(), 0


def new_id() -> str:
    """In the form of a UUID."""
    global _counter
    _counter += 1
    p = _process
    return f"{p[:8]}-{p[8:12]}-4{p[12:15]}-a{_counter >> 48 & 0xFFF:03x}-{_counter & 0xFFFFFFFFFFFF:012x}"


class Audit:
    """The audit of one request; `trail` is None until the caller is known, and where the policy wants no event."""

    __slots__ = (
        "_agent", "_begun", "_forwarded", "_id", "_real", "_request", "annotations", "auditor", "received", "trail",
    )  # fmt: skip

    def __init__(self, auditor: Auditor, request: Request):
        self.auditor = auditor
        self.trail: Trail | None = None
        self.annotations: dict[str, str] = {}
        self.received = auditor.now()
        self._request = request
        self._begun = False
        self._agent = self._forwarded = self._real = self._id = ""
        for name, value in request.headers:  # one pass; the first of each counts
            if name == "user-agent":
                self._agent = self._agent or value
            elif name == HEADER:  # the client, or a proxy before us, has named the request
                self._id = self._id or value
            elif name == "x-forwarded-for":
                self._forwarded = self._forwarded or value
            elif name == "x-real-ip":
                self._real = self._real or value
        self._id = self._id or new_id()

    def begin(self, asked: Attributes) -> None:
        """The caller is known. Raises StatusError where the first event could not be stored and must not be lost."""
        trail = self._trail(asked)
        if trail is not None and not trail.emit("RequestReceived", self.received):
            self.auditor.rejected += 1
            self.trail = None
            text = "failed to store audit event"
            raise errors.InternalError(f"Internal error occurred: {text}", details={"causes": [{"message": text}]})

    def _trail(self, asked: Attributes) -> Trail | None:
        request = self._request
        uri = f"{request.raw_path}?{request.query}" if request.query else request.raw_path
        self._begun = True
        trail = self.auditor.begin(asked, uri, self._id, self.received, self.annotations)
        if trail is not None:
            trail.client(addresses(self._forwarded, self._real, request.remote), self._agent)
        self.trail = trail
        return trail

    def become(self, user: User) -> None:
        """The caller acts as someone else."""
        if self.trail is not None:
            self.trail.impersonated = user

    def decided(self, decision: Decision) -> None:
        """What the authorizers have said."""
        if self.trail is not None:
            self.trail.decided(decision.allowed, decision.reason)

    def finish(self, response: Response, asked: Callable[[User], Attributes]) -> Response:
        """Tell the answer."""
        if not self._begun and response.status == 401:  # nobody accepted the credentials: one event, without a user
            trail = self._trail(asked(_NOBODY))
            if trail is not None:
                trail.user = None
                trail.refuse(401, "Unauthorized", "Unauthorized")
                trail.emit("ResponseStarted", self.auditor.now())
        elif self.trail is not None:
            response = finish(self.trail, response)
        return Response(response.status, [*response.headers, ("Audit-Id", self._id)], response.body)


async def audited(
    auditor: Auditor, request: Request, serve: Callable[[Audit], Awaitable[Response]], info: RequestInfo
) -> Response:
    """Answer a request and tell of it."""
    audit = Audit(auditor, request)
    before = current.set(audit.annotations)
    try:
        response = await serve(audit)
        return audit.finish(response, lambda user: attributes(user, info))
    except Exception as error:
        if audit.trail is not None:
            failed(audit.trail, error)
        raise
    finally:
        current.reset(before)


def addresses(forwarded: str, real_ip: str, remote: str) -> list[str]:
    """Where a request came from and through whom, as they say (apimachinery/pkg/util/net.SourceIPs). All but the last
    may be invented by the client."""
    found: list[str] = []
    for part in forwarded.split(",") if forwarded else ():
        if address := _ip(part.strip()):
            found.append(address)
    real = _ip(real_ip.strip())
    if real and real not in found:
        found.append(real)
    if remote:
        host = remote[1:].partition("]")[0] if remote.startswith("[") else remote.rpartition(":")[0]
        if host and (not found or found[-1] != host):
            found.append(host)
    return found


def _ip(text: str) -> str:
    if not text:
        return ""
    from ipaddress import ip_address

    try:
        return str(ip_address(text))
    except ValueError:
        return ""


# --- answers ----------------------------------------------------------------------------------------------------------


def finish(trail: Trail, response: Response) -> Response:
    """Tell the answer; a stream comes back wrapped, so that its end is told too."""
    body = response.body
    if isinstance(body, bytes | list | tuple):
        whole = cast("bytes | Sequence[bytes]", body)
        document = (lambda: _document(response, whole)) if trail.wants_response else None
        trail.respond(response.status, _status(response, whole), document)
        trail.emit("ResponseComplete", trail.auditor.now())
        return response
    if isinstance(body, Sliced):  # a long list: one answer, written piece by piece
        _tell_list(trail, response, body)
        return response
    trail.respond(response.status, None)
    trail.emit("ResponseStarted", trail.auditor.now())
    if isinstance(body, Upgrade):
        return Response(response.status, response.headers, _Upgraded(body, trail))
    stream = cast("AsyncIterator[bytes]", body)
    wrapped = _Pushing(stream, trail) if hasattr(stream, "attach") else _Stream(stream, trail)
    return Response(response.status, response.headers, wrapped)


def _tell_list(trail: Trail, response: Response, body: Sliced) -> None:
    """Tell of a list when it is through, or given up; its document is kept only where it is told."""
    kept: list[bytes] = []
    before = body.on_end

    def done() -> None:
        if before is not None:
            before()
        trail.respond(response.status, None, (lambda: _document(response, kept)) if trail.wants_response else None)
        trail.emit("ResponseComplete", trail.auditor.now())

    body.on_end = done
    if trail.wants_response:
        body.through(lambda parts: _keeping(parts, kept))


async def _keeping(parts: AsyncIterator[bytes], kept: list[bytes]) -> AsyncIterator[bytes]:
    async for part in parts:
        kept.append(part)
        yield part


def failed(trail: Trail, error: BaseException) -> None:
    """The answer is a fault of ours (a panic, upstream)."""
    trail.refuse(500, "InternalError", f"APIServer panic'd: {error}")
    trail.emit("Panic", trail.auditor.now())


def _media(response: Response) -> str:
    for name, value in response.headers:
        if name == "content-type":
            return value
    return ""


def _status(response: Response, body: bytes | Sequence[bytes]) -> dict[str, Any] | None:
    """The Status that the answer is, or None for another document."""
    first = body if isinstance(body, bytes) else body[0] if body else b""
    if response.status < 400 and not first.startswith(_STATUS):
        return None
    document = _document(response, body)
    return document if isinstance(document, dict) and document.get("kind") == "Status" else None


def _document(response: Response, body: bytes | Sequence[bytes]) -> Any:
    """The document of an answer as JSON has it; None for what is no document."""
    data = body if isinstance(body, bytes) else b"".join(body)
    media = _media(response)
    try:
        if media.startswith(_JSON):
            return orjson.loads(data)
        if media.startswith("application/yaml"):
            from wherry.machinery.bodies import parse_yaml

            return parse_yaml(data)[0]
        if media.startswith("application/vnd.kubernetes.protobuf"):
            from wherry.machinery.protobuf import decode_message, unwrap

            envelope = unwrap(data)
            group, _, version = envelope.api_version.rpartition("/")
            return decode_message(group, version, envelope.kind, envelope.raw)
    except (ValueError, errors.StatusError):
        pass
    return None


class _Stream:
    """A stream whose end is told."""

    def __init__(self, stream: AsyncIterator[bytes], trail: Trail):
        self._stream = stream
        self._trail: Trail | None = trail

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await self._stream.__anext__()
        except StopAsyncIteration:
            self.done()
            raise

    async def aclose(self) -> None:
        try:
            close: Callable[[], Any] | None = getattr(self._stream, "aclose", None)
            if close is not None:
                await close()
        finally:
            self.done()

    def done(self) -> None:
        trail, self._trail = self._trail, None
        if trail is not None:
            trail.emit("ResponseComplete", trail.auditor.now())


class _Pushing(_Stream):
    """A watch: it writes by itself once it is attached."""

    def attach(self, sink: Callable[[bytes], None], on_close: Callable[[], None]) -> Any:
        return cast(Any, self._stream).attach(sink, on_close)


class _Upgraded(Upgrade):
    """A connection that has left HTTP."""

    def __init__(self, inner: Upgrade, trail: Trail):
        self._inner = inner
        self._trail: Trail | None = trail

    async def run(self, channel: Channel) -> None:
        try:
            await self._inner.run(channel)
        finally:
            self._done()

    async def aclose(self) -> None:
        close: Callable[[], Any] | None = getattr(self._inner, "aclose", None)
        if close is not None:
            await close()
        self._done()

    def _done(self) -> None:
        trail, self._trail = self._trail, None
        if trail is not None:
            trail.emit("ResponseComplete", trail.auditor.now())
