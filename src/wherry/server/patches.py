"""PATCH: which patch it is, what it makes of the live object, and what is refused
(k8s.io/apiserver/pkg/endpoints/handlers/patch.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.kinds import Obj
from wherry.machinery.patch import json_patch, merge_patch, refusals, strategic
from wherry.server.handler import Call
from wherry.store.context import Outcome, WriteContext
from wherry.store.definition import Definition
from wherry.store.update import commit

JSON_PATCH = "application/json-patch+json"
MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
APPLY_CBOR = "application/apply-patch+cbor"
_BUILTIN = (JSON_PATCH, MERGE, STRATEGIC, APPLY)
_CUSTOM = (JSON_PATCH, MERGE, APPLY)


def media_type(call: Call) -> str:
    """The kind of patch. Strategic merge is for built-in kinds only: clients branch on the 415 (TRAPS 9)."""
    d = call.definition
    assert d is not None
    raw = call.request.header("content-type")
    media = raw.split(";", 1)[0].strip()
    accepted = _CUSTOM if d.custom else _BUILTIN
    if media in accepted:
        return media
    if not media or not media.startswith("application/") or media not in _BUILTIN:
        raise errors.UnsupportedMediaType("415: Unsupported Media Type", details={})
    listed = ", ".join(accepted)
    text = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    raise errors.UnsupportedMediaType(text)


async def run(call: Call, kind: str, ctx: WriteContext) -> Outcome:
    """Apply the body to the object of the URL."""
    d, info = call.definition, call.info
    assert d is not None
    if kind == APPLY:
        from wherry.server.applying import run as run_apply

        return await run_apply(call, ctx)
    transform = transformer(d, kind, call.request.body, ctx)
    return await commit(call.api.store, d, call.namespace, info.name, transform, ctx, info.subresource)


def transformer(d: Definition, kind: str, body: bytes, ctx: WriteContext) -> Callable[[Obj], Obj]:
    """live object -> patched object, both in the definition's version."""
    strict = ctx.field_validation == "Strict"
    patch: Any
    if kind == JSON_PATCH:
        patch, doubled = json_patch.decode(body, strict or ctx.field_validation == "Warn")
    elif kind == MERGE:
        patch, doubled = merge_patch.decode(body, strict or ctx.field_validation == "Warn")
    else:
        patch, doubled = strategic.decode(body, strict or ctx.field_validation == "Warn")

    def apply(live: Obj) -> Obj:
        if kind == JSON_PATCH:
            patched = json_patch.apply(live, patch)
        elif kind == MERGE:
            patched = merge_patch.apply(live, patch)
        else:
            patched = strategic.apply(live, patch, builtins.schema(d.schema), builtins.schema)
        return _checked(d, kind, patched, patch, doubled, ctx)

    return apply


def _checked(d: Definition, kind: str, patched: Any, patch: Any, doubled: list[str], ctx: WriteContext) -> Obj:
    """The patched JSON as a canonical object, with what strict decoding says of it."""
    printed = refusals.go_json(patched) if kind != STRATEGIC else refusals.go_format(patch)
    try:
        obj, unknown = d.canonical(patched, ctx.field_validation)
    except errors.BadRequest as bad:
        raise refusals.invalid_patch(printed, bad.message) from None
    found = [*doubled, *unknown]
    if found and ctx.field_validation == "Strict":
        raise refusals.invalid_patch(printed, "strict decoding error: " + ", ".join(found))
    if ctx.field_validation == "Warn":
        ctx.warnings.extend(found)
    return obj
