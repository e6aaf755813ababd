"""How much a workspace may hold: objects and bytes, of itself and of all workspaces below it.

kcp bounds what is in a namespace (ResourceQuota) and has nothing for a whole workspace; this is ours: annotations on
the Workspace, so that the parent's administrators decide, or on its type. An object counts when it was written in the
workspace; what a fork or a new workspace begins with is shared with others and does not.

The bound stands where writes are numbered (`Storage.guard`), behind every door, and sees those that are not durable
yet: so it is exact whoever writes at the same time. What makes room always gets through.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import orjson

from wherry import errors
from wherry.kit.aio import Background
from wherry.kit.quantity import QuantityError, parse_quantity
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Record, Spaces, Storage
from wherry.workspaces.objects import change
from wherry.workspaces.tree import LOGICAL_CLUSTER, WORKSPACES, Tree

log = logging.getLogger("wherry.workspaces")

PREFIX = "quota.wherry.dev/"
NAMES = ("objects", "bytes")
_MARK = PREFIX.encode()
_LEAVING = b'"deletionTimestamp"'
_ADMINISTRATOR = "/root/rbac.authorization.k8s.io/clusterrolebindings/workspace-admin"
# Kinds whose status tells how their deletion goes, and how long they may grow meanwhile.
_TOLD = ("/root/core/namespaces/", "/root/apiextensions.k8s.io/customresourcedefinitions/")
_MOST_TOLD = 16 << 10
_PAUSE = 1.0  # seconds between two looks at what `status.quota` shows

Amounts = tuple[int, int]  # objects, bytes


class BadQuota(ValueError):
    """An annotation that is no amount."""


def hard(obj: Obj | None) -> dict[str, int]:
    """What the annotations of a Workspace or WorkspaceType allow. Raises BadQuota."""
    notes = ((obj or {}).get("metadata") or {}).get("annotations") or {}
    found: dict[str, int] = {}
    for name in NAMES:
        text = notes.get(PREFIX + name)
        if text is None:
            continue
        try:
            amount = parse_quantity(text)
        except QuantityError:
            raise BadQuota(f'annotation {PREFIX}{name}: "{text}" is not a quantity') from None
        if amount.sign() < 0 or amount != (whole := amount.whole()):
            raise BadQuota(f'annotation {PREFIX}{name}: "{text}" must be a whole number, not below 0')
        found[name] = whole
    return found


@dataclass(slots=True)
class Bound:
    """A workspace with a quota; `used` includes everything below it, and what is not durable yet."""

    cluster: str
    hard: dict[str, int]
    objects: int = 0
    bytes: int = 0

    def add(self, amounts: Amounts, sign: int = 1) -> None:
        self.objects += sign * amounts[0]
        self.bytes += sign * amounts[1]

    def over(self, grown: Amounts) -> list[tuple[str, int, int, int]]:
        """(name, requested, used, limited) of what would not fit."""
        found = zip(NAMES, grown, (self.objects, self.bytes), strict=True)
        return [
            (name, more, used, self.hard[name])
            for name, more, used in found
            if more > 0 and name in self.hard and used + more > self.hard[name]
        ]


@dataclass(slots=True)
class Held:
    """What one cluster holds by itself."""

    parent: str
    amounts: Amounts


class Quotas:
    """A `storage.Follower`; the tree must follow before it. Costs nothing where no workspace has a quota."""

    def __init__(self, spaces: Spaces, tree: Tree):
        self._spaces, self._tree = spaces, tree
        self._bounds: dict[str, Bound] = {}
        self._held: dict[str, Held] = {}  # by guarded clusters
        self._changed: set[str] = set()
        self._tasks = Background("quotas of workspaces")
        self._timer: asyncio.TimerHandle | None = None
        self._unfollow: Callable[[], None] | None = None

    def start(self) -> None:
        for cluster in self._tree.clusters():
            space = self._spaces.space(cluster)
            if space is not None:
                for record in space.range(WORKSPACES).records:
                    if _MARK in record.value:
                        self._look(cluster, record)
        self._unfollow = self._spaces.follow(self)

    async def stop(self) -> None:
        if self._unfollow is not None:
            self._unfollow()
        if self._timer is not None:
            self._timer.cancel()
        await self._tasks.stop()

    # --- storage.Follower --------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith(WORKSPACES):
                if any(r is not None and _MARK in r.value for r in (event.record, event.previous)):
                    self._look(space.name, event.record)
            elif event.key == LOGICAL_CLUSTER:
                self._placed(space.name)

    def made(self, space: Storage) -> None:
        """It joins once it is in the tree."""

    def dropped(self, space: Storage) -> None:
        self._bounds.pop(space.name, None)
        gone = self._held.pop(space.name, None)
        if gone is not None:
            for bound in self._above(gone.parent):
                bound.add(gone.amounts, -1)
                self._touch(bound)

    # --- which workspaces are bounded --------------------------------------------------------------------------------
    def _placed(self, cluster: str) -> None:
        """A cluster has found its place in the tree."""
        parent, name = self._tree.parent(cluster), self._tree.name(cluster)
        above = self._spaces.space(parent) if parent else None
        record = above.get(WORKSPACES + name) if above is not None else None
        if record is not None and _MARK in record.value and cluster not in self._bounds:
            self._look(parent, record)
        if self._bounds and cluster not in self._held:
            self._join(cluster)

    def _look(self, parent: str, record: Record | None) -> None:
        """A Workspace with a quota was written, or one that had one."""
        if record is None:
            return  # what it stood for goes too
        obj = orjson.loads(record.value)
        name = obj["metadata"]["name"]
        cluster = self._tree.child(parent, name)
        if not cluster:
            return
        try:
            allowed = hard(obj)
        except BadQuota:
            return  # admission lets none pass
        known = self._bounds.get(cluster)
        if known is not None:
            known.hard = allowed
            if not allowed:
                del self._bounds[cluster]
                self._release(cluster)
            self._touch(known)
        elif allowed:
            bound = self._bounds[cluster] = Bound(cluster, allowed)
            for each in (cluster, *self._tree.below(cluster)):
                if each in self._held:
                    bound.add(self._held[each].amounts)
                else:
                    self._join(each)
            self._touch(bound)

    def _join(self, cluster: str) -> None:
        """Guard a cluster that is in the tree below a quota, and count what it holds by now."""
        space = self._spaces.space(cluster)
        bounds = self._above(cluster)
        if space is None or not bounds:
            return
        held = _held(space)
        self._held[cluster] = Held(self._tree.parent(cluster), held)
        space.guard = partial(self._guard, space)
        for bound in bounds:
            bound.add(held)
            self._touch(bound)

    def _release(self, cluster: str) -> None:
        for each in (cluster, *self._tree.below(cluster)):
            space = self._spaces.space(each)
            if not self._above(each):
                self._held.pop(each, None)
                if space is not None:
                    space.guard = None

    def _above(self, cluster: str) -> list[Bound]:
        """The quotas that a cluster is under, its own first."""
        return [self._bounds[each] for each in self._line(cluster) if each in self._bounds]

    def _line(self, cluster: str) -> Iterator[str]:
        while cluster:
            yield cluster
            cluster = self._tree.parent(cluster)

    # --- writes ------------------------------------------------------------------------------------------------------
    def _guard(self, space: Storage, event: Event) -> None:
        """Called with every write before it is in line. Raises Forbidden."""
        before, after = _counts(space, event.previous), _counts(space, event.record)
        grown = after[0] - before[0], after[1] - before[1]
        if grown == (0, 0):
            return
        bounds = self._above(space.name)
        if not _exempt(event):
            for bound in bounds:
                if over := bound.over(grown):
                    raise self._refusal(bound, event.key, over)
        held = self._held[space.name]
        held.amounts = held.amounts[0] + grown[0], held.amounts[1] + grown[1]
        for bound in bounds:
            bound.add(grown)
            self._touch(bound)

    def _refusal(self, bound: Bound, key: str, over: list[tuple[str, int, int, int]]) -> errors.Forbidden:
        _, _, group, resource, *place = key.split("/")
        group = "" if group == "core" else group
        columns = ("requested", "used", "limited")
        shown = [f"{c}: " + ",".join(f"{row[0]}={row[at]}" for row in over) for at, c in enumerate(columns, 1)]
        where = self._tree.path(bound.cluster)
        text = f'{errors.qualified(group, resource)} "{place[-1]}" is forbidden: exceeded quota: workspace {where}, '
        details = errors.resource_details(group, resource, place[-1])
        return errors.Forbidden(text + ", ".join(shown), details=details)

    # --- what a Workspace tells of it --------------------------------------------------------------------------------
    def _touch(self, bound: Bound) -> None:
        self._changed.add(bound.cluster)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_PAUSE, self._tell_soon)

    def _tell_soon(self) -> None:
        self._timer = None
        self._tasks.start(self.tell(), name="status")

    async def tell(self) -> None:
        """Write into the status of Workspaces what has changed."""
        while self._changed:
            cluster = self._changed.pop()
            bound = self._bounds.get(cluster)
            parent, name = self._tree.parent(cluster), self._tree.name(cluster)
            space = self._spaces.space(parent) if parent else None
            if space is not None:
                try:
                    await change(space, WORKSPACES + name, partial(_told, bound))
                except errors.StatusError as error:
                    log.warning("the status of workspace %s: %s", name, error)


def _told(bound: Bound | None, live: Obj) -> Obj:
    status = live["status"] = dict(live.get("status") or {})
    if bound is None:
        status.pop("quota", None)
        return live
    used = dict(zip(NAMES, (bound.objects, bound.bytes), strict=True))
    status["quota"] = {
        "hard": {name: str(amount) for name, amount in bound.hard.items()},
        "used": {name: str(used[name]) for name in bound.hard},
    }
    return live


def _counts(space: Storage, record: Record | None) -> Amounts:
    if record is None or record.revision <= space.made:
        return 0, 0
    return 1, len(record.value)


def _held(space: Storage) -> Amounts:
    """What a space holds of its own, with what is on its way to disk."""
    objects = size = 0
    newest: dict[str, Record | None] = {record.key: record for record in space.records()}
    newest |= {event.key: event.record for event in space.coming()}
    for record in newest.values():
        one, length = _counts(space, record)
        objects, size = objects + one, size + length
    return objects, size


def _exempt(event: Event) -> bool:
    """What makes room, and what workspaces themselves are managed by."""
    record, previous = event.record, event.previous
    if record is None or event.key in (LOGICAL_CLUSTER, _ADMINISTRATOR):
        return True
    if previous is None:
        return False
    if event.key.startswith(WORKSPACES):
        return True  # their status is the system's to write
    if not _leaves(record):
        return False
    # Its deletion begins, or goes on and is told of in the status; nobody may use it to grow.
    return not _leaves(previous) or (event.key.startswith(_TOLD) and len(record.value) <= _MOST_TOLD)


def _leaves(record: Record) -> bool:
    return _LEAVING in record.value and "deletionTimestamp" in orjson.loads(record.value)["metadata"]
