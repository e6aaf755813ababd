"""Pure: which kinds a quota counts, and which changes of an object make a quota worth a look
(k8s.io/kubernetes/pkg/quota/v1/install/update_filter.go)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wherry.machinery.quota.claims import attributes_classes
from wherry.machinery.quota.evaluators import SPECIAL, Around, GroupResource, counted, evaluator
from wherry.machinery.quota.pods import ended, extended_in_quota, is_terminating
from wherry.machinery.quota.services import kind_of_use

Obj = dict[str, Any]


def bounded(quota: Obj) -> list[str]:
    """The names that a quota bounds, in its spec or still in its status."""
    hard = (quota.get("spec") or {}).get("hard") or {}
    return list({**hard, **((quota.get("status") or {}).get("hard") or {})})


def kinds(names: Iterable[str], around: Around) -> set[GroupResource]:
    """The kinds whose objects count towards these names, and those that must be known to tell."""
    names = list(names)
    found = {kind for name in names if (kind := counted(name)) is not None}
    if any(extended_in_quota(name) for name in names):
        found.add(("resource.k8s.io", "resourceclaims"))  # whose classes may stand for what is bounded
    for kind in SPECIAL:
        if evaluator(*kind).matching(names, around):
            found.add(kind)
    return found | {other for kind in found for other in evaluator(*kind).needs}


def whole(kind: GroupResource) -> bool:
    """Whether more of an object counts than that it is there."""
    return kind in SPECIAL or any(kind in evaluator(*each).needs for each in SPECIAL)


def matters(kind: GroupResource, before: Obj | None, after: Obj | None, now: float) -> bool:
    """Whether a change may have freed something, or put an object under another quota."""
    if before is None:
        return False  # admission has charged it
    if after is None:
        return True
    if kind == ("", "pods"):
        if _resources(before) != _resources(after) or is_terminating(before) != is_terminating(after):
            return True
        return not ended(before, now) and ended(after, now)
    if kind == ("", "services"):
        return kind_of_use(before) != kind_of_use(after)
    if kind == ("", "persistentvolumeclaims"):
        allocated = [(obj.get("status") or {}).get("allocatedResources") for obj in (before, after)]
        return allocated[0] != allocated[1] or attributes_classes(before) != attributes_classes(after)
    return kind == ("resource.k8s.io", "deviceclasses") and before.get("spec") != after.get("spec")


def _resources(pod: Obj) -> dict[str, Any]:
    """What the containers have by their state."""
    status = pod.get("status") or {}
    both = (*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ()))
    return {each["name"]: each.get("resources") for each in both}
