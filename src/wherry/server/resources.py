"""Routing of resource requests: which endpoint answers, and the refusals that come before any of them.

Mirrors what go-restful's route table does in kube-apiserver (k8s.io/apiserver/pkg/endpoints/installer.go): unknown
path 404, known path with another method 405.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from wherry import errors
from wherry.machinery import builtins
from wherry.machinery.kinds import Resource
from wherry.server import answers, reads, subresources, virtual, writes
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.server.requestinfo import RequestInfo

Endpoint = Callable[[Call], Awaitable[Response]]

_BY_VERB: dict[str, Endpoint] = {
    "get": reads.get,
    "list": reads.list_,
    "watch": reads.watch,
    "create": writes.create,
    "update": writes.update,
    "patch": writes.patch,
    "delete": writes.delete,
    "deletecollection": writes.delete_collection,
}

NO_PAGE = "404 page not found\n"
_COLLECTION = frozenset(("list", "create", "deletecollection"))


def method_not_allowed() -> errors.MethodNotAllowed:
    return errors.MethodNotAllowed("the server does not allow this method on the requested resource", details={})


async def serve(call: Call) -> Response:
    """Answer a resource request. Raises NotFound, MethodNotAllowed, BadRequest and what the endpoint raises."""
    info = call.info
    d = call.api.registry.find(info.workspace, info.group, info.version, info.resource)
    if d is None:
        if info.group and info.group not in builtins.groups():
            return answers.text(404, NO_PAGE)  # no route table below such a path: the last handler of all answers
        raise errors.NotFound.path()
    call.definition = d
    res = d.resource
    _check_path(call, res)
    if d.custom and d.deprecation:  # whatever becomes of the request, also at subresources
        call.warnings.append(d.deprecation)
    if info.subresource:
        return await subresources.serve(call)
    special = virtual.find(res)
    if special is not None:
        return await special(call)
    if not info.verb or call.request.method == "HEAD":
        raise method_not_allowed()
    named = bool(info.parts[1:2])
    if named is (info.verb in _COLLECTION) and info.verb != "watch":
        raise method_not_allowed()
    if info.verb == "watch" and info.parts and _old_watch_path(info) and call.request.method != "GET":
        raise method_not_allowed()
    if not _served(info, res):
        raise method_not_allowed()
    if d.deprecation and not d.custom:
        call.warnings.append(d.deprecation)
    return await _BY_VERB[info.verb](call)


def _old_watch_path(info: RequestInfo) -> bool:
    return f"/{info.version}/watch/" in info.path


def _check_path(call: Call, res: Resource) -> None:
    """Shapes that name nothing."""
    info = call.info
    if "//" in info.path.rstrip("/"):
        if info.path.count("//") == 1 and f"/namespaces//{info.resource}" in info.path and info.name:
            raise errors.BadRequest("Namespace parameter required.")
        raise errors.NotFound.path()
    if len(info.parts) > 2 and _old_watch_path(info):
        raise errors.NotFound.path()
    if len(info.parts) > 3 and info.subresource not in subresources.WITH_PATH:
        raise errors.NotFound.path()
    if info.resource != "namespaces":
        if info.namespace and not res.namespaced:
            raise errors.NotFound.path()
        if res.namespaced and not info.namespace and (info.parts[1:2] or "list" not in res.verbs):
            raise errors.NotFound.path()
    if info.name in (".", ".."):
        if "%" not in call.request.raw_path:  # Go's router takes plain dots for a path that is not clean
            raise errors.NotFound.path()
        raise errors.BadRequest(f"Name parameter invalid: \"{info.name}\": may not be '{info.name}'")
    if "%" in info.name:
        raise errors.BadRequest(f"Name parameter invalid: {errors.go_quote(info.name)}: may not contain '%'")


def _served(info: RequestInfo, res: Resource) -> bool:
    """Whether the resource has the verb, and the path the shape for it."""
    if info.verb not in res.verbs:
        return False
    everywhere = res.namespaced and not info.namespace
    return not (everywhere and info.verb in ("create", "deletecollection"))
