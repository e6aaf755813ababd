"""Subresources: status and scale of any kind, and those of pods, namespaces, service accounts and signing requests.

Those that write the same object go through the ordinary update with their own rules (`Strategy.updates`); those that
speak another kind have an entry in `_SPECIAL`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wherry import errors
from wherry.server import reads, writes
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.store import read as store_read

Endpoint = Callable[[Call], Awaitable[Response]]
_VERBS = {"GET": "get", "PUT": "update", "PATCH": "patch", "POST": "create", "DELETE": "delete"}
_BY_VERB: dict[str, Endpoint] = {"get": reads.get, "update": writes.update, "patch": writes.patch}
CONNECTS = frozenset(("exec", "attach", "portforward", "proxy"))  # admitted by the options in their URL
WITH_PATH = frozenset(("proxy",))  # what may be followed by a path of its own


def _special(name: str) -> Endpoint | None:
    if name == "scale":
        from wherry.server.scaling import scale

        return scale
    if name in ("binding", "eviction", "log", "exec", "attach", "portforward", "proxy"):
        from wherry.server import pods

        return pods.ENDPOINTS[name]
    if name == "token":
        from wherry.server import tokens

        return tokens.request
    return None


async def serve(call: Call) -> Response:
    """Raises NotFound for a subresource that the kind does not have, MethodNotAllowed for a verb that it has not."""
    d, info = call.definition, call.info
    assert d is not None
    known = d.resource.subresources.get(info.subresource)
    if known is None:
        if d.custom:  # upstream's handler of custom resources has no route table and names what it was asked
            raise errors.NotFound.of(d.resource.group, d.resource.name, info.name)
        raise errors.NotFound.path()
    verb = _VERBS.get(call.request.method, "")
    special = _special(info.subresource)
    if verb not in known.verbs:
        if d.custom:
            res = d.resource
            text = f'{info.verb} is not supported on resources of kind "{errors.qualified(res.group, res.name)}"'
            raise errors.MethodNotAllowed(text, details=errors.resource_details(res.group, res.name))
        raise errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})
    if special is not None:
        if info.subresource in CONNECTS:
            from wherry.server.connecting import admit

            await admit(call)
        return await special(call)
    endpoint = _BY_VERB.get(verb)
    if endpoint is None:
        store_read.get(call.api.store, d, call.namespace, info.name)
        text = f"{d.resource.name}/{info.subresource} is not served here"
        raise errors.StatusError(text, reason="NotImplemented", code=501)
    return await endpoint(call)
