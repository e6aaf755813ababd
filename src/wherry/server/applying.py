"""The endpoint of server-side apply (handlers/patch.go applyPatcher)."""

from __future__ import annotations

from collections.abc import Callable

from wherry import errors
from wherry.machinery.bodies import parse_apply, strict_warnings
from wherry.machinery.kinds import Obj
from wherry.server.handler import Call
from wherry.store.apply import apply
from wherry.store.context import Outcome, WriteContext


async def run(call: Call, ctx: WriteContext) -> Outcome:
    """Apply the body to the object of the URL."""
    d, info = call.definition, call.info
    assert d is not None
    patch, report = parse(call, ctx)
    return await apply(call.api.store, d, call.namespace, info.name, patch, ctx, info.subresource, report)


def parse(call: Call, ctx: WriteContext) -> tuple[Obj, Callable[[], None]]:
    """The body, which is YAML, and what to call once the apply has gone well: it says what strict decoding found.

    Raises BadRequest for what is no object; the second part raises it too, where it is asked to."""
    patch, problems = parse_apply(call.request.body)

    def report() -> None:
        if not problems or ctx.field_validation == "Ignore":
            return
        if ctx.field_validation == "Strict":
            raise errors.BadRequest("error strict decoding YAML: " + ", ".join(problems))
        ctx.warnings.extend(strict_warnings(problems))
        problems.clear()  # once, however often a lost race makes the apply start again

    return patch, report
