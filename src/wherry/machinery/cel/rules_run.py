"""Runs the rules of a schema on an object: the `RuleChecker` of machinery/crd, and the check of defaults.

Follows apiserver/schema/cel/validation.go: one walk over the value, a budget for all rules together, errors of rules
that hold for unchanged values only are turned into nothing on update (ratcheting).
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, duplicate, forbidden, invalid, required
from wherry.machinery.cel.decls import Decl, declare, escape
from wherry.machinery.cel.env import PER_CALL_LIMIT
from wherry.machinery.cel.errors import CelError, CostExceeded
from wherry.machinery.cel.rules_compile import Compiled, RuleCompiler
from wherry.machinery.cel.values import NONE, Optional
from wherry.machinery.crd.fieldpath import PathError, resolve
from wherry.machinery.schema.gotext import go_json
from wherry.machinery.schema.node import Node
from wherry.machinery.schema.ratchet import Correlated

Obj = dict[str, Any]
BUDGET = 10_000_000
_SPENT = "validation failed due to running out of cost budget, no further validation rules will be run"
_MAX_MESSAGE = 5 * 1024


class Rules:
    """The compiled rules of a schema and of everything below."""

    def __init__(self, schema: Obj, root: bool = True, resource: bool = True):
        self.place = _Place.make(schema, schema, resource, declare(schema, resource)) if root else None
        self.node = Node(schema)

    def __call__(self, obj: Obj, old: Obj | None, let_pass: list[str] | None = None) -> list[FieldError]:
        if self.place is None:
            return []
        run = _Run(Correlated(obj, old, self.node) if old is not None else None)
        run.visit(self.place, "", obj, old, run.top, None)
        if let_pass is not None:
            let_pass += run.let_pass
        return run.errors


def make_rules(compiled: Any, schema: Obj) -> Rules:
    """For compile_versions: the checker of one version."""
    return Rules(schema)


def check_default(schema: Obj, value: Any, path: str) -> list[FieldError]:
    """Errors of the rules of `schema` on its default."""
    place = _Place.make(schema, schema, False, declare(schema, bool(schema.get("x-kubernetes-embedded-resource"))))
    if place is None:
        return []
    run = _Run(None)
    run.visit(place, path, value, None, None, None)
    return run.errors


class _Place:
    __slots__ = (
        "all_of",
        "correlatable",
        "decl",
        "items",
        "kind",
        "map_keys",
        "paths",
        "properties",
        "rules",
        "values",
    )

    def __init__(self, schema: Obj, decl: Decl | None):
        self.kind = schema.get("type") or ""
        self.decl = decl
        self.rules: list[Compiled] = []
        self.paths: list[str] = []
        self.items: _Place | None = None
        self.values: _Place | None = None
        self.properties: dict[str, _Place] = {}
        self.all_of: list[_Place] = []
        self.correlatable = schema.get("x-kubernetes-map-type") in (None, "granular")
        keys = schema.get("x-kubernetes-list-map-keys") if schema.get("x-kubernetes-list-type") == "map" else None
        self.map_keys: tuple[str, ...] | None = tuple(keys) if keys else None

    @classmethod
    def make(cls, rules: Obj, schema: Obj, resource: bool, decl: Decl | None) -> _Place | None:
        """`rules` holds the rules for a value described by `schema`; they differ inside allOf only."""
        place = cls(schema, decl)
        own = rules.get("x-kubernetes-validations") or []
        if own and decl is not None:
            compiler = RuleCompiler(decl)
            place.rules = [compiler.compile(rule) for rule in own]
            place.paths = [_field_path(rule, schema) for rule in own]
        place._children(rules, schema, decl)
        for branch in rules.get("allOf") or ():
            below = cls.make(branch, schema, resource, decl)
            if below is not None:
                place.all_of.append(below)
        useful = place.rules or place.items or place.values or place.properties or place.all_of
        return place if useful else None

    def _children(self, rules: Obj, schema: Obj, decl: Decl | None) -> None:
        items, item_rules = schema.get("items"), rules.get("items")
        if isinstance(items, dict) and isinstance(item_rules, dict):
            self.items = _Place.make(item_rules, items, False, decl.item if decl else None)
        extra, extra_rules = schema.get("additionalProperties"), rules.get("additionalProperties")
        if isinstance(extra, dict) and isinstance(extra_rules, dict):
            self.values = _Place.make(extra_rules, extra, False, decl.item if decl else None)
        known = schema.get("properties") or {}
        for name, child_rules in (rules.get("properties") or {}).items():
            child = known.get(name)
            if not isinstance(child, dict):
                continue
            escaped = escape(name)
            embedded = bool(child.get("x-kubernetes-embedded-resource"))
            if escaped is None:
                found = declare(child, embedded)
            else:
                found = decl.fields.get(escaped) if decl is not None else None
            if found is None:
                continue
            place = _Place.make(child_rules, child, embedded, found)
            if place is not None:
                self.properties[name] = place


def _field_path(rule: Obj, schema: Obj) -> str:
    text = rule.get("fieldPath") or ""
    if not text:
        return ""
    try:
        return resolve(text, schema).path
    except PathError:
        return ""


class _Stop(Exception):
    """The budget is gone."""


class _Run:
    def __init__(self, top: Correlated | None):
        self.errors: list[FieldError] = []
        self.let_pass: list[str] = []  # errors of values that have not changed (ratcheting)
        self.budget = BUDGET
        self.top = top
        self.stopped = False

    def visit(
        self, place: _Place, path: str, value: Any, old: Any, own: Correlated | None, parent: Correlated | None
    ) -> None:
        try:
            self._visit(place, path, value, old, own, parent)
        except _Stop:
            self.stopped = True

    def _visit(
        self, place: _Place, path: str, value: Any, old: Any, own: Correlated | None, parent: Correlated | None
    ) -> None:
        if value is None:
            return
        if place.rules:
            self._rules(place, path, value, old, own, parent)
        for branch in place.all_of:
            self._visit(branch, path, value, old, None, parent)
        if isinstance(value, list):
            self._list(place, path, value, old if isinstance(old, list) else [], own, parent)
        elif isinstance(value, dict):
            self._map(place, path, value, old if isinstance(old, dict) else {}, own, parent)

    def _list(
        self,
        place: _Place,
        path: str,
        value: list[Any],
        old: list[Any],
        own: Correlated | None,
        parent: Correlated | None,
    ) -> None:
        if place.items is None:
            return
        before: dict[str, Any] = {}
        if place.map_keys is not None:
            for item in old:
                if isinstance(item, dict):
                    before.setdefault(_identity(item, place.map_keys), item)
        for i, item in enumerate(value):
            was = before.get(_identity(item, place.map_keys)) if place.map_keys and isinstance(item, dict) else None
            child = own.index(i) if own is not None else None
            self._visit(place.items, f"{path}[{i}]", item, was, child, own if own is not None else parent)

    def _map(
        self, place: _Place, path: str, value: Obj, old: Obj, own: Correlated | None, parent: Correlated | None
    ) -> None:
        correlatable = place.correlatable
        if place.values is not None:
            for key in sorted(value):
                was = old.get(key) if correlatable else None
                child = own.key(key) if own is not None else None
                self._visit(place.values, f"{path}[{key}]", value[key], was, child, own if own is not None else parent)
        for key, below in place.properties.items():
            if key not in value:
                continue
            was = old.get(key) if correlatable else None
            where = f"{path}.{key}" if path else key
            if own is not None and parent is None and key in ("apiVersion", "kind"):
                self._visit(below, where, value[key], was, None, None)
                continue
            child = own.key(key) if own is not None else None
            self._visit(below, where, value[key], was, child, own if own is not None else parent)

    # --- one place ---------------------------------------------------------------------------------------------------
    def fail(self, place: _Place, path: str, text: str) -> None:
        self.errors.append(invalid(path or "<nil>", place.kind, text))

    def _rules(
        self, place: _Place, path: str, value: Any, old: Any, own: Correlated | None, parent: Correlated | None
    ) -> None:
        if self.budget <= 0:
            self.fail(place, path, _SPENT)
            raise _Stop
        decl = place.decl
        assert decl is not None
        variables: Obj = {"self": self._convert(decl, value), "@raw": value}
        if old is not None:
            variables["oldSelf"] = self._convert(decl, old)
        for rule, below in zip(place.rules, place.paths, strict=True):
            if rule.problem:
                self.fail(place, path, f"rule compile error: {rule.problem}")
            elif rule.program is not None:
                self._rule(place, path, below, rule, variables, old, own, parent)

    def _convert(self, decl: Decl, value: Any) -> Any:
        if decl.convert is None:
            return value
        try:
            return decl.convert(value)
        except CelError:
            return value

    def _rule(
        self,
        place: _Place,
        path: str,
        below: str,
        rule: Compiled,
        variables: Obj,
        old: Any,
        own: Correlated | None,
        parent: Correlated | None,
    ) -> None:
        optional = bool(rule.rule.get("optionalOldSelf"))
        if rule.uses_old and old is None and not optional:
            return
        given = variables
        if optional:
            before = Optional(True, variables["oldSelf"]) if old is not None else NONE
            given = {"self": variables["self"], "oldSelf": before, "@raw": variables["@raw"]}
        try:
            assert rule.program is not None
            result, cost = rule.program.run_counted(given, PER_CALL_LIMIT)
        except CostExceeded as error:
            why = "no further validation rules will be run due to call cost exceeds limit for rule"
            self.fail(place, path, f"'{error}': {why}: {_shown(rule.rule)}")
            raise _Stop from None
        except CelError as error:
            self._error(place, path, rule.rule, str(error))
            return
        if cost > self.budget:
            self.fail(place, path, _SPENT)
            raise _Stop
        self.budget -= cost
        if result is True:
            return
        if below:
            path = f"{path}.{below.removeprefix('.')}" if path and not below.startswith("[") else path + below
        ratchet = not rule.uses_old and (
            own.unchanged() if own is not None else parent is not None and parent.unchanged()
        )
        text, stop = self._message(rule, given)
        if stop:
            self.fail(place, path, text)
            raise _Stop
        found = _rule_error(path or "<nil>", place.kind, variables["@raw"], text, rule.rule.get("reason"))
        if ratchet:
            self.let_pass.append(str(found))
        else:
            self.errors.append(found)

    def _error(self, place: _Place, path: str, rule: Obj, text: str) -> None:
        if text.startswith("no such overload"):
            why = "call arguments did not match a supported operator, function or macro signature for rule"
            self.fail(place, path, f"'{text}': {why}: {_shown(rule)}")
        else:
            self.fail(place, path, f"{text} evaluating rule: {_shown(rule)}")

    def _message(self, rule: Compiled, given: Obj) -> tuple[str, bool]:
        """(text, whether the budget ends here)."""
        if rule.message is not None:
            source = rule.rule["messageExpression"]
            try:
                result, cost = rule.message.run_counted(given, PER_CALL_LIMIT)
                if cost > self.budget:
                    why = "messageExpression evaluation failed due to running out of cost budget, no further validation"
                    return f"{why} rules will be run", True
                self.budget -= cost
                text = result.strip() if isinstance(result, str) else ""
                if text and "\n" not in text and len(text.encode()) <= _MAX_MESSAGE:
                    return text, False
            except CostExceeded:
                why = "no further validation rules will be run due to call cost exceeds limit for messageExpression"
                return f"{why}: {go_json(source)}", True
            except CelError:
                pass
        own = rule.rule.get("message") or ""
        return (own.strip() if own else f"failed rule: {_shown(rule.rule)}"), False


def _identity(item: Obj, keys: tuple[str, ...] | None) -> str:
    return go_json([item.get(key) for key in keys or ()])


def _shown(rule: Obj) -> str:
    return str(rule.get("message") or rule.get("rule") or "").strip()


def _rule_error(path: str, kind: str, value: Any, text: str, reason: str | None) -> FieldError:
    if reason == "FieldValueForbidden":
        return forbidden(path, text)
    if reason == "FieldValueRequired":
        return required(path, text)
    omitted = kind in ("object", "array")
    if reason == "FieldValueDuplicate":
        return FieldError(path, "FieldValueDuplicate", "Duplicate value") if omitted else duplicate(path, value)
    if omitted:
        return FieldError(path, "FieldValueInvalid", f"Invalid value: {text}")
    return invalid(path, value, text)
