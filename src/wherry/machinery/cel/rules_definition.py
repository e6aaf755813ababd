"""Checks the rules of a whole schema when a definition is written: the `CelChecker` of machinery/crd.

Follows the CEL part of ValidateCustomResourceDefinitionOpenAPISchema and its cost context in
k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid
from wherry.machinery.cel.cost import MAX
from wherry.machinery.cel.decls import Decl, declare, escape
from wherry.machinery.cel.rules_compile import Compiled, RuleCompiler
from wherry.machinery.crd.cel_hooks import RuleScope
from wherry.machinery.crd.fields import invalid_shown
from wherry.machinery.schema.gotext import go_json

Obj = dict[str, Any]
PER_RULE_LIMIT = 10_000_000
PER_DEFINITION_LIMIT = 100_000_000
_ADVICE = (
    "(try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are "
    "declared)"
)
_UNBOUND = -1


def check_definition(schema: Obj, path: str, scope: RuleScope) -> list[FieldError]:
    """Errors of all rules in `schema`, cost limits included."""
    walk = _Walk(scope)
    walk.visit(schema, path, 1, True, None)
    return walk.errors + walk.totals(path)


class _Walk:
    def __init__(self, scope: RuleScope):
        self.scope = scope
        self.errors: list[FieldError] = []
        self.total = 0
        self.most: list[tuple[int, str]] = []

    def visit(self, schema: Any, path: str, cardinality: int, root: bool, decl: Decl | None) -> None:
        """`decl` is that of this place where an ancestor with rules declared it already."""
        if not isinstance(schema, dict):
            return
        rules = schema.get("x-kubernetes-validations") or []
        if rules and decl is None:
            decl = declare(schema, root or bool(schema.get("x-kubernetes-embedded-resource")))
        below = _product(cardinality, _elements(schema))
        extra = schema.get("additionalProperties")
        if isinstance(extra, dict):
            self.visit(extra, f"{path}.additionalProperties", below, False, decl.item if decl else None)
        for name, child in sorted((schema.get("properties") or {}).items()):
            found = decl.fields.get(escape(name) or "") if decl is not None else None
            self.visit(child, f"{path}.properties[{name}]", below, False, found)
        items = schema.get("items")
        if isinstance(items, dict):
            self.visit(items, f"{path}.items", below, False, decl.item if decl else None)
        for key in ("allOf", "anyOf", "oneOf"):
            for i, branch in enumerate(schema.get(key) or ()):
                self.nested(schema, branch, f"{path}.{key}[{i}]", cardinality, root)
        if rules and not any(dirty == path or dirty.startswith(path + ".") for dirty in self.scope.dirty):
            self.rules(rules, path, cardinality, decl)

    def nested(self, schema: Obj, branch: Any, path: str, cardinality: int, root: bool) -> None:
        """Rules inside allOf and the like see the type of the place they constrain."""
        if isinstance(branch, dict) and branch.get("x-kubernetes-validations"):
            decl = declare(schema, root or bool(schema.get("x-kubernetes-embedded-resource")))
            self.rules(branch["x-kubernetes-validations"], path, cardinality, decl)

    def rules(self, rules: list[Obj], path: str, cardinality: int, decl: Decl | None) -> None:
        if decl is None:
            where = f"{path}.x-kubernetes-validations"
            text = "Internal error: internal error: failed to construct type information for x-kubernetes-validations"
            self.errors.append(
                FieldError(
                    where, "InternalError", f"{text} rules: unable to convert structural schema to CEL declarations"
                )
            )
            return
        compiler = RuleCompiler(decl)
        for i, rule in enumerate(rules):
            found = compiler.compile(rule)
            times = compiler.cardinality if cardinality == _UNBOUND else cardinality
            self.report(found, f"{path}.x-kubernetes-validations[{i}]", path, min(found.cost * times, MAX))

    def report(self, found: Compiled, path: str, place: str, cost: int) -> None:
        rule = found.rule
        self.spend("estimated rule cost", cost, f"{path}.rule")
        if found.problem:
            self.errors.append(invalid_shown(f"{path}.rule", dump_rule(rule), found.problem))
        if found.message_problem:
            self.errors.append(invalid_shown(f"{path}.messageExpression", dump_rule(rule), found.message_problem))
        elif found.message is not None:
            self.spend("estimated messageExpression cost", found.message_cost, f"{path}.messageExpression")
        if found.uses_old:
            within = self.scope.uncorrelatable.get(place)
            if within:
                why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {within}"
                self.errors.append(invalid(f"{path}.rule", rule["rule"], why))
        elif rule.get("optionalOldSelf") is not None:
            why = "may not be set if oldSelf is not used in rule"
            self.errors.append(invalid(f"{path}.optionalOldSelf", rule["optionalOldSelf"], why))

    def spend(self, what: str, cost: int, path: str) -> None:
        if not self.scope.unchanged and cost > PER_RULE_LIMIT:
            self.errors.append(forbidden(path, cost_text(what, cost, PER_RULE_LIMIT)))
        self.total = min(self.total + cost, MAX)
        if cost >= PER_DEFINITION_LIMIT // 100:
            self.most.append((cost, path))
            self.most.sort(key=lambda entry: -entry[0])
            del self.most[4:]

    def totals(self, path: str) -> list[FieldError]:
        if self.total <= PER_DEFINITION_LIMIT:
            return []
        why = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema"
        what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema"
        return [
            *(forbidden(where, why) for _, where in self.most),
            forbidden(path, cost_text(what, self.total, PER_DEFINITION_LIMIT)),
        ]


def cost_text(what: str, cost: int, limit: int) -> str:
    factor = cost / limit
    shown = "more than 100x" if factor > 100 else f"{factor:.6f}x" if factor < 1.5 else f"{factor:.1f}x"
    return f"{what} exceeds budget by factor of {shown} {_ADVICE}"


def _elements(schema: Obj) -> int:
    """By how much a place multiplies its children."""
    kind = schema.get("type")
    if kind == "object" and schema.get("additionalProperties") is not None:
        limit = schema.get("maxProperties")
    elif kind == "array":
        limit = schema.get("maxItems")
    else:
        return 1
    return _UNBOUND if limit is None else max(limit, 0)


def _product(a: int, b: int) -> int:
    return _UNBOUND if a == _UNBOUND or b == _UNBOUND else min(a * b, MAX)


def dump_rule(rule: Obj) -> str:
    """A rule as the internal Go struct prints."""
    reason, optional = rule.get("reason"), rule.get("optionalOldSelf")
    return (
        f'{{"Rule":{go_json(rule.get("rule") or "")},"Message":{go_json(rule.get("message") or "")},'
        f'"MessageExpression":{go_json(rule.get("messageExpression") or "")},'
        f'"Reason":{"null" if reason is None else go_json(reason)},"FieldPath":{go_json(rule.get("fieldPath") or "")},'
        f'"OptionalOldSelf":{"null" if optional is None else "true" if optional else "false"}}}'
    )
