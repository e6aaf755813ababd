"""What a quota's namespace uses now (k8s.io/apiserver/pkg/quota/v1: CalculateUsage, CalculateUsageStats)."""

from __future__ import annotations

from collections.abc import Iterable

from wherry.machinery.quota.amounts import ZERO, Amounts, add, only, parsed, same, written
from wherry.machinery.quota.evaluators import Around, Counter, Obj, scopes


def used(quota: Obj, evaluators: Iterable[Counter], around: Around) -> Amounts:
    """The amounts of everything that a quota bounds and that one of the evaluators knows."""
    spec, namespace = quota.get("spec") or {}, quota["metadata"].get("namespace", "")
    wanted = scopes(spec)
    total: Amounts = {}
    for each in evaluators:
        names = each.matching(spec.get("hard") or {}, around)
        if not names:
            continue
        found = dict.fromkeys(names, ZERO)
        for obj in around.objects(each.resource, namespace):
            if all(each.in_scope(scope, obj) for scope in wanted):
                found = add(found, only(each.usage(obj, around), names))
        total = add(total, found)
    return total


def status(quota: Obj, evaluators: Iterable[Counter], around: Around) -> Obj | None:
    """The status as it should be, None when it is. What nobody can reckon stays as it was."""
    spec, old = quota.get("spec") or {}, quota.get("status") or {}
    hard, before = parsed(spec.get("hard")), parsed(old.get("used"))
    now = only({**before, **used(quota, evaluators, around)}, hard)
    if "hard" in old and "used" in old and same(hard, parsed(old["hard"])) and same(now, before):
        return None
    return {"hard": written(hard), "used": written(now)}
