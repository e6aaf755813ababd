"""`/difference?with=PATH`: what is different in another workspace, one JSON object a line (`workspaces/difference`).
`/merge?into=PATH`: what a fork has changed, as writes to that workspace (`workspaces/merge`).

Paths like `/version` and no kinds: what they tell is of two workspaces and is kept nowhere. They take the right to copy
both (the verb `fork` on their logical cluster), since they show all that is in them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import orjson

from wherry import errors
from wherry.access.chain import MASTERS
from wherry.access.user import Attributes, User
from wherry.machinery.kinds import Obj
from wherry.server.handler import MERGE, Call
from wherry.server.http import Response
from wherry.server.turns import Pace
from wherry.storage.api import Spaces, Storage
from wherry.workspaces.difference import Options, candidates, compare
from wherry.workspaces.fork import REVISION, SOURCE
from wherry.workspaces.merge import NoBase, base_of, in_order, step_of
from wherry.workspaces.objects import read
from wherry.workspaces.tree import WORKSPACES, Tree

_HEADERS = [("Content-Type", "application/json;stream=lines")]

May = Callable[[Attributes], Awaitable[bool]]


class Differences:
    """Answers in one workspace, `cluster`. `may` asks the authorizer of a workspace."""

    def __init__(self, spaces: Spaces, tree: Tree, cluster: str, may: May):
        self._spaces, self._tree, self._cluster, self._may = spaces, tree, cluster, may

    async def __call__(self, call: Call) -> Response:
        """Raises BadRequest, Forbidden, NotFound."""
        info = call.info
        if info.verb != "get":
            raise errors.MethodNotAllowed("a difference can only be read", details={})
        if info.path == MERGE:
            return await self._merge(call)
        other = info.first("with")
        if not other:
            raise errors.BadRequest("name a workspace: ?with=root:team")
        options = Options(status=_flag(call, "status"), secrets=_flag(call, "secrets"))
        before = await self._space(call.user, self._tree.path(self._cluster))
        after = await self._space(call.user, other)
        return Response(200, list(_HEADERS), self._write(call, before, after, options))

    async def _merge(self, call: Call) -> Response:
        """What the fork that this workspace is has changed, as writes to its source or another workspace."""
        mine = self._tree.path(self._cluster)
        fork = await self._space(call.user, mine)
        above = self._spaces.space(self._tree.parent(self._cluster))
        workspace = read(above, WORKSPACES + self._tree.name(self._cluster)) if above is not None else None
        notes = ((workspace or {}).get("metadata") or {}).get("annotations") or {}
        if SOURCE not in notes:
            raise errors.BadRequest(f"workspace {mine} is no fork")
        origin = self._spaces.space(self._tree.resolve(notes[SOURCE]))
        target = await self._space(call.user, call.info.first("into") or notes[SOURCE])
        try:
            base = base_of(self._spaces, self._cluster, origin, int(notes.get(REVISION, "0")))
        except NoBase as gone:
            raise errors.Expired(str(gone)) from None
        pace, keys, found = Pace(), candidates(base, fork), list[Obj]()
        while keys:
            await call.api.turns.turn(call.flow)
            pace.begin()
            some, keys = keys[: pace.count], keys[pace.count :]
            found += [step for key in some if (step := step_of(base, fork, target, key)) is not None]
            pace.end()
        text = b"".join(orjson.dumps(step) + b"\n" for step in in_order(found))
        return Response(200, list(_HEADERS), text)

    async def _space(self, user: User, path: str) -> Storage:
        asked = Attributes(
            user, "fork", "", True, "core.kcp.io", "v1alpha1", "logicalclusters", "", "", "cluster", path
        )  # fmt: skip
        cluster = self._tree.resolve(path)
        space = self._spaces.space(cluster) if cluster else None
        if space is None and MASTERS in user.groups:
            raise errors.NotFound(f"there is no workspace {path}")
        if space is None or not (MASTERS in user.groups or await self._may(asked)):
            text = f"unable to compare workspace {path}: missing verb='fork' permission on its logicalcluster"
            raise errors.Forbidden(text)
        return space

    async def _write(self, call: Call, before: Storage, after: Storage, options: Options) -> AsyncIterator[bytes]:
        pace, keys = Pace(), candidates(before, after)
        while keys:
            await call.api.turns.turn(call.flow)
            pace.begin()
            some, keys = keys[: pace.count], keys[pace.count :]
            found = (compare(before, after, key, options) for key in some)
            text = b"".join(orjson.dumps(each) + b"\n" for each in found if each is not None)
            pace.end(len(text))
            if text:
                yield text


def _flag(call: Call, name: str) -> bool:
    value = call.info.first(name)
    if value not in ("", "true", "false"):
        raise errors.BadRequest(f"?{name}={value}: true or false")
    return value == "true"
