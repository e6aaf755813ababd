"""What stands between a control plane and the network: a port, certificates, the kubeconfig. Made by `serve`, and by
nothing else: a control plane that lives inside a program has none of it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from pathlib import Path

from wherry.access.chain import MASTERS
from wherry.access.options import AccessOptions
from wherry.controlplane import kubeconfig
from wherry.kit.files import FileWatch
from wherry.kit.pki import Pki
from wherry.kit.tls import LOOPBACK, ServerTls, TlsFiles
from wherry.server.asgi import ApiApp
from wherry.server.serve import Server, listen

RENEW_SECONDS = 12 * 3600.0
# Names under which a server on this machine, or a Service in front of it, is reached.
NAMES = (
    "localhost",
    "*.localhost",
    "127.0.0.1",
    "::1",
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
)
_ANY = ("0.0.0.0", "::", "")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to serve. `port` 0 takes a free one; `names` are further ones that the certificate is for."""

    bind: str = "127.0.0.1"
    port: int = 0
    names: tuple[str, ...] = ()


class Serving:
    """Holds the port from the beginning, so that a taken one costs no work, and serves between `start` and `stop`.

    `keys` is the folder of the certificates, None keeps them in memory. Raises ListenError.
    """

    def __init__(self, address: Address, access: AccessOptions, keys: Path | None):
        self.bind = address.bind
        self.kubeconfig = ""
        self._names = address.names
        self._access = access
        self._keys = keys
        self._socket = listen(address.bind, address.port)
        self._server: Server | None = None
        self._pki: Pki | None = None

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def url(self) -> str:
        """Where clients on this machine reach the API."""
        host = {"::": "[::1]"}.get(self.bind, "127.0.0.1" if self.bind in _ANY else self.bind)
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"https://{host}:{self.port}"

    @property
    def pki(self) -> Pki:
        if self._pki is None:
            self._pki = Pki(self._keys)
        return self._pki

    async def start(self, app: ApiApp, files: FileWatch, token: str) -> None:
        """Serve `app`; the kubeconfig is the administrator's, whose token is `token`."""
        tls = ServerTls(self.pki, self._server_names(), self._tls_files())
        files.add(tls.files, tls.reload)
        files.every(RENEW_SECONDS, tls.reload)  # our own certificate is made anew before its end
        self._server = Server(app, self._socket, tls)
        await self._server.start()
        admin = self.pki.client("admin", "kubernetes-admin", (MASTERS,))
        # A certificate of the user's may be for anywhere but this address: clients on this machine ask for our own.
        name = LOOPBACK if self._access.tls_cert_file is not None else ""
        self.kubeconfig = kubeconfig.render(
            server=self.url, authority=self.pki.authority, client=admin, token=token, name=name
        )

    async def stop(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            await server.stop()
        self._socket.close()

    def _tls_files(self) -> TlsFiles:
        given = self._access
        return TlsFiles(
            given.tls_cert_file, given.tls_private_key_file, given.client_ca_file, given.requestheader_client_ca_file
        )

    def _server_names(self) -> list[str]:
        host = socket.gethostname()
        own = [host] if host and host.isascii() else []
        bound = [] if self.bind in _ANY else [self.bind]
        return [*NAMES, *own, *bound, *self._names]
