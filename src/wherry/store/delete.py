"""Delete: at once, gracefully, or by finalizers (registry.Store.Delete, rest.BeforeDelete)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from time import gmtime, strftime

import orjson

from wherry import errors
from wherry.machinery.kinds import Obj
from wherry.storage.api import Record, RevisionConflict
from wherry.store import keys
from wherry.store.context import Outcome, WriteContext
from wherry.store.definition import Definition
from wherry.store.store import Store, encoder

_RETRIES = 5
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"


@dataclass(slots=True)
class DeleteOptions:
    """The members of `meta/v1 DeleteOptions` that matter here; None means not given."""

    grace: int | None = None
    uid: str | None = None
    revision: str | None = None
    propagation: str | None = None
    orphan_dependents: bool | None = None


async def delete(
    store: Store, d: Definition, namespace: str, name: str, options: DeleteOptions, ctx: WriteContext
) -> Outcome:
    """Remove an object or start its removal. Raises NotFound, Conflict (preconditions) and what admission raises."""
    res = d.resource
    key = d.key(namespace, name)
    for _ in range(_RETRIES):
        record = store.storage.newest(key)
        if record is None:
            raise errors.NotFound.of(res.group, res.name, name)
        if d.conversion is not None:
            await d.conversion.prepare(d, (record,))
        old = d.load(record)
        check_preconditions(d, name, old, record.revision, options)
        if ctx.mutate is not None:  # nothing to change, but webhooks for it are asked all the same
            await ctx.mutate("DELETE", None, old)
        if ctx.validate is not None:
            await ctx.validate("DELETE", None, old)
        try:
            return await _one(store, d, record, old, options, ctx)
        except RevisionConflict:
            continue
    raise errors.Conflict.of(res.group, res.name, name)


async def sweep(store: Store, d: Definition, records: Iterable[Record]) -> None:
    """Delete those objects of a kind whose deletion has not begun, in the name of the system."""
    for record in records:
        if b'"deletionTimestamp":' in record.value:
            continue
        namespace, _, name = record.key[len(d.prefix) :].rpartition("/")
        try:
            await delete(store, d, namespace, name, DeleteOptions(), WriteContext())
        except errors.NotFound:
            continue


def check_preconditions(d: Definition, name: str, old: Obj, revision: int, options: DeleteOptions) -> None:
    """The uid and the revision that the caller wants to delete. Raises Conflict."""
    meta = old["metadata"]
    if d.strategy.keeps_deleted or old["kind"] == "Namespace":
        _check_own_preconditions(d, name, meta.get("uid", ""), str(revision), options)
    if options.uid is not None and options.uid != meta.get("uid", ""):
        why = (
            f"the UID in the precondition ({options.uid}) does not match the UID in record ({meta.get('uid', '')}). "
            "The object might have been deleted and then recreated"
        )
        raise _precondition(d, name, why)
    if options.revision is not None and options.revision != str(revision):
        why = (
            f"the ResourceVersion in the precondition ({options.revision}) does not match the ResourceVersion "
            f"in record ({revision}). The object might have been modified"
        )
        raise _precondition(d, name, why)


def _check_own_preconditions(d: Definition, name: str, uid: str, revision: str, options: DeleteOptions) -> None:
    """Namespaces and definitions of custom resources look for themselves, in words of their own."""
    found = (("UID", options.uid, uid), ("ResourceVersion", options.revision, revision))
    for what, given, actual in found:
        if given is not None and given != actual:
            why = f"Precondition failed: {what} in precondition: {given}, {what} in object meta: {actual}"
            raise errors.Conflict.of(d.resource.group, d.resource.name, name, why)


def _precondition(d: Definition, name: str, why: str) -> errors.Conflict:
    """BeforeDelete names the Kind where others name the resource."""
    res = d.resource
    text = f'Operation cannot be fulfilled on {errors.qualified(res.group, res.kind)} "{name}": {why}'
    return errors.Conflict(text, details=errors.resource_details(res.group, res.kind, name))


async def _one(
    store: Store, d: Definition, record: Record, old: Obj, options: DeleteOptions, ctx: WriteContext
) -> Outcome:
    meta = old["metadata"]
    pending = "deletionTimestamp" in meta
    if pending and d.strategy.graceful and not _shortens(meta, options):
        return Outcome(d.view(record), 200, old)  # not even the propagation policy counts any more
    grace = _grace(d, old, options)
    finalizers = _finalizers(d, old, options)
    if finalizers or grace > 0 or _namespace_content(old) or (d.strategy.keeps_deleted and not pending):
        changed = dict(old)
        changed["metadata"] = dict(meta)
        _mark(store, changed, finalizers, grace, pending)
        if not pending:
            d.strategy.mark_deleting(changed, store.now())
            if d.strategy.keeps_deleted or _namespace_content(
                old
            ):  # these two are marked by code of their own upstream
                changed["metadata"].pop("deletionGracePeriodSeconds", None)
                if "generation" in meta:
                    changed["metadata"]["generation"] = meta["generation"]
        if changed == old:
            return Outcome(d.view(record), 200, old)
        return await _write(store, d, record, changed, ctx)
    return await _remove(store, d, record, old, ctx)


def _shortens(meta: Obj, options: DeleteOptions) -> bool:
    """Whether a delete of what is being deleted gracefully says something new: it may only shorten the time."""
    present = meta.get("deletionGracePeriodSeconds")
    if not present:
        return True  # nobody waits for it any more
    return options.grace is not None and (options.grace if options.grace >= 0 else 1) < present


def _grace(d: Definition, old: Obj, options: DeleteOptions) -> int:
    """Seconds to wait before removal: only kinds with graceful deletion have any (CheckGracefulDelete)."""
    if not d.strategy.graceful:
        return 0
    spec, status = old.get("spec", {}), old.get("status", {})
    wanted = options.grace
    if wanted is None:
        wanted = spec.get("terminationGracePeriodSeconds", 0)
    if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
        wanted = 0
    if wanted < 0:
        wanted = 1
    present = old["metadata"].get("deletionGracePeriodSeconds")
    if present is not None:  # a second delete may only shorten what the first one granted
        return min(int(present), int(wanted)) if present else 0
    return int(wanted)


def _finalizers(d: Definition, old: Obj, options: DeleteOptions) -> list[str]:
    """The finalizers after the propagation policy had its say (deletionFinalizersForGarbageCollection)."""
    present: list[str] = old["metadata"].get("finalizers") or []
    orphan, foreground = ORPHAN in present, FOREGROUND in present
    policy = options.propagation
    if options.orphan_dependents is not None:
        policy = "Orphan" if options.orphan_dependents else "Background"
    if policy is not None:
        orphan, foreground = policy == "Orphan", policy == "Foreground"
    elif not orphan and not foreground and d.strategy.default_gc_policy == "Orphan":
        orphan = True
    kept = [f for f in present if f not in (ORPHAN, FOREGROUND)]
    if orphan and (ORPHAN in present or not foreground):
        kept.append(ORPHAN)
    if foreground:
        kept.append(FOREGROUND)
    return kept if set(kept) != set(present) else present


def _mark(store: Store, obj: Obj, finalizers: list[str], grace: int, pending: bool) -> None:
    meta = obj["metadata"]
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
    if not pending or meta.get("deletionGracePeriodSeconds") != grace:
        first = not pending
        if first or grace < (meta.get("deletionGracePeriodSeconds") or 0):
            when = gmtime(int(store.clock()) + grace)
            meta["deletionTimestamp"] = strftime("%Y-%m-%dT%H:%M:%SZ", when)
            meta["deletionGracePeriodSeconds"] = grace
        if first and meta.get("generation"):
            meta["generation"] += 1


def _namespace_content(obj: Obj) -> bool:
    """A namespace stays until its content is gone and /finalize has emptied spec.finalizers."""
    return obj["kind"] == "Namespace" and bool((obj.get("spec") or {}).get("finalizers"))


async def _write(store: Store, d: Definition, record: Record, obj: Obj, ctx: WriteContext) -> Outcome:
    if ctx.dry_run:
        return Outcome(orjson.dumps(d.from_storage(obj)), 200, obj)
    kept = obj if d.conversion is None else await d.conversion.stored(obj)
    written = await store.storage.put(record.key, encoder(kept, d.most_bytes), expect=record.revision)
    d.fresh(written)
    if d.conversion is not None:
        await d.conversion.prepare(d, (written,))
    return Outcome(d.view(written), 200, obj)


async def _remove(store: Store, d: Definition, record: Record, old: Obj, ctx: WriteContext) -> Outcome:
    if d.strategy.graceful:  # a pod without grace still shows that it was being deleted
        old["metadata"] = dict(old["metadata"])
        _mark(store, old, [], 0, "deletionTimestamp" in old["metadata"])
    else:
        old["metadata"].pop("finalizers", None)
    if ctx.dry_run:
        return _answer(d, old, orjson.dumps(d.from_storage(old)))
    kept = old if d.conversion is None else await d.conversion.stored(old)
    final = await store.storage.delete(record.key, encoder(kept), expect=record.revision)
    await take_along(store, d, record.key)
    if d.conversion is not None:
        await d.conversion.prepare(d, (final,))
    return _answer(d, old, d.view(final))


async def take_along(store: Store, d: Definition, key: str) -> None:
    """Remove what goes with a removed object (the endpoints of a service), unless finalizers hold it."""
    if not d.strategy.takes_along:
        return
    record = store.storage.newest(keys.collection(d.workspace, "", d.strategy.takes_along) + key.removeprefix(d.prefix))
    if record is None:
        return
    other = orjson.loads(record.value)
    if not other["metadata"].get("finalizers"):
        with suppress(RevisionConflict):  # someone has just made it theirs
            await store.storage.delete(record.key, encoder(other), expect=record.revision)


def _answer(d: Definition, old: Obj, data: bytes) -> Outcome:
    """Most kinds answer a removal with a Status that carries the uid, some with the object (ReturnDeletedObject)."""
    if d.returns_deleted:
        return Outcome(data, 200, old)
    res, meta = d.resource, old["metadata"]
    details = {"name": meta["name"], "group": res.group, "kind": res.name, "uid": meta.get("uid", "")}
    status = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Success",
        "details": {k: v for k, v in details.items() if v},
    }
    return Outcome(orjson.dumps(status), 200, None)
