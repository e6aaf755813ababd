"""TLS of the server: which certificate it shows, and whose certificates it believes, both exchangeable while it runs.

Two kinds of authorities are told apart, as upstream does: certificates of users, and those of authenticating proxies,
which may name other users in headers. OpenSSL verifies during the handshake; whose authority it was is read off the
chain that it found, once per connection. Requests that come later on the connection ask again (`current`): a
certificate ends, and an authority may go. A rotation makes a new context, which connections take up in the handshake
(the server name callback comes before anything is verified), so the listening socket never notices.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from wherry.errors import ConfigurationError
from wherry.kit.pki import Peer, Pki, peer_of


class TlsError(ConfigurationError):
    """A certificate or key that cannot be used: says which file and why."""


class TlsFiles(NamedTuple):
    """Files that a user brings; without them the control plane's own certificates are all there is."""

    certificate: Path | None = None
    key: Path | None = None
    client_authority: Path | None = None  # beside our own
    proxy_authority: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        given = (self.certificate, self.key, self.client_authority, self.proxy_authority)
        return tuple(path for path in given if path is not None)


# The server's own certificate is for this name too: whoever asks for it gets that one, whatever else is shown.
LOOPBACK = "apiserver-loopback-client"
_EXPIRED = "x509: certificate has expired or is not yet valid"
_UNKNOWN = "x509: certificate signed by unknown authority"


class Identity(NamedTuple):
    """Whom a connection's certificate names as a user, and as an authenticating proxy; `problem` is why it is nobody
    any more."""

    peer: Peer | None = None
    proxy: str | None = None
    der: bytes | None = None
    problem: str = ""
    named: Peer | None = None
    chain: frozenset[bytes] = frozenset()
    until: float = 0.0
    generation: int = 0


class ServerTls:
    """`context` is for the listening socket; `reload` reads everything again, for the connections to come."""

    def __init__(
        self,
        pki: Pki,
        hosts: Sequence[str],
        files: TlsFiles | None = None,
        clock: Callable[[], float] = time.time,
    ):
        self._pki, self._files, self._clock = pki, files or TlsFiles(), clock
        self._hosts = (*hosts, LOOPBACK) if self._files.certificate is not None else tuple(hosts)
        self._clients: frozenset[bytes] = frozenset()
        self._proxies: frozenset[bytes] = frozenset()
        self._generation = 0
        self._current, self._own = self._make()
        self.context = self._current
        self.context.sni_callback = self._take_up

    @property
    def files(self) -> tuple[Path, ...]:
        """What to look at for changes."""
        return self._files.all

    def reload(self) -> None:
        """Raises TlsError, and leaves what is in force."""
        self._current, self._own = self._make()

    def _take_up(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        wanted = self._own if name == LOOPBACK else self._current
        if context is not wanted:
            connection.context = wanted

    def _make(self) -> tuple[ssl.SSLContext, ssl.SSLContext]:
        """What to show, and what to show to who asks for our own."""
        files = self._files
        try:
            context = self._pki.server_context(self._hosts, files.certificate, files.key)
        except OSError as error:
            raise TlsError(f"the certificate {files.certificate} with the key {files.key}: {_why(error)}") from None
        own = context if files.certificate is None else self._pki.server_context(self._hosts)
        trusted = {self._believe(each) for each in (context, own)}
        (believed,) = trusted
        if files.client_authority is not None or files.proxy_authority is not None:
            # Whoever is not ours alone is named. (Our own clients have one certificate and need not choose.)
            from wherry.kit.tlsnames import tell

            for each in {context, own}:
                tell(each, sorted(believed[0] | believed[1]))
        if believed != (self._clients, self._proxies):
            self._generation += 1
            self._clients, self._proxies = believed
        return context, own

    def _believe(self, context: ssl.SSLContext) -> tuple[frozenset[bytes], frozenset[bytes]]:
        """Let a context trust the authorities: those of clients, those of proxies."""
        files = self._files
        clients = frozenset((ssl.PEM_cert_to_DER_cert(self._pki.authority.decode("ascii")),))
        clients |= self._authority(context, files.client_authority)
        proxies = self._authority(context, files.proxy_authority)
        # Every certificate of a bundle is trusted by itself, as in Go, also one that did not sign itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # A resumed session remembers a verdict, but not by which authority: everyone shakes hands anew.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        return clients, proxies

    def _authority(self, context: ssl.SSLContext, path: Path | None) -> frozenset[bytes]:
        if path is None:
            return frozenset()
        fresh = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            fresh.load_verify_locations(path)
            context.load_verify_locations(path)
        except (OSError, ValueError) as error:
            raise TlsError(f"the authorities in {path}: {_why(error)}") from None
        return frozenset(fresh.get_ca_certs(binary_form=True))

    def identify(self, connection: Any) -> Identity:
        """Who is behind an `ssl.SSLObject`."""
        told = connection.getpeercert() if connection is not None else None
        if not told:
            return Identity()
        der, until = connection.getpeercert(True), ssl.cert_time_to_seconds(told["notAfter"])
        return self._judge(Identity(None, None, der, "", peer_of(told, der), frozenset(_chain(connection)), until))

    def current(self, identity: Identity) -> Identity:
        """The same, as far as it is still true."""
        if identity.generation == self._generation and (identity.until >= self._clock() or identity.problem):
            return identity
        return self._judge(identity)

    def _judge(self, shown: Identity) -> Identity:
        named, problem = shown.named, ""
        user, proxy = bool(shown.chain & self._clients), bool(shown.chain & self._proxies)
        if shown.until < self._clock():
            problem = _EXPIRED
        elif not user and not proxy:
            problem = _UNKNOWN
        return shown._replace(
            peer=named if user and not problem else None,
            proxy=(named.name if named is not None else "") if proxy and not problem else None,
            problem=problem,
            generation=self._generation,
        )


def _chain(connection: Any) -> list[bytes]:
    """The certificates that led from the client's to one that is trusted, DER."""
    if hasattr(connection, "get_verified_chain"):  # Python 3.13
        return list(connection.get_verified_chain())
    found = connection._sslobj.get_verified_chain()
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in found or ()]


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or getattr(error, "reason", None) or error)
