"""Whether a request fits into the quotas of its namespace, and what they show afterwards
(k8s.io/apiserver/pkg/admission/plugin/resourcequota/controller.go: CheckRequest)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from wherry.kit.quantity import Quantity
from wherry.machinery.quota.amounts import Amounts, add, growth, listed, nonzero, only, parsed, shown
from wherry.machinery.quota.evaluators import Around, Counter, GroupResource, Obj, Scope, scopes


class Refused(Exception):
    """The request has no room, or says too little; the text is upstream's."""


class Uncovered(Exception):
    """A scope that only quotas open is opened by none. Not a refusal upstream, but a plain error."""


@dataclass(frozen=True, slots=True)
class Limited:
    """What nobody may use without a quota that bounds it (LimitedResource of the plugin's configuration)."""

    resource: GroupResource
    contains: tuple[str, ...] = ()
    scopes: tuple[Scope, ...] = ()


class Request(NamedTuple):
    """What is asked, of an evaluator that handles it."""

    evaluator: Counter
    operation: str
    subresource: str
    obj: Obj
    old: Obj | None


class _Quota:
    """A quota and what it bounds, read once."""

    def __init__(self, obj: Obj):
        status = obj.get("status") or {}
        self.name: str = obj["metadata"]["name"]
        self.hard, self.used = parsed(status.get("hard")), parsed(status.get("used"))
        self.scopes = scopes(obj.get("spec") or {})

    def matches(self, evaluator: Counter, obj: Obj, around: Around) -> bool:
        if not evaluator.matching(self.hard, around):
            return False
        return all(evaluator.in_scope(scope, obj) for scope in self.scopes)


def charge(
    quotas: Sequence[Obj], request: Request, around: Around, limited: Iterable[Limited] = ()
) -> dict[str, Amounts]:
    """The new usage of every quota that the request changes, by its name. Raises Refused, Uncovered."""
    evaluator, obj = request.evaluator, request.obj
    found: list[_Quota] = []
    covered: set[str] = set()
    open_scopes: set[str] = set()
    for each in map(_Quota, quotas):
        open_scopes.update(scope.name for scope in each.scopes if evaluator.in_scope(scope, obj))
        if not each.matches(evaluator, obj, around):
            continue
        bounded = evaluator.matching(each.hard, around)
        if missing := evaluator.missing(bounded, obj):
            raise Refused(f"failed quota: {each.name}: {missing}")
        if any(name not in each.used for name in bounded):
            raise Refused(f"status unknown for quota: {each.name}, resources: {listed(bounded)}")
        found.append(each)
        covered.update(bounded)
    usage = evaluator.usage(obj, around)
    if negative := [name for name, amount in usage.items() if amount.sign() < 0]:
        raise Refused(f"quota usage is negative for resource(s): {listed(negative)}")
    before = _before(request, around)
    changes = {each.name: nonzero(_change(each, usage, before, request, around)) for each in found}
    if not any(changes.values() if found else [nonzero(usage if before is None else growth(usage, before))]):
        return {}
    _require_quota(usage, covered, open_scopes, request, limited)
    return {each.name: _charged(each, changes[each.name], request) for each in found if changes[each.name]}


def _before(request: Request, around: Around) -> Amounts | None:
    """What the object used so far; None for one that is new."""
    if request.operation != "UPDATE":
        return None
    if request.old is None:
        raise Refused("unable to get previous usage since prior version of object was not found")
    return request.evaluator.usage(request.old, around) if request.old["metadata"].get("resourceVersion") else None


def _change(each: _Quota, usage: Amounts, before: Amounts | None, request: Request, around: Around) -> Amounts:
    """An object that comes under the quota with this update is charged in full."""
    if before is None or request.old is None or not each.matches(request.evaluator, request.old, around):
        return usage
    return growth(usage, before)


def _require_quota(
    usage: Mapping[str, Quantity],
    covered: set[str],
    open_scopes: set[str],
    request: Request,
    limited: Iterable[Limited],
) -> None:
    wanted: set[str] = set()
    closed: list[Scope] = []
    for each in limited:
        if request.evaluator.scoped():
            closed += [scope for scope in each.scopes if request.evaluator.in_scope(scope, request.obj)]
        if each.resource == request.evaluator.resource:
            wanted.update(
                name for name, n in usage.items() if n.sign() > 0 and any(part in name for part in each.contains)
            )
    if lacking := wanted - covered:
        raise Refused(f"insufficient quota to consume: {listed(lacking)}")
    if left := [scope for scope in closed if scope.name not in open_scopes]:
        raise Uncovered(f"insufficient quota to match these scopes: [{' '.join(map(str, left))}]")


def _charged(each: _Quota, change: Amounts, request: Request) -> Amounts:
    wanted = only(change, each.hard)
    total = add(each.used, wanted)
    if request.subresource != "status":
        over = [name for name in wanted if total[name] > each.hard[name]]
        if over:
            raise Refused(
                f"exceeded quota: {each.name}, requested: {shown(only(wanted, over))}, "
                f"used: {shown(only(each.used, over))}, limited: {shown(only(each.hard, over))}"
            )
    return total
