"""Update: replace an object or one of its subresources under optimistic locking (registry.Store.Update).

PUT and PATCH share `commit`: they differ in how they make the new object from the old one.
"""

from __future__ import annotations

from collections.abc import Callable

import orjson

from wherry import errors
from wherry.errors import FieldError
from wherry.machinery.builtin.common.meta import validate_any_update
from wherry.machinery.fields import managed
from wherry.machinery.fields.values import equal
from wherry.machinery.kinds import Obj
from wherry.storage.api import Record, RevisionConflict
from wherry.store import keys, names
from wherry.store.context import Outcome, WriteContext
from wherry.store.create import create
from wherry.store.definition import Definition
from wherry.store.delete import take_along
from wherry.store.metadata import (
    keep_system_fields,
    must_set_resource_version,
    order_metadata,
    set_managed,
    single_owners,
)
from wherry.store.store import Store, encoder, internal

# Makes the new object, in the request's version, from the present one in the same version.
Transform = Callable[[Obj], Obj]
_RETRIES = 5  # optimistic rounds of a write that names no revision (upstream retries its own 409s as often)


async def update(
    store: Store, d: Definition, namespace: str, name: str, obj: Obj, ctx: WriteContext, subresource: str = ""
) -> Outcome:
    """PUT: `obj`, in the definition's version, becomes the object.

    Raises NotFound, Conflict, Invalid, BadRequest and what admission raises.
    """
    res = d.resource
    meta = obj.setdefault("metadata", {})
    names.match_namespace(res, meta, namespace)
    names.match_name(meta, name)
    if store.storage.newest(d.key(namespace, name)) is None:
        return await _put_absent(store, d, namespace, name, obj, ctx, subresource)
    single_owners(meta, ctx.warnings)
    uid = meta.get("uid", "")
    if uid and not meta.get("resourceVersion"):
        _same_object(store, d, namespace, name, uid)  # comes before the question which version it is
    expect = _expected(d, name, meta)
    body = orjson.dumps(obj) if expect is None else b""

    def replace(_: Obj) -> Obj:
        return orjson.loads(body) if body else obj

    return await commit(store, d, namespace, name, replace, ctx, subresource, expect=expect, uid=uid)


def _same_object(store: Store, d: Definition, namespace: str, name: str, uid: str) -> None:
    record = store.storage.newest(d.key(namespace, name))
    if record is not None:
        actual = orjson.loads(record.value)["metadata"].get("uid", "")
        if actual != uid:
            raise _uid_conflict(d, namespace, name, uid, actual)


async def _put_absent(
    store: Store, d: Definition, namespace: str, name: str, obj: Obj, ctx: WriteContext, subresource: str
) -> Outcome:
    """PUT of a name that is not there: creates where the kind allows it."""
    res = d.resource
    uid = obj["metadata"].get("uid")
    if d.strategy.create_on_update and uid:
        raise _uid_conflict(d, namespace, name, uid, "")
    if not d.strategy.create_on_update or subresource:
        raise errors.NotFound.of(res.group, res.name, name)
    return await create(store, d, namespace, obj, ctx, on_update=True)


def claimed_revision(meta: Obj) -> int:
    """The revision that an object says it is, 0 for none."""
    text = str(meta.get("resourceVersion", ""))
    if text and not (text.isdigit() and text.isascii()):
        raise internal(f"strconv.ParseUint: parsing {errors.go_quote(text)}: invalid syntax")
    number = int(text or 0)
    if number >= 1 << 64:
        raise internal(f"strconv.ParseUint: parsing {errors.go_quote(text)}: value out of range")
    return number


def _expected(d: Definition, name: str, meta: Obj) -> int | None:
    """The revision that an object names; None when it names none and the kind lets that pass."""
    number = claimed_revision(meta)
    if number:
        return number
    if d.strategy.unconditional_update:
        return None
    res = d.resource  # upstream has the resource stand in for the kind here
    raise errors.Invalid.of(res.group, res.name, name, [must_set_resource_version()])


