"""Which kinds the expressions of a policy are checked against: pure functions
(plugin/policy/validating/typechecking.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from wherry.machinery.kinds import GroupVersionKind

Obj = dict[str, Any]
MOST_KINDS = 10


def group_versions(policy: Obj) -> set[tuple[str, str]]:
    """The (group, version) pairs that a policy names one by one."""
    return {(group, version) for group, version, _ in _named(policy)}


def first_kinds(policy: Obj, served: Mapping[tuple[str, str], Mapping[str, str]]) -> list[GroupVersionKind]:
    """The kinds that a policy names one by one, in order. `served`: the kinds by resource of each group version."""
    found: set[GroupVersionKind] = set()
    for group, version, resource in _named(policy):
        kind = served.get((group, version), {}).get(resource)
        if kind is not None:
            found.add(GroupVersionKind(group, version, kind))
        if len(found) == MOST_KINDS:
            break
    return sorted(found)


def _named(policy: Obj) -> Iterator[tuple[str, str, str]]:
    """(group, version, resource) of every rule without wildcards; subresources are left out."""
    for rule in (policy["spec"].get("matchConstraints") or {}).get("resourceRules") or ():
        groups, versions = rule.get("apiGroups") or (), rule.get("apiVersions") or ()
        if any("*" in name for name in (*groups, *versions)):
            continue
        resources = [name for name in rule.get("resources") or () if "*" not in name and "/" not in name]
        yield from product(sorted(groups), sorted(versions), sorted(resources))


def params_kind(policy: Obj) -> GroupVersionKind | None:
    """The kind of a policy's parameters."""
    kind = policy["spec"].get("paramKind")
    if kind is None:
        return None
    group, _, version = kind["apiVersion"].rpartition("/")
    return GroupVersionKind(group, version, kind["kind"])
