"""What a fork has changed, as writes to another workspace: three versions of each object, the base being what the fork
began with.

Nothing is written here: what comes out are the steps that somebody takes through the API, as himself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import orjson

from wherry.machinery.difference import ABSENT, meant
from wherry.machinery.kinds import Obj
from wherry.machinery.portable import managed, portable
from wherry.machinery.threeway import Clash, merge
from wherry.storage.api import Compacted, FutureRevision, Record, Spaces, Storage
from wherry.workspaces.difference import Side, described
from wherry.workspaces.fork import BASE

_FIRST = ("customresourcedefinitions.apiextensions.k8s.io", "namespaces")


class NoBase(Exception):
    """What a fork began with is not known any more, and how to keep it next time."""


class Past:
    """A `Side`: what stood somewhere."""

    def __init__(self, records: Sequence[Record]):
        self._records = {record.key: record for record in records}

    def get(self, key: str) -> Record | None:
        return self._records.get(key)

    def records(self) -> Iterator[Record]:
        return iter(self._records.values())


def base_of(spaces: Spaces, cluster: str, source: Storage | None, revision: int) -> Side:
    """What a fork began with: kept for it, else the source's past as far as that reaches. Raises NoBase."""
    kept = spaces.space(BASE + cluster)
    if kept is not None:
        return kept
    if source is not None and revision:
        try:
            return Past(source.range("/", revision=revision).records)
        except (Compacted, FutureRevision):
            pass
    raise NoBase(f"what the fork began with, revision {revision} of its source, is not kept any more; fork with --base")


def in_order(steps: Iterable[Obj]) -> list[Obj]:
    """Definitions and namespaces first, deletions last."""
    return sorted(steps, key=_order)


def _order(step: Obj) -> tuple[int, int]:
    first = _FIRST.index(step["resource"]) if step["resource"] in _FIRST else len(_FIRST)
    return (0, first) if step["change"] != "delete" else (1, -first)


def step_of(base: Side, fork: Side, target: Side, key: str) -> Obj | None:
    """`{change: create | update | delete, resource, ..., object, clashes: [{path, base, theirs, ours}]}`; None where
    there is nothing to do. What controllers made of other objects is left to those of the target."""
    was, theirs, ours = (_read(space, key) for space in (base, fork, target))
    one = theirs or was
    if one is None or managed(one):
        return None
    step = described(key, one)
    if theirs is None:
        return _deletion(step, was, ours)
    if ours is None:
        step.update(change="create", object=_owned(portable(theirs), theirs, fork, target))
        if was is not None:
            step["clashes"] = [_told(Clash("", "(there)", "(changed)", "(deleted)"))]
        return step
    clashes: list[Clash] = []
    merged = merge(meant(was) if was is not None else ABSENT, meant(theirs), meant(ours), clashes)
    if merged == meant(ours):
        return None
    meta = {**ours["metadata"], **merged["metadata"]}
    for gone in [name for name in ("labels", "annotations", "finalizers") if name not in merged["metadata"]]:
        meta.pop(gone, None)
    if "ownerReferences" in ours["metadata"]:
        meta["ownerReferences"] = ours["metadata"]["ownerReferences"]
    kept = {name: ours[name] for name in ("apiVersion", "kind", "status") if name in ours}
    step.update(change="update", object={**kept, **merged, "metadata": meta})
    if clashes:
        step["clashes"] = [_told(clash) for clash in clashes]
    return step


def _deletion(step: Obj, was: Obj | None, ours: Obj | None) -> Obj | None:
    if ours is None or was is None:
        return None
    step.update(change="delete", preconditions={name: ours["metadata"][name] for name in ("uid", "resourceVersion")})
    if meant(ours) != meant(was):
        step["clashes"] = [_told(Clash("", "(there)", "(deleted)", "(changed)"))]
    return step


def _owned(obj: Obj, theirs: Obj, fork: Side, target: Side) -> Obj:
    """With the owners that the target has as well."""
    owners = theirs["metadata"].get("ownerReferences") or ()
    found = []
    for owner in owners:
        uid = owner["uid"]
        key = next((r.key for r in fork.records() if uid.encode() in r.value and _uid(r.value) == uid), "")
        there = _read(target, key) if key else None
        if there is not None:
            found.append({**owner, "uid": there["metadata"]["uid"]})
    if found:
        obj["metadata"]["ownerReferences"] = found
    return obj


def _uid(value: bytes) -> str:
    return str(orjson.loads(value)["metadata"].get("uid", ""))


def _told(clash: Clash) -> Obj:
    sides = {name: value for name, value in clash._asdict().items() if name != "path" and value is not ABSENT}
    return {"path": clash.path, **sides}


def _read(space: Side, key: str) -> Obj | None:
    record = space.get(key)
    found: Obj | None = orjson.loads(record.value) if record is not None else None
    return found
