"""What is served: built-in kinds, the same in every workspace, and the custom kinds of each.

Definitions are made on first use (law 4) and kept. `changed` goes up with every custom kind that comes, goes or
changes, so that discovery and OpenAPI know when their documents are stale.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, ClassVar

from wherry.errors import BadRequest
from wherry.machinery import builtins
from wherry.machinery.builtin import strategy
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj, Resource
from wherry.store.common import CommonKinds
from wherry.store.definition import Definition

ROOT = "root"
Key = tuple[str, str, str]  # group, version, resource

# Kinds whose storage upstream sets ReturnDeletedObject (pkg/registry/*/storage).
_RETURNS_DELETED_NAMES = {
    "": (
        "namespaces persistentvolumeclaims persistentvolumes pods podtemplates resourcequotas serviceaccounts services"
    ),
    "storage.k8s.io": "csidrivers csinodes storageclasses volumeattachments volumeattributesclasses",
    "resource.k8s.io": "deviceclasses devicetaintrules resourceclaims resourceclaimtemplates resourceslices",
}
_RETURNS_DELETED = frozenset((group, r) for group, listed in _RETURNS_DELETED_NAMES.items() for r in listed.split())


# Versions that warn whoever uses them (the APILifecycleDeprecated of the types).
_DEPRECATED = {
    ("", "v1", "endpoints"): "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice",
    ("", "v1", "componentstatuses"): "v1 ComponentStatus is deprecated in v1.19+",
}


class Registry:
    """Looks up definitions. Custom ones are put in and taken out by `store.crds`."""

    # Built-in kinds are the same everywhere: one definition serves all registries of the process.
    _builtin: ClassVar[dict[tuple[str, str, str, str], Definition]] = {}

    def __init__(self, common: CommonKinds | None = None) -> None:
        self._common = common
        self._custom: dict[str, dict[Key, Definition]] = {}
        self._listeners: list[Callable[[str], None]] = []
        self.changed = 0

    def find(self, workspace: str, group: str, version: str, resource: str) -> Definition | None:
        """The definition of a served resource, or None."""
        key = (workspace, group, version, resource)
        found = self._builtin.get(key)
        if found is not None:
            return found
        res = builtins.resource(group, version, resource)
        if res is not None:
            found = self._builtin[key] = _builtin_definition(workspace, res)
            return found
        custom = self._custom.get(workspace)
        found = custom.get((group, version, resource)) if custom else None
        if found is None and self._common is not None:
            found = self._common.find((group, version, resource))
        return found

    def custom(self, workspace: str) -> dict[Key, Definition]:
        """All custom definitions of a workspace, those that every workspace has included."""
        own = self._custom.get(workspace, {})
        return {**self._common.all(), **own} if self._common is not None else own

    def own(self, workspace: str) -> dict[Key, Definition]:
        """The custom definitions that only this workspace has."""
        return self._custom.get(workspace, {})

    def replace_custom(self, workspace: str, group: str, resource: str, definitions: list[Definition]) -> None:
        """Serve these versions of a custom resource and no others; an empty list stops serving it."""
        table = self._custom.setdefault(workspace, {})
        for key in [k for k in table if k[0] == group and k[2] == resource]:
            del table[key]
        for d in definitions:
            table[(group, d.resource.version, resource)] = d
        self.changed += 1
        for listener in self._listeners:
            listener(workspace)

    def share(self, common: CommonKinds) -> None:
        """Serve these kinds too; call it before anyone asks for documents."""
        self._common = common
        self.changed += 1

    def on_change(self, listener: Callable[[str], None]) -> None:
        """Call with the workspace whenever its custom kinds change."""
        self._listeners.append(listener)

    def resources(self, workspace: str) -> list[Resource]:
        """Everything served in a workspace, built-in kinds first, in discovery's order of groups."""
        found = [r for group in self.builtin_resources().values() for r in group]
        return found + self.custom_resources(workspace)

    def builtin_resources(self) -> dict[tuple[str, str], list[Resource]]:
        """The built-in kinds that are served, by group and version."""
        return builtins.resources()

    def custom_resources(self, workspace: str) -> list[Resource]:
        """What discovery lists of the custom kinds of a workspace."""
        own = [d.resource for d in self.own(workspace).values()]
        return [*self._common.resources(), *own] if self._common is not None else own

    def collections(self, workspace: str) -> list[Definition]:
        """One definition per stored collection (a resource served in two versions counts once)."""
        seen: dict[str, Definition] = {}
        for res in self.resources(workspace):
            if "list" in res.verbs:
                d = self.find(workspace, res.group, res.version, res.name)
                if d is not None and (d.prefix not in seen or d.same_version):
                    seen[d.prefix] = d
        return list(seen.values())

    @staticmethod
    def detached(res: Resource) -> Definition:
        """A definition of a kind that has no collection of its own (Scale): for decoding and printing."""
        return _definition(ROOT, res, str(res.group_version), res.group, Strategy())


