"""What a provider may see of its consumers: its own kinds, and others as far as claims are made and accepted.

A view is as good as the export and the binding that it was made from: who holds one asks whether it still is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from wherry.machinery import builtins
from wherry.machinery.selectors import EVERYTHING, Selector
from wherry.store.definition import Definition
from wherry.workspaces.sharing import Kind
from wherry.workspaces.sharing.claims import Claim, agreed, built_in, normal
from wherry.workspaces.sharing.index import Binding, Bound, Export, Index
from wherry.workspaces.sharing.schemas import Schemas

ALL_VERBS = frozenset("*")


@dataclass(frozen=True, slots=True)
class Sight:
    """One kind in a view. `custom` are the definitions that serve it, none for built-in kinds."""

    verbs: frozenset[str]
    selector: Selector = EVERYTHING
    labels: Mapping[str, str] = field(default_factory=dict)  # what new objects need, where that can be said
    custom: tuple[Definition, ...] = ()

    def allows(self, verb: str) -> bool:
        return "*" in self.verbs or verb in self.verbs


Sights = dict[Kind, Sight]


def of_consumer(index: Index, schemas: Schemas, export: Export, binding: Binding) -> Sights:
    """What the provider sees in one workspace."""
    found: Sights = {}
    for bound in binding.bound:
        found[bound.group, bound.resource] = Sight(ALL_VERBS, custom=tuple(schemas.definitions(bound)))
    for claim in agreed(export.claims, binding.claims):
        for kind, custom in _claimed(index, schemas, claim, binding.cluster):
            found.setdefault(kind, Sight(claim.verbs, claim.selects(), claim.labels(), custom))
    return found


def of_export(index: Index, schemas: Schemas, export: Export, offered: list[Bound]) -> Sights:
    """What the provider may see anywhere: the kinds of its view over all consumers."""
    found: Sights = {}
    for bound in offered:
        found[bound.group, bound.resource] = Sight(ALL_VERBS, custom=tuple(schemas.definitions(bound)))
    for claim in export.claims:
        for cluster in [""] if not claim.identity else index.consumers(export.ref):
            for kind, custom in _claimed(index, schemas, claim, cluster):
                found.setdefault(kind, Sight(claim.verbs, custom=custom))
    return found


def members(index: Index, export: Export, kind: Kind, verb: str) -> dict[str, Selector]:
    """The workspaces whose objects of a kind the provider sees, and which of them."""
    found: dict[str, Selector] = {}
    for cluster in index.consumers(export.ref):
        binding = index.consumer(export.ref, cluster)
        if binding is None:
            continue
        if binding.binds(kind) is not None:
            found[cluster] = EVERYTHING
            continue
        for claim in agreed(export.claims, binding.claims):
            if (claim.group, claim.resource) == normal(kind) and claim.allows(verb):
                found[cluster] = claim.selects()
                break
    return found


def _claimed(
    index: Index, schemas: Schemas, claim: Claim, cluster: str
) -> Iterator[tuple[Kind, tuple[Definition, ...]]]:
    """The kinds that a claim means: a built-in one (Events in both of their groups), or one of another export."""
    kind = claim.group, claim.resource
    if claim.identity:
        for other in index.bindings(cluster):
            bound = other.binds(kind)
            if bound is not None and bound.identity == claim.identity:
                yield kind, tuple(schemas.definitions(bound))
        return
    for group in builtins.groups():
        if normal((group, claim.resource)) == kind and built_in(group, claim.resource):
            yield (group, claim.resource), ()
