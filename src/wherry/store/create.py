"""Create: the one way by which an object comes into being (registry.Store.Create, rest.BeforeCreate)."""

from __future__ import annotations

import orjson

from wherry import errors
from wherry.machinery.builtin.common.meta import validate_object_meta
from wherry.machinery.fields import managed
from wherry.machinery.kinds import Obj
from wherry.storage.api import Record, RevisionConflict
from wherry.store import names
from wherry.store.context import Outcome, WriteContext
from wherry.store.definition import Definition
from wherry.store.metadata import (
    GENERATE_ATTEMPTS,
    fill_system_fields,
    generate_name,
    set_managed,
    single_owners,
    wipe_system_fields,
)
from wherry.store.store import Store, encoder


async def create(
    store: Store,
    d: Definition,
    namespace: str,
    obj: Obj,
    ctx: WriteContext,
    *,
    own_managed: bool = False,
    on_update: bool = False,
) -> Outcome:
    """Store a new object given in the definition's version; it belongs to the store from here on.

    `own_managed`: the object brings its managedFields (server-side apply). `on_update`: it is the outcome of an update,
    so a resourceVersion says nothing. Raises AlreadyExists, Invalid, Forbidden, BadRequest, NotFound (of the
    namespace), and what admission raises.
    """
    res = d.resource
    meta = obj.get("metadata")
    if not isinstance(meta, dict):
        meta = obj["metadata"] = {}
    names.match_namespace(res, meta, namespace)
    if not own_managed:
        single_owners(meta, ctx.warnings)
        wipe_system_fields(meta)
    now = store.now()
    if not own_managed:
        set_managed(meta, managed.create(obj, ctx.manager, res.api_version, now, d.node(), d.reset("")))
    obj = d.to_storage(obj)
    if d.terminating:
        raise _too_late(d, meta.get("name", ""))
    try:
        if ctx.mutate is not None:
            await ctx.mutate("CREATE", obj, None)
        meta = obj["metadata"]
        single_owners(meta, ctx.warnings, admitted=True)
        generated = bool(meta.get("generateName")) and not meta.get("name")
        if generated:  # after mutating admission, which may name the object itself
            meta["name"] = generate_name(meta["generateName"])
        _before_create(d, obj, namespace, now, ctx)
        if ctx.validate is not None:
            await ctx.validate("CREATE", obj, None)
        if not ctx.dry_run and not on_update:  # the storage's matter, thus after all other refusals
            names.require_no_revision(obj["metadata"])
        outcome = await _store(store, d, namespace, obj, ctx, generated)
    except BaseException:
        ctx.give_back()
        raise
    if ctx.dry_run:
        ctx.give_back()
    return outcome


def _too_late(d: Definition, name: str) -> errors.Forbidden:
    """The definition of the kind is being deleted and waits for its objects to go."""
    res = d.resource
    what = f'{errors.qualified(res.group, res.name)} "{name}"' if name else errors.qualified(res.group, res.name)
    text = f"{what} is forbidden: create not allowed while custom resource definition is terminating"
    return errors.Forbidden(text, details=errors.resource_details(res.group, res.name, name))


def _before_create(d: Definition, obj: Obj, namespace: str, now: str, ctx: WriteContext) -> None:
    strategy, res = d.strategy, d.resource
    fill_system_fields(obj, res, namespace, now)
    if strategy.has_generation:
        obj["metadata"]["generation"] = 1
    if strategy.names_itself and not obj["metadata"].get("name"):
        obj["metadata"]["name"] = obj["metadata"]["uid"]
    strategy.prepare_create(obj)
    strategy.stamp_create(obj, now, ctx.user)
    found = _invalid(d, obj)
    if found:
        raise errors.Invalid.of(d.error_group, res.kind, obj["metadata"].get("name", ""), found)
    ctx.warnings.extend(strategy.warnings_create(obj))
    strategy.canonicalize(obj)


def _invalid(d: Definition, obj: Obj) -> list[errors.FieldError]:
    """Metadata and the rest, in the order in which the kind's upstream code looks at them."""
    strategy = d.strategy
    found = [] if strategy.meta_first else strategy.validate_create(obj)
    if not found:
        found = validate_object_meta(
            obj["metadata"],
            d.resource.namespaced,
            strategy.validate_name,
            standard_finalizers=strategy.standard_finalizers,
        )
        if strategy.meta_first:
            found = strategy.validate_after(found, obj)
    return found


async def _store(store: Store, d: Definition, namespace: str, obj: Obj, ctx: WriteContext, generated: bool) -> Outcome:
    attempts = GENERATE_ATTEMPTS if generated else 1
    while True:
        name = obj["metadata"]["name"]
        key = d.key(namespace, name)
        attempts -= 1
        try:
            if ctx.dry_run:
                if (standing := store.storage.newest(key)) is not None:
                    raise RevisionConflict(key, standing)
                if d.refresh is not None:
                    d.refresh(obj)
                shown = d.from_storage(obj) if d.conversion is None else await d.conversion.shown(obj)
                return Outcome(orjson.dumps(shown), 201, obj)
            kept = obj if d.conversion is None else await d.conversion.stored(obj)
            record = await store.storage.put(key, encoder(kept, d.most_bytes), expect=0)
        except RevisionConflict as clash:
            if attempts:  # another random name, as upstream's retry
                obj["metadata"]["name"] = generate_name(obj["metadata"]["generateName"])
                continue
            raise _exists(d, obj, clash.current) from None
        d.fresh(record)
        if d.conversion is not None:
            await d.conversion.prepare(d, (record,))
        return Outcome(d.view(record), 201, obj)


def _exists(d: Definition, obj: Obj, current: Record | None) -> errors.StatusError:
    res = d.resource
    error = errors.AlreadyExists.of(res.group, res.name, obj["metadata"]["name"])
    if current is not None and b'"deletionTimestamp":' in current.value:
        error.message = f"object is being deleted: {error.message}"
    if obj["metadata"].get("generateName"):
        error.message += ", the server was not able to generate a unique name for the object"
        assert error.details is not None
        error.details["retryAfterSeconds"] = 1
    return error
