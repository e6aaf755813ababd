"""What an aggregated ClusterRole grants: a pure function (kube-controller-manager's clusterroleaggregation)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from wherry.machinery.selectors import from_label_selector

Obj = dict[str, Any]
_LISTS = ("verbs", "apiGroups", "resources", "resourceNames", "nonResourceURLs")


def aggregates(role: Obj) -> bool:
    """Whether the rules of a role are gathered from others."""
    return role.get("aggregationRule") is not None


def gathered(role: Obj, roles: Iterable[Obj]) -> list[Obj]:
    """The rules of all roles that the selectors find, selector by selector, by name, each rule once.

    Raises SelectorError for a selector that means nothing; validation keeps such ones out."""
    found: list[Obj] = []
    others = sorted((r for r in roles if _name(r) != _name(role)), key=_name)
    for wanted in role["aggregationRule"].get("clusterRoleSelectors") or ():
        selector = from_label_selector(wanted)
        for other in others:
            if selector.matches(other["metadata"].get("labels") or {}):
                found.extend(rule for rule in map(_tidy, other.get("rules") or ()) if rule not in found)
    return found


def wanted_rules(role: Obj, roles: Iterable[Obj]) -> list[Obj] | None:
    """The rules that have to be written, None if they are there."""
    rules = gathered(role, roles)
    return None if rules == [_tidy(rule) for rule in role.get("rules") or ()] else rules


def _tidy(rule: Obj) -> Obj:
    """A rule without empty lists: they mean the same as none."""
    return {key: rule[key] for key in _LISTS if rule.get(key)}


def _name(role: Obj) -> str:
    return str(role["metadata"]["name"])
