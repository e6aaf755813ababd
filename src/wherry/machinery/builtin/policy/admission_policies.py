"""ValidatingAdmissionPolicies, MutatingAdmissionPolicies and their bindings.

Whether the writer may read the parameters (paramKind, paramRef) is asked of the authorizer elsewhere.
"""

from __future__ import annotations

import re
from typing import ClassVar

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_selector
from wherry.machinery.builtin.common.names import (
    byte_length,
    dns1035_label,
    dns1123_subdomain,
    label_key,
    name_is_path_segment,
)
from wherry.machinery.builtin.core.shared.fields import checked, conditions, make, spec_of
from wherry.machinery.builtin.core.shared.meta import as_new
from wherry.machinery.builtin.core.shared.status import ResetStatus, StatusOnly
from wherry.machinery.builtin.policy.admission_rules import (
    MUTATING_OPERATIONS,
    REINVOCATION,
    Scope,
    default_match_resources,
    expression,
    failure_policy,
    match_conditions,
    match_resources,
    static_suffix_warnings,
)
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.kinds import Obj

REASONS = ["Forbidden", "Invalid", "RequestEntityTooLarge"]
ACTIONS = ["Audit", "Deny", "Warn"]
_identifier = re.compile("[_a-zA-Z][_a-zA-Z0-9]*").fullmatch
RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


def param_kind(kind: Obj, field: str) -> list[FieldError]:
    version, name = kind.get("apiVersion") or "", kind.get("kind") or ""
    out: list[FieldError] = []
    where = field + ".apiVersion"
    if not version:
        out.append(required(where))
    elif version.count("/") > 1:
        out.append(invalid(where, version, f"unexpected GroupVersion string: {version}"))
    else:
        group, _, bare = version.rpartition("/")
        if group and (texts := dns1123_subdomain(group)):
            out.append(invalid(where, group, ",".join(texts)))
        if not bare:
            out.append(invalid(where, version, "version must be specified"))
        elif texts := dns1035_label(bare):
            out.append(invalid(where, bare, ",".join(texts)))
    if not name:
        out.append(required(field + ".kind"))
    elif texts := dns1035_label(name.lower()):
        why = "may have mixed case, but should otherwise match: " + ",".join(texts)
        out.append(invalid(field + ".kind", name, why))
    return out


def _variables(spec: Obj) -> tuple[list[FieldError], tuple[tuple[str, str], ...]]:
    """Errors of `spec.variables`, and what later expressions may use."""
    out: list[FieldError] = []
    known: list[tuple[str, str]] = []
    params = spec.get("paramKind") is not None
    for i, variable in enumerate(spec.get("variables") or []):
        field = f"spec.variables[{i}]"
        name, text = variable.get("name") or "", variable.get("expression") or ""
        if not name.strip():
            out.append(required(field + ".name", "name is not specified"))
        elif not _identifier(name) or name in RESERVED:
            out.append(invalid(field + ".name", name, "must be a valid CEL identifier"))
        if not text.strip():
            out.append(required(field + ".expression", "expression is not specified"))
        else:
            scope = Scope("any", params=params, variables=tuple(known))
            out += expression(text, scope, field + ".expression")
            known.append((name, text))
    return out, tuple(known)


def _common(spec: Obj, ignore_conditions: bool) -> list[FieldError]:
    """failurePolicy, paramKind, matchConstraints; the mutating kind adds a check before match conditions."""
    out = failure_policy(spec.get("failurePolicy"), "spec.failurePolicy")
    if (kind := spec.get("paramKind")) is not None:
        out += param_kind(kind, "spec.paramKind")
    match = spec.get("matchConstraints")
    if match is None:
        return [*out, required("spec.matchConstraints")]
    out += match_resources(match, "spec.matchConstraints")
    if not match.get("resourceRules"):
        out.append(required("spec.matchConstraints.resourceRules"))
    return out


def _conditions(spec: Obj, ignore: bool) -> list[FieldError]:
    if ignore:
        return []
    params = spec.get("paramKind") is not None
    return match_conditions(spec.get("matchConditions") or [], params, "spec.matchConditions")


def _same_conditions(new: Obj, old: Obj) -> bool:
    a, b = spec_of(new), spec_of(old)
    return a.get("paramKind") == b.get("paramKind") and (a.get("matchConditions") or []) == (
        b.get("matchConditions") or []
    )


# --- validating ------------------------------------------------------------------------------------------------------


