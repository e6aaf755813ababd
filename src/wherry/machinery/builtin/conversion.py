"""Conversion of built-in kinds between the versions that serve them: one lookup over the tables of the areas.

A table entry is (group, resource) -> {(from version, to version): function}. Functions take and return whole objects
and do not change their argument. A pair that no table lists differs in nothing but `apiVersion`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

from wherry.machinery.kinds import Obj

Convert = Callable[[Obj], Obj]
_TABLES = (
    "wherry.machinery.builtin.core.conversion",
    "wherry.machinery.builtin.policy.conversion",
    "wherry.machinery.builtin.workloads.conversion",
)


def same(obj: Obj) -> Obj:
    return obj


def converter(group: str, resource: str, source: str, target: str) -> Convert:
    """source, target: apiVersions. The result of converting is a new object, or the argument when nothing differs."""
    if source == target:
        return same
    for name in _TABLES:
        if find_spec(name) is None:
            continue
        table = import_module(name).CONVERSIONS.get((group, resource))
        if table is not None:
            found = table.get((source, target)) or table.get((_version(source), _version(target)))
            if found is not None:
                return found  # type: ignore[no-any-return]
    return lambda obj: {**obj, "apiVersion": target}


def _version(api_version: str) -> str:
    return api_version.rpartition("/")[2]
