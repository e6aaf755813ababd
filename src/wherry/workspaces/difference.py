"""What is different between two workspaces: records that both share are passed over without a look, equal bytes too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import orjson

from wherry.machinery.difference import ABSENT, Field, fields, hidden, meant
from wherry.machinery.kinds import Obj
from wherry.machinery.portable import by_itself
from wherry.storage.api import Record, Storage
from wherry.workspaces.tree import LOGICAL_CLUSTER, WORKSPACES

# What happens by itself, again and again, and who is below.
_PASSING = (WORKSPACES, "/root/core/events/", "/root/events.k8s.io/events/", "/root/coordination.k8s.io/leases/")
_SECRETS = "/root/core/secrets/"


class Side(Protocol):
    """What is compared: keys and records."""

    def get(self, key: str) -> Record | None: ...

    def records(self) -> Iterator[Record]: ...


@dataclass(frozen=True, slots=True)
class Options:
    """`status`: compare that as well. `secrets`: show what is in Secrets."""

    status: bool = False
    secrets: bool = False


def candidates(before: Side, after: Side) -> list[str]:
    """The keys under which something else is stored, in order."""
    found = []
    for record in before.records():
        other = after.get(record.key)
        if other is not record and (other is None or other.value != record.value):
            found.append(record.key)
    found += [record.key for record in after.records() if before.get(record.key) is None]
    return sorted(key for key in found if key != LOGICAL_CLUSTER and not key.startswith(_PASSING))


def compare(before: Storage, after: Storage, key: str, options: Options) -> Obj | None:
    """One object on both sides, as `line` gives it; None when what differs is the server's to say."""
    old, new = _read(before.get(key)), _read(after.get(key))
    return line(key, old, new, options)


def line(key: str, old: Obj | None, new: Obj | None, options: Options) -> Obj | None:
    """`{change, apiVersion, kind, resource, namespace, name, fields: [{path, before, after}]}`; `fields` only of what
    is on both sides. None where nothing is different."""
    if old is not None and new is not None:
        before, after = meant(old, status=options.status), meant(new, status=options.status)
        if before == after:
            return None  # by far the most frequent of two workspaces that were filled alike
        secret = key.startswith(_SECRETS) and not options.secrets
        found = [shown(hidden(f) if secret and _inside(f) else f) for f in fields(before, after)]
        return {"change": "changed", **described(key, new), "fields": found} if found else None
    one = new or old
    if one is None or by_itself(one):
        return None
    return {"change": "added" if old is None else "removed", **described(key, one)}


def described(key: str, obj: Obj) -> Obj:
    """`{apiVersion, kind, resource, namespace, name}`; `resource` as kubectl names it."""
    _, _, group, resource, *_ = key.split("/")
    resource = resource.partition(":")[0]  # a bound kind has the identity of its export behind it
    meta = obj["metadata"]
    where = {"namespace": meta["namespace"]} if meta.get("namespace") else {}
    return {
        "apiVersion": obj.get("apiVersion", ""),
        "kind": obj.get("kind", ""),
        "resource": resource if group == "core" else f"{resource}.{group}",
        **where,
        "name": meta["name"],
    }


def _inside(field: Field) -> bool:
    return field.path.startswith("data")


def shown(field: Field) -> Obj:
    """`{path, before, after}`, without the side that has no such field."""
    found: Obj = {"path": field.path}
    if field.before is not ABSENT:
        found["before"] = field.before
    if field.after is not ABSENT:
        found["after"] = field.after
    return found


def _read(record: Record | None) -> Obj | None:
    found: Obj | None = orjson.loads(record.value) if record is not None else None
    return found
