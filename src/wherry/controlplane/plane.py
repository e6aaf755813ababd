"""The composition root: the one place that knows everyone. It puts rooms together, starts and stops them; no more.

`start` is for whoever lives in the same process: storage, handler, workspaces. `serve` adds what others need: a port,
certificates, a kubeconfig (`controlplane/serving`). Both begin with what fails cheaply. Stop the other way round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wherry.access.chain import ADMIN, AUTHENTICATED, MASTERS
from wherry.access.options import AccessOptions
from wherry.access.user import User
from wherry.client import Client, Kind
from wherry.controlplane.datafolder import DataFolder
from wherry.kit.clock import Clock, SystemClock, use
from wherry.kit.ids import new_token
from wherry.server.asgi import ApiApp
from wherry.server.handler import ApiHandler
from wherry.server.http import Handler
from wherry.server.limits import Limits, Watches
from wherry.server.local import LocalTransport
from wherry.storage import HISTORY, open_storage
from wherry.storage.api import Spaces, Storage

if TYPE_CHECKING:
    from types import TracebackType

    from wherry.access.audit.auditor import Auditor
    from wherry.access.audit.options import AuditOptions
    from wherry.controlplane.awake import Part
    from wherry.controlplane.blocking import BlockingControlPlane
    from wherry.controlplane.features import Features
    from wherry.controlplane.frontproxy import FrontProxy
    from wherry.controlplane.mounted import Mounted
    from wherry.controlplane.sealing import Sealing
    from wherry.controlplane.serving import Serving
    from wherry.controlplane.workspaces import Workspaces
    from wherry.feature import Runnable
    from wherry.kit.files import FileWatch

MakeHandler = Callable[[Storage, str, AccessOptions, Path | None], Awaitable[Handler]]
Wrap = Callable[[Handler], Handler]


async def make_handler(
    storage: Storage,
    token: str,
    options: AccessOptions,
    keys: Path | None,
    *,
    collect: bool = True,
    clock: Clock | None = None,
) -> Handler:
    """The API over a storage; `token` is the administrator's, in `keys` lies what signs tokens of ServiceAccounts.
    Without `collect` nobody collects garbage."""
    from wherry.server.build import build_handler

    now = (clock or SystemClock()).time
    return await build_handler(storage, token=token, options=options, keys=keys, collect=collect, clock=now)


class ControlPlane:
    """A control plane inside this process: `async with ControlPlane() as cp` in the running event loop, `with
    ControlPlane() as cp` (a `BlockingControlPlane`) in a thread of its own. Several in one process share nothing.

    `data_dir` None keeps everything in memory. `storage_url` puts the records elsewhere than into the data folder.
    `users` are further bearer tokens; everything else about who may come in and do what is in `access`.
    `encryption` is the file of an EncryptionConfiguration for what lies on disk. `clock` is what objects, tokens and
    controllers take the time from. `history` is for how many seconds the past can be read.

    `wrap` stands before everything, requests over HTTP and in process alike, and has the handler behind it. `features`
    names what does not run by default, `simulate_nodes` nodes that pretend.

    For `serve`: `port` 0 takes a free one: `url` tells which. `kubeconfig_path` None writes the kubeconfig into the
    data folder, if there is one.
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
        handler: MakeHandler | None = None,
        clock: Clock | None = None,
        wrap: Wrap | None = None,
        features: Sequence[str] = (),
        simulate_nodes: int = 0,
        history: float = HISTORY,
    ):
        self._folder = DataFolder(data_dir) if data_dir is not None else None
        self._storage_url = storage_url or (self._folder.storage_url if self._folder else "memory:")
        self._address = (bind, port, tuple(names))
        self.kubeconfig_path = kubeconfig_path or (self._folder.kubeconfig if self._folder else None)
        self._access = access or AccessOptions()
        if users:
            self._access = replace(self._access, users={**self._access.users, **users})
        self._limits = limits or Limits()
        self._history = history
        self._audit = audit
        self._encryption, self._reload_encryption = encryption, reload_encryption
        self.clock = clock or SystemClock()
        self._make_handler = handler or partial(make_handler, clock=self.clock)
        self._wrap = wrap
        self._asked = partial(self.start_features, tuple(features), simulate_nodes=simulate_nodes)
        self._auditor: Auditor | None = None
        self._storage: Spaces | None = None
        self._serving: Serving | None = None
        self._handler: Handler | None = None
        self._app: ApiApp | None = None
        self._workspaces: Workspaces | None = None
        self._features: Features | None = None
        self._front: FrontProxy | None = None
        self._files: FileWatch | None = None
        self._own: Callable[[], list[Runnable]] = list  # what acts in the name of the served API, once it is served
        self._acting: list[Runnable] = []
        self._blocking: BlockingControlPlane | None = None
        self.token = ""

    # --- life --------------------------------------------------------------------------------------------------------
    async def __aenter__(self) -> ControlPlane:
        await self.start()
        self._asked()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def __enter__(self) -> BlockingControlPlane:
        from wherry.controlplane.blocking import BlockingControlPlane

        self._blocking = BlockingControlPlane(self)
        self._blocking.start()
        return self._blocking

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        blocking, self._blocking = self._blocking, None
        if blocking is not None:
            blocking.stop()

    async def start(self) -> None:
        """Ready for callers in this process when it returns; without controllers until `start_features`. Raises
        StorageError, ConfigurationError; nothing stays open then."""
        if self._folder is not None:
            self._folder.check()
        with use(self.clock):
            try:
                await self._start()
            except BaseException:
                await self.stop()
                raise

    async def _start(self) -> None:
        from wherry.controlplane.frontproxy import FrontProxy
        from wherry.kit.files import FileWatch

        sealer = self._sealing()
        self._storage = open_storage(
            self._storage_url, sealer, self._history
        )  # takes the lock: from here on the folder is ours
        self.token = self._folder.token() if self._folder is not None else new_token()
        keys = self._keys
        handler = await self._make_handler(self._storage, self.token, self._access, keys)
        self._handler = handler
        self._front = FrontProxy(keys / "front-proxy" if keys is not None else None, self._access)
        self._files = FileWatch()
        if sealer is not None and self._encryption is not None and self._reload_encryption:
            self._files.add((self._encryption,), sealer.reload)
        self._files.start()
        front = handler
        if isinstance(handler, ApiHandler):
            self._introduce(handler, self._front)
            self._begin_audit(handler)
            self._share_seats(handler)
            front = self._open_workspaces(handler, self._storage)
        self._app = ApiApp(self._wrap(front) if self._wrap is not None else front, self._limits)
        if self._workspaces is not None:
            await self._workspaces.start(lambda: self.url)

    async def serve(self) -> str:
        """Serve over HTTPS and write the kubeconfig; the URL. Starts what has not started. Raises ListenError as
        well, OSError for a kubeconfig that cannot be written; nothing stays open then."""
        from wherry.controlplane import kubeconfig
        from wherry.controlplane.serving import Address, Serving

        if self._serving is not None:
            return self.url
        if self._folder is not None:
            self._folder.check()
        self._serving = Serving(Address(*self._address), self._access, self._keys)
        try:
            if self._app is None:
                await self.start()
            assert self._app is not None
            assert self._files is not None
            with use(self.clock):
                await self._serving.start(self._app, self._files, self.token)
                self._act()
                if self._workspaces is not None:
                    self._workspaces.lifecycle.announce()
            if self.kubeconfig_path is not None:
                kubeconfig.write(self.kubeconfig_path, self.kubeconfig, keep=self._folder is not None)
        except BaseException:
            await self.stop()
            raise
        return self.url

    async def stop(self) -> None:
        """End connections, finish commits, release the folder. Idempotent; a stopped control plane can start again."""
        serving, self._serving = self._serving, None
        storage, self._storage = self._storage, None
        handler, self._handler = self._handler, None
        features, self._features = self._features, None
        acting, self._acting = self._acting, []
        files, self._files = self._files, None
        auditor, self._auditor = self._auditor, None
        self._app, self._own = None, list
        if files is not None:
            files.stop()
        workspaces, self._workspaces = self._workspaces, None
        try:
            for runnable in acting:
                await runnable.stop()
            if features is not None:
                await features.stop()
            if serving is not None:
                await serving.stop()
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

    # --- what a program does with it ---------------------------------------------------------------------------------
    @property
    def url(self) -> str:
        """Where clients on this machine reach the API; empty unless it is served."""
        return self._serving.url if self._serving is not None else ""

    @property
    def kubeconfig(self) -> str:
        """The administrator's kubeconfig, YAML; empty unless the API is served."""
        return self._serving.kubeconfig if self._serving is not None else ""

    @property
    def running(self) -> bool:
        return self._app is not None

    @property
    def spaces(self) -> Spaces:
        """Where everything is stored, while it runs; for whoever looks at it from outside of the API."""
        assert self._storage is not None, "the control plane has not started"
        return self._storage

    @property
    def app(self) -> ApiApp:
        """The API as an ASGI application, while it runs."""
        assert self._app is not None, "the control plane has not started"
        return self._app

    def client(
        self, workspace: str = "", user: User | str = ADMIN, field_manager: str = "wherry", prefix: str = ""
    ) -> Client:
        """A client in this process, who passes the same door as over HTTP: a `user` may do what its roles say.

        `workspace` is a path (`root:team`) or the id of a logical cluster; the root where it is empty. `prefix` is for
        an API that stands somewhere else: `/services/apiexport/...`, a provider's view of its consumers.
        """
        who = user if isinstance(user, User) else User(user, groups=(AUTHENTICATED,))
        transport = LocalTransport(self.app.handle, who, field_manager or "wherry")
        return Client(transport, workspace=workspace, field_manager=field_manager, prefix=prefix)

    async def apply(self, what: str | Path, workspace: str = "") -> list[dict[str, Any]]:
        """Server-side apply what a folder or file holds, or a text with YAML or JSON documents; the objects as they are
        then. Definitions and namespaces go first, and are waited for. Raises StatusError, ValueError for no YAML."""
        from wherry.runtime.manifests import apply_all, read

        return await apply_all(self.client(workspace), read(what))

    async def register(self, model: type, group: str, *, workspace: str = "", **how: Any) -> Kind:
        """Make a kind of a dataclass, pydantic model or msgspec struct (`machinery/crd/models` says how); how it is
        addressed. Raises ModelRefused, StatusError."""
        from wherry.machinery.crd.models import definition
        from wherry.runtime.manifests import apply_all, kind_of

        made = definition(model, group, **how)
        await apply_all(self.client(workspace), [made])
        return kind_of(made)

    def asgi(self) -> Mounted:
        """An ASGI application to mount; a server that tells it of start and end starts and stops it."""
        from wherry.controlplane.mounted import Mounted

        return Mounted(self)

    # --- how it is put together --------------------------------------------------------------------------------------
    @property
    def _keys(self) -> Path | None:
        return self._folder.pki if self._folder is not None else None

    def _sealing(self) -> Sealing | None:
        """Raises EncryptionError for a configuration that does not work."""
        if self._encryption is None:
            return None
        from wherry.controlplane.sealing import load

        return load(self._encryption)

    def _introduce(self, handler: ApiHandler, front: FrontProxy) -> None:
        """Let API servers beside this one know who forwards requests to them."""
        if handler.api.aggregation is not None:
            handler.api.aggregation.identity = front.identity

    def _share_seats(self, handler: ApiHandler) -> None:
        handler.api.watches = Watches(self._limits)
        if (fairness := handler.api.fairness) is not None:
            limits = self._limits
            if limits.fair:
                fairness.resize(limits.mutating_in_flight + limits.read_only_in_flight)
            else:
                fairness.close()
                handler.api.fairness = None

    def _open_workspaces(self, handler: ApiHandler, spaces: Spaces) -> Handler:
        """What stands before the root's handler: the way into all workspaces."""
        from wherry.controlplane.workspaces import Workspaces
        from wherry.server.build import build_handler

        build = partial(build_handler, member=True, clock=self.clock.time)
        self._workspaces = Workspaces(handler, spaces, build, clock=self.clock.time)
        return self._workspaces.front

    def _begin_audit(self, handler: ApiHandler) -> None:
        """Raises AuditError for a configuration that does not work."""
        if self._audit is not None:
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
            with use(self.clock):
                self._features.start()
                if self._workspaces is not None:
                    self._workspaces.have(features=found)
                self._own = partial(self._make_own, self._handler, controllers="workloads" in asked, alone=alone)
                self._act()

    def _act(self) -> None:
        """Start what acts in the name of the API: it needs the authority and the port, which come with `serve`."""
        if self._serving is not None and self._serving.kubeconfig and not self._acting:
            self._acting = self._own()
            for runnable in self._acting:
                runnable.start()

    def _make_own(self, handler: ApiHandler, *, controllers: bool, alone: bool) -> list[Runnable]:
        """Controllers that need what no feature may have, such as the authority's key."""
        from wherry.controlplane import own_service
        from wherry.controlplane.requests import USER, RequestSigner
        from wherry.controlplane.trust import Trust

        assert self._files is not None
        assert self._front is not None
        assert self._serving is not None
        front, pki = self._front, self._serving.pki
        own = _whole_client(handler, "system:apiserver", "kube-apiserver")
        trust = Trust(own, self._access, pki.authority, lambda: front.authority)
        authorities = (self._access.client_ca_file, self._access.requestheader_client_ca_file)
        self._files.add([path for path in authorities if path is not None], trust.changed)
        of_workspace = _own_of_workspace(pki.authority, controllers=controllers, alone=alone)
        found: list[Runnable] = [own_service.OwnService(own, self._serving.bind, self._serving.port), trust]
        if not alone:
            # In the root alone: a certificate is believed everywhere, and who owns a workspace approves what he likes.
            found.append(RequestSigner(_whole_client(handler, USER, "certificates"), pki))
        if self._workspaces is not None:
            self._workspaces.have(own=of_workspace)
        return [*found, *(each for part in of_workspace for each in part.make(handler))]


