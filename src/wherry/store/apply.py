"""Server-side apply: a PATCH that declares fields, creating the object where it is absent."""

from __future__ import annotations

from collections.abc import Callable

from wherry import errors
from wherry.machinery.fields.apply import apply as apply_fields
from wherry.machinery.fields.apply import conversion_error
from wherry.machinery.kinds import GroupVersionKind, Obj
from wherry.store import names
from wherry.store.context import Outcome, WriteContext
from wherry.store.create import create
from wherry.store.definition import Definition
from wherry.store.metadata import set_managed
from wherry.store.store import Store
from wherry.store.update import claimed_revision, commit


def _silent() -> None:
    pass


async def apply(
    store: Store,
    d: Definition,
    namespace: str,
    name: str,
    patch: Obj,
    ctx: WriteContext,
    subresource: str = "",
    report: Callable[[], None] = _silent,
) -> Outcome:
    """`patch` is the parsed body; `report` is called once the fields are merged and may raise BadRequest.

    Raises Conflict with one cause per field that others own, Invalid, BadRequest."""
    if store.storage.newest(d.key(namespace, name)) is None:
        return await _create(store, d, namespace, name, patch, ctx, subresource, report)

    def transform(live: Obj) -> Obj:
        obj = merged(store, d, live, patch, ctx, subresource)
        report()
        names.match_namespace(d.resource, obj["metadata"], namespace)
        names.match_name(obj["metadata"], name)
        return obj

    return await commit(store, d, namespace, name, transform, ctx, subresource, own_managed=True)


async def _create(
    store: Store,
    d: Definition,
    namespace: str,
    name: str,
    patch: Obj,
    ctx: WriteContext,
    subresource: str,
    report: Callable[[], None],
) -> Outcome:
    res = d.resource
    if subresource:
        raise errors.NotFound.of(res.group, res.name, name)
    obj = merged(store, d, None, patch, ctx, subresource)
    report()
    meta = obj["metadata"]
    if uid := meta.get("uid"):
        why = f"uid mismatch: the provided object specified uid {uid}, and no existing object was found"
        raise errors.Conflict.of(res.group, res.name, name, why)
    names.match_namespace(res, meta, namespace)
    names.match_name(meta, name)
    claimed_revision(meta)
    return await create(store, d, namespace, obj, ctx, own_managed=True, on_update=True)


def merged(store: Store, d: Definition, live: Obj | None, patch: Obj, ctx: WriteContext, subresource: str) -> Obj:
    """The object after the apply, in the definition's version, with its managedFields."""
    res = d.resource
    kind = GroupVersionKind(res.group, res.version, res.kind)
    base = live
    if live is None:
        base = {"kind": res.kind, "apiVersion": res.api_version, "metadata": {}}
        base, _ = d.canonical(base, "Ignore")
    applied = apply_fields(
        base,
        patch,
        ctx.manager,
        ctx.force,
        kind,
        store.now(),
        d.node(),
        d.reset(subresource),
        subresource,
        ctx.convert or d.convert,
    )
    try:
        obj, _ = (d.applied or d.canonical)(applied.obj, ctx.field_validation)
    except errors.BadRequest as bad:
        raise conversion_error(patch, kind, bad.message) from None
    obj.setdefault("metadata", {})
    set_managed(obj["metadata"], applied.managed_fields)
    return obj
