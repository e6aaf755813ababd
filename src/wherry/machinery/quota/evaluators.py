"""Evaluators: which requests, names and scopes concern one kind, and what an object of it uses
(k8s.io/apiserver/pkg/quota/v1/generic, k8s.io/kubernetes/pkg/quota/v1/evaluator/core/registry.go).

The generic one counts objects. Pods, Services, claims for storage and claims for devices have their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

from wherry.machinery.quota.amounts import ONE, Amounts

Obj = dict[str, Any]
GroupResource = tuple[str, str]

# Virtual or never counted.
IGNORED: frozenset[GroupResource] = frozenset(
    [
        ("", "bindings"),
        ("", "componentstatuses"),
        ("authentication.k8s.io", "tokenreviews"),
        ("authentication.k8s.io", "selfsubjectreviews"),
        ("authorization.k8s.io", "subjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectaccessreviews"),
        ("authorization.k8s.io", "localsubjectaccessreviews"),
        ("authorization.k8s.io", "selfsubjectrulesreviews"),
        ("", "events"),
        ("events.k8s.io", "events"),
    ]
)
# Names from before there was `count/`; all of the core group.
ALIASES = ("configmaps", "resourcequotas", "replicationcontrollers", "secrets")


class Scope(NamedTuple):
    """A requirement of a quota's scopeSelector; a plain scope asks that it `Exists`."""

    name: str
    operator: str = "Exists"
    values: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{{{self.name} {self.operator} [{' '.join(self.values)}]}}"  # as Go prints it


class Around(Protocol):
    """What evaluators may look up beside the object at hand."""

    now: float

    def get(self, resource: GroupResource, namespace: str, name: str) -> Obj | None: ...

    def objects(self, resource: GroupResource, namespace: str) -> Iterable[Obj]: ...


class Counter:
    """Objects of one kind, by their number."""

    needs: tuple[GroupResource, ...] = ()  # kinds that `Around` is asked for

    def __init__(self, group: str, resource: str):
        self.resource: GroupResource = (group, resource)
        self.count = count_name(group, resource)
        self.names = frozenset([self.count, resource] if not group and resource in ALIASES else [self.count])

    def handles(self, operation: str, subresource: str, obj: Obj, old: Obj | None) -> bool:
        return operation == "CREATE" and not subresource

    def matching(self, names: Iterable[str], around: Around) -> list[str]:
        """Those of a quota's names that this kind counts towards."""
        return [name for name in names if name in self.names]

    def in_scope(self, scope: Scope, obj: Obj) -> bool:
        return False

    def scoped(self) -> bool:
        """Whether scopes mean anything for the kind."""
        return False

    def missing(self, names: Iterable[str], obj: Obj) -> str:
        """What an object must say and does not."""
        return ""

    def usage(self, obj: Obj, around: Around) -> Amounts:
        return dict.fromkeys(self.names, ONE)


def count_name(group: str, resource: str) -> str:
    return f"count/{resource}.{group}" if group else f"count/{resource}"


def _pods() -> Counter:
    from wherry.machinery.quota.pods import Pods

    return Pods()


def _services() -> Counter:
    from wherry.machinery.quota.services import Services

    return Services()


def _claims() -> Counter:
    from wherry.machinery.quota.claims import StorageClaims

    return StorageClaims()


def _device_claims() -> Counter:
    from wherry.machinery.quota.claims import DeviceClaims

    return DeviceClaims()


_SPECIAL: Mapping[GroupResource, Callable[[], Counter]] = {
    ("", "pods"): _pods,
    ("", "services"): _services,
    ("", "persistentvolumeclaims"): _claims,
    ("resource.k8s.io", "resourceclaims"): _device_claims,
}
SPECIAL: tuple[GroupResource, ...] = tuple(_SPECIAL)
_known: dict[GroupResource, Counter] = {}


def evaluator(group: str, resource: str) -> Counter:
    """The evaluator of a kind; there is one for each that is not in IGNORED."""
    key = group, resource
    found = _known.get(key)
    if found is None:
        make = _SPECIAL.get(key)
        found = _known[key] = make() if make is not None else Counter(group, resource)
    return found


def counted(name: str) -> GroupResource | None:
    """The kind whose objects a quota's name counts; None for a name that means something else."""
    if name in ALIASES:
        return "", name
    if not name.startswith("count/"):
        return None
    resource, _, group = name.removeprefix("count/").partition(".")
    return None if (group, resource) in IGNORED else (group, resource)


def scopes(spec: Obj) -> list[Scope]:
    """The scopes of a quota, both ways of writing them."""
    found = [Scope(name) for name in spec.get("scopes") or ()]
    for wanted in (spec.get("scopeSelector") or {}).get("matchExpressions") or ():
        found.append(Scope(wanted["scopeName"], wanted["operator"], tuple(wanted.get("values") or ())))
    return found


def selects(scope: Scope, value: str) -> bool:
    """Whether a scope's requirement holds for a value; empty: there is none."""
    if scope.operator == "In":
        return bool(value) and value in scope.values
    if scope.operator == "NotIn":
        return not value or value not in scope.values
    return bool(value) == (scope.operator == "Exists")