def _validation(item: Obj, scope: Scope, field: str) -> list[FieldError]:
    text, message = item.get("expression") or "", item.get("message") or ""
    by_expression, reason = item.get("messageExpression") or "", item.get("reason")
    out: list[FieldError] = []
    if not text.strip():
        out.append(required(field + ".expression", "expression is not specified"))
    else:
        out += expression(text, scope, field + ".expression")
    where = field + ".messageExpression"
    if by_expression and not by_expression.strip():
        out.append(invalid(where, by_expression, "must be non-empty if specified"))
    elif by_expression:
        told = Scope("string", params=scope.params, authorizer=False, variables=scope.variables)
        out += expression(by_expression, told, where)
    where = field + ".message"
    if message and not message.strip():
        out.append(invalid(where, message, "must be non-empty if specified"))
    elif "\n" in message.strip() or "\r" in message.strip():
        out.append(invalid(where, message, "must not contain line breaks"))
    if reason is not None and reason not in REASONS:
        out.append(not_supported(field + ".reason", reason, REASONS))
    return out


def _annotation(item: Obj, policy: str, scope: Scope, field: str) -> list[FieldError]:
    key, text = item.get("key") or "", (item.get("valueExpression") or "").strip()
    where = field + ".valueExpression"
    if policy:
        full = f"{policy}/{key}"
        out = checked(field + ".key", full, label_key(full))
    else:
        out = [invalid(field + ".key", key, "requires metadata.name be non-empty")]
    if not text:
        out.append(required(where, "valueExpression is not specified"))
    elif byte_length(text) > 5120:
        out.append(required(where, "must not exceed 5120 bytes in length"))
    else:
        told = Scope("audit", params=scope.params, variables=scope.variables)
        out += expression(text, told, where, item.get("valueExpression"))
    return out


def _annotations(spec: Obj, policy: str, scope: Scope) -> list[FieldError]:
    items = spec.get("auditAnnotations") or []
    field = "spec.auditAnnotations"
    out: list[FieldError] = []
    if len(items) > 20:
        shown = [{"Key": i.get("key", ""), "ValueExpression": i.get("valueExpression", "")} for i in items]
        out.append(invalid(field, shown, "must not have more than 20 auditAnnotations"))
    seen: set[str] = set()
    for i, item in enumerate(items):
        out += _annotation(item, policy, scope, f"{field}[{i}]")
        key = item.get("key") or ""
        if key in seen:
            out.append(duplicate(f"{field}[{i}].key", key))
        seen.add(key)
    return out


class _Policy(Strategy):
    meta_again = False
    standard_finalizers = False
    has_generation = True
    unconditional_update = False

    def default(self, obj: Obj) -> None:
        spec = make(obj, "spec")
        if spec.get("failurePolicy") is None:
            spec["failurePolicy"] = "Fail"
        default_match_resources(spec.get("matchConstraints"))

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return spec_of(new) != spec_of(old)

    def warnings_create(self, obj: Obj) -> list[str]:
        return static_suffix_warnings(obj)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return static_suffix_warnings(new)


class ValidatingAdmissionPolicyStrategy(ResetStatus, StatusOnly, _Policy):
    empty_status: ClassVar[Obj | None] = {}

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(obj, False)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, False) + self._validate(new, _same_conditions(new, old))

    def _validate(self, obj: Obj, ignore: bool) -> list[FieldError]:
        spec = spec_of(obj)
        out = _common(spec, ignore) + _conditions(spec, ignore)
        errors, known = _variables(spec)
        out += errors
        scope = Scope("bool", params=spec.get("paramKind") is not None, variables=known)
        validations, annotations = spec.get("validations") or [], spec.get("auditAnnotations") or []
        if not validations and not annotations:
            why = "validations or auditAnnotations must contain at least one item"
            return [*out, required("spec.validations", why), required("spec.auditAnnotations", why)]
        for i, item in enumerate(validations):
            out += _validation(item, scope, f"spec.validations[{i}]")
        return out + _annotations(spec, obj["metadata"].get("name") or "", scope)

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        status = new.get("status") or {}
        out: list[FieldError] = []
        for i, item in enumerate((status.get("typeChecking") or {}).get("expressionWarnings") or []):
            field = f"status.typeChecking.expressionWarnings[{i}]"
            if not item.get("warning"):
                out.append(required(field + ".warning"))
            if not (item.get("fieldRef") or "").strip():
                out.append(required(field + ".fieldRef"))
        return out + conditions(status.get("conditions"), "status.conditions")


# --- mutating --------------------------------------------------------------------------------------------------------


def _operations(match: Obj | None, field: str) -> list[FieldError]:
    return [
        not_supported(field + ".resourceRules.operations", name, MUTATING_OPERATIONS)
        for rule in (match or {}).get("resourceRules") or []
        for name in rule.get("operations") or []
        if name not in MUTATING_OPERATIONS
    ]


