"""A control plane for code that does not await: its event loop runs in a thread of its own."""

from __future__ import annotations

from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wherry.access.chain import ADMIN
from wherry.access.user import User
from wherry.client import BlockingClient, Kind
from wherry.kit.loops import LoopThread, MakeLoop, fast_loop

if TYPE_CHECKING:
    from wherry.controlplane.plane import ControlPlane

T = TypeVar("T")


class BlockingControlPlane:
    """What `with ControlPlane() as cp` gives. `plane` is the same control plane for code that runs in its loop
    (`run`); `make_loop` makes that loop."""

    def __init__(self, plane: ControlPlane, make_loop: MakeLoop | None = None):
        self.plane = plane
        self.thread = LoopThread("wherry", make_loop or fast_loop())

    def start(self) -> None:
        """Raises what `ControlPlane.start` raises; no thread is left then."""
        self.thread.start()
        try:
            self.run(self.plane.__aenter__())
        except BaseException:
            self.thread.stop()
            raise

    def stop(self) -> None:
        try:
            self.run(self.plane.stop())
        finally:
            self.thread.stop()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Carry out a coroutine in the control plane's loop and wait for it."""
        return self.thread.run(work)

    @property
    def url(self) -> str:
        """Where clients on this machine reach the API; empty unless it is served."""
        return self.plane.url

    @property
    def kubeconfig(self) -> str:
        """The administrator's kubeconfig, YAML; empty unless the API is served."""
        return self.plane.kubeconfig

    @property
    def token(self) -> str:
        """The administrator's bearer token."""
        return self.plane.token

    def serve(self) -> str:
        """Serve over HTTPS and write the kubeconfig; the URL. Raises ListenError, OSError."""
        return self.run(self.plane.serve())

    def client(self, workspace: str = "", user: User | str = ADMIN, field_manager: str = "wherry") -> BlockingClient:
        """A client who passes the same door as over HTTP (`ControlPlane.client`)."""
        return BlockingClient(self.plane.client(workspace, user, field_manager), self.run)

    def apply(self, what: str | Path, workspace: str = "") -> list[dict[str, Any]]:
        """Server-side apply of a folder, file or text (`ControlPlane.apply`)."""
        return self.run(self.plane.apply(what, workspace))

    def register(self, model: type, group: str, *, workspace: str = "", **how: Any) -> Kind:
        """Make a kind of a model (`ControlPlane.register`)."""
        return self.run(self.plane.register(model, group, workspace=workspace, **how))
