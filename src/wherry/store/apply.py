"""Server-side apply: a PATCH that declares fields, creating the object where it is absent."""

from __future__ import annotations

from wherry import errors
from wherry.machinery.fields.apply import Kind, conversion_error
from wherry.machinery.fields.apply import apply as apply_fields
from wherry.machinery.kinds import Obj
from wherry.store import names
from wherry.store.context import Outcome, WriteContext
from wherry.store.create import create
from wherry.store.definition import Definition
from wherry.store.metadata import set_managed
from wherry.store.store import Store
from wherry.store.update import commit


async def apply(
    store: Store, d: Definition, namespace: str, name: str, patch: Obj, ctx: WriteContext, subresource: str = ""
) -> Outcome:
    """`patch` is the parsed body. Raises Conflict with one cause per field that others own, Invalid, BadRequest."""
    meta = patch.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    if meta.get("managedFields"):
        raise errors.BadRequest("metadata.managedFields must be nil")
    names.match_name(meta, name)
    if store.storage.newest(d.key(namespace, name)) is None:
        return await _create(store, d, namespace, name, patch, ctx, subresource)
    uid = meta.get("uid") or ""

    def transform(live: Obj) -> Obj:
        return merged(store, d, live, patch, ctx, subresource)

    return await commit(store, d, namespace, name, transform, ctx, subresource, uid=uid, own_managed=True)


async def _create(
    store: Store, d: Definition, namespace: str, name: str, patch: Obj, ctx: WriteContext, subresource: str
) -> Outcome:
    res = d.resource
    if subresource:
        raise errors.NotFound.of(res.group, res.name, name)
    meta = patch.get("metadata") or {}
    if meta.get("uid"):
        why = "uid mismatch: the provided object specified uid {}, and no existing object was found"
        raise errors.Conflict.of(res.group, res.name, name, why.format(meta["uid"]))
    obj = merged(store, d, None, patch, ctx, subresource)
    return await create(store, d, namespace, obj, ctx, own_managed=True)


def merged(store: Store, d: Definition, live: Obj | None, patch: Obj, ctx: WriteContext, subresource: str) -> Obj:
    """The object after the apply, in the definition's version, with its managedFields."""
    res = d.resource
    kind = Kind(res.group, res.version, res.kind)
    base = live
    if live is None:
        base = {"kind": res.kind, "apiVersion": res.api_version, "metadata": {}}
        base, _ = d.canonical(base, "Ignore")
    applied = apply_fields(
        base, patch, ctx.manager, ctx.force, kind, store.now(), d.node(), d.reset(subresource), subresource
    )
    try:
        obj, unknown = d.canonical(applied.obj, ctx.field_validation)
    except errors.BadRequest as bad:
        raise conversion_error(patch, kind, bad.message) from None
    if unknown and ctx.field_validation == "Strict":
        raise errors.BadRequest("strict decoding error: " + ", ".join(unknown))
    if ctx.field_validation == "Warn":
        ctx.warnings.extend(unknown)
    obj.setdefault("metadata", {})
    set_managed(obj["metadata"], applied.managed_fields)
    return obj
