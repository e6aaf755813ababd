"""PATCH: which patch it is, what it makes of the live object, and what is refused
(k8s.io/apiserver/pkg/endpoints/handlers/patch.go)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.bodies import parse_yaml, strict_text
from wherry.machinery.kinds import Obj
from wherry.machinery.patch import json_patch, merge_patch, refusals, strategic
from wherry.server.handler import Call
from wherry.store import names
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
    if not d.custom:  # upstream's router refuses these before the handler sees them
        raise errors.UnsupportedMediaType("415: Unsupported Media Type", details={})
    listed = ", ".join(accepted)
    text = f"the body of the request was in an unknown format - accepted media types include: {listed}"
    raise errors.UnsupportedMediaType(text)


def document(body: bytes, kind: str) -> Any:
    """A patch as JSON has it, for audit; None where it cannot be read."""
    try:
        return parse_yaml(body)[0] if kind == APPLY else orjson.loads(body)
    except (ValueError, errors.StatusError):
        return None


async def run(call: Call, kind: str, ctx: WriteContext) -> Outcome:
    """Apply the body to the object of the URL."""
    d, info = call.definition, call.info
    assert d is not None
    if kind == APPLY:
        from wherry.server.applying import run as run_apply

        return await run_apply(call, ctx)
    transform = transformer(d, kind, call.request.body, ctx)
    namespace, name = call.namespace, info.name

    def change(live: Obj) -> Obj:
        patched = transform(live)
        names.match_namespace(d.resource, patched.setdefault("metadata", {}), namespace)
        names.match_name(patched["metadata"], name)
        return patched

    return await commit(call.api.store, d, namespace, name, change, ctx, info.subresource)


def transformer(d: Definition, kind: str, body: bytes, ctx: WriteContext) -> Callable[[Obj], Obj]:
    """live object -> patched object, both in the definition's version.

    The body is not looked at before there is an object: a patch of nothing is NotFound, whatever it says."""
    strict = ctx.field_validation != "Ignore"
    warned = False

    def checked(patched: Any, printed: Callable[[], str], doubled: list[str]) -> Obj:
        """The patched JSON as a canonical object, with what strict decoding says of it. Warns once, however often a
        lost race makes it start again. `printed` makes what a refusal shows."""
        nonlocal warned
        if kind != STRATEGIC:
            refusals.check_meta(patched, printed, custom=d.custom)
        try:
            if kind == STRATEGIC:
                obj, unknown = d.canonical(patched, ctx.field_validation)
            else:
                obj, unknown = d.patched(patched)
        except errors.BadRequest as bad:
            raise refusals.invalid_patch(printed(), bad.message) from None
        found = [*doubled, *unknown]
        if found and ctx.field_validation == "Strict":
            raise refusals.invalid_patch(printed(), strict_text(found))
        if found and strict and not warned:
            ctx.warnings.extend(found)
            warned = True
        return obj

    def apply(live: Obj) -> Obj:
        patch: Any
        if kind == STRATEGIC:
            patch, doubled = strategic.decode(body, strict)
            patched, rest = strategic.merge(live, patch, builtins.schema(d.schema), builtins.schema)
            left = refusals.go_format(rest)
            return checked(patched, lambda: left, doubled)
        module: Any = json_patch if kind == JSON_PATCH else merge_patch
        before = orjson.dumps(live)
        patch, doubled = module.decode(body, strict)

        def printed() -> str:
            """The patched document, from the start: decoding has used up the first one."""
            again, _ = module.decode(body, strict)
            return refusals.go_json(module.apply(_as_go_orders(d, before), again))

        return checked(module.apply(live, patch), printed, doubled)

    return apply


def _as_go_orders(d: Definition, document: bytes) -> Obj:
    """The live object with its members as upstream writes them: in the order of the struct, or sorted where the kind
    has none."""
    obj: Obj = orjson.loads(document)
    if not d.custom:
        return d.canonical(obj, "Ignore")[0]
    obj.update(orjson.loads(orjson.dumps(obj, option=orjson.OPT_SORT_KEYS)))
    return {key: obj[key] for key in sorted(obj)}