@cache
def _node(schema_name: str) -> Any:
    from wherry.machinery.fields.nodes import from_openapi

    return from_openapi(builtins.schema(schema_name), builtins.schema)


def _in_version(res: Resource, storage: str, obj: Obj, api_version: str) -> tuple[Obj, Any] | None:
    """An object of a built-in kind in another served version, with its type; None for a version there is not."""
    from wherry.machinery.builtin.conversion import converter

    group, _, version = api_version.rpartition("/")
    other = builtins.resource(group, version, res.name)
    if other is None or other.kind != res.kind:
        return None
    stored = converter(res.group, res.name, obj["apiVersion"], storage)(obj)
    shown = converter(group, res.name, storage, api_version)(stored)
    return shown, _node(builtins.schema_name(group, version, other.kind))


def _builtin_definition(workspace: str, res: Resource) -> Definition:
    storage = builtins.storage_group_version(res.group, res.name)
    return _definition(workspace, res, str(storage), storage.group, strategy(res.group, res.name))


def _definition(workspace: str, res: Resource, storage: str, storage_group: str, kind_strategy: Strategy) -> Definition:
    from wherry.machinery.builtin.conversion import converter
    from wherry.machinery.fields.reset import of_builtin
    from wherry.machinery.typed.compile import REQUIRED_LISTS, empty_lists_as_null

    convert = converter(res.group, res.name, res.api_version, storage)
    from_storage = converter(res.group, res.name, storage, res.api_version)
    to_storage = convert
    if (res.group, res.name) in REQUIRED_LISTS:

        def to_storage(obj: Obj) -> Obj:
            empty_lists_as_null(res.group, res.name, obj)
            return convert(obj)

    same = storage == res.api_version
    schema_name = builtins.schema_name(res.group, res.version, res.kind)

    def default(obj: Obj) -> Obj:
        if same:
            kind_strategy.default(obj)
            return obj
        stored = to_storage(obj)
        kind_strategy.default(stored)
        return from_storage(stored)

    def decode(body: bytes, media_type: str, validation: str) -> tuple[Obj, list[str]]:
        from wherry.machinery.bodies import decode_object

        found = decode_object(body, media_type, res, validation)  # type: ignore[arg-type]
        return default(found.obj), found.warnings

    def canonical(raw: Any, validation: str) -> tuple[Obj, list[str]]:
        from wherry.machinery.bodies import keep_reset, named
        from wherry.machinery.typed import DecodeError, decoder

        try:
            found = decoder(res.group, res.version, res.kind).convert(raw)
        except DecodeError as error:
            raise BadRequest(str(error)) from None
        return default(named(keep_reset(raw, found.obj), res)), found.unknown

    def patched(raw: Any) -> tuple[Obj, list[str]]:
        from wherry.machinery.bodies import decode_patched

        obj, unknown = decode_patched(raw, res)
        if len(obj) == 2:  # nothing but kind and version: about to be refused for want of a name
            return obj, unknown
        return default(obj), unknown

    return Definition(
        resource=res,
        workspace=workspace,
        strategy=kind_strategy,
        storage_api_version=storage,
        storage_group=storage_group,
        decode=decode,
        canonical=canonical,
        patched=patched,
        node=partial(_node, schema_name),
        reset=partial(of_builtin, res.group, res.name),
        convert=partial(_in_version, res, storage),
        to_storage=to_storage,
        from_storage=from_storage,
        returns_deleted=(res.group, res.name) in _RETURNS_DELETED,
        schema=schema_name,
        deprecation=_DEPRECATED.get((res.group, res.version, res.name), ""),
    )
