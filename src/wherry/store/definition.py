"""What the store must know of one served resource in one version, built-in and custom alike.

The verbs (`create.py`, `update.py`, ...) speak only to this; who decodes, defaults and validates behind it is the
business of `machinery`. An object in the store is always in the storage version; `to_storage` and `from_storage` stand
at the border for resources that are served in several.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import orjson

from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj, Resource
from wherry.storage.api import Record
from wherry.store import keys

Decode = Callable[[bytes, str, str], tuple[Obj, list[str]]]
Canonical = Callable[[Any, str], tuple[Obj, list[str]]]
Patched = Callable[[Any], tuple[Obj, list[str]]]
Convert = Callable[[Obj], Obj]


# What etcd takes in one request, less what is not the object. Upstream stores custom objects as JSON, as we do: for
# them the limit is the same. It stores built-in kinds as protobuf, which can be half as long; so they get twice that,
# and no object that upstream takes is refused here.
MAX_CUSTOM = 1_572_864 - 512
MAX_BUILTIN = 2 * MAX_CUSTOM


def _same(obj: Obj) -> Obj:
    return obj


@dataclass(slots=True)
class Definition:
    """One resource at one version in one workspace.

    `decode(body, media type, field validation)` gives a canonical, defaulted object of this version and warnings;
    `canonical(raw)` does the same for the JSON of an object of this kind, whatever it calls itself, and `patched(raw)`
    for the result of a JSON or merge patch, which may say that it is something else now. `node()` is the schema that
    managed fields walk, `reset` the field sets that a (sub)resource may not own. `custom` objects keep kind and
    apiVersion in lists.
    """

    resource: Resource
    workspace: str
    strategy: Strategy
    storage_api_version: str
    decode: Decode
    canonical: Canonical
    patched: Patched
    node: Callable[[], Any]
    reset: Callable[[str], Any]
    to_storage: Convert = _same
    from_storage: Convert = _same
    # As `canonical`, for what an apply has made, where that differs.
    applied: Callable[[Any, str], tuple[Obj, list[str]]] | None = None
    custom: bool = False
    # Reads of custom objects default and prune by the schema of now; None where bytes can go out as they are.
    refresh: Callable[[Obj], bool] | None = None
    definition_uid: str = ""  # of the CRD behind a custom resource
    storage_group: str | None = None  # where it differs from the resource's own (events)
    _empty: Obj | None = None
    prefix: str = ""
    head: bytes = b""
    storage_head: bytes = b""
    same_version: bool = True
    most_bytes: int = MAX_BUILTIN  # of a stored object
    terminating: bool = False  # the definition behind a custom resource is being deleted
    deprecation: str = ""  # Warning text for every request to this version
    returns_deleted: bool = False  # ReturnDeletedObject: a delete answers with the object instead of a Status
    printer: Any = None  # the TablePrinter; looked up on first use for built-in kinds
    fields: Any = None  # FieldLabels of a custom kind
    version: Any = None  # the CustomVersion behind a custom resource
    schema: Any = None  # strategic merge patch and OpenAPI: name of the schema or the schema itself
    # Where versions differ in more than their name: a store.conversion.Converter. Records must be prepared by it before
    # they are read.
    conversion: Any = None
    # What managed fields need of the other versions of the kind: (object, apiVersion) -> (object, type) or None. Both
    # raise TypedError where there is no way to a version.
    convert: Callable[[Obj, str], tuple[Obj, Any] | None] | None = None
    nodes: Callable[[str], Any] | None = None  # apiVersion -> the type alone
    replicas: dict[str, tuple[str, ...] | None] | None = None  # apiVersion -> where /scale finds them

    def __post_init__(self) -> None:
        res = self.resource
        group = res.group if self.storage_group is None else self.storage_group
        self.prefix = keys.collection(self.workspace, group, res.name)
        self.head = _head(res.kind, res.api_version)
        self.storage_head = _head(res.kind, self.storage_api_version)
        self.same_version = res.api_version == self.storage_api_version

    @property
    def error_group(self) -> str:
        """The group that validation errors name: that of the stored kind (events.k8s.io speaks of Event)."""
        return self.resource.group if self.storage_group is None else self.storage_group

    # --- keys --------------------------------------------------------------------------------------------------------
    def key(self, namespace: str, name: str) -> str:
        return f"{self.prefix}{namespace}/{name}" if self.resource.namespaced else self.prefix + name

    def list_prefix(self, namespace: str) -> str:
        return f"{self.prefix}{namespace}/" if namespace else self.prefix

    # --- bytes -------------------------------------------------------------------------------------------------------
    def load(self, record: Record) -> Obj:
        """The stored object, storage version, as a fresh dict that the caller may change. Where a webhook converts it
        is in this version instead."""
        if self.conversion is not None:
            return self.read(record)
        obj: Obj = orjson.loads(record.value)
        if self.refresh is not None:
            self.refresh(obj)
            obj["apiVersion"] = self.storage_api_version
        return obj

    def view(self, record: Record) -> bytes:
        """The bytes of this version: those in storage when the version is the stored one (law 1), else converted once
        and kept beside the record."""
        if self.refresh is None and self.same_version:
            return record.value
        cache = record.cache
        if cache is None:
            cache = record.cache = {}
        found: bytes | None = cache.get(self)
        if found is None:
            found = cache[self] = b"%b" % self._render(record)  # of exact size: orjson hands out larger buffers
        return found

    def _render(self, record: Record) -> bytes:
        if self.refresh is not None:
            obj: Obj = orjson.loads(record.value)
            if self.conversion is not None and obj.get("apiVersion") != self.resource.api_version:
                raise RuntimeError(f"{record.key} was read before its conversion")
            changed = self.refresh(obj)
            if obj.get("apiVersion") != self.resource.api_version:
                obj["apiVersion"] = self.resource.api_version
                changed = True
            return orjson.dumps(obj) if changed else record.value
        return orjson.dumps(self.from_storage(orjson.loads(record.value)))

    def fresh(self, record: Record) -> None:
        """Mark a record that this definition wrote just now: its bytes need no refreshing."""
        if self.refresh is not None and self.same_version and not self.version.restores_status:
            record.cache = {self: record.value}

    def read(self, record: Record) -> Obj:
        """This version of the stored object, decoded."""
        obj: Obj = orjson.loads(self.view(record))
        return obj

    def empty(self) -> Obj:
        """An object without content, as a bookmark shows it."""
        if self._empty is None:
            self._empty = self._without_content()
        return self._empty

    def _without_content(self) -> Obj:
        """Nobody gives it defaults."""
        res = self.resource
        bare = {"kind": res.kind, "apiVersion": res.api_version}
        if self.custom:
            return self.canonical(bare, "Ignore")[0]
        from wherry.machinery.bodies import named
        from wherry.machinery.typed import decoder

        return named(decoder(res.group, res.version, res.kind).decode(bare).obj, res)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other


def going(found: list[Definition]) -> list[Definition]:
    """The same kinds, nothing new of which is taken."""
    out = []
    for d in found:
        other = replace(d, terminating=True)
        other.prefix = d.prefix
        out.append(other)
    return out


def _head(kind: str, api_version: str) -> bytes:
    return b'{"kind":' + orjson.dumps(kind) + b',"apiVersion":' + orjson.dumps(api_version) + b","


def labels_of(record: Record) -> dict[str, str]:
    """metadata.labels of a stored object, parsed once per version and kept beside it."""
    cache = record.cache
    if cache is None:
        cache = record.cache = {}
    labels = cache.get("labels")
    if labels is None:
        # most objects without labels can be told from their bytes, which spares the parse
        labels = {}
        if b'"labels":' in record.value:
            labels = orjson.loads(record.value)["metadata"].get("labels") or {}
        cache["labels"] = labels
    return labels  # type: ignore[no-any-return]
