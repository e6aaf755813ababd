"""The entries of `metadata.managedFields`: who manages which fields, read, written and put in order.

Mirrors managedfields.go and buildmanagerinfo.go of k8s.io/apimachinery/pkg/util/managedfields/internal.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wherry.machinery.fields.sets import LEAF, BadElement, FieldSet, canonical
from wherry.machinery.kinds import Obj
from wherry.machinery.patch.refusals import go_json

Entry = dict[str, Any]
APPLY, UPDATE = "Apply", "Update"


class Manager(NamedTuple):
    """Who: an applier is the same whatever version it applies, so it has no api_version here."""

    name: str
    operation: str
    api_version: str
    subresource: str

    def identifier(self) -> str:
        """The JSON that upstream identifies managers by; it decides the order of conflicts and of the oldest."""
        named = {
            "manager": self.name,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "subresource": self.subresource,
        }
        return go_json({key: value for key, value in named.items() if value})


class Owned(NamedTuple):
    """What a manager owns, in the version it was written in, and since when."""

    fields: FieldSet
    api_version: str
    time: str | None

    @property
    def empty(self) -> bool:
        return not self.fields


Managed = dict[Manager, Owned]


class BadManagedFields(ValueError):
    """Entries that cannot be decoded; updates then fall back to the live ones, an apply fails."""


def manager_of(name: str, operation: str, api_version: str, subresource: str) -> Manager:
    return Manager(name, operation, "" if operation == APPLY else api_version, subresource)


def decode(entries: Any, trusted: bool = False) -> Managed:
    """`trusted` entries are our own, whose field sets are canonical already."""
    out: Managed = {}
    for index, entry in enumerate(entries or ()):
        operation, api_version = entry.get("operation", ""), entry.get("apiVersion", "")
        if operation not in (APPLY, UPDATE):
            raise BadManagedFields("operation must be `Apply` or `Update`")
        if not api_version:
            raise BadManagedFields("apiVersion must not be empty")
        kind = entry.get("fieldsType", "")
        if kind != "FieldsV1":
            problem = f'invalid fieldsType "{kind}"' if kind else "missing fieldsType"
            raise BadManagedFields(f"{problem} in managed fields entry {index}")
        manager = manager_of(entry.get("manager", ""), operation, api_version, entry.get("subresource", ""))
        fields = entry.get("fieldsV1") or LEAF
        if not trusted:
            try:
                fields = canonical(fields)
            except BadElement as error:
                raise BadManagedFields(f"error decoding versioned set: error decoding set: {error}") from None
        out[manager] = Owned(fields, api_version, entry.get("time"))
    return out


def encode(managed: Managed) -> list[Entry]:
    """In upstream's order: appliers first, then by time, name, version, subresource."""
    entries = [encode_one(manager, owned) for manager, owned in managed.items()]
    if len(entries) > 1:
        entries.sort(key=_order)
    return entries


def encode_one(manager: Manager, owned: Owned) -> Entry:
    entry: Entry = {}
    if manager.name:
        entry["manager"] = manager.name
    entry["operation"] = manager.operation
    entry["apiVersion"] = owned.api_version
    if owned.time:
        entry["time"] = owned.time
    entry["fieldsType"] = "FieldsV1"
    entry["fieldsV1"] = owned.fields
    if manager.subresource:
        entry["subresource"] = manager.subresource
    return entry


def _order(entry: Entry) -> tuple[str, str, str, str, str]:
    return (
        entry["operation"],
        entry.get("time", ""),
        entry.get("manager", ""),
        entry["apiVersion"],
        entry.get("subresource", ""),
    )


def is_reset(entries: Any) -> bool:
    """`[]` and `[{}]` in a body mean: forget who manages what."""
    return isinstance(entries, list) and (not entries or (len(entries) == 1 and not entries[0]))


def entries_of(obj: Obj | None) -> Any:
    if obj is None:
        return None
    meta = obj.get("metadata")
    return meta.get("managedFields") if isinstance(meta, dict) else None
