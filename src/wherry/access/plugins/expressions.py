"""What expressions of webhooks and policies see of a request (apiserver/pkg/admission/plugin/cel)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from wherry.access.admission import CONNECT, CREATE, DELETE, Ask, user_info
from wherry.access.plugins.matching import kind_of, request_namespace
from wherry.access.user import Attributes, Decision, User
from wherry.machinery.kinds import Obj
from wherry.store.definition import Definition

if TYPE_CHECKING:
    from wherry.access.authorization.selectors import Selectors
    from wherry.machinery.cel.library.authz import Authorizer, Request

Decide = Callable[[Attributes], Decision]
_OPTIONS = {CREATE: "CreateOptions", DELETE: "DeleteOptions"}


def request_document(ask: Ask, matched: Definition) -> Obj:
    """An AdmissionRequest without its objects: as what it matched, and as what it was sent."""
    res, own = matched.resource, ask.definition.resource
    request: Obj = {
        "kind": kind_of(matched, ask.subresource)._asdict(),
        "resource": {"group": res.group, "version": res.version, "resource": res.name},
    }
    if ask.subresource:
        request["subResource"] = ask.subresource
    request["requestKind"] = kind_of(ask.definition, ask.subresource)._asdict()
    request["requestResource"] = {"group": own.group, "version": own.version, "resource": own.name}
    if ask.subresource:
        request["requestSubResource"] = ask.subresource
    if ask.name:
        request["name"] = ask.name
    namespace = request_namespace(ask)
    if namespace:
        request["namespace"] = namespace
    request.update(operation=ask.operation, userInfo=user_info(ask.user), dryRun=ask.dry_run, options=_options(ask))
    return request


def _options(ask: Ask) -> Obj | None:
    if ask.operation == CONNECT:
        return None
    kind = _OPTIONS.get(ask.operation, "UpdateOptions")
    given = {key: value for key, value in ask.ctx.options.items() if key not in ("kind", "apiVersion")}
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1", **given}


def authorizer(ask: Ask, answer: Decide | None) -> Authorizer:
    """The authorizer of expressions: what the caller of the request may do, or a service account."""
    from wherry.machinery.cel.library.authz import Authorizer

    if answer is None:
        return Authorizer(lambda request: (False, "", "no authorizer"))

    def decide(asked: Request) -> tuple[bool, str, str]:
        decision = answer(_attributes(ask, asked))
        return decision.allowed, decision.reason, decision.error

    return Authorizer(decide)


def _attributes(ask: Ask, asked: Request) -> Attributes:
    user = ask.user
    if asked.service_account is not None:
        namespace, name = asked.service_account
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
        user = User(f"system:serviceaccount:{namespace}:{name}", groups=groups)
    workspace = ask.definition.workspace
    if asked.path is not None:
        return Attributes(user, asked.verb, asked.path, workspace=workspace)
    return Attributes(
        user,
        asked.verb,
        resource_request=True,
        group=asked.group,
        version="*",
        resource=asked.resource,
        subresource=asked.subresource,
        namespace=asked.namespace,
        name=asked.name,
        workspace=workspace,
        selectors=_selectors(asked),
    )


def _selectors(asked: Request) -> Selectors | None:
    if not asked.field_selector and not asked.label_selector:
        return None
    from wherry.access.authorization.selectors import Selectors

    return Selectors(asked.field_selector, asked.label_selector)
