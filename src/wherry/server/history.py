"""`/history?resource=R&namespace=NS&name=N`: the changes of one object, a JSON object a line, the newest first.
`/history?at=TIME`: the revision that the workspace had then (`workspaces/history`).

Who may `get` an object may know who changed it; the revision of a moment tells no more than a list does.
"""

from __future__ import annotations

from datetime import UTC, datetime

import orjson

from wherry import errors
from wherry.access.pending import settled
from wherry.access.user import Attributes
from wherry.server import answers
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.store.definition import Definition
from wherry.workspaces.history import TooOld, history, revision_at

_HEADERS = [("Content-Type", "application/json;stream=lines")]


async def serve(call: Call) -> Response:
    """Raises BadRequest, Forbidden, NotFound, Expired."""
    info, space = call.info, call.api.store.storage
    if info.verb != "get":
        raise errors.MethodNotAllowed("a history can only be read", details={})
    if text := info.first("at"):
        try:
            revision = revision_at(space, moment(text))
        except TooOld as gone:
            raise errors.Expired(str(gone)) from None
        return Response(200, answers.JSON_HEADERS, orjson.dumps({"revision": str(revision)}) + b"\n")
    d, name, namespace = _definition(call), info.first("name"), info.first("namespace")
    if not name:
        raise errors.BadRequest("name an object: ?resource=configmaps&namespace=default&name=prices")
    res = d.resource
    asked = Attributes(call.user, "get", "", True, res.group, res.version, res.name, "", namespace, name)
    decision = await settled(lambda: call.api.chain.ask(asked))
    if not decision.allowed:
        raise errors.Forbidden(
            f"{errors.qualified(res.group, res.name)} {errors.go_quote(name)} is forbidden: no right to get it"
        )
    key = d.prefix + (f"{namespace}/{name}" if res.namespaced else name)
    lines = [orjson.dumps(each) for each in history(space, key, secrets=info.first("secrets") == "true")]
    if not lines:
        raise errors.NotFound.of(res.group, res.name, name)
    return Response(200, list(_HEADERS), b"\n".join(lines) + b"\n")


def moment(text: str) -> datetime:
    """A time as RFC 3339 has it. Raises BadRequest."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise errors.BadRequest(f"{text!r} is no time; write 2026-11-25T15:04:05Z") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _definition(call: Call) -> Definition:
    asked = call.info.first("resource")
    resource, _, group = asked.partition(".")
    for res in call.api.registry.resources("root"):
        if (res.name, res.group) == (resource, group):
            found = call.api.registry.find("root", res.group, res.version, res.name)
            if found is not None:
                return found
    raise errors.BadRequest(f"?resource={asked}: there is no such resource; write deployments.apps")