def _whole_client(handler: ApiHandler, user: str, name: str) -> Client:
    """A client of the control plane's own that may do everything."""
    whole = User(user, groups=(MASTERS, AUTHENTICATED))
    return Client(LocalTransport(handler, whole, name), field_manager=name)


def _own_of_workspace(authority: bytes, *, controllers: bool, alone: bool) -> list[Part]:
    """Those that every workspace has."""
    from wherry.controlplane import rootca, secrettokens
    from wherry.controlplane.awake import Part

    def tokens(handler: ApiHandler) -> list[Runnable]:
        if handler.api.accounts is None:
            return []
        client = _whole_client(handler, secrettokens.USER, "tokens")
        return [secrettokens.SecretTokens(client, handler.api.accounts.legacy, authority)]

    def certificates(handler: ApiHandler) -> list[Runnable]:
        client = _whole_client(handler, rootca.USER, "root-ca-cert-publisher")
        return [rootca.RootCertificates(client, authority)]

    found: list[Part] = []
    if not alone:
        found.append(Part("tokens", tokens, ("secrets", "serviceaccounts")))
    if controllers:  # without them the API is as bare as kube-apiserver's: nobody else writes into namespaces
        version = hashlib.sha256(authority).hexdigest()
        found.append(Part("root-ca", certificates, ("namespaces", f"configmaps/{rootca.NAME}"), version=version))
    return found
