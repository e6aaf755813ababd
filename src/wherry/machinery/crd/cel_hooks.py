"""Where CEL plugs into definitions: another room compiles rules, this one only says which and where.

`CelChecker` compiles the rules of one whole schema at definition time, `CelDefaultChecker` runs the rules over a
default value. Without them rules are accepted uncompiled.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from wherry.errors import FieldError

Obj = dict[str, Any]


@dataclass(slots=True)
class RuleScope:
    """What a rule checker has to know beside the schema.

    `dirty` holds the paths of schemas with errors at or below them, whose rules are not compiled; `uncorrelatable` maps
    the path of a schema to the first ancestor that cannot be correlated between two revisions, where oldSelf is not
    allowed; `unchanged` is true for an update that leaves the schema as it was (cost limits per rule are off then);
    `old_rules` and `old_messages` are expressions that were accepted before.
    """

    dirty: set[str] = field(default_factory=set)
    uncorrelatable: Mapping[str, str] = field(default_factory=dict)
    unchanged: bool = False
    old_rules: frozenset[str] = frozenset()
    old_messages: frozenset[str] = frozenset()


class CelChecker(Protocol):
    def __call__(self, schema: Obj, path: str, scope: RuleScope) -> list[FieldError]:
        """Errors of all rules in `schema` (a JSONSchemaProps dict), whose own path is `path`; cost limits included."""


class CelDefaultChecker(Protocol):
    def __call__(self, schema: Obj, value: Any, path: str) -> list[FieldError]:
        """Errors of the rules of `schema` on its default value, without an old value."""


@dataclass(frozen=True, slots=True)
class CelHooks:
    definition: CelChecker | None = None
    default: CelDefaultChecker | None = None


NO_CEL = CelHooks()
