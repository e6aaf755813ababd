"""How workspaces come and go: a Workspace object becomes a logical cluster, its deletion takes the cluster along.

Driven by the storage's stream, so that an interrupted creation or deletion goes on after a restart. A logical cluster
is one fork of the defaults and a handful of writes. Phases, conditions and finalizers are kcp's: Scheduling,
Initializing (as long as initializers of its type are not cleared), Ready, then Terminating and Deleting.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

import orjson

from wherry.kit.aio import Background
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Record, Spaces, Storage
from wherry.workspaces import HIDDEN, ROOT, fork, types
from wherry.workspaces.conditions import set_condition
from wherry.workspaces.objects import change, create, key, read, replace
from wherry.workspaces.template import Template
from wherry.workspaces.tree import CLUSTER_ANNOTATION, LOGICAL_CLUSTER, WORKSPACES, Tree
from wherry.workspaces.work import Work

API = "tenancy.kcp.io/v1alpha1"
FINALIZER = "core.kcp.io/logicalcluster"
TYPE, OWNER, PATH = "internal.tenancy.kcp.io/type", "experimental.tenancy.kcp.io/owner", "kcp.io/path"
CLUSTER_OF = "internal.tenancy.kcp.io/cluster"
PHASE_LABEL = "tenancy.kcp.io/phase"
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_TYPES = "/root/tenancy.kcp.io/workspacetypes/"
_TYPES_KNOWN = 256  # that are kept as objects
_PATIENCE = 2.0  # seconds that the answer of a create waits for the workspace to be ready

Gone = Callable[[str], Awaitable[None]]


class Made(Protocol):
    """Called with a new logical cluster; `settled` says that its controllers have nothing to do in it yet."""

    def __call__(self, cluster: str, *, settled: bool) -> None: ...


def new_cluster_id() -> str:
    """A name for a logical cluster: sixteen letters and digits, never used twice."""
    number, first = divmod(secrets.randbelow(26 * 36**15), 26)
    letters = [_ALPHABET[10 + first]]
    for _ in range(15):
        number, digit = divmod(number, 36)
        letters.append(_ALPHABET[digit])
    return "".join(letters)


class Lifecycle:
    """A `storage.Follower`. `base()` is the URL before `/clusters/...`; `gone` is called before a cluster's space is
    dropped, `made_cluster` when one is complete."""

    def __init__(self, spaces: Spaces, tree: Tree, clock: Callable[[], float], now: Callable[[], str]):
        self.spaces = spaces
        self.tree = tree
        self.now = now
        self.base: Callable[[], str] = lambda: ""
        self.gone: Gone | None = None
        self.made_cluster: Made | None = None
        self.template = Template(spaces, clock)
        self._types: dict[tuple[str, str], tuple[Record, Obj]] = {}
        self._tasks = Background("workspaces")
        self._work = Work("workspaces", self._bring)
        self._unfollow = spaces.follow(self)

    async def start(self) -> None:
        """Make the root a logical cluster with its types, and go on with what was interrupted."""
        await self._make_root()
        known = set(self.tree.clusters())
        for name in self.spaces.spaces():
            kept = name.removeprefix(fork.BASE) in known if name.startswith(fork.BASE) else name.startswith(HIDDEN)
            if name not in known and not kept:
                await self.spaces.drop(name)  # its creation did not come to an end; it will be made anew
        for cluster in known:
            space = self.spaces.space(cluster)
            if space is None:
                continue
            for record in space.range(WORKSPACES).records:
                obj = orjson.loads(record.value)
                if obj["metadata"].get("deletionTimestamp") or (obj.get("status") or {}).get("phase") != "Ready":
                    self._work.look((cluster, obj["metadata"]["name"]))

        self.announce()

    def _root(self) -> Storage:
        root = self.spaces.space(ROOT)
        assert root is not None
        return root

    def announce(self) -> None:
        """The server may be reached at another address than last time: say so wherever an address stands."""
        root = read(self._root(), LOGICAL_CLUSTER) or {}
        before = str((root.get("status") or {}).get("URL", "")).removesuffix(f"/clusters/{ROOT}")
        now = self.base()
        if now and before != now:
            self._tasks.start(self._move(before, now), name="addresses")

    async def _move(self, before: str, now: str) -> None:
        """The root comes last, so that a move that is interrupted is made anew."""

        def moved(obj: Obj, where: str) -> Obj:
            part = obj.get(where) or {}
            if str(part.get("URL", "")).startswith(f"{before}/clusters/"):
                obj[where] = {**part, "URL": now + part["URL"][len(before) :]}
            return obj

        for cluster in reversed(self.tree.clusters()):
            space = self.spaces.space(cluster)
            if space is not None:
                children = [record.key for record in space.range(WORKSPACES).records]
                await asyncio.gather(
                    *(change(space, each, lambda obj: moved(obj, "spec")) for each in children),
                    change(space, LOGICAL_CLUSTER, lambda obj: moved(obj, "status")),
                )

    async def stop(self) -> None:
        self._unfollow()
        await self.template.stop()
        await self._work.stop()
        await self._tasks.stop()

    async def _make_root(self) -> None:
        root = self._root()
        if root.get(LOGICAL_CLUSTER) is not None:
            return
        now = self.now()
        spec: Obj = {"directlyDeletable": False}
        status = {"phase": "Ready", "URL": f"{self.base()}/clusters/{ROOT}"}
        annotations = {CLUSTER_ANNOTATION: ROOT, PATH: ROOT, TYPE: "root:root"}
        cluster = _logical_cluster(annotations, spec, status)
        where = [(_TYPES + t["metadata"]["name"], t) for t in types.BUILT_IN]
        await asyncio.gather(*(create(root, k, obj, now) for k, obj in [(LOGICAL_CLUSTER, cluster), *where]))

    # --- what types there are ----------------------------------------------------------------------------------------
    def lookup(self, path: str, name: str) -> Obj | None:
        """A WorkspaceType by the path of its workspace and its name; not to be changed."""
        cluster = self.tree.resolve(path)
        space = self.spaces.space(cluster) if cluster else None
        record = space.get(_TYPES + name) if space is not None else None
        if record is None:
            return None
        known = self._types.get((cluster, name))
        if known is None or known[0] is not record:
            if len(self._types) >= _TYPES_KNOWN:
                self._types.clear()
            known = self._types[cluster, name] = record, orjson.loads(record.value)
        return known[1]

    def type_of(self, cluster: str) -> types.Resolved:
        """The type of a logical cluster. Raises TypeRefused when it is gone."""
        space = self.spaces.space(cluster)
        obj = read(space, LOGICAL_CLUSTER) if space is not None else None
        annotation = ((obj or {}).get("metadata", {}).get("annotations") or {}).get(TYPE, "")
        path, _, name = annotation.rpartition(":")
        return types.resolve((path, name) if path else types.UNIVERSAL, self.lookup)

    def type_of_copy(self, path: str) -> Obj | None:
        """The type that a copy of a workspace has, `{name, path}`; None for one of the root, whose type is for it
        alone, and of one that is not there. Raises TypeRefused."""
        cluster = self.tree.resolve(path)
        if cluster in ("", ROOT):
            return None
        where, name = self.type_of(cluster).reference
        return {"name": name, "path": where}

    def default_type(self, cluster: str) -> Obj:
        """What a Workspace without a type gets: `{name, path}`."""
        try:
            spec = self.type_of(cluster).spec
        except types.TypeRefused:
            spec = {}
        found = spec.get("defaultChildWorkspaceType") or {"name": "universal", "path": ROOT}
        return {"name": found["name"], "path": found.get("path") or ROOT}

    # --- the stream --------------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith(WORKSPACES):
                self._work.look((space.name, event.key[len(WORKSPACES) :]))
                if event.record is None and event.previous is not None:
                    cluster = (orjson.loads(event.previous.value).get("spec") or {}).get("cluster", "")
                    if cluster in self.tree and self.tree.parent(cluster) == space.name:
                        self._tasks.start(self._remove(cluster), name=f"removal of {cluster}")
            elif event.key == LOGICAL_CLUSTER:
                parent = self.tree.parent(space.name)
                name = self.tree.name(space.name)
                if parent and self.tree.child(parent, name) == space.name:
                    self._work.look((parent, name))

    def made(self, space: Storage) -> None:
        """Nothing to do: whoever makes a space fills it."""

    def dropped(self, space: Storage) -> None:
        """Nothing to do."""

    async def settled(self, parent: str, name: str) -> None:
        """Wait until a workspace that was just written has got as far as it gets by itself, two seconds at most."""
        await self._work.settled((parent, name), _PATIENCE)

    async def _bring(self, which: tuple[str, str]) -> None:
        """Bring one Workspace a step further."""
        parent, name = which
        space = self.spaces.space(parent)
        obj = read(space, WORKSPACES + name) if space is not None else None
        if space is None or obj is None:
            return
        if obj["metadata"].get("deletionTimestamp"):
            await self._terminate(space, obj)
        elif not (obj.get("spec") or {}).get("cluster"):
            await self._schedule(space, obj)
        elif (obj.get("status") or {}).get("phase") not in ("Ready", "Unavailable", "Inactive"):
            await self._initialize(space, obj)

    # --- coming ------------------------------------------------------------------------------------------------------
    async def _schedule(self, parent: Storage, obj: Obj) -> None:
        meta, now = obj["metadata"], self.now()
        wanted = (obj.get("spec") or {}).get("type") or self.default_type(parent.name)
        path = self.tree.path(parent.name)
        try:
            place = types.find(wanted.get("path", ""), wanted["name"], path, self.lookup)
            resolved = types.resolve(place, self.lookup)
            copied = fork.asked(obj)
            if copied is not None:
                resolved.initializers.clear()  # they did their work in the source
            cluster = self.tree.child(parent.name, meta["name"])
            if not cluster:
                cluster = new_cluster_id()
                await self._make_cluster(cluster, parent.name, f"{path}:{meta['name']}", obj, resolved, copied)
        except (types.TypeRefused, fork.BadFork) as refused:
            text = str(refused)
            await change(parent, WORKSPACES + meta["name"], lambda o: _unscheduled(o, text, now))
            return
        url = f"{self.base()}/clusters/{path}:{meta['name']}"
        waits = bool(resolved.initializers)
        facts = fork.facts(self.spaces.space(cluster), copied) if copied is not None else {}

        def edit(live: Obj) -> Obj:
            live["spec"] = {**(live.get("spec") or {}), "cluster": cluster, "URL": url}
            live["spec"].setdefault("type", wanted)
            m = live["metadata"]
            m["annotations"] = {**(m.get("annotations") or {}), CLUSTER_OF: cluster, **facts}
            m["labels"] = {**resolved.labels, **(m.get("labels") or {})}
            m["finalizers"] = list(dict.fromkeys([*(m.get("finalizers") or []), FINALIZER]))
            status = live["status"] = dict(live.get("status") or {})
            set_condition(status, "WorkspaceScheduled", True, now)
            if resolved.initializers:
                status["initializers"] = list(resolved.initializers)
            _phase(live, "Initializing" if waits else "Ready", now)
            return live

        await change(parent, WORKSPACES + meta["name"], edit)
        if waits:
            self._work.look((parent.name, meta["name"]))

    async def _make_cluster(
        self, cluster: str, parent: str, path: str, obj: Obj, resolved: types.Resolved, copied: fork.Asked | None
    ) -> None:
        """Raises BadFork."""
        now, settled = self.now(), True
        if copied is not None:
            source = fork.find(self.spaces, self.tree, copied)
            child = await fork.copy(self.spaces, source, cluster, copied, now)
        else:
            child, settled = await self.template.stamp(cluster, now)
        await self._fill(child, parent, path, obj, resolved)
        if self.made_cluster is not None:
            self.made_cluster(cluster, settled=settled)
        if copied is not None:
            await fork.forget_tokens(child)
            if copied.base:
                await fork.keep_base(self.spaces, cluster)

    async def _fill(self, child: Storage, parent: str, path: str, obj: Obj, resolved: types.Resolved) -> None:
        meta, now = obj["metadata"], self.now()
        owner = {
            "apiVersion": API,
            "resource": "workspaces",
            "name": meta["name"],
            "cluster": parent,
            "uid": meta["uid"],
        }
        spec: Obj = {"directlyDeletable": False, "owner": owner}
        creator = (meta.get("annotations") or {}).get(OWNER)
        writes: list[Awaitable[Any]] = []
        if creator:
            spec["createdBy"] = orjson.loads(creator)
            writes.append(_administrator(child, spec["createdBy"]["username"], now))
        phase = "Initializing" if resolved.initializers else "Ready"
        status: Obj = {"phase": phase, "URL": f"{self.base()}/clusters/{path}"}
        for what, names in (("initializers", resolved.initializers), ("terminators", resolved.terminators)):
            if names:
                spec[what] = list(names)
                status[what] = list(names)
        annotations = {CLUSTER_ANNOTATION: child.name, PATH: path, TYPE: ":".join(resolved.reference)}
        cluster = _logical_cluster(annotations, spec, status)
        cluster["metadata"]["finalizers"] = [FINALIZER]
        writes.append(replace(child, LOGICAL_CLUSTER, cluster, now))
        await asyncio.gather(*writes)

    async def _initialize(self, parent: Storage, obj: Obj) -> None:
        """Ready, once nobody has to prepare the cluster any more."""
        cluster, name, now = obj["spec"]["cluster"], obj["metadata"]["name"], self.now()
        child = self.spaces.space(cluster)
        if child is None or self.tree.parent(cluster) != parent.name:
            text = "the logical cluster is gone"
            await change(parent, WORKSPACES + name, lambda o: _unscheduled(o, text, now))
            return
        left = ((read(child, LOGICAL_CLUSTER) or {}).get("status") or {}).get("initializers") or []

        def edit(live: Obj) -> Obj:
            status = live["status"] = dict(live.get("status") or {})
            status["initializers"] = left
            if not left:
                del status["initializers"]
            _phase(live, "Initializing" if left else "Ready", now)
            if left:
                text = f"initializers still exist: {', '.join(left)}"
                set_condition(status, "WorkspaceInitialized", False, now, "InitializerExists", text)
            return live

        if not left:
            await self._set_cluster_phase(cluster, "Ready")
        await change(parent, WORKSPACES + name, edit)

    async def _set_cluster_phase(self, cluster: str, phase: str) -> None:
        space = self.spaces.space(cluster)
        if space is not None:
            await change(space, LOGICAL_CLUSTER, lambda o: {**o, "status": {**(o.get("status") or {}), "phase": phase}})

    # --- going -------------------------------------------------------------------------------------------------------
    async def _terminate(self, parent: Storage, obj: Obj) -> None:
        meta, now = obj["metadata"], self.now()
        cluster = (obj.get("spec") or {}).get("cluster") or self.tree.child(parent.name, meta["name"])
        if cluster in self.tree and self.tree.parent(cluster) == parent.name:
            waiting = await self._waiting(cluster)
            if waiting:
                text = f"Some content in the logical cluster has finalizers remaining: {waiting}"

                def wait(live: Obj) -> Obj:
                    status = live["status"] = dict(live.get("status") or {})
                    set_condition(status, "WorkspaceContentDeleted", False, now, "SomeFinalizersRemain", text)
                    _phase(live, "Terminating", now)
                    return live

                await change(parent, WORKSPACES + meta["name"], wait)
                return
            await self._remove(cluster)

        def release(live: Obj) -> Obj:
            live["metadata"]["finalizers"] = [f for f in live["metadata"].get("finalizers") or [] if f != FINALIZER]
            return live

        await change(parent, WORKSPACES + meta["name"], release)

    async def _waiting(self, cluster: str) -> str:
        """Who must let go of a cluster, or of one below it, before it can be removed: terminators and finalizers."""
        names: list[str] = []
        now = self.now()
        for each in (cluster, *self.tree.below(cluster)):
            space = self.spaces.space(each)
            if space is None:
                continue

            def deleting(live: Obj) -> Obj:
                live["metadata"].setdefault("deletionTimestamp", now)
                status = live.get("status") or {}
                live["status"] = {**status, "phase": "Terminating" if status.get("terminators") else "Deleting"}
                return live

            obj = read(space, LOGICAL_CLUSTER) or {}
            holders = [f for f in (obj.get("metadata") or {}).get("finalizers") or [] if f != FINALIZER]
            holders += (obj.get("status") or {}).get("terminators") or []
            if holders:
                await change(space, LOGICAL_CLUSTER, deleting)
                names += [f"{holder} in {self.tree.path(each)}" for holder in holders]
        return ", ".join(names)

    async def _remove(self, cluster: str) -> None:
        """Drop a logical cluster and everything below it, the deepest first."""
        for each in reversed([cluster, *self.tree.below(cluster)]):
            if self.spaces.space(each) is not None:
                if self.gone is not None:
                    await self.gone(each)
                for name in (fork.BASE + each, each):
                    if self.spaces.space(name) is not None:
                        await self.spaces.drop(name)


def _logical_cluster(annotations: dict[str, str], spec: Obj, status: Obj) -> Obj:
    return {
        "kind": "LogicalCluster",
        "apiVersion": "core.kcp.io/v1alpha1",
        "metadata": {"name": "cluster", "annotations": annotations},
        "spec": spec,
        "status": status,
    }


async def _administrator(space: Storage, username: str, now: str) -> None:
    """Who made a workspace may do everything in it."""
    group = "rbac.authorization.k8s.io"
    binding = {
        "kind": "ClusterRoleBinding",
        "apiVersion": f"{group}/v1",
        "metadata": {"name": "workspace-admin"},
        "subjects": [{"kind": "User", "apiGroup": group, "name": username}],
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "cluster-admin"},
    }
    where = key(group, "clusterrolebindings", "workspace-admin")
    there = read(space, where) or {}
    if any(there.get(field) != binding[field] for field in ("subjects", "roleRef")):
        await replace(space, where, binding, now)


def _phase(obj: Obj, phase: str, now: str) -> None:
    status = obj["status"]
    status["phase"] = phase
    meta = obj["metadata"]
    meta["labels"] = {**(meta.get("labels") or {}), PHASE_LABEL: phase}
    if phase == "Ready":
        set_condition(status, "WorkspaceInitialized", True, now)


def _unscheduled(obj: Obj, why: str, now: str) -> Obj:
    status = obj["status"] = dict(obj.get("status") or {})
    set_condition(status, "WorkspaceScheduled", False, now, "Unschedulable", why)
    status.setdefault("phase", "Scheduling")
    return obj
