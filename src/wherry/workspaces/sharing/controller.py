"""Exports and bindings come to life: driven by the storage's stream, so that what was interrupted goes on.

The bindings of one workspace are looked at in turn, the oldest first: who asks first for a kind gets it. What a binding
serves is read from its status, here as after a restart.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import cache
from typing import Protocol
from weakref import WeakValueDictionary

import orjson

from wherry.machinery import builtins
from wherry.machinery.kinds import Obj
from wherry.storage.api import Event, Record, Spaces, Storage
from wherry.store.crds import CustomResources
from wherry.store.definition import Definition, going
from wherry.store.delete import sweep
from wherry.store.registry import Registry
from wherry.store.store import Store
from wherry.store.watch import WatchHub
from wherry.workspaces import kinds
from wherry.workspaces.conditions import set_condition
from wherry.workspaces.objects import change, key, read
from wherry.workspaces.sharing import BINDINGS, EXPORTS, FINALIZER, SCHEMAS, SLICES, Kind, Ref, bindings, exports
from wherry.workspaces.sharing.defaults import Defaults, TypeOf, waits
from wherry.workspaces.sharing.index import Binding, Bound, Export, Index
from wherry.workspaces.sharing.schemas import Schemas, prefix
from wherry.workspaces.tree import LOGICAL_CLUSTER, Tree
from wherry.workspaces.work import Work

_CRDS = key("apiextensions.k8s.io", "customresourcedefinitions", "")
_SECRETS = key("", "secrets", "")
_PATIENCE = 2.0  # seconds that the answer of a create waits for what it sets in motion

Task = tuple[str, str, str]  # what, logical cluster, name


class Api(Protocol):
    """What is needed of a workspace that somebody uses."""

    registry: Registry
    hub: WatchHub
    store: Store
    custom: CustomResources | None


class Place:
    """A workspace that somebody uses, and what is served in it because it is bound."""

    def __init__(self, api: Api):
        self.api = api
        self.served: dict[Kind, tuple[Bound, bool]] = {}  # what, and whether it is about to go


Open = Callable[[str], Awaitable[Place | None]]  # the place of a logical cluster, brought to life if it must be


class Sharing:
    """A `storage.Follower`. `base()` is the URL before `/services/...`; `opened` gives the place of a cluster."""

    def __init__(
        self, spaces: Spaces, tree: Tree, schemas: Schemas, now: Callable[[], str], opened: Open, type_of: TypeOf
    ):
        self.spaces = spaces
        self.tree = tree
        self.schemas = schemas
        self.now = now
        self.base: Callable[[], str] = lambda: ""
        self.index = Index(spaces, tree)
        self.defaults = Defaults(spaces.space, tree, type_of, now)
        self._open = opened
        self._places: WeakValueDictionary[str, Place] = WeakValueDictionary()
        self._work: Work[Task] = Work("sharing", self._bring)
        self._unlisten = self.index.listen(self._told)
        self._unfollow = spaces.follow(self)

    def start(self) -> None:
        """Go on with what was interrupted."""
        for cluster in {*self.index.binders(), *filter(self._waits, self.tree.clusters())}:
            self._look("bindings", cluster)
        for cluster in self.index.providers():
            for export in self.index.exports(cluster):
                self._look("export", cluster, export.name)
            self._look("slices", cluster)

    def _waits(self, cluster: str) -> bool:
        space = self.spaces.space(cluster)
        record = space.get(LOGICAL_CLUSTER) if space is not None else None
        return record is not None and waits(record.value)

    async def stop(self) -> None:
        self._unfollow()
        self._unlisten()
        self.index.close()
        await self._work.stop()

    async def bound(self, cluster: str) -> None:
        """Wait until bindings that were just written have got as far as they get by themselves."""
        await self._work.settled(("bindings", cluster, ""), _PATIENCE)

    async def identified(self, cluster: str, name: str) -> None:
        """Wait until an export that was just written has its identity."""
        await self._work.settled(("export", cluster, name), _PATIENCE)

    async def settled(self) -> None:
        """Wait until every binding and export has got as far as it gets: for tests that look at what comes of them."""
        await self._work.idle()

    # --- what is served ----------------------------------------------------------------------------------------------
    def attach(self, cluster: str, api: Api) -> Place:
        """Serve in a workspace what it binds, as long as the caller keeps the place."""
        place = self._places[cluster] = Place(api)
        if api.custom is not None:
            api.custom.taken = lambda: self.taken(cluster)
        self._serve(cluster)
        return place

    def taken(self, cluster: str) -> list[Obj]:
        """The definitions behind the kinds that a workspace has bound, or is about to."""
        return [neighbour.crd for neighbour in self._bound_kinds(cluster)]

    def _serve(self, cluster: str) -> bool:
        """Bring what is served up to date; whether a kind has gone."""
        place = self._places.get(cluster)
        if place is None:
            return False
        wanted: dict[Kind, tuple[Bound, bool]] = {}
        for binding in self.index.bindings(cluster):
            for bound in binding.bound:
                wanted.setdefault((bound.group, bound.resource), (bound, binding.deleting))
        gone = set(place.served) - set(wanted)
        for kind in gone:
            self._exchange(place, kind, place.served.pop(kind)[0], [])
        for kind, (bound, leaving) in wanted.items():
            before = place.served.get(kind)
            if before != (bound, leaving):
                found = self.schemas.definitions(bound)
                place.served[kind] = bound, leaving
                self._exchange(place, kind, before[0] if before else None, going(found) if leaving else found)
        return bool(gone)

    @staticmethod
    def _exchange(place: Place, kind: Kind, before: Bound | None, found: list[Definition]) -> None:
        place.api.registry.replace_custom("root", *kind, found)
        if before is not None:  # open watches show the old schema: clients watch anew, as with definitions
            place.api.hub.end_collection(prefix(before))

    # --- the stream --------------------------------------------------------------------------------------------------
    def events(self, space: Storage, events: Sequence[Event]) -> None:
        cluster = space.name
        for event in events:
            where = event.key
            if where.startswith(BINDINGS):
                self._look("bindings", cluster)
            elif where.startswith(EXPORTS):
                self._export_changed((cluster, where[len(EXPORTS) :]))
            elif where.startswith(SCHEMAS):
                for export in self.index.exports(cluster):
                    self._bindings_of(export.ref)
            elif where.startswith(SLICES):
                self._look("slices", cluster)
            elif where.startswith(_SECRETS):
                for export in self.index.exports(cluster):
                    self._look("export", cluster, export.name)
            elif _waits(event) or (self.index.bindings(cluster) and _concerns_bindings(event)):
                self._look("bindings", cluster)

    def made(self, space: Storage) -> None:
        """A fork has what its source had; nothing is left to do in it."""

    def dropped(self, space: Storage) -> None:
        """The index tells what went with it."""
        self.defaults.waiting.discard(space.name)

    def _told(self, space: Storage, before: Export | Binding | None, now: Export | Binding | None) -> None:
        for each in (before, now):
            if isinstance(each, Binding):
                if each.provider:
                    self._look("slices", each.provider)
            elif each is not None:
                self._bindings_of(each.ref)
        if isinstance(before or now, Binding) and self._serve(space.name):
            place = self._places.get(space.name)
            if place is not None and place.api.custom is not None:
                place.api.custom.reconsider("root")

    def _export_changed(self, ref: Ref) -> None:
        self._look("export", *ref)
        self._look("slices", ref[0])
        for cluster in tuple(self.defaults.waiting):
            self._look("bindings", cluster)

    def _bindings_of(self, export: Ref) -> None:
        for binding in self.index.naming(export[1]):
            if export[0] in (binding.provider, self.index.wanted(binding)[0]):
                self._look("bindings", binding.cluster)

    def _look(self, what: str, cluster: str, name: str = "") -> None:
        self._work.look((what, cluster, name))

    # --- work --------------------------------------------------------------------------------------------------------
    async def _bring(self, task: Task) -> None:
        what, cluster, name = task
        space = self.spaces.space(cluster)
        if space is None:
            return
        if what == "export":
            await self._identify(space, name)
        elif what == "slices":
            for record in tuple(space.range(SLICES).records):
                await self._address(space, record)
        else:
            await self.defaults.bring(space)
            for obj in sorted(_objects(space.range(BINDINGS).records), key=_age):
                await self._bind(space, obj)

    async def _identify(self, space: Storage, name: str) -> None:
        obj, now = read(space, EXPORTS + name), self.now()
        if obj is None or "deletionTimestamp" in obj["metadata"]:
            return
        if not (obj.get("spec") or {}).get("identity", {}).get("secretRef"):
            await exports.ensure_secret(space, name, now)
        await change(space, EXPORTS + name, lambda live: exports.identify(space, live, now))
        await exports.ensure_slice(space, obj, self.tree.path(space.name), now)

    async def _address(self, space: Storage, record: Record) -> None:
        wanted = ((orjson.loads(record.value).get("spec") or {}).get("export")) or {}
        path = wanted.get("path") or self.tree.path(space.name)
        ref = self.tree.resolve(path), wanted.get("name", "")
        export, now = self.index.export(ref), self.now()
        consumed, shown = bool(self.index.consumers(ref)), f"{path}|{ref[1]}"
        base = self.base()
        await change(
            space, record.key, lambda live: exports.list_endpoints(live, export, shown, consumed, base, now)
        )  # fmt: skip

    async def _bind(self, space: Storage, obj: Obj) -> None:
        if "deletionTimestamp" in obj["metadata"]:
            await self._unbind(space, obj)
            return
        name, now = obj["metadata"]["name"], self.now()
        wanted = (obj["spec"].get("reference") or {}).get("export") or {}
        path = wanted.get("path") or self.tree.path(space.name)
        found = self._find(self.tree.resolve(path), wanted.get("name", ""), self._scopes((space.name, name)))
        shown = f"{path}|{wanted.get('name', '')}"
        home = self.spaces.space(found.cluster) if found is not None else None
        if found is not None and home is not None:
            for schema in found.schemas.values():
                await self.schemas.keep(home, schema)

        def edit(live: Obj) -> Obj:
            status = live["status"] = orjson.loads(orjson.dumps(live.get("status") or {}))
            bindings.decide(status, shown, found, self._neighbours(space, name), now)
            if found is not None:
                export = self.index.export((found.cluster, wanted["name"]))
                mine = self.index.binding((space.name, name))
                if export is not None and mine is not None:
                    bindings.decide_claims(status, live, export.claims, mine.claims, now)
            return live

        await change(space, BINDINGS + name, edit)

    def _scopes(self, ref: Ref) -> dict[Kind, str]:
        """Of what a binding has bound."""
        binding = self.index.binding(ref)
        found = {(b.group, b.resource): self.schemas.crd(b.uid) for b in (binding.bound if binding is not None else ())}
        return {kind: crd["spec"]["scope"] for kind, crd in found.items() if crd is not None}

    def _find(self, cluster: str, name: str, scopes: dict[Kind, str]) -> bindings.Found | None:
        space = self.spaces.space(cluster) if cluster else None
        export = read(space, EXPORTS + name) if space is not None else None
        if space is None or export is None:
            return None
        offers = (export.get("spec") or {}).get("resources") or ()
        found = {offer["schema"]: read(space, SCHEMAS + offer["schema"]) for offer in offers}
        there = {name: schema for name, schema in found.items() if schema is not None}
        return bindings.Found(cluster, export, there, scopes)

    def _neighbours(self, space: Storage, binding: str) -> list[bindings.Neighbour]:
        """All kinds that a workspace has, but for those of one binding."""
        crds = [orjson.loads(record.value) for record in space.range(_CRDS).records]
        return [
            *self._bound_kinds(space.name, binding),
            *(bindings.Neighbour(c, f'CustomResourceDefinition "{c["metadata"]["name"]}"') for c in crds),
            *(bindings.Neighbour(c, f'kind "{c["metadata"]["name"]}" of every workspace') for c in _own()),
        ]

    def _bound_kinds(self, cluster: str, without: str = "") -> list[bindings.Neighbour]:
        """What the bindings of a workspace have, those included that are being written right now."""
        found = []
        space = self.spaces.space(cluster)
        for binding in self.index.bindings(cluster):
            record = space.newest(BINDINGS + binding.name) if space is not None else None
            if record is None or binding.name == without:
                continue
            local = f'local APIExport "{binding.export}"'
            to = f"APIExport {binding.path}:{binding.export}" if binding.path else local
            for bound in (orjson.loads(record.value).get("status") or {}).get("boundResources") or ():
                crd = self.schemas.crd(bound["schema"]["UID"])
                if crd is not None:
                    found.append(bindings.Neighbour(crd, f'APIBinding "{binding.name}" bound to {to}'))
        return found

    # --- going -------------------------------------------------------------------------------------------------------
    async def _unbind(self, space: Storage, obj: Obj) -> None:
        """Everything of a binding's kinds goes, then the binding, unless another one has taken the kinds over."""
        name, now = obj["metadata"]["name"], self.now()
        binding = self.index.binding((space.name, name))
        if binding is None or FINALIZER not in (obj["metadata"].get("finalizers") or ()):
            return
        left: list[Record] = []
        remaining: list[str] = []
        for bound in binding.bound:
            records = await self._emptied(space, bound)
            left += records
            if records:
                remaining.append(f"{bound.resource}.{bound.group} has {len(records)} resource instances")
        holders: dict[str, int] = {}
        for each in _objects(left):
            for finalizer in each["metadata"].get("finalizers") or ():
                holders[finalizer] = holders.get(finalizer, 0) + 1

        def edit(live: Obj) -> Obj:
            status = live["status"] = dict(live.get("status") or {})
            if holders:
                listed = ", ".join(sorted(f"{f} in {count} resource instances" for f, count in holders.items()))
                text = f"Some content in the workspace has finalizers remaining: {listed}"
                set_condition(status, bindings.DELETED, False, now, "SomeFinalizersRemain", text)
            elif remaining:
                text = f"Some resources are remaining: {', '.join(sorted(remaining))}"
                set_condition(status, bindings.DELETED, False, now, "SomeResourcesRemain", text)
            else:
                set_condition(status, bindings.DELETED, True, now)
                live["metadata"]["finalizers"] = [f for f in live["metadata"]["finalizers"] if f != FINALIZER]
            return live

        await change(space, BINDINGS + name, edit)

    async def _emptied(self, space: Storage, bound: Bound) -> Sequence[Record]:
        """Delete the objects of a kind; gives those that have not gone yet."""
        place = await self._open(space.name)
        stored = [d for d in self.schemas.definitions(bound) if d.same_version]
        if place is not None and stored:
            await sweep(place.api.store, stored[0], space.range(prefix(bound)).records)
        return tuple(space.range(prefix(bound)).records)


def _objects(records: Iterable[Record]) -> list[Obj]:
    return [orjson.loads(record.value) for record in records]


def _age(obj: Obj) -> tuple[str, str]:
    return obj["metadata"].get("creationTimestamp", ""), obj["metadata"]["name"]


def _waits(event: Event) -> bool:
    """A workspace may not be ready before its bindings are complete."""
    return event.key == LOGICAL_CLUSTER and event.record is not None and waits(event.record.value)


def _concerns_bindings(event: Event) -> bool:
    """A definition may be in the way or have gone, and so may a bound object."""
    return event.key.startswith(_CRDS) or event.key == LOGICAL_CLUSTER or (event.record is None and ":" in event.key)


@cache
def _own() -> list[Obj]:
    """Definitions of the kinds that no binding may bring, because every workspace has them."""
    found = list(kinds())
    for resources in builtins.resources().values():
        for res in resources:
            names = {"plural": res.name, "singular": res.singular, "kind": res.kind, "shortNames": [*res.short_names]}
            spec = {"group": res.group, "names": names}
            found.append({"metadata": {"name": f"{res.name}.{res.group}"}, "spec": spec})
    return found
