"""Calls out of the server: one HTTPS POST to a webhook that a configuration names, and its answer.

Used by whoever has a WebhookClientConfig: conversion of custom resources (`store.conversion`), admission webhooks,
remote audit. Follows k8s.io/apiserver/pkg/util/webhook (URL and service form, caBundle, server name) and the errors of
client-go's REST client, since their texts end up in answers. HTTP/1.1 over asyncio's TLS; connections are kept for the
next call, as a handshake costs more than the call. Redirects are followed as net/http follows them. Whatever a webhook
can make grow is bounded.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from posixpath import normpath
from time import monotonic
from typing import Any, NamedTuple
from urllib.parse import quote, urljoin, urlsplit

import httptools

from wherry.errors import go_quote

MAX_ANSWER = 16 << 20  # bytes; a batch of converted objects may be long
IDLE_SECONDS = 90.0
MAX_IDLE = 8  # connections kept per webhook
MAX_REDIRECTS = 10
_REDIRECTS, _SAME_METHOD = (301, 302, 303, 307, 308), (307, 308)
_MAX_HEAD = 64 << 10
_CONTEXTS = 64  # TLS contexts kept; one per caBundle

_Peer = tuple[str, int, bytes, bytes, bool]
# (namespace, name, port) -> where to connect. Raises WebhookError when the service leads nowhere.
Resolve = Callable[[str, str, int], tuple[str, int]]


class WebhookError(Exception):
    """A call that brought no answer; the text is what client-go would say. `timed_out` tells a deadline from others,
    `status` is that of an answer which was none."""

    def __init__(self, message: str, *, timed_out: bool = False, status: int = 0):
        super().__init__(message)
        self.timed_out = timed_out
        self.status = status


class Target(NamedTuple):
    """Where a call goes. `url` is what errors show, `server_name` what the certificate must be for."""

    url: str
    host: str
    port: int
    path: str
    server_name: str
    authorities: bytes  # PEM; empty: those of the system
    service: tuple[str, str] | None = None  # (namespace, name): to be resolved before each connection
    token: str = ""  # who we are to it: a bearer token, or
    identity: bytes = b""  # a certificate and its key, PEM
    plain: bool = False  # without TLS, where its configuration may say so (kubeconfigs)
    unverified: bool = False  # whatever certificate the other side shows is good
    method: str = "POST"
    headers: str = ""  # further ones, each with its line end

    @property
    def peer(self) -> _Peer:
        """What connections may be shared by."""
        return self.host, self.port, self.authorities, self.identity, self.unverified

    @property
    def shown(self) -> str:
        """How errors of Go's client begin."""
        return f"{self.method.capitalize()} {go_quote(self.url)}"


def target_of(config: dict[str, Any], query: str = "") -> Target:
    """The target of a WebhookClientConfig (validated already), or of what was read from a kubeconfig: that has `token`,
    `cert` and `key` besides. Raises WebhookError for one that names nothing."""
    try:
        authorities = base64.b64decode(config.get("caBundle") or "").strip()
    except (binascii.Error, ValueError):
        raise WebhookError("unable to load root certificates: unable to parse bytes as PEM block") from None
    service = config.get("service")
    suffix = f"?{query}" if query else ""
    if service is not None:
        port = int(service.get("port") or 443)
        name = f"{service['name']}.{service['namespace']}.svc"
        path = _path(service.get("path") or "/")
        url = f"https://{name}:{port}{path}{suffix}"
        return Target(url, name, port, path + suffix, name, authorities, (service["namespace"], service["name"]))
    text = config.get("url") or ""
    if not text:
        raise WebhookError("webhook configuration must have either service or URL")
    try:
        parts = urlsplit(text)
        plain = parts.scheme == "http" and bool(config.get("plain"))
        host, port = parts.hostname or "", parts.port or (80 if plain else 443)
    except ValueError as bad:
        raise WebhookError(f"Unparsable URL: {bad}") from None
    path = _path(parts.path or "/")
    url = f"{'http' if plain else 'https'}://{parts.netloc}{path}{suffix}"
    token = config.get("token") or ""
    return Target(url, host, port, path + suffix, host, authorities, None, token, _identity(config), plain)


def _identity(config: dict[str, Any]) -> bytes:
    if not config.get("cert"):
        return b""
    try:
        return base64.b64decode(config["cert"]).strip() + b"\n" + base64.b64decode(config.get("key") or "")
    except (binascii.Error, ValueError):
        raise WebhookError("tls: failed to find any PEM data in certificate input") from None


