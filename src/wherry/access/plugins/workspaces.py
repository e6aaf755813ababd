"""What may be written about workspaces: kcp's admission of Workspace and LogicalCluster.

A Workspace gets its creator and its type; where it lives is the system's to say. A LogicalCluster is made and removed
by its Workspace; those who prepare it may only take their initializers off it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import orjson

from wherry.access.admission import CREATE, DELETE, UPDATE, Admission, Ask, Step, user_info
from wherry.access.chain import MASTERS
from wherry.access.plugins.refusals import forbidden
from wherry.access.user import Attributes
from wherry.machinery.kinds import Obj
from wherry.workspaces import fork, quota, types
from wherry.workspaces.forks import GROUP, RESOURCE, notes_of
from wherry.workspaces.lifecycle import OWNER, TYPE, Lifecycle
from wherry.workspaces.tree import CLUSTER_ANNOTATION

MOST_LEVELS = 32  # of workspaces, one below the other
_WORKSPACES = frozenset((("tenancy.kcp.io", "workspaces"),))
_CLUSTERS = frozenset((("core.kcp.io", "logicalclusters"),))
_FIXED = (CLUSTER_ANNOTATION, TYPE, "kcp.io/path")


def install(
    admission: Admission,
    lifecycle: Lifecycle,
    cluster: str,
    may_use: Callable[[Attributes], Awaitable[bool]] | None = None,
) -> None:
    """Hang the plugins on the admission of one logical cluster. `may_use` asks the authorizer of another workspace,
    from which a type or a copy is taken."""
    plugin = _Workspaces(lifecycle, cluster, may_use)
    writes = frozenset((CREATE, UPDATE))
    admission.mutating.append(Step("tenancy.kcp.io/Workspace", plugin.fill, frozenset((CREATE,)), _WORKSPACES))
    admission.validating.append(Step("tenancy.kcp.io/Workspace", plugin.check, writes, _WORKSPACES))
    kinds = frozenset(((GROUP, RESOURCE),))
    admission.mutating.append(Step("fork.wherry.dev/Fork", plugin.fork, frozenset((CREATE,)), kinds))
    everything = frozenset((CREATE, UPDATE, DELETE))
    admission.validating.append(Step("core.kcp.io/LogicalCluster", check_cluster, everything, _CLUSTERS))


class _Workspaces:
    def __init__(self, lifecycle: Lifecycle, cluster: str, may_use: Callable[[Attributes], Awaitable[bool]] | None):
        self._lifecycle = lifecycle
        self._cluster = cluster
        self._may_use = may_use

    async def fill(self, ask: Ask) -> None:
        """The creator and the type."""
        obj = ask.obj
        if obj is None or ask.subresource:
            return
        meta = obj["metadata"]
        meta["annotations"] = {**(meta.get("annotations") or {}), OWNER: orjson.dumps(user_info(ask.user)).decode()}
        spec = obj["spec"] = dict(obj.get("spec") or {})
        await self._fill_fork(ask, obj)
        wanted = dict(spec.get("type") or self._lifecycle.default_type(self._cluster))
        try:
            here = self._lifecycle.tree.path(self._cluster)
            wanted["path"], _ = types.find(wanted.get("path", ""), wanted["name"], here, self._lifecycle.lookup)
        except types.TypeRefused as refused:
            raise forbidden(ask, str(refused)) from None
        spec["type"] = wanted
        self._fill_quota(ask, meta, wanted)

    async def _fill_fork(self, ask: Ask, obj: Obj) -> None:
        """A copy has the type of what it is a copy of. Who cannot see a workspace does not learn here that it is there.

        Raises Forbidden."""
        lifecycle = self._lifecycle
        try:
            copied = fork.asked(obj)
            if copied is None:
                return
            if not await self._may_fork(ask, copied.source):
                text = f"unable to fork workspace {copied.source}: missing verb='fork' permission on its logicalcluster"
                raise forbidden(ask, text)
            fork.find(lifecycle.spaces, lifecycle.tree, copied)
            found = lifecycle.type_of_copy(copied.source)
        except (fork.BadFork, types.TypeRefused) as bad:
            raise forbidden(ask, str(bad)) from None
        if found is None:
            return
        asked = obj["spec"].get("type")
        if asked and {"path": found["path"], **asked} != found:
            shown = f"{found['path']}:{found['name']}"
            raise forbidden(ask, f"spec.type: a fork has the type of its source, {shown}; leave it out")
        obj["spec"]["type"] = found

    async def fork(self, ask: Ask) -> None:
        """A Fork is refused as the Workspace would be that it asks for. Raises Forbidden."""
        obj = ask.obj
        if obj is None or ask.subresource:
            return
        name = obj["metadata"].get("name", "")
        here = self._lifecycle.tree.path(self._cluster)
        making = Attributes(
            ask.user, "create", "", True, "tenancy.kcp.io", "v1alpha1", "workspaces", "", "", name, here
        )  # fmt: skip
        if MASTERS not in ask.user.groups and self._may_use is not None and not await self._may_use(making):
            raise forbidden(ask, f"unable to create workspace {here}:{name}: missing verb='create' on workspaces")
        if self._lifecycle.tree.child(self._cluster, name):
            raise forbidden(ask, f"workspace {here}:{name} is there already")
        workspace: Obj = {"metadata": {"name": name, "annotations": notes_of(obj["spec"])}, "spec": {}}
        await self._fill_fork(ask, workspace)
        if here.count(":") + 2 > MOST_LEVELS:
            raise forbidden(ask, f"workspaces may stand {MOST_LEVELS} deep at most")
        meta = obj["metadata"]
        meta["annotations"] = {**(meta.get("annotations") or {}), OWNER: orjson.dumps(user_info(ask.user)).decode()}

    async def _may_fork(self, ask: Ask, path: str) -> bool:
        if self._may_use is None or MASTERS in ask.user.groups:
            return True
        return await self._may_use(
            Attributes(
                ask.user, "fork", "", True, "core.kcp.io", "v1alpha1", "logicalclusters", "", "", "cluster", path
            )
        )

    def _fill_quota(self, ask: Ask, meta: Obj, wanted: Obj) -> None:
        """A type's quota is that of its workspaces: who makes one may ask for less. Raises Forbidden."""
        try:
            allowed = quota.hard(self._lifecycle.lookup(wanted["path"], wanted["name"]))
            asked = quota.hard({"metadata": meta})
        except quota.BadQuota as bad:
            raise forbidden(ask, str(bad)) from None
        for name, most in allowed.items():
            if asked.get(name, 0) > most:
                raise forbidden(ask, f"annotation {quota.PREFIX}{name}: the workspace's type allows {most} at most")
            meta["annotations"].setdefault(quota.PREFIX + name, str(most))

    async def check(self, ask: Ask) -> None:
        obj, old = ask.obj, ask.old
        if obj is None or ask.subresource:
            return
        try:
            quota.hard(obj)
        except quota.BadQuota as bad:
            raise forbidden(ask, str(bad)) from None
        spec, before = obj.get("spec") or {}, (old or {}).get("spec") or {}
        for field in ("cluster", "URL"):
            if spec.get(field) != before.get(field):
                how = "changed" if old is not None else "set"
                raise forbidden(ask, f"spec.{field} can only be {how} by system privileged users")
        if old is not None:
            if spec.get("type") != before.get("type"):
                raise forbidden(ask, "spec.type is immutable")
            for name in fork.ANNOTATIONS:
                if _annotation(obj, name) != _annotation(old, name):
                    raise forbidden(ask, f"annotation {name} is immutable")
            return
        if "mount" in spec:
            raise forbidden(ask, "workspaces that mount something else are not served here; leave out spec.mount")
        if self._lifecycle.tree.path(self._cluster).count(":") + 2 > MOST_LEVELS:
            raise forbidden(ask, f"workspaces may stand {MOST_LEVELS} deep at most")
        try:
            child = types.resolve((spec["type"]["path"], spec["type"]["name"]), self._lifecycle.lookup)
            types.check(self._lifecycle.type_of(self._cluster), child)
        except types.TypeRefused as refused:
            raise forbidden(ask, str(refused)) from None
        for kind in sorted(child.kinds):
            await self._check_use(ask, *kind)

    async def _check_use(self, ask: Ask, path: str, name: str) -> None:
        """Types of the root that came with it are for everyone; others by RBAC where they are."""
        built_in = {t["metadata"]["name"] for t in types.BUILT_IN}
        if self._may_use is None or (path == "root" and name in built_in):
            return
        asked = Attributes(
            ask.user, "use", "", True, "tenancy.kcp.io", "v1alpha1", "workspacetypes", "", "", name, path
        )  # fmt: skip
        if not await self._may_use(asked):
            text = f"unable to use workspace type {path}:{name}: missing verb='use' permission on workspacetype"
            raise forbidden(ask, text)


async def check_cluster(ask: Ask) -> None:
    """Nobody makes one, few may delete it, and what is the system's stays as it is."""
    obj, old = ask.obj, ask.old
    if ask.operation == CREATE:
        raise forbidden(ask, "LogicalCluster cannot be created")
    if ask.operation == DELETE:
        if not ((old or {}).get("spec") or {}).get("directlyDeletable"):
            raise forbidden(ask, "LogicalCluster cannot be deleted")
        return
    if obj is None or old is None:
        return
    if obj.get("spec") != old.get("spec"):
        raise forbidden(ask, "spec is immutable")
    for name in _FIXED:
        if _annotation(obj, name) != _annotation(old, name):
            raise forbidden(ask, f"annotation {name} is immutable")
    for field in ("initializers", "terminators"):
        now, before = ((o.get("status") or {}).get(field) or [] for o in (obj, old))
        if not set(now) <= set(before):
            raise forbidden(ask, f"status.{field} must not grow")
    if (obj.get("status") or {}).get("phase") != (old.get("status") or {}).get("phase"):
        raise forbidden(ask, "status.phase is the system's to change")


def _annotation(obj: Obj, name: str) -> str:
    return str((obj["metadata"].get("annotations") or {}).get(name, ""))