def _mutation(item: Obj, scope: Scope, field: str) -> list[FieldError]:
    kind = item.get("patchType") or ""
    keys = {"JSONPatch": ("jsonPatch", "applyConfiguration"), "ApplyConfiguration": ("applyConfiguration", "jsonPatch")}
    if not kind:
        return [required(field + ".patchType")]
    if kind not in keys:
        return [not_supported(field + ".patchType", kind, ["ApplyConfiguration", "JSONPatch"])]
    own, other = keys[kind]
    out: list[FieldError] = []
    if item.get(own) is None:
        out.append(required(f"{field}.{own}", f"must be specified when patchType is {kind}"))
    else:
        text = (item[own].get("expression") or "").strip()
        if text:
            result = "jsonpatch" if own == "jsonPatch" else "apply"
            told = Scope(result, params=scope.params, patch_types=True, variables=scope.variables)
            out += expression(text, told, f"{field}.{own}.expression")
        else:
            out.append(required(f"{field}.{own}.expression"))
    if item.get(other) is not None:
        out.append(invalid(f"{field}.{other}", f"{{{other}}}", f"must not be specified when patchType is {kind}"))
    return out


class MutatingAdmissionPolicyStrategy(_Policy):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        return self._validate(obj, False)

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, False) + self._validate(new, _same_conditions(new, old))

    def _validate(self, obj: Obj, ignore: bool) -> list[FieldError]:
        spec = spec_of(obj)
        out = _common(spec, ignore)
        out += _operations(spec.get("matchConstraints"), "spec.matchConstraints")
        out += _conditions(spec, ignore)
        errors, known = _variables(spec)
        out += errors
        scope = Scope("any", params=spec.get("paramKind") is not None, variables=known)
        mutations = spec.get("mutations") or []
        if not mutations:
            out.append(required("spec.mutations", "mutations must contain at least one item"))
        for i, item in enumerate(mutations):
            out += _mutation(item, scope, f"spec.mutations[{i}]")
        again = spec.get("reinvocationPolicy") or ""
        if not again:
            out.append(required("spec.reinvocationPolicy"))
        elif again not in REINVOCATION:
            out.append(not_supported("spec.reinvocationPolicy", again, REINVOCATION))
        return out


# --- bindings --------------------------------------------------------------------------------------------------------


def _param_ref(ref: Obj | None, field: str) -> list[FieldError]:
    if ref is None:
        return []
    name, selector, action = ref.get("name") or "", ref.get("selector"), ref.get("parameterNotFoundAction")
    both = "name and selector are mutually exclusive"
    out: list[FieldError] = []
    if name:
        out += checked(field + ".name", name, name_is_path_segment(name))
        if selector is not None:
            out.append(forbidden(field + ".name", both))
    if selector is not None:
        out += validate_label_selector(selector, field + ".selector")
        if name:
            out.append(forbidden(field + ".selector", both))
    elif not name:
        out.append(required(field, "one of name or selector must be specified"))
    if not action:
        out.append(required(field + ".parameterNotFoundAction"))
    elif action not in ("Deny", "Allow"):
        out.append(not_supported(field + ".parameterNotFoundAction", action, ["Deny", "Allow"]))
    return out


class _PolicyBinding(Strategy):
    meta_again = False
    standard_finalizers = False
    has_generation = True
    unconditional_update = False

    def default(self, obj: Obj) -> None:
        default_match_resources(spec_of(obj).get("matchResources"))

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return spec_of(new) != spec_of(old)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        spec = spec_of(obj)
        name = spec.get("policyName") or ""
        out = checked("spec.policyName", name, dns1123_subdomain(name)) if name else [required("spec.policyName")]
        out += _param_ref(spec.get("paramRef"), "spec.paramRef")
        return out + match_resources(spec.get("matchResources"), "spec.matchResources")

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return as_new(self, new, False) + self.validate_create(new)

    def warnings_create(self, obj: Obj) -> list[str]:
        return static_suffix_warnings(obj)

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        return static_suffix_warnings(new)


class ValidatingAdmissionPolicyBindingStrategy(_PolicyBinding):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        out = super().validate_create(obj)
        actions = spec_of(obj).get("validationActions") or []
        field = "spec.validationActions"
        seen: set[str] = set()
        for i, action in enumerate(actions):
            if action not in ACTIONS:
                out.append(not_supported(f"{field}[{i}]", action, ACTIONS))
            if action in seen:
                out.append(duplicate(f"{field}[{i}]", action))
            seen.add(action)
        if {"Deny", "Warn"} <= seen:
            why = (
                "must not contain both Deny and Warn (repeating the same validation failure information in the API "
                "response and headers serves no purpose)"
            )
            out.append(invalid(field, actions, why))
        if not seen:
            out.append(required(field, "at least one validation action is required"))
        return out


class MutatingAdmissionPolicyBindingStrategy(_PolicyBinding):
    def validate_create(self, obj: Obj) -> list[FieldError]:
        return super().validate_create(obj) + _operations(spec_of(obj).get("matchResources"), "spec.matchResources")
