"""A control plane with workspaces, in process: requests by path as a named user."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import orjson

from wherry.access.chain import AUTHENTICATED, MASTERS
from wherry.access.user import User
from wherry.controlplane.workspaces import Workspaces
from wherry.server.build import build_handler
from wherry.server.http import Request, Response
from wherry.storage import open_storage

ADMIN = User("admin", groups=(MASTERS, AUTHENTICATED))
WORKSPACES = "/apis/tenancy.kcp.io/v1alpha1/workspaces"
JSON = "application/json"


def somebody(name: str) -> User:
    return User(name, groups=(AUTHENTICATED,))


class Many:
    """Use it as a context manager; `url` is a storage URL."""

    def __init__(self, url: str = "memory:"):
        self.url = url
        self.base = "https://here"
        self.loop = asyncio.new_event_loop()

    def __enter__(self) -> Many:
        self.run(self._start())
        return self

    async def _start(self) -> None:
        self.storage = open_storage(self.url)
        root = await build_handler(self.storage)
        self.workspaces = Workspaces(root, self.storage, partial(build_handler, member=True))
        await self.workspaces.start(lambda: self.base)

    async def _stop(self) -> None:
        await self.workspaces.stop()
        await self.storage.close()

    def __exit__(self, *_: object) -> None:
        self.run(self._stop())
        self.loop.close()

    def again(self) -> None:
        """A restart."""
        self.run(self._stop())
        self.run(self._start())

    def run(self, work: Any) -> Any:
        return self.loop.run_until_complete(work)

    async def send(
        self, method: str, path: str, body: Any = None, *, user: User | None = ADMIN, media: str = JSON, host: str = ""
    ) -> Response:
        path, _, query = path.partition("?")
        headers = [("accept", JSON), ("content-type", media), ("host", host or "127.0.0.1:1")]
        data = b"" if body is None else orjson.dumps(body)
        return await self.workspaces.front(Request(method, path, path, query, headers, data, user=user))

    def ask(self, method: str, path: str, body: Any = None, **how: Any) -> tuple[int, Any]:
        """(status, parsed body) of a request; nothing of a stream."""
        response: Response = self.run(self.send(method, path, body, **how))
        return response.status, parsed(response)

    def must(self, method: str, path: str, body: Any = None, **how: Any) -> Any:
        status, answer = self.ask(method, path, body, **how)
        assert status < 300, answer
        return answer

    def make(self, path: str, user: User | None = ADMIN, **spec: Any) -> str:
        """A workspace `root:a:b`; gives its cluster id."""
        parent, _, name = path.rpartition(":")
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": name}, "spec": spec}
        self.must("POST", f"/clusters/{parent}{WORKSPACES}", body, user=user)
        where = f"/clusters/{parent}{WORKSPACES}/{name}"
        self.until(lambda: self.must("GET", where)["spec"].get("cluster"))
        return str(self.must("GET", where)["spec"]["cluster"])

    def config_map(self, where: str, name: str, user: User | None = ADMIN, **data: str) -> tuple[int, Any]:
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        return self.ask("POST", f"/clusters/{where}/api/v1/namespaces/default/configmaps", body, user=user)

    def settle(self, turns: int = 50) -> None:
        """Let background work go on."""

        async def rest() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)

        self.run(rest())

    def until(self, true: Callable[[], object]) -> None:
        """Let background work go on until something is so."""
        end = self.loop.time() + 5
        while not true():
            assert self.loop.time() < end
            self.run(asyncio.sleep(0.001))

    def shared(self) -> None:
        """Let bindings and exports settle."""
        self.settle()
        self.run(self.workspaces.sharing.settled())

    def lines(self, path: str, count: int, user: User | None = ADMIN) -> list[tuple[str, str, str]]:
        """(type, cluster, name) of the first events of a watch."""

        async def collect() -> list[tuple[str, str, str]]:
            response = await self.send("GET", path, user=user)
            assert isinstance(response.body, AsyncIterator), response
            found: list[tuple[str, str, str]] = []
            async for chunk in response.body:
                found += [event(line) for line in chunk.splitlines()]
                if len(found) >= count:
                    break
            await response.body.aclose()  # type: ignore[attr-defined]
            return found

        return self.run(asyncio.wait_for(collect(), 5))  # type: ignore[no-any-return]


def parsed(response: Response) -> Any:
    body = response.body
    if isinstance(body, AsyncIterator):
        return None
    data = body if isinstance(body, bytes) else b"".join(body)
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return data.decode()


def event(line: bytes) -> tuple[str, str, str]:
    found = orjson.loads(line)
    meta = found["object"].get("metadata", {})
    return found["type"], (meta.get("annotations") or {}).get("kcp.io/cluster", ""), meta.get("name", "")


def names(listed: Any) -> Sequence[str]:
    return [item["metadata"]["name"] for item in listed["items"]]
