"""Built-in kinds, one module per kind, imported when first used.

Each area package has a `TABLE` from (group, resource) to "module:Class" below that package. A kind that no table lists
has no rules beyond its schema and uses the plain `Strategy`.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from wherry.machinery.builtin.strategy import Strategy

AREAS = ("workloads", "core", "policy")
# definitions are a world of their own
ELSEWHERE = {
    ("apiextensions.k8s.io", "customresourcedefinitions"): (
        "wherry.machinery.crd.strategy",
        "CustomResourceDefinitionStrategy",
    ),
}


@cache
def strategy(group: str, resource: str) -> Strategy:
    """The one Strategy instance of a built-in kind."""
    if (group, resource) in ELSEWHERE:
        module, name = ELSEWHERE[(group, resource)]
        return getattr(import_module(module), name)()  # type: ignore[no-any-return]
    for area in AREAS:
        package = f"wherry.machinery.builtin.{area}"
        where = import_module(package).TABLE.get((group, resource))
        if where is not None:
            module, _, name = where.partition(":")
            return getattr(import_module(f"{package}.{module}"), name)()  # type: ignore[no-any-return]
    return Strategy()
