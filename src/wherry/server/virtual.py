"""Kinds that are asked, not stored: access and token reviews (registry/authorization, registry/authentication)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson

from wherry import errors
from wherry.access.admission import user_info
from wherry.access.pending import settled
from wherry.access.user import Attributes, User
from wherry.machinery.fields import managed
from wherry.machinery.kinds import Obj, Resource
from wherry.server import answers, negotiate, reads, writes
from wherry.server.handler import Call
from wherry.server.http import Response
from wherry.store import names
from wherry.store.metadata import set_managed

if TYPE_CHECKING:
    from wherry.access.authorization.selectors import Selectors

Endpoint = Callable[[Call], Awaitable[Response]]
Fill = Callable[[Call, Obj], Awaitable[None]]


def find(res: Resource) -> Endpoint | None:
    """The endpoint of a virtual kind, None for stored ones."""
    return _ENDPOINTS.get((res.group, res.name))


def _endpoint(fill: Fill) -> Endpoint:
    async def answer(call: Call) -> Response:
        d = call.definition
        assert d is not None
        _check_path(call, d.resource)
        if call.info.verb != "create" or call.request.method != "POST":
            text = "the server does not allow this method on the requested resource"
            raise errors.MethodNotAllowed(text, details={})
        accept = call.request.header("accept")  # nothing says how these kinds look as a table
        form = negotiate.of(call.request, tables=False) if "as=Table" in accept else reads.form_of(call)
        media = writes.media_type(call)
        ctx = writes.context(call, "CreateOptions")
        obj, warnings = d.decode(call.request.body, media, ctx.field_validation)
        ctx.warnings.extend(warnings)
        if call.trail is not None:
            call.trail.request_object(obj)
        names.match_namespace(d.resource, obj.setdefault("metadata", {}), call.namespace)
        now, api_version = call.api.store.now(), d.resource.api_version
        entries = managed.create(obj, ctx.manager, api_version, now, d.node(), d.reset(""))
        set_managed(obj["metadata"], entries)
        await ctx.admit_mutating("CREATE", obj)
        found = d.strategy.validate_create(obj)
        if found:
            # upstream reads the kind off the decoded object, which has forgotten it
            raise errors.Invalid.of(d.resource.group, "", "", found)
        await ctx.admit_validating("CREATE", obj)
        await fill(call, obj)
        return answers.encoded(orjson.dumps(obj), form, 201, ctx.warnings)

    return answer


def _check_path(call: Call, res: Resource) -> None:
    """There is one path to create at, and nothing below it."""
    info = call.info
    if info.parts[1:] or f"/{info.version}/watch/" in info.path or (res.namespaced and not info.namespace):
        raise errors.NotFound.path()


async def _self_subject(call: Call, obj: Obj) -> None:
    obj["metadata"] = {"creationTimestamp": call.api.store.now()}  # made anew, as that of a rules review
    obj["status"] = {"userInfo": user_info(call.user)}


async def _decide(call: Call, user: User, spec: Obj) -> Obj:
    asked, chain = attributes(user, spec, call.info.workspace), call.api.chain
    status = await settled(lambda: chain.decide(asked))
    unread = asked.selectors.unread() if asked.selectors is not None else ""
    if unread:
        errors_ = [str(status["evaluationError"])] if "evaluationError" in status else []
        status["evaluationError"] = "; ".join((*errors_, unread))
    return status


def attributes(user: User, spec: Obj, workspace: str) -> Attributes:
    """What a review's spec asks."""
    res = spec.get("resourceAttributes")
    if res is not None:
        return Attributes(
            user,
            res.get("verb", ""),
            resource_request=True,
            group=res.get("group", ""),
            version=res.get("version") or "*",
            resource=res.get("resource", ""),
            subresource=res.get("subresource", ""),
            namespace=res.get("namespace", ""),
            name=res.get("name", ""),
            workspace=workspace,
            selectors=_selectors(res),
        )
    other = spec.get("nonResourceAttributes") or {}
    return Attributes(user, other.get("verb", ""), other.get("path", ""), workspace=workspace)


def _selectors(res: Obj) -> Selectors | None:
    if "fieldSelector" not in res and "labelSelector" not in res:
        return None
    from wherry.access.authorization.selectors import Selectors

    return Selectors(given=res)


async def _self_access(call: Call, obj: Obj) -> None:
    obj["status"] = await _decide(call, call.user, obj.get("spec") or {})


async def _subject_access(call: Call, obj: Obj) -> None:
    spec = obj.get("spec") or {}
    extra = {k: tuple(v) for k, v in (spec.get("extra") or {}).items()}
    user = User(spec.get("user", ""), spec.get("uid", ""), tuple(spec.get("groups") or ()), extra)
    obj["status"] = await _decide(call, user, spec)


async def _rules(call: Call, obj: Obj) -> None:
    namespace = (obj.get("spec") or {}).get("namespace", "")
    if not namespace:
        raise errors.BadRequest("no namespace on request")
    # the answer is made anew: nothing of what was sent comes back
    obj.update(metadata={}, spec={}, status=call.api.chain.rules(call.user, namespace, call.info.workspace))


async def _token(call: Call, obj: Obj) -> None:
    from wherry.server.tokens import review

    obj["status"] = await review(call, obj.get("spec") or {})


_AUTHN, _AUTHZ = "authentication.k8s.io", "authorization.k8s.io"
_ENDPOINTS: dict[tuple[str, str], Endpoint] = {
    (_AUTHN, "selfsubjectreviews"): _endpoint(_self_subject),
    (_AUTHN, "tokenreviews"): _endpoint(_token),
    (_AUTHZ, "selfsubjectaccessreviews"): _endpoint(_self_access),
    (_AUTHZ, "subjectaccessreviews"): _endpoint(_subject_access),
    (_AUTHZ, "localsubjectaccessreviews"): _endpoint(_subject_access),
    (_AUTHZ, "selfsubjectrulesreviews"): _endpoint(_rules),
}