def _path(path: str) -> str:
    """As client-go joins it: rooted, without empty and dotted segments, without a slash at its end."""
    return quote("/" + normpath("/" + path).lstrip("/"), safe="/%:@!$&'()*+,;=~")


def _moved(target: Target, status: int, location: str) -> Target:
    """Where a redirect leads. Tokens and certificates are for those whom a configuration names."""
    url = urljoin(target.url, location)
    try:
        parts = urlsplit(url)
        plain = parts.scheme == "http"
        host, port = parts.hostname or "", parts.port or (80 if plain else 443)
    except ValueError as bad:
        raise WebhookError(f"{target.shown}: failed to parse Location header {go_quote(location)}: {bad}") from None
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    method = target.method if status in _SAME_METHOD else "GET"
    there = target._replace(url=url, host=host, port=port, path=path, plain=plain, method=method)
    if (host, port) == (target.host, target.port):
        return there
    name = target.server_name if target.service is not None else host
    return there._replace(server_name=name, service=None, token="", identity=b"", headers="")


@dataclass(slots=True)
class _Wire:
    """One open connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    idle_since: float = 0.0

    def close(self) -> None:
        self.writer.transport.abort()


class _Lost(Exception):
    """A kept connection had been closed by the other side before a byte of the answer came: try a new one."""


class WebhookCaller:
    """Makes calls; one per control plane, so that connections are shared."""

    def __init__(
        self,
        resolve: Resolve | None = None,
        *,
        max_answer: int = MAX_ANSWER,
        idle_seconds: float = IDLE_SECONDS,
        user_agent: str = "kube-apiserver-admission",
    ):
        self._resolve = resolve
        self._max_answer = max_answer
        self._idle_seconds = idle_seconds
        self._user_agent = user_agent
        self._idle: dict[_Peer, list[_Wire]] = {}
        self._contexts: dict[tuple[bytes, bytes, bool], ssl.SSLContext] = {}

    async def post(self, config: dict[str, Any], body: bytes, *, seconds: float, query: str = "") -> bytes:
        """The JSON that a webhook answers to `body`. Raises WebhookError, also for every status but 2xx."""
        status, media, answer = await self.exchange(target_of(config, query), body, seconds=seconds)
        if not 200 <= status <= 206:
            raise WebhookError(refusal_text(status, media, answer), status=status)
        return answer

    async def exchange(self, target: Target, body: bytes = b"", *, seconds: float) -> tuple[int, str, bytes]:
        """Status, media type and body of an answer, whatever it says. Raises WebhookError when there is none."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self._followed(target, body)
        except TimeoutError:
            raise WebhookError(f"{target.shown}: context deadline exceeded", timed_out=True) from None
        return answer.status, answer.media, b"".join(answer.parts)

    async def close(self) -> None:
        """Drop the kept connections. Idempotent."""
        for wires in self._idle.values():
            for wire in wires:
                wire.close()
        self._idle.clear()

    # --- one exchange ------------------------------------------------------------------------------------------------
    async def _followed(self, target: Target, body: bytes) -> _Answer:
        answer = await self._exchange(target, body)
        for _ in range(MAX_REDIRECTS):
            if answer.status not in _REDIRECTS or not answer.location:
                return answer
            target = _moved(target, answer.status, answer.location)
            body = body if answer.status in _SAME_METHOD else b""
            answer = await self._exchange(target, body)
        raise WebhookError(f"{target.shown}: stopped after {MAX_REDIRECTS} redirects")

    async def _exchange(self, target: Target, body: bytes) -> _Answer:
        wire = self._kept(target)
        if wire is not None:
            try:
                return await self._over(wire, target, body, fresh=False)
            except _Lost:
                pass
        return await self._over(await self._connect(target), target, body, fresh=True)

    async def _over(self, wire: _Wire, target: Target, body: bytes, *, fresh: bool) -> _Answer:
        reading = _Answer(self._max_answer)
        reusable = False
        try:
            wire.writer.write(self._head(target, len(body)) + body)
            await wire.writer.drain()
            while not reading.complete:
                data = await wire.reader.read(65536)
                if not data:
                    reading.ended()
                    break
                reading.feed(data)
            reusable = reading.keep_alive
        except (ConnectionError, EOFError) as broken:
            if not fresh and not reading.begun:
                raise _Lost from None
            what = "EOF" if isinstance(broken, EOFError) else _dialled(target, "read", "connection reset by peer")
            raise WebhookError(f"{target.shown}: {what}") from None
        except httptools.HttpParserError:
            text = "net/http: HTTP/1.x transport connection broken: malformed HTTP response"
            raise WebhookError(f"{target.shown}: {text}") from None
        finally:
            if reusable:
                self._keep(target, wire)
            else:
                wire.close()
        return reading

    def _head(self, target: Target, length: int) -> bytes:
        host = target.host if target.service is not None else urlsplit(target.url).netloc
        if target.service is not None:
            host = f"{host}:{target.port}"
        media = "Accept: application/json, */*\r\n"
        if length or target.method == "POST":
            media = f"Content-Length: {length}\r\n{media}Content-Type: application/json\r\n"
        return (
            f"{target.method} {target.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {self._user_agent}\r\n"
            f"{media}{target.headers}" + (f"Authorization: Bearer {target.token}\r\n\r\n" if target.token else "\r\n")
        ).encode("latin-1", "replace")

    # --- connections -------------------------------------------------------------------------------------------------
    def _kept(self, target: Target) -> _Wire | None:
        wires = self._idle.get(target.peer)
        oldest = monotonic() - self._idle_seconds
        while wires:
            wire = wires.pop()
            if wire.idle_since >= oldest and not wire.reader.at_eof() and not wire.writer.transport.is_closing():
                return wire
            wire.close()
        return None

    def _keep(self, target: Target, wire: _Wire) -> None:
        wire.idle_since = monotonic()
        wires = self._idle.setdefault(target.peer, [])
        if len(wires) >= MAX_IDLE:
            wires.pop(0).close()
        wires.append(wire)

    async def _connect(self, target: Target) -> _Wire:
        host, port = target.host, target.port
        if target.service is not None and self._resolve is not None:
            try:
                host, port = self._resolve(*target.service, target.port)
            except WebhookError as nowhere:
                raise WebhookError(f"{target.shown}: {nowhere}") from None
        try:
            return _Wire(*await self.dial(target, host, port))
        except OSError as error:
            raise WebhookError(f"{target.shown}: {why(error, host, port)}") from None

    async def dial(self, target: Target, host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A new connection. Raises OSError, of which `why` knows the words, and WebhookError."""
        context = None if target.plain else self._context(target)
        name = None if target.plain else target.server_name
        return await asyncio.open_connection(host, port, ssl=context, server_hostname=name, limit=1 << 18)

    def _context(self, target: Target) -> ssl.SSLContext:
        key = target.authorities, target.identity, target.unverified
        found = self._contexts.get(key)
        if found is None:
            while len(self._contexts) >= _CONTEXTS:
                del self._contexts[next(iter(self._contexts))]
            found = self._contexts[key] = tls_context(target)
        return found


class _Answer:
    """Parser callbacks: one HTTP/1.1 answer, bounded."""

    def __init__(self, limit: int):
        self._parser = httptools.HttpResponseParser(self)
        self._limit = limit
        self._head = 0
        self._received = 0
        self._until_close = True
        self.begun = False
        self.complete = False
        self.keep_alive = False
        self.status = 0
        self.media = ""
        self.location = ""
        self.parts: list[bytes] = []

    def feed(self, data: bytes) -> None:
        self.begun = True
        if not self.status:
            self._head += len(data)
            if self._head > _MAX_HEAD + self._limit:
                raise WebhookError("the response head of the webhook is too long")
        self._parser.feed_data(data)
        if self._received > self._limit:  # not raised from a callback: the parser would wrap it
            raise WebhookError(f"the answer of the webhook is longer than {self._limit} bytes")

    def ended(self) -> None:
        """The other side has closed: the end of an answer without a length, or a broken one."""
        if not self.status:
            raise EOFError
        if not self.complete and not self._until_close:
            raise WebhookError("unexpected EOF")

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered == b"content-type":
            self.media = value.decode("latin-1")
        elif lowered == b"location":
            self.location = value.decode("latin-1")
        elif lowered in (b"content-length", b"transfer-encoding"):
            self._until_close = False

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        self.parts.append(body)
        self._received += len(body)

    def on_message_complete(self) -> None:
        if 100 <= self.status < 200:  # an interim answer; the real one follows
            self.status = 0
            self._until_close = True
            return
        self.complete = True
        self.keep_alive = self._parser.should_keep_alive()


def tls_context(target: Target) -> ssl.SSLContext:
    """What to believe of the other side, and what to show it. Raises WebhookError."""
    authorities = target.authorities
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if target.identity:
        _identify(context, target.identity)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.hostname_checks_common_name = False  # Go looks at subject alternative names only
    # To Go every certificate of a bundle is trusted by itself, also one that did not sign itself.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if target.unverified:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    if not authorities:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=authorities.decode("ascii"))
    except (ssl.SSLError, UnicodeDecodeError, ValueError):
        raise WebhookError("unable to load root certificates: unable to parse bytes as PEM block") from None
    return context


def _identify(context: ssl.SSLContext, identity: bytes) -> None:
    """Show a certificate to whom we call. OpenSSL's binding in Python reads it from a file only."""
    import tempfile

    with tempfile.NamedTemporaryFile() as file:  # only its owner can read it
        file.write(identity)
        file.flush()
        try:
            context.load_cert_chain(file.name)
        except ssl.SSLError as bad:
            raise WebhookError(f"the client certificate cannot be used: {bad.reason or bad}") from None


# --- texts of net/http, net and crypto/tls ---------------------------------------------------------------------------


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _dialled(target: Target, verb: str, why: str) -> str:
    return f"{verb} tcp {_joined(target.host, target.port)}: {verb}: {why}"


_CERTIFICATE = {
    10: "certificate has expired or is not yet valid: ",
    9: "certificate has expired or is not yet valid: ",
    18: "certificate signed by unknown authority",
    19: "certificate signed by unknown authority",
    20: "certificate signed by unknown authority",
    21: "certificate signed by unknown authority",
}


def why(error: OSError, host: str, port: int) -> str:
    """What Go would say."""
    import errno
    import socket

    if isinstance(error, ssl.SSLCertVerificationError):
        if error.verify_code in (62, 64):  # host name, IP address
            said = f"certificate is not valid for any names, but wanted to match {host}"
        else:
            said = _CERTIFICATE.get(error.verify_code, error.verify_message)
        return f"tls: failed to verify certificate: x509: {said.removesuffix(': ')}"
    if isinstance(error, ssl.SSLError):
        if "WRONG_VERSION_NUMBER" in str(error.reason) or "HTTP_REQUEST" in str(error.reason):
            return "http: server gave HTTP response to HTTPS client"
        return f"remote error: tls: {str(error.reason or error).lower().replace('_', ' ')}"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    where = _joined(host, port)
    if isinstance(error, ConnectionResetError):
        return "EOF"
    known = {
        errno.ECONNREFUSED: "connection refused",
        errno.EHOSTUNREACH: "no route to host",
        errno.ENETUNREACH: "network is unreachable",
        errno.ETIMEDOUT: "connection timed out",
    }
    code = error.errno if error.errno is not None else errno.ECONNREFUSED  # several addresses were tried in vain
    return f"dial tcp {where}: connect: {known.get(code, (error.strerror or str(error)).lower())}"


_STATUSES = {
    400: "the server rejected our request for an unknown reason",
    401: "the server has asked for the client to provide credentials",
    404: "the server could not find the requested resource",
    405: "the server does not allow this method on the requested resource",
    409: "the server reported a conflict",
    422: "the server rejected our request due to an error in our request",
    429: "the server has received too many requests and has asked us to try again later",
    503: "the server is currently unable to handle the request",
    504: "the server was unable to return a response in the time allotted, but may still be processing the request",
}


def refusal_text(status: int, media: str, body: bytes) -> str:
    """What client-go says of an answer that is no success (rest.Request, errors.NewGenericServerResponse)."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and document.get("kind") == "Status" and document.get("status") != "Success":
        return str(document.get("message") or "")
    message = "unknown"
    if media.startswith("text/"):
        message = body[:2048].decode("utf-8", "replace").strip()
    if status in (403, 406, 415):
        if status == 406 and message in ("", "unknown"):
            return "the server was unable to respond with a content type that the client supports"
        return message
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500:
        return f"an error on the server ({go_quote(message)}) has prevented the request from succeeding"
    return f"the server responded with the status code {status} but did not return more information"
