"""What webhooks and admission policies share: rules that select requests, match conditions, expressions.

Follows pkg/apis/admissionregistration/validation. Expressions are compiled by the CEL engine, which is imported for
the first of them, unless `use_compiler` gave another.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wherry.errors import FieldError, duplicate, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_selector
from wherry.machinery.builtin.common.names import dns1035_label, label_key, name_is_path_segment
from wherry.machinery.builtin.core.shared.fields import checked, too_many_items
from wherry.machinery.kinds import Obj

FAILURE = ["Fail", "Ignore"]
MATCH = ["Equivalent", "Exact"]
OPERATIONS = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"]
MUTATING_OPERATIONS = ["*", "CONNECT", "CREATE", "UPDATE"]
REINVOCATION = ["IfNeeded", "Never"]
REVIEW_VERSIONS = ["v1", "v1beta1"]
STATIC_SUFFIX = ".static.k8s.io"


@dataclass(frozen=True, slots=True)
class Scope:
    """What an expression may refer to, and what it must give."""

    result: str  # bool, string, audit (string or null), apply (object), jsonpatch (list of patches), any
    params: bool = False
    authorizer: bool = True
    patch_types: bool = False
    variables: tuple[tuple[str, str], ...] = ()  # (name, expression) declared before, when composition is allowed


Compile = Callable[[str, Scope], str]  # (expression, scope) -> what is wrong with it, empty when it compiles

_compilers: list[Compile] = []


def use_compiler(compile_expression: Compile) -> None:
    """Registered by the CEL engine when it is first imported."""
    _compilers[:] = [compile_expression]


def expression(text: str, scope: Scope, field: str, shown: str | None = None) -> list[FieldError]:
    """An expression compiled; `shown` is what the message quotes."""
    if not _compilers:
        from wherry.machinery.cel.policy import compile_expression as compile_cel

        use_compiler(compile_cel)
    for compile_expression in _compilers:
        if problem := compile_expression(text, scope):
            return [invalid(field, text if shown is None else shown, problem)]
    return []


def match_conditions(conditions: list[Obj], params: bool, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    if len(conditions) > 64:
        out.append(too_many_items(field, len(conditions), 64))
    seen: set[str] = set()
    scope = Scope("bool", params=params)
    for i, condition in enumerate(conditions):
        where, name = f"{field}[{i}]", condition.get("name") or ""
        text = (condition.get("expression") or "").strip()
        if text:
            out += expression(text, scope, where + ".expression")
        else:
            out.append(required(where + ".expression"))
        if not name:
            out.append(required(where + ".name"))
            continue
        out += checked(where + ".name", name, label_key(name))
        if name in seen:
            out.append(duplicate(where + ".name", name))
        seen.add(name)
    return out


# --- rules -----------------------------------------------------------------------------------------------------------


def _resources(resources: list[str], field: str) -> list[FieldError]:
    out = [] if resources else [required(field)]
    all_subs: set[str] = set()  # resources given as x/*
    all_resources: set[str] = set()  # subresources given as */y
    plain = False
    for i, text in enumerate(resources):
        where = f"{field}[{i}]"
        if not text:
            out.append(required(where))
            continue
        resource, slash, sub = text.partition("/")
        if not slash:
            plain = text != "*"  # as upstream: the last plain one decides
            continue
        if resource in all_subs:
            out.append(invalid(where, text, f"if '{resource}/*' is present, must not specify {text}"))
        if sub in all_resources:
            out.append(invalid(where, text, f"if '*/{sub}' is present, must not specify {text}"))
        if sub == "*":
            all_subs.add(resource)
        if resource == "*":
            all_resources.add(sub)
    if len(resources) > 1 and "*/*" in resources:
        out.append(invalid(field, resources, "if '*/*' is present, must not specify other resources"))
    if "*" in resources and plain:
        why = "if '*' is present, must not specify other resources without subresources"
        out.append(invalid(field, resources, why))
    return out


def _either_all(values: list[str], what: str, field: str) -> list[FieldError]:
    out = [] if values else [required(field)]
    if len(values) > 1 and "*" in values:
        out.append(invalid(field, values, f"if '*' is present, must not specify other {what}"))
    return out


def rule_with_operations(rule: Obj, field: str) -> list[FieldError]:
    operations, versions = rule.get("operations") or [], rule.get("apiVersions") or []
    out = _either_all(operations, "operations", field + ".operations")
    for i, name in enumerate(operations):
        if name not in OPERATIONS:
            out.append(not_supported(f"{field}.operations[{i}]", name, OPERATIONS))
    out += _either_all(rule.get("apiGroups") or [], "API groups", field + ".apiGroups")
    out += _either_all(versions, "API versions", field + ".apiVersions")
    out += [required(f"{field}.apiVersions[{i}]") for i, version in enumerate(versions) if not version]
    out += _resources(rule.get("resources") or [], field + ".resources")
    scope = rule.get("scope")
    if scope is not None and scope not in ("*", "Cluster", "Namespaced"):
        out.append(not_supported(field + ".scope", scope, ["*", "Cluster", "Namespaced"]))
    return out


def named_rule(rule: Obj, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, name in enumerate(rule.get("resourceNames") or []):
        where = f"{field}.resourceNames[{i}]"
        out += checked(where, name, name_is_path_segment(name))
        if name in seen:
            out.append(duplicate(where, name))
        seen.add(name)
    return out + rule_with_operations(rule, field)


def match_resources(match: Obj | None, field: str) -> list[FieldError]:
    if match is None:
        return []
    out: list[FieldError] = []
    policy = match.get("matchPolicy")
    if policy is None:
        out.append(required(field + ".matchPolicy"))
    elif policy not in MATCH:
        out.append(not_supported(field + ".matchPolicy", policy, MATCH))
    for key in ("namespaceSelector", "objectSelector"):
        if match.get(key) is None:
            out.append(required(f"{field}.{key}"))
        else:
            out += validate_label_selector(match[key], f"{field}.{key}")
    for key in ("resourceRules", "excludeResourceRules"):
        for i, rule in enumerate(match.get(key) or []):
            out += named_rule(rule, f"{field}.{key}[{i}]")
    return out


def default_match_resources(match: Obj | None) -> None:
    if match is None:
        return
    if match.get("matchPolicy") is None:
        match["matchPolicy"] = "Equivalent"
    for key in ("namespaceSelector", "objectSelector"):
        if match.get(key) is None:
            match[key] = {}
    for key in ("resourceRules", "excludeResourceRules"):
        default_rules(match.get(key))


def default_rules(rules: list[Obj] | None) -> None:
    for rule in rules or []:
        if rule.get("scope") is None:
            rule["scope"] = "*"


def failure_policy(policy: str | None, field: str) -> list[FieldError]:
    if policy is None:
        return [required(field)]
    return [] if policy in FAILURE else [not_supported(field, policy, FAILURE)]


def review_versions(versions: list[str], need_known: bool, field: str) -> list[FieldError]:
    if not versions:
        return [required(field, "must specify one of " + ", ".join(REVIEW_VERSIONS))]
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, version in enumerate(versions):
        if version in seen:
            out.append(invalid(f"{field}[{i}]", version, "duplicate version"))
            continue
        seen.add(version)
        out += checked(f"{field}[{i}]", version, dns1035_label(version))
    if need_known and not seen & set(REVIEW_VERSIONS):
        out.append(invalid(field, versions, "must include at least one of " + ", ".join(REVIEW_VERSIONS)))
    return out


def static_suffix_warnings(obj: Obj) -> list[str]:
    """WarningsForStaticSuffix."""
    name = obj["metadata"].get("name", "")
    if not name.endswith(STATIC_SUFFIX):
        return []
    return [
        f'metadata.name: names ending with "{STATIC_SUFFIX}" are reserved for static manifest-based configurations and '
        "cannot be managed via the API"
    ]
