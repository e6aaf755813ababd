"""The composition root: the one place that knows everyone. It puts rooms together, starts and stops them; no more.

Start in the order in which failures are cheap: data folder, port, storage, certificates, handler, and only then the
first connection. Stop the other way round.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from wherry.access.options import AccessOptions
from wherry.access.user import User
from wherry.controlplane import kubeconfig
from wherry.controlplane.datafolder import DataFolder
from wherry.controlplane.frontproxy import FrontProxy
from wherry.kit.files import FileWatch
from wherry.kit.ids import new_token
from wherry.kit.pki import Pki
from wherry.kit.tls import LOOPBACK, ServerTls, TlsFiles
from wherry.server.asgi import ApiApp
from wherry.server.http import Handler
from wherry.server.limits import Limits, Watches
from wherry.server.serve import Server, listen
from wherry.storage import open_storage
from wherry.storage.api import Spaces, Storage

if TYPE_CHECKING:
    from wherry.access.audit.auditor import Auditor
    from wherry.access.audit.options import AuditOptions
    from wherry.controlplane.features import Features
    from wherry.controlplane.sealing import Sealing
    from wherry.controlplane.workspaces import Workspaces
    from wherry.feature import Runnable
    from wherry.server.handler import ApiHandler

MASTERS = "system:masters"
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

MakeHandler = Callable[[Storage, str, AccessOptions, Path | None], Awaitable[Handler]]


async def make_handler(
    storage: Storage, token: str, options: AccessOptions, keys: Path | None, *, collect: bool = True
) -> Handler:
    """The API over a storage; `token` is the administrator's, in `keys` lies what signs tokens of ServiceAccounts.
    Without `collect` nobody collects garbage."""
    from wherry.server.build import build_handler

    return await build_handler(storage, token=token, options=options, keys=keys, collect=collect)


class ControlPlane:
    """A control plane that serves its API over HTTPS between `start` and `stop`.

    `data_dir` None keeps everything in memory. `storage_url` puts the records elsewhere than into the data folder.
    `port` 0 takes a free one: `url` tells which. `kubeconfig_path` None writes the kubeconfig into the data folder.
    `users` are further bearer tokens; everything else about who may come in and do what is in `access`.
    `encryption` is the file of an EncryptionConfiguration for what lies on disk.
    """

    def __init__(
        self,
        *,
        data_dir: Path | None = None,
        storage_url: str = "",
        bind: str = "127.0.0.1",
        port: int = 0,
        names: Sequence[str] = (),
        kubeconfig_path: Path | None = None,
        users: dict[str, User] | None = None,
        access: AccessOptions | None = None,
        limits: Limits | None = None,
        audit: AuditOptions | None = None,
        encryption: Path | None = None,
        reload_encryption: bool = False,
        handler: MakeHandler = make_handler,
    ):
        self._folder = DataFolder(data_dir) if data_dir is not None else None
        self._storage_url = storage_url or (self._folder.storage_url if self._folder else "memory:")
        self._bind = bind
        self._wanted_port = port
        self._names = tuple(names)
        self.kubeconfig_path = kubeconfig_path or (self._folder.kubeconfig if self._folder else None)
        self._access = access or AccessOptions()
        if users:
            self._access = replace(self._access, users={**self._access.users, **users})
        self._limits = limits or Limits()
        self._audit = audit
        self._encryption, self._reload_encryption = encryption, reload_encryption
        self._auditor: Auditor | None = None
        self._make_handler = handler
        self._storage: Spaces | None = None
        self._server: Server | None = None
        self._handler: Handler | None = None
        self._workspaces: Workspaces | None = None
        self._features: Features | None = None
        self._pki: Pki | None = None
        self._front: FrontProxy | None = None
        self._files: FileWatch | None = None
        self._own: list[Runnable] = []  # controllers that need what no feature may have, such as the authority's key
        self.token = ""
        self.kubeconfig = ""

    @property
    def url(self) -> str:
        """Where clients on this machine reach the API."""
        assert self._server is not None, "the control plane has not started"
        host = {"::": "[::1]"}.get(self._bind, "127.0.0.1" if self._bind in _ANY else self._bind)
        if ":" in host and not host.startswith("["):
            host = f"[{host}]"
        return f"https://{host}:{self._server.port}"

    async def start(self) -> None:
        """Ready to serve when it returns. Raises StorageError, ListenError; nothing stays open then."""
        if self._folder is not None:
            self._folder.check()
        sock = listen(self._bind, self._wanted_port)
        try:
            await self._start(sock)
        except BaseException:
            sock.close()
            await self.stop()
            raise

    async def _start(self, sock: socket.socket) -> None:
        sealer = self._sealing()
        self._storage = open_storage(self._storage_url, sealer)  # takes the lock: from here on the folder is ours
        self.token = self._folder.token() if self._folder is not None else new_token()
        self._pki = pki = Pki(self._folder.pki if self._folder is not None else None)
        tls = ServerTls(pki, self._server_names(), self._tls_files())
        keys = self._folder.pki if self._folder is not None else None
        handler = await self._make_handler(self._storage, self.token, self._access, keys)
        self._handler = handler
        self._front = FrontProxy(keys / "front-proxy" if keys is not None else None, self._access)
        self._introduce(handler, self._front)
        self._files = FileWatch()
        self._files.add(tls.files, tls.reload)
        self._files.every(RENEW_SECONDS, tls.reload)  # our own certificate is made anew before its end
        if sealer is not None and self._encryption is not None and self._reload_encryption:
            self._files.add((self._encryption,), sealer.reload)
        self._files.start()
        self._begin_audit(handler)
        self._share_seats(handler)
        front = self._open_workspaces(handler)
        self._server = Server(ApiApp(front, self._limits), sock, tls)
        await self._server.start()
        if self._workspaces is not None:
            await self._workspaces.start(lambda: self.url)
        admin = pki.client("admin", "kubernetes-admin", (MASTERS,))
        # A certificate of the user's may be for anywhere but this address: clients on this machine ask for our own.
        name = LOOPBACK if self._access.tls_cert_file is not None else ""
        self.kubeconfig = kubeconfig.render(
            server=self.url, authority=pki.authority, client=admin, token=self.token, name=name
        )
        if self.kubeconfig_path is not None:
            kubeconfig.write(self.kubeconfig_path, self.kubeconfig, keep=self._folder is not None)

    def _sealing(self) -> Sealing | None:
        """Raises EncryptionError for a configuration that does not work."""
        if self._encryption is None:
            return None
        from wherry.controlplane.sealing import load

        return load(self._encryption)

    def _introduce(self, handler: Handler, front: FrontProxy) -> None:
        """Let API servers beside this one know who forwards requests to them."""
        from wherry.server.handler import ApiHandler

        if isinstance(handler, ApiHandler) and handler.api.aggregation is not None:
            handler.api.aggregation.identity = front.identity

    def _share_seats(self, handler: Handler) -> None:
        from wherry.server.handler import ApiHandler

        if isinstance(handler, ApiHandler):
            handler.api.watches = Watches(self._limits)
        if isinstance(handler, ApiHandler) and (fairness := handler.api.fairness) is not None:
            limits = self._limits
            if limits.fair:
                fairness.resize(limits.mutating_in_flight + limits.read_only_in_flight)
            else:
                fairness.close()
                handler.api.fairness = None

    def _open_workspaces(self, handler: Handler) -> Handler:
        """What stands before the root's handler: the way into all workspaces."""
        from wherry.server.handler import ApiHandler

        if not isinstance(handler, ApiHandler) or self._storage is None:
            return handler
        from functools import partial

        from wherry.controlplane.workspaces import Workspaces
        from wherry.server.build import build_handler

        self._workspaces = Workspaces(handler, self._storage, partial(build_handler, member=True))
        return self._workspaces.front

    def _begin_audit(self, handler: Handler) -> None:
        """Raises AuditError for a configuration that does not work."""
        from wherry.server.handler import ApiHandler

        if self._audit is not None and isinstance(handler, ApiHandler):
            from wherry.access.audit.options import make_auditor

            self._auditor = handler.api.auditor = make_auditor(self._audit)
            if self._auditor is not None:
                self._auditor.start()

    def start_features(self, asked: Sequence[str] = (), *, simulate_nodes: int = 0, alone: bool = False) -> None:
        """Let the controllers of the installed features begin; after `start`, so that nobody waits for them.

        `asked` names features that do not run by default. `alone` leaves it at what kube-apiserver does by itself,
        without a kube-controller-manager. Raises LookupError for a name that nobody offers.
        """
        from wherry.controlplane.features import Features, chosen
        from wherry.server.handler import ApiHandler

        if isinstance(self._handler, ApiHandler) and self._features is None:
            objects: dict[str, list[dict[str, object]]] = {}
            if simulate_nodes:
                from wherry.features.simulation import simulated_nodes

                asked = (*asked, "workloads", "simulation")
                objects["simulation"] = [simulated_nodes(simulate_nodes)]
            if self._access.enable_bootstrap_token_auth and not alone:
                asked = (*asked, "bootstraptokens")
            found = chosen(asked, objects, alone=alone)
            self._features = Features(self._handler, found)
            self._features.start()
            if self._workspaces is not None:
                self._workspaces.features = tuple(found)
            self._start_own(self._handler, controllers="workloads" in asked, alone=alone)

    def _start_own(self, handler: ApiHandler, *, controllers: bool, alone: bool) -> None:
        from wherry.access.chain import AUTHENTICATED
        from wherry.client import Client
        from wherry.controlplane import own_service, rootca, secrettokens
        from wherry.controlplane.requests import USER, RequestSigner
        from wherry.controlplane.secrettokens import SecretTokens
        from wherry.controlplane.trust import Trust
        from wherry.server.local import LocalTransport

        def client(user: str, name: str) -> Client:
            whole = User(user, groups=(MASTERS, AUTHENTICATED))
            return Client(LocalTransport(handler, whole, name), field_manager=name)

        assert self._pki is not None
        assert self._files is not None
        assert self._front is not None
        front = self._front
        own = client("system:apiserver", "kube-apiserver")
        trust = Trust(own, self._access, self._pki.authority, lambda: front.authority)
        authorities = (self._access.client_ca_file, self._access.requestheader_client_ca_file)
        self._files.add([path for path in authorities if path is not None], trust.changed)
        assert self._server is not None
        self._own = [own_service.OwnService(own, self._bind, self._server.port), trust]
        if not alone:
            self._own.append(RequestSigner(client(USER, "certificates"), self._pki))
        if handler.api.accounts is not None and not alone:
            tokens = client(secrettokens.USER, "tokens")
            self._own.append(SecretTokens(tokens, handler.api.accounts.legacy, self._pki.authority))
        if controllers:  # without them the API is as bare as kube-apiserver's: nobody else writes into namespaces
            publisher = client(rootca.USER, "root-ca-cert-publisher")
            self._own.append(rootca.RootCertificates(publisher, self._pki.authority))
        for runnable in self._own:
            runnable.start()

    async def stop(self) -> None:
        """End connections, finish commits, release the folder. Idempotent; a stopped control plane can start again."""
        server, self._server = self._server, None
        storage, self._storage = self._storage, None
        handler, self._handler = self._handler, None
        features, self._features = self._features, None
        own, self._own = self._own, []
        files, self._files = self._files, None
        auditor, self._auditor = self._auditor, None
        if files is not None:
            files.stop()
        workspaces, self._workspaces = self._workspaces, None
        try:
            for runnable in own:
                await runnable.stop()
            if features is not None:
                await features.stop()
            if server is not None:
                await server.stop()
            if workspaces is not None:
                await workspaces.stop()
            close = getattr(handler, "close", None)
            if close is not None:
                await close()
            if auditor is not None:
                await auditor.stop()
        finally:
            if storage is not None:
                await storage.close()

    def _tls_files(self) -> TlsFiles:
        given = self._access
        return TlsFiles(
            given.tls_cert_file, given.tls_private_key_file, given.client_ca_file, given.requestheader_client_ca_file
        )

    def _server_names(self) -> list[str]:
        host = socket.gethostname()
        own = [host] if host and host.isascii() else []
        bound = [] if self._bind in _ANY else [self._bind]
        return [*NAMES, *own, *bound, *self._names]
