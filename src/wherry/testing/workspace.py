"""What the fixture `workspace` gives: a Kubernetes API that nobody else sees, and the strings behind it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from wherry.access.chain import ADMIN
from wherry.access.user import User
from wherry.client import BlockingClient, Client, Kind
from wherry.testing.difference import difference, snapshot
from wherry.testing.patience import eventually, eventually_async

if TYPE_CHECKING:
    from wherry.testing.harness import Harness, TestClock

T = TypeVar("T")


class Workspace:
    """One logical cluster for one test. `path` addresses it (`root:name`), `cluster` is its id; `traffic` has the
    requests that were made to it and makes them fail."""

    def __init__(self, harness: Harness, name: str, cluster: str, folder: Path):
        self.harness = harness
        self.name = name
        self.path = f"root:{name}"
        self.cluster = cluster
        self.traffic = harness.front.watch(self.path)
        self._folder = folder
        self._kubeconfig: Path | None = None
        self._start = snapshot(self._space)

    @property
    def _space(self) -> Any:
        space = self.harness.plane.spaces.space(self.cluster)
        assert space is not None, "the workspace is gone"
        return space

    # --- the API -----------------------------------------------------------------------------------------------------
    def client(self, user: User | str = ADMIN, field_manager: str = "test") -> BlockingClient:
        """Verbs on objects as dicts, in process. Raises the classes of `wherry.errors`."""
        return self.harness.control_plane.client(self.path, user, field_manager)

    def async_client(self, user: User | str = ADMIN, field_manager: str = "test") -> Client:
        """The same for code that runs in the control plane's own loop (`run`)."""
        return self.harness.plane.client(self.path, user, field_manager)

    def apply(self, what: str | Path) -> list[dict[str, Any]]:
        """Server-side apply of a folder, a file or a text; the objects as they are then."""
        return self.harness.control_plane.apply(what, self.path)

    def register(self, model: type, group: str, **how: Any) -> Kind:
        """Make a kind of a dataclass, pydantic model or msgspec struct."""
        return self.harness.control_plane.register(model, group, workspace=self.path, **how)

    @property
    def url(self) -> str:
        """The API server's URL for clients over HTTPS; the first one who asks makes the control plane serve."""
        return f"{self.harness.serve()}/clusters/{self.path}"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig file of the administrator whose server is this workspace."""
        if self._kubeconfig is None:
            url = self.harness.serve()
            self._kubeconfig = self._folder / f"{self.name}.kubeconfig"
            text = self.harness.control_plane.kubeconfig.replace(f"server: {url}\n", f"server: {self.url}\n")
            self._kubeconfig.touch(mode=0o600)
            self._kubeconfig.write_text(text, "utf-8")
        return self._kubeconfig

    # --- time --------------------------------------------------------------------------------------------------------
    @property
    def clock(self) -> TestClock:
        """The clock of the control plane: `advance(seconds)` makes everything due that would be due by then."""
        return self.harness.clock

    def eventually(self, check: Callable[[], T], timeout: float = 5.0) -> T:
        """Wait until `check` gives something true, which is returned; it is called again after every write.

        Refusals of the API and failed assertions mean not yet. Raises the last one after `timeout` seconds."""
        return eventually(self.harness.writes, check, timeout)

    async def eventually_async(self, check: Callable[[], Awaitable[T]], timeout: float = 5.0) -> T:
        """`eventually` in a test that is a coroutine."""
        return await eventually_async(self.harness.writes, check, timeout)

    # --- what happened -----------------------------------------------------------------------------------------------
    def difference(self) -> list[str]:
        """What is different from when the test began, as lines for a reader."""
        return difference(self._start, snapshot(self._space))