def _uid_conflict(d: Definition, namespace: str, name: str, given: str, actual: str) -> errors.Conflict:
    res = d.resource
    key = keys.registry_key(res.group, res.name, namespace, name, d.custom)
    why = (
        f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
        f"Precondition failed: UID in precondition: {given}, UID in object meta: {actual}"
    )
    return errors.Conflict.of(res.group, res.name, name, why)


async def commit(
    store: Store,
    d: Definition,
    namespace: str,
    name: str,
    transform: Transform,
    ctx: WriteContext,
    subresource: str = "",
    *,
    expect: int | None = None,
    uid: str = "",
    own_managed: bool = False,
) -> Outcome:
    """Read, transform, check, write. `expect` is the revision that must still stand; without one a lost race
    is retried.

    `own_managed` says that the transform has set managedFields itself (server-side apply).
    """
    res = d.resource
    key = d.key(namespace, name)
    for _ in range(_RETRIES):
        record = store.storage.newest(key)
        if record is None:
            raise errors.NotFound.of(res.group, res.name, name)
        if d.conversion is not None:
            await d.conversion.prepare(d, (record,))
        stored = d.load(record)
        if uid and uid != stored["metadata"].get("uid"):
            raise _uid_conflict(d, namespace, name, uid, stored["metadata"].get("uid", ""))
        if expect is not None and expect != record.revision:
            raise errors.Conflict.of(res.group, res.name, name)
        try:
            outcome = await _round(store, d, record, stored, transform, ctx, subresource, own_managed)
        except RevisionConflict:
            ctx.give_back()
            if expect is not None:
                break
        except BaseException:
            ctx.give_back()
            raise
        else:
            if ctx.dry_run:
                ctx.give_back()
            return outcome
    raise errors.Conflict.of(res.group, res.name, name)


async def _round(
    store: Store,
    d: Definition,
    record: Record,
    old: Obj,
    transform: Transform,
    ctx: WriteContext,
    subresource: str,
    own_managed: bool,
) -> Outcome:
    res = d.resource
    if d.conversion is None:
        new = _changed(store, d, record, transform, ctx, subresource, own_managed)
    else:
        from wherry.store.conversion import converging

        new = await converging(d, ctx, lambda: _changed(store, d, record, transform, ctx, subresource, own_managed))
    new = d.to_storage(new)
    name = record.key.rsplit("/", 1)[-1]
    if _expected(d, name, new["metadata"]) not in (None, record.revision):
        raise errors.Conflict.of(res.group, res.name, name)
    new["metadata"]["resourceVersion"] = str(record.revision)
    if ctx.mutate is not None:
        await ctx.mutate("UPDATE", new, old)
    single_owners(new["metadata"], ctx.warnings, admitted=True)
    _before_update(d, new, old, subresource, store.now(), ctx)
    if ctx.validate is not None:
        await ctx.validate("UPDATE", new, old)
    if _finished_deleting(new, old):
        return await _delete_now(store, d, record, old, new, ctx)
    kept = new if d.conversion is None else await d.conversion.stored(new)
    if _unchanged(old, new):
        if not store.storage.stale(record) and (d.refresh is None or _unchanged(orjson.loads(record.value), kept)):
            return Outcome(d.view(record), 200, d.load(record))
        _keep_times(old, kept)
    if ctx.dry_run:
        shown = d.from_storage(new) if d.conversion is None else await d.conversion.shown(new)
        return Outcome(orjson.dumps(shown), 200, new)
    written = await store.storage.put(record.key, encoder(kept, d.most_bytes), expect=record.revision)
    d.fresh(written)
    if d.conversion is not None:
        await d.conversion.prepare(d, (written,))
    return Outcome(d.view(written), 200, new)


def _changed(
    store: Store,
    d: Definition,
    record: Record,
    transform: Transform,
    ctx: WriteContext,
    subresource: str,
    own_managed: bool,
) -> Obj:
    """The new object in the request's version, with its managedFields."""
    live = d.read(record)
    new = transform(live)
    if not own_managed:
        before = live if new is not live else d.read(record)
        entries = managed.update(
            before,
            new,
            ctx.manager,
            d.resource.api_version,
            store.now(),
            d.node(),
            d.reset(subresource),
            subresource,
            ctx.convert or d.convert,
        )
        set_managed(new["metadata"], entries)
    return new


