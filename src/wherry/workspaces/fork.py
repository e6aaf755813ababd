"""A workspace that begins as a copy of another one: annotations of a new Workspace say of which, and as of when.

The copy is exact: uids, revisions, Secrets, definitions, what is being deleted. It costs a table of keys; bytes are
shared until one side writes. Three things are its own: who it is (its LogicalCluster), who administers it (whoever
makes it), and what is below it: nothing, since the workspaces below the source stay where they are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import orjson

from wherry.kit.ids import new_uid
from wherry.machinery.kinds import Obj
from wherry.storage.api import Compacted, FutureRevision, Record, Spaces, Storage
from wherry.store.store import encoder
from wherry.workspaces.objects import change, key
from wherry.workspaces.tree import LOGICAL_CLUSTER, WORKSPACES, Tree

PREFIX = "fork.wherry.dev/"
SOURCE = PREFIX + "source"  # path or id of the workspace that is copied
REVISION = PREFIX + "revision"  # as it stood then; what was copied, once it was
FRESH = PREFIX + "fresh"  # "true": objects get uids of their own
KEEP_BASE = PREFIX + "keep-base"  # "true": remember what it began with, for a merge
ANNOTATIONS = (SOURCE, REVISION, FRESH, KEEP_BASE)
BASE = "base-"  # and the cluster: the space of what a fork began with
_AT_ONCE = 500  # objects that are written side by side
_ACCOUNT_TOKEN = b"kubernetes.io/service-account-token"


class BadFork(Exception):
    """What cannot be copied, and why."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a Workspace asks for. `revision` 0 is now."""

    source: str
    revision: int = 0
    fresh: bool = False
    base: bool = False


def asked(workspace: Obj) -> Asked | None:
    """What the annotations of a Workspace say; None for one that is no fork. Raises BadFork."""
    found = workspace["metadata"].get("annotations") or {}
    source = found.get(SOURCE)
    if source is None:
        for name in ANNOTATIONS:
            if name in found:
                raise BadFork(f"annotation {name} means nothing without {SOURCE}")
        return None
    revision = found.get(REVISION, "0")
    if not (revision.isascii() and revision.isdigit()):
        raise BadFork(f"annotation {REVISION}: {revision!r} must be a revision, a whole number")
    return Asked(source, int(revision), _flag(found, FRESH), _flag(found, KEEP_BASE))


def _flag(annotations: dict[str, str], name: str) -> bool:
    value = annotations.get(name, "false")
    if value not in ("true", "false"):
        raise BadFork(f"annotation {name}: {value!r} must be true or false")
    return value == "true"


def find(spaces: Spaces, tree: Tree, wanted: Asked) -> Storage:
    """The space to be copied. Raises BadFork for one that is not there, goes, or does not reach back so far."""
    cluster = tree.resolve(wanted.source)
    space = spaces.space(cluster) if cluster else None
    if space is None:
        raise BadFork(f"there is no workspace {wanted.source}")
    record = space.get(LOGICAL_CLUSTER)
    parent = spaces.space(tree.parent(cluster))
    above = parent.get(WORKSPACES + tree.name(cluster)) if parent is not None else None
    if any(r is not None and orjson.loads(r.value)["metadata"].get("deletionTimestamp") for r in (record, above)):
        raise BadFork(f"workspace {wanted.source} is being deleted")
    if wanted.revision:
        oldest = max(space.oldest, space.made)
        if wanted.revision < oldest:
            raise BadFork(f"revision {wanted.revision} of workspace {wanted.source} is gone; the oldest is {oldest}")
        if wanted.revision > spaces.last():
            raise BadFork(f"revision {wanted.revision} is not there yet; the newest is {spaces.last()}")
    return space


async def copy(spaces: Spaces, source: Storage, cluster: str, wanted: Asked, now: str) -> Storage:
    """The new space, which is in no tree yet. Raises BadFork when the past has gone meanwhile."""
    try:
        space = await spaces.make(cluster, source=source.name, revision=wanted.revision)
    except (Compacted, FutureRevision) as gone:
        raise BadFork(str(gone)) from None
    below = [record for record in space.records() if record.key.startswith(WORKSPACES)]
    await asyncio.gather(*(space.delete(record.key, encoder(orjson.loads(record.value))) for record in below))
    if wanted.fresh:
        await _renew(space, now)
    return space


async def keep_base(spaces: Spaces, cluster: str) -> None:
    """Remember what a fork begins with, now that it is complete."""
    await spaces.make(BASE + cluster, source=cluster)


def facts(space: Storage | None, wanted: Asked) -> dict[str, str]:
    """What the annotations of the Workspace say once there is a copy."""
    revision = wanted.revision or (space.made if space is not None else 0)
    return {REVISION: str(revision)}


async def forget_tokens(space: Storage) -> None:
    """Take the tokens of ServiceAccounts out of the copied Secrets: they are good only in the source. The controller of
    such Secrets issues others."""
    secrets = key("", "secrets", "")
    found = [r for r in space.range(secrets).records if _ACCOUNT_TOKEN in r.value]
    await asyncio.gather(*(change(space, record.key, _without_token) for record in found))


def _without_token(secret: Obj) -> Obj:
    if secret.get("type") == _ACCOUNT_TOKEN.decode():
        secret["data"] = {name: value for name, value in (secret.get("data") or {}).items() if name != "token"}
    return secret


async def _renew(space: Storage, now: str) -> None:
    """Give every object a uid of its own; references to owners follow."""
    records = list(space.records())
    uids = {uid: new_uid() for uid in filter(None, map(_uid, records))}
    for some in _slices(records, _AT_ONCE):
        await asyncio.gather(*(_write(space, record, uids, now) for record in some))


async def _write(space: Storage, record: Record, uids: dict[str, str], now: str) -> None:
    obj = orjson.loads(record.value)
    meta = obj["metadata"]
    if "uid" in meta:
        meta["uid"] = uids[meta["uid"]]
    meta["creationTimestamp"] = now
    for owner in meta.get("ownerReferences") or ():
        owner["uid"] = uids.get(owner["uid"], owner["uid"])
    await space.put(record.key, encoder(obj), expect=record.revision)


def _uid(record: Record) -> str:
    return str(orjson.loads(record.value)["metadata"].get("uid", ""))


def _slices(records: Sequence[Record], size: int) -> Iterator[Sequence[Record]]:
    for start in range(0, len(records), size):
        yield records[start : start + size]
