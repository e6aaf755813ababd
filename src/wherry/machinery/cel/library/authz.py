"""`authorizer`: asks whether someone may do something. The answer comes from an injected function, so that this stays
pure: `Decide(request) -> (allowed, reason, error)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from wherry.machinery.cel import types as t
from wherry.machinery.cel.registry import Library
from wherry.machinery.cel.values import Named

AUTHZ = Library("kubernetes.authz")
_P = "kubernetes.authorization."
AUTHORIZER, PATH, GROUP, RESOURCE, DECISION = (
    t.struct(_P + name) for name in ("Authorizer", "PathCheck", "GroupCheck", "ResourceCheck", "Decision")
)
for _type in (AUTHORIZER, PATH, GROUP, RESOURCE, DECISION):
    AUTHZ.type(_type)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked: a resource, or a path when `path` is set; for a `service_account` or for the caller."""

    verb: str = ""
    path: str | None = None
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    field_selector: str = ""
    label_selector: str = ""
    service_account: tuple[str, str] | None = None


Decide = Callable[[Request], tuple[bool, str, str]]


class Authorizer(Named):
    __slots__ = ("decide", "request")
    cel_type: ClassVar[t.Type] = AUTHORIZER

    def __init__(self, decide: Decide, request: Request | None = None):
        self.decide, self.request = decide, request or Request()

    def key(self) -> Any:
        return type(self).__name__, self.request

    def changed(self, **fields: Any) -> Any:
        return type(self)(self.decide, replace(self.request, **fields))


class PathCheck(Authorizer):
    __slots__ = ()
    cel_type: ClassVar[t.Type] = PATH


class GroupCheck(Authorizer):
    __slots__ = ()
    cel_type: ClassVar[t.Type] = GROUP


class ResourceCheck(Authorizer):
    __slots__ = ()
    cel_type: ClassVar[t.Type] = RESOURCE


class Decision(Named):
    __slots__ = ("allowed", "error", "reason")
    cel_type: ClassVar[t.Type] = DECISION

    def __init__(self, allowed: bool, reason: str, error: str):
        self.allowed, self.reason, self.error = allowed, reason, error

    def key(self) -> Any:
        return self.allowed, self.reason, self.error


def _into(kind: type[Authorizer], asked: Authorizer, **fields: Any) -> Authorizer:
    return kind(asked.decide, replace(asked.request, **fields))


def _check(asked: Authorizer, verb: str) -> Decision:
    return Decision(*asked.decide(replace(asked.request, verb=verb)))


_S = t.STRING


def _member(name: str, id_: str, args: list[t.Type], result: t.Type, impl: Callable[..., Any]) -> None:
    AUTHZ.add(name, id_, args, result, impl, member=True)


_member("path", "authorizer_path", [AUTHORIZER, _S], PATH, lambda a, p: _into(PathCheck, a, path=p))
_member("group", "authorizer_group", [AUTHORIZER, _S], GROUP, lambda a, g: _into(GroupCheck, a, group=g))
_member(
    "serviceAccount",
    "authorizer_serviceaccount",
    [AUTHORIZER, _S, _S],
    AUTHORIZER,
    lambda a, ns, name: _into(Authorizer, a, service_account=(ns, name)),
)
_member("resource", "groupcheck_resource", [GROUP, _S], RESOURCE, lambda a, r: _into(ResourceCheck, a, resource=r))
_member("subresource", "resourcecheck_subresource", [RESOURCE, _S], RESOURCE, lambda a, s: a.changed(subresource=s))
_member("namespace", "resourcecheck_namespace", [RESOURCE, _S], RESOURCE, lambda a, n: a.changed(namespace=n))
_member("name", "resourcecheck_name", [RESOURCE, _S], RESOURCE, lambda a, n: a.changed(name=n))
_member("fieldSelector", "authorizer_fieldselector", [RESOURCE, _S], RESOURCE, lambda a, s: a.changed(field_selector=s))
_member("labelSelector", "authorizer_labelselector", [RESOURCE, _S], RESOURCE, lambda a, s: a.changed(label_selector=s))
_member("check", "pathcheck_check", [PATH, _S], DECISION, _check)
_member("check", "resourcecheck_check", [RESOURCE, _S], DECISION, _check)
_member("errored", "decision_errored", [DECISION], t.BOOL, lambda d: bool(d.error))
_member("error", "decision_error", [DECISION], _S, lambda d: d.error)
_member("allowed", "decision_allowed", [DECISION], t.BOOL, lambda d: d.allowed)
_member("reason", "decision_reason", [DECISION], _S, lambda d: d.reason)
