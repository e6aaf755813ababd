"""The endpoint of server-side apply (handlers/patch.go applyPatcher)."""

from __future__ import annotations

from wherry import errors
from wherry.machinery.bodies import parse_yaml
from wherry.machinery.kinds import Obj
from wherry.server.handler import Call
from wherry.store.apply import apply
from wherry.store.context import Outcome, WriteContext


async def run(call: Call, ctx: WriteContext) -> Outcome:
    """Apply the body to the object of the URL."""
    d, info = call.definition, call.info
    assert d is not None
    return await apply(call.api.store, d, call.namespace, info.name, parse(call, ctx), ctx, info.subresource)


def parse(call: Call, ctx: WriteContext) -> Obj:
    """The body is YAML, of which JSON is a part. Raises BadRequest for what is no object."""
    try:
        raw, duplicates = parse_yaml(call.request.body)
    except ValueError as bad:
        raise errors.BadRequest(f"error decoding YAML: {bad}") from None
    if not isinstance(raw, dict):
        raise errors.BadRequest("error decoding YAML: object expected")
    if duplicates:
        if ctx.field_validation == "Strict":
            raise errors.BadRequest("error strict decoding YAML: " + ", ".join(duplicates))
        if ctx.field_validation == "Warn":
            ctx.warnings.extend(duplicates)
    return raw
