"""The front of all workspaces: which logical cluster a request is for, and its handler.

`/clusters/<path or id>/...` names it, or the host does (`<id>.localhost`, `<name>.<parent>.localhost`: an endpoint of
Cluster API has no room for a path); everything else is the root's. A handler is built when a cluster is first asked for
and closed when nobody has for a while. `/clusters/*` goes to the root's handler, which asks `everywhere`.

Who may not enter a workspace learns nothing of it, not even whether it is there: the refusal is the same.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from wherry import errors
from wherry.access.chain import MASTERS, Authorizer, refuse
from wherry.access.user import Attributes, Decision
from wherry.server import answers, negotiate
from wherry.server.handler import ApiHandler, attributes
from wherry.server.http import Handler, Request, Response
from wherry.server.requestinfo import BadPath, parse
from wherry.storage.api import Spaces, Storage

PREFIX, SERVICES = "/clusters/", "/services/"
ROOT, ANY = "root", "*"
NO_ACCESS = "access denied"
HOSTS = ".localhost"
MOST_IDLE = 2_000  # handlers that are kept though nobody uses them
_LOOKS = 16  # at handlers that may go, for each that comes

Build = Callable[[Storage], Awaitable[ApiHandler]]


class Places(Protocol):
    """What is needed of the tree of workspaces."""

    def resolve(self, path: str) -> str: ...

    def __contains__(self, cluster: str) -> bool: ...


class Clusters:
    """An `http.Handler`. `root` serves what names no workspace; `build` makes the handler of another one."""

    def __init__(self, root: ApiHandler, spaces: Spaces, tree: Places, build: Build):
        self.root = root
        self._spaces = spaces
        self._tree = tree
        self._build = build
        self._handlers: OrderedDict[str, ApiHandler] = OrderedDict()
        self._building: dict[str, asyncio.Future[ApiHandler]] = {}
        self.providers: Handler | None = None  # serves what is below `/services/`

    async def __call__(self, request: Request) -> Response:
        if request.path.startswith(SERVICES) and self.providers is not None:
            return await self.providers(request)
        place, path, prefix = split(request)
        if not place or place in (ROOT, ANY):
            return await self.root(request)
        cluster = self._tree.resolve(place)
        if cluster == ROOT:
            return await self.root(replace(request, path=path))
        handler = await self.handler(cluster) if cluster else None
        if handler is None:
            return await self.nowhere(replace(request, path=path))
        return await handler(replace(request, path=path, prefix=prefix))

    async def handler(self, cluster: str) -> ApiHandler | None:
        """The handler of a logical cluster, None when there is no such cluster."""
        if cluster == ROOT:
            return self.root
        found = self._handlers.get(cluster)
        if found is not None:
            self._handlers.move_to_end(cluster)
            return found
        waiting = self._building.get(cluster)
        if waiting is not None:
            return await asyncio.shield(waiting)
        space = self._spaces.space(cluster)
        if space is None or cluster not in self._tree:
            return None
        task = self._building[cluster] = asyncio.ensure_future(self._build(space))
        try:
            found = await asyncio.shield(task)
        finally:
            self._building.pop(cluster, None)
        self._handlers[cluster] = found
        await self._let_go()
        return found

    def awake(self, cluster: str) -> ApiHandler | None:
        """The handler of a cluster that somebody uses."""
        return self._handlers.get(cluster)

    async def forget(self, cluster: str) -> None:
        """A cluster is about to go: end its watches and background work."""
        handler = self._handlers.pop(cluster, None)
        if handler is not None:
            await handler.close()

    async def _let_go(self) -> None:
        """Close the handlers that were used longest ago and have nobody watching."""
        for _ in range(_LOOKS):
            if len(self._handlers) <= MOST_IDLE:
                return
            name, handler = next(iter(self._handlers.items()))
            if not len(handler.api.hub):
                await self.forget(name)
                return
            self._handlers.move_to_end(name)  # somebody watches: as good as asked

    async def close(self) -> None:
        for name in tuple(self._handlers):
            await self.forget(name)
        await self.root.close()

    async def nowhere(self, request: Request) -> Response:
        """No such workspace: 404 for administrators, for everyone else what a workspace answers that is not theirs."""
        try:
            info = parse(request.method, request.path, request.query)
            asked = attributes(await self.root.who(request), info)
            if MASTERS in asked.user.groups:
                raise errors.NotFound.path()
            raise refuse(asked, NO_ACCESS)
        except BadPath:
            return answers.text(404, "404 page not found\n")
        except errors.StatusError as error:
            return answers.refusal(error, negotiate.PLAIN, [])


def split(request: Request) -> tuple[str, str, str]:
    """(place, path inside, prefix that links carry on). The path decides, then the host; the place may be empty."""
    path = request.path
    if path.startswith(PREFIX):
        end = path.find("/", len(PREFIX))
        end = len(path) if end < 0 else end
        return path[len(PREFIX) : end], path[end:] or "/", path[:end]
    host = request.header("host").partition(":")[0]
    if not host.endswith(HOSTS):
        return "", path, ""
    labels = host[: -len(HOSTS)].split(".")
    if not all(labels):
        return "", path, ""
    if len(labels) == 1:
        return labels[0] if labels[0] == ROOT else f"{ROOT}:{labels[0]}", path, ""
    steps = labels[::-1]
    return ":".join(steps if steps[0] == ROOT else [ROOT, *steps]), path, ""


def gate(rbac: Authorizer) -> Authorizer:
    """Only who has the verb `access` on `/` in a workspace gets to what its roles say (kcp's workspace content
    authorizer)."""

    def decide(asked: Attributes) -> Decision:
        entry = Attributes(asked.user, "access", "/", workspace=asked.workspace)
        return rbac(asked) if rbac(entry).allowed else Decision(False, NO_ACCESS)

    return decide
