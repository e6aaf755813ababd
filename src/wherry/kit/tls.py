"""TLS of the server: which certificate it shows, and whose certificates it believes, both exchangeable while it runs.

Two kinds of authorities are told apart, as upstream does: certificates of users, and those of authenticating proxies,
which may name other users in headers. OpenSSL verifies during the handshake; whose authority it was is read off the
chain that it found, once per connection. A rotation makes a new context, which connections take up in the handshake
(the server name callback comes before anything is verified), so the listening socket never notices.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
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


class Identity(NamedTuple):
    """Whom a connection's certificate names as a user, and as an authenticating proxy."""

    peer: Peer | None = None
    proxy: str | None = None
    der: bytes | None = None


class ServerTls:
    """`context` is for the listening socket; `reload` reads everything again, for the connections to come."""

    def __init__(self, pki: Pki, hosts: Sequence[str], files: TlsFiles | None = None):
        self._pki, self._hosts, self._files = pki, tuple(hosts), files or TlsFiles()
        self._clients: frozenset[bytes] = frozenset()
        self._proxies: frozenset[bytes] = frozenset()
        self._current = self.context = self._make()
        self.context.sni_callback = self._take_up

    @property
    def files(self) -> tuple[Path, ...]:
        """What to look at for changes."""
        return self._files.all

    def reload(self) -> None:
        """Raises TlsError, and leaves what is in force."""
        self._current = self._make()

    def _take_up(self, connection: ssl.SSLObject | ssl.SSLSocket, name: str | None, context: ssl.SSLContext) -> None:
        if context is not self._current:
            connection.context = self._current

    def _make(self) -> ssl.SSLContext:
        files = self._files
        try:
            context = self._pki.server_context(self._hosts, files.certificate, files.key)
        except OSError as error:
            raise TlsError(f"the certificate {files.certificate} with the key {files.key}: {_why(error)}") from None
        clients = frozenset((ssl.PEM_cert_to_DER_cert(self._pki.authority.decode("ascii")),))
        clients |= self._authority(context, files.client_authority)
        proxies = self._authority(context, files.proxy_authority)
        # Every certificate of a bundle is trusted by itself, as in Go, also one that did not sign itself.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        # A resumed session remembers a verdict, but not by which authority: everyone shakes hands anew.
        context.options |= ssl.OP_NO_TICKET
        context.num_tickets = 0
        self._clients, self._proxies = clients, proxies
        return context

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
        der = connection.getpeercert(True)
        peer = peer_of(told, der)
        if self._files.proxy_authority is None:
            return Identity(peer, None, der)
        chain = frozenset(_chain(connection))
        return Identity(
            peer if chain & self._clients else None,
            (peer.name if peer is not None else "") if chain & self._proxies else None,
            der,
        )


def _chain(connection: Any) -> list[bytes]:
    """The certificates that led from the client's to one that is trusted, DER."""
    if hasattr(connection, "get_verified_chain"):  # Python 3.13
        return list(connection.get_verified_chain())
    found = connection._sslobj.get_verified_chain()
    return [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in found or ()]


def _why(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or getattr(error, "reason", None) or error)
