"""Which exports there are, who binds them, and to what: read once, then kept from the storage's stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import orjson

from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Record, Spaces, Storage
from wherry.workspaces import HIDDEN
from wherry.workspaces.sharing import BINDINGS, EXPORTS, Kind, Ref
from wherry.workspaces.sharing.claims import Claim, claims_of
from wherry.workspaces.tree import Tree


class Offer(NamedTuple):
    """One resource of an export and the APIResourceSchema that describes it."""

    group: str
    resource: str
    schema: str


class Bound(NamedTuple):
    """One resource that a binding brings: served by the schema of this uid, stored under this identity."""

    group: str
    resource: str
    schema: str
    uid: str
    identity: str


@dataclass(frozen=True, slots=True)
class Export:
    cluster: str
    name: str
    identity: str
    offers: tuple[Offer, ...]
    claims: tuple[Claim, ...]
    policy: bool  # whether the provider's roles bound what consumers may do with the kinds

    @property
    def ref(self) -> Ref:
        return self.cluster, self.name


@dataclass(frozen=True, slots=True)
class Binding:
    """`provider` is the logical cluster of the export, empty until it was found once."""

    cluster: str
    name: str
    path: str
    export: str
    provider: str
    bound: tuple[Bound, ...]
    claims: tuple[Claim, ...]
    deleting: bool

    @property
    def ref(self) -> Ref:
        return self.cluster, self.name

    def binds(self, kind: Kind) -> Bound | None:
        return next((b for b in self.bound if (b.group, b.resource) == kind), None)


# What became of an export or a binding: the space, what was, what is.
Told = Callable[[Storage, Export | Binding | None, Export | Binding | None], None]


class Index:
    """A `storage.Follower`. `listen` tells of changes after they are known here."""

    def __init__(self, spaces: Spaces, tree: Tree):
        self._spaces = spaces
        self._tree = tree
        self._exports: dict[str, dict[str, Export]] = {}  # cluster -> name
        self._bindings: dict[str, dict[str, Binding]] = {}  # cluster -> name
        self._by_export: dict[str, set[Ref]] = {}  # name of an export -> bindings to one of that name
        self._listeners: list[Told] = []
        self._unfollow = spaces.follow(self)
        for name in spaces.spaces():
            space = spaces.space(name)
            if space is not None:
                self.made(space)

    def close(self) -> None:
        self._unfollow()

    def listen(self, told: Told) -> Callable[[], None]:
        self._listeners.append(told)
        return lambda: self._listeners.remove(told)

    # --- questions ---------------------------------------------------------------------------------------------------
    def export(self, ref: Ref) -> Export | None:
        return self._exports.get(ref[0], {}).get(ref[1])

    def exports(self, cluster: str) -> list[Export]:
        """Those of one workspace."""
        return list(self._exports.get(cluster, {}).values())

    def by_identity(self, identity: str) -> list[Export]:
        return [e for found in self._exports.values() for e in found.values() if identity and e.identity == identity]

    def providers(self) -> list[str]:
        """The workspaces that export something."""
        return list(self._exports)

    def binding(self, ref: Ref) -> Binding | None:
        return self._bindings.get(ref[0], {}).get(ref[1])

    def bindings(self, cluster: str) -> list[Binding]:
        return list(self._bindings.get(cluster, {}).values())

    def binders(self) -> list[str]:
        """The workspaces that bind something, or want to."""
        return list(self._bindings)

    def wanted(self, binding: Binding) -> Ref:
        """The export that a binding names, in which cluster its path leads to now; no cluster when there is none."""
        cluster = self._tree.resolve(binding.path) if binding.path else binding.cluster
        return cluster, binding.export

    def of(self, export: Ref) -> list[Binding]:
        """The bindings to an export, those that are not bound yet included."""
        found = [self.binding(ref) for ref in self._by_export.get(export[1], ())]
        return [b for b in found if b is not None and (b.provider or self.wanted(b)[0]) == export[0]]

    def naming(self, export: str) -> list[Binding]:
        """The bindings to any export of this name, wherever."""
        found = [self.binding(ref) for ref in self._by_export.get(export, ())]
        return [b for b in found if b is not None]

    def consumer(self, export: Ref, cluster: str) -> Binding | None:
        """The binding by which a workspace has given the owner of an export a place in it."""
        for binding in self._bindings.get(cluster, {}).values():
            if binding.export == export[1] and binding.provider == export[0] and binding.bound:
                return binding if cluster in self._tree else None
        return None

    def consumers(self, export: Ref) -> list[str]:
        """The workspaces that have bound an export."""
        refs = {ref[0] for ref in self._by_export.get(export[1], ())}
        return sorted(cluster for cluster in refs if self.consumer(export, cluster) is not None)

    def policy(self, cluster: str, kind: Kind) -> Export | None:
        """The export by which a workspace has a kind, if its provider bounds what consumers may do with it."""
        for binding in self._bindings.get(cluster, {}).values():
            if binding.binds(kind) is not None:
                export = self.export((binding.provider, binding.export))
                return export if export is not None and export.policy else None
        return None

    # --- the stream --------------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        for event in events:
            if event.key.startswith(BINDINGS):
                self._binding(space, event.key[len(BINDINGS) :], event.record)
            elif event.key.startswith(EXPORTS):
                self._export(space, event.key[len(EXPORTS) :], event.record)

    def made(self, space: Storage) -> None:
        """A fork has the bindings and exports of its source."""
        if space.name.startswith(HIDDEN):
            return
        for record in tuple(space.range(BINDINGS).records):
            self._binding(space, record.key[len(BINDINGS) :], record)
        for record in tuple(space.range(EXPORTS).records):
            self._export(space, record.key[len(EXPORTS) :], record)

    def dropped(self, space: Storage) -> None:
        for name in tuple(self._bindings.get(space.name, {})):
            self._binding(space, name, None)
        for export in self.exports(space.name):
            self._export(space, export.name, None)

    def _binding(self, space: Storage, name: str, record: Record | None) -> None:
        before = self.binding((space.name, name))
        now = binding_of(space.name, orjson.loads(record.value)) if record is not None else None
        if now is not None:
            self._bindings.setdefault(space.name, {})[name] = now
            self._by_export.setdefault(now.export, set()).add(now.ref)
        elif before is not None:
            del self._bindings[space.name][name]
            if not self._bindings[space.name]:
                del self._bindings[space.name]
            self._by_export[before.export].discard(before.ref)
        self._tell(space, before, now)

    def _export(self, space: Storage, name: str, record: Record | None) -> None:
        before = self.export((space.name, name))
        now = export_of(space.name, orjson.loads(record.value)) if record is not None else None
        if now is not None:
            self._exports.setdefault(space.name, {})[name] = now
        elif before is not None:
            del self._exports[space.name][name]
            if not self._exports[space.name]:
                del self._exports[space.name]
        self._tell(space, before, now)

    def _tell(self, space: Storage, before: Export | Binding | None, now: Export | Binding | None) -> None:
        for told in tuple(self._listeners):
            told(space, before, now)


def export_of(cluster: str, obj: Obj) -> Export:
    spec = obj.get("spec") or {}
    offers = tuple(Offer(r["group"], r["name"], r["schema"]) for r in spec.get("resources") or ())
    policy = "local" in (spec.get("maximalPermissionPolicy") or {})
    identity = (obj.get("status") or {}).get("identityHash", "")
    return Export(cluster, obj["metadata"]["name"], identity, offers, claims_of(obj), policy)


def binding_of(cluster: str, obj: Obj) -> Binding:
    status = obj.get("status") or {}
    reference = (obj["spec"].get("reference") or {}).get("export") or {}
    bound = tuple(
        Bound(r["group"], r["resource"], r["schema"]["name"], r["schema"]["UID"], r["schema"]["identityHash"])
        for r in status.get("boundResources") or ()
    )
    return Binding(
        cluster,
        obj["metadata"]["name"],
        reference.get("path", ""),
        reference.get("name", ""),
        status.get("apiExportClusterName", ""),
        bound,
        claims_of(obj),
        "deletionTimestamp" in obj["metadata"],
    )