def _keep_times(old: Obj, kept: Obj) -> None:
    """A write that only brings an object to the schema or version of now is nobody's change: times stay."""
    if "managedFields" in old["metadata"] and "managedFields" in kept["metadata"]:
        kept["metadata"]["managedFields"] = old["metadata"]["managedFields"]


def _before_update(d: Definition, new: Obj, old: Obj, subresource: str, now: str, ctx: WriteContext) -> None:
    strategy, res = d.strategy, d.resource
    keep_system_fields(new, old)
    found: list[FieldError]
    prepare, validate = strategy.updates.get(subresource, ("", ""))
    if prepare:
        getattr(strategy, prepare)(new, old)
    elif not subresource:
        strategy.prepare_update(new, old)
    strategy.stamp_update(new, old, now, subresource)
    # /status never moves the generation; the others (resize, ephemeralcontainers) do when they change the spec
    if strategy.has_generation and subresource != "status" and strategy.spec_changed(new, old):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    found = []
    if not _same_metadata(new["metadata"], old["metadata"]):
        found = validate_any_update(
            new["metadata"],
            old["metadata"],
            res.namespaced,
            standard_finalizers=strategy.standard_finalizers,
            again=strategy.meta_again,
        )
    if validate:
        found = [*found, *getattr(strategy, validate)(new, old)]
    elif not subresource:  # a binding has been judged by its endpoint
        found = [*found, *strategy.validate_update(new, old)]
    if found:
        raise errors.Invalid.of(d.error_group, res.kind, new["metadata"].get("name", ""), found)
    if not subresource:
        ctx.warnings.extend(strategy.warnings_update(new, old))
    elif subresource == "status":
        ctx.warnings.extend(strategy.warnings_status_update(new, old))
    strategy.canonicalize(new)


_OURS = {"managedFields": None, "generation": None}


def _same_metadata(new: Obj, old: Obj) -> bool:
    """Whether a writer left metadata as it was: what was stored has been judged before, and the rest is ours."""
    return {**new, **_OURS} == {**old, **_OURS}


def _unchanged(old: Obj, new: Obj) -> bool:
    """Whether storing would change nothing but times in managedFields: then there is no new revision and no event."""
    if old == new:
        return equal(old, new)  # Python holds true and 1 for the same
    o, n = old["metadata"], new["metadata"]
    ours, theirs = n.get("managedFields"), o.get("managedFields")
    if ours == theirs or not ours or not theirs or len(ours) != len(theirs):
        return False
    if any({**a, "time": ""} != {**b, "time": ""} for a, b in zip(ours, theirs, strict=True)):
        return False
    return {**old, "metadata": {**o, "managedFields": ours}} == new


def _finished_deleting(new: Obj, old: Obj) -> bool:
    """The last finalizer of a dying object has gone with this write, and no grace is left (deleteWithoutFinalizers)."""
    meta = new["metadata"]
    if "deletionTimestamp" not in meta or meta.get("finalizers") or meta.get("deletionGracePeriodSeconds", 0):
        return False
    return not (isinstance(new.get("spec"), dict) and new["kind"] == "Namespace" and new["spec"].get("finalizers"))


async def _delete_now(store: Store, d: Definition, record: Record, old: Obj, new: Obj, ctx: WriteContext) -> Outcome:
    """The writer is answered with what it wrote; those who watch see the object go as it last stood in storage."""
    new["metadata"] = order_metadata(new["metadata"])
    answer = orjson.dumps(d.from_storage(new))
    if not ctx.dry_run:
        kept = old if d.conversion is None else await d.conversion.stored(old)
        await store.storage.delete(record.key, encoder(kept), expect=record.revision)
        await take_along(store, d, record.key)
    return Outcome(answer, 200, new)
