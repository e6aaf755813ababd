"""Validation of where a pod may run: affinity, tolerations, topology spread, node selectors.

Follows validateAffinity, ValidateTolerations, validateTopologySpreadConstraints and below in core validation.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.labels import validate_label_name, validate_label_selector
from wherry.machinery.builtin.common.names import dns1123_label, dns1123_subdomain, label_key, label_value
from wherry.machinery.builtin.common.values import unsupported_json
from wherry.machinery.builtin.workloads.base import NOT_POSITIVE, parse_go_int
from wherry.machinery.builtin.workloads.options import PodOptions

Obj = dict[str, Any]
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
ACTIONS = ("DoNotSchedule", "ScheduleAnyway")
INCLUSION = ("Honor", "Ignore")
WEIGHT_TEXT = "must be in the range 1-100"


# --- affinity --------------------------------------------------------------------------------------------------------


def _node_requirement(item: Obj, path: str, any_values: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    operator, values = item.get("operator", ""), item.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(path + ".values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(path + ".values", text))
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            text = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            errors.append(required(path + ".values", text))
    else:
        errors.append(invalid(path + ".operator", operator, "not a valid selector operator"))
    errors += validate_label_name(item.get("key", ""), path + ".key")
    if not any_values:
        for index, value in enumerate(values):
            errors += [invalid(f"{path}.values[{index}]", value, text) for text in label_value(value)]
    return errors


def _node_field(item: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    operator, values, key = item.get("operator", ""), item.get("values") or [], item.get("key", "")
    if operator not in ("In", "NotIn"):
        errors.append(invalid(path + ".operator", operator, "not a valid selector operator"))
    elif len(values) != 1:
        text = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        errors.append(required(path + ".values", text))
    if key != "metadata.name":
        return [*errors, invalid(path + ".key", key, "not a valid field selector key")]
    for index, value in enumerate(values):
        errors += [invalid(f"{path}.values[{index}]", value, text) for text in dns1123_subdomain(value)]
    return errors


def node_selector_term(term: Obj, path: str, any_values: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, item in enumerate(term.get("matchExpressions") or ()):
        errors += _node_requirement(item, f"{path}.matchExpressions[{index}]", any_values)
    for index, item in enumerate(term.get("matchFields") or ()):
        errors += _node_field(item, f"{path}.matchFields[{index}]")
    return errors


def node_selector(selector: Obj, path: str, any_values: bool) -> list[FieldError]:
    terms = selector.get("nodeSelectorTerms") or []
    where = path + ".nodeSelectorTerms"
    if not terms:
        return [required(where, "must have at least one node selector term")]
    errors: list[FieldError] = []
    for index, term in enumerate(terms):
        errors += node_selector_term(term, f"{where}[{index}]", any_values)
    return errors


def _term_selectors(term: Obj, path: str, any_values: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in ("labelSelector", "namespaceSelector"):
        errors += validate_label_selector(term.get(key), f"{path}.{key}", allow_invalid_values=any_values)
    return errors


def _term(term: Obj, path: str, any_values: bool) -> list[FieldError]:
    errors = _term_selectors(term, path, any_values)
    for name in term.get("namespaces") or ():
        errors += [invalid(path + ".namespace", name, text) for text in dns1123_label(name)]
    keys, not_keys = term.get("matchLabelKeys") or [], term.get("mismatchLabelKeys") or []
    errors += _label_keys(path, keys, not_keys, term.get("labelSelector"))
    key = term.get("topologyKey", "")
    if not key:
        errors.append(required(path + ".topologyKey", "can not be empty"))
    return errors + validate_label_name(key, path + ".topologyKey")


def _pod_affinity(affinity: Obj, path: str, any_values: bool) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, term in enumerate(affinity.get(REQUIRED) or ()):
        errors += _term(term, f"{path}.{REQUIRED}[{index}]", any_values)
    for index, item in enumerate(affinity.get(PREFERRED) or ()):
        where = f"{path}.{PREFERRED}[{index}]"
        weight = item.get("weight", 0)
        if not 0 < weight <= 100:
            errors.append(invalid(where + ".weight", weight, WEIGHT_TEXT))
        errors += _term(item.get("podAffinityTerm") or {}, where + ".podAffinityTerm", any_values)
    return errors


def validate_affinity(affinity: Obj | None, path: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    affinity = affinity or {}
    node = affinity.get("nodeAffinity")
    if node is not None:
        where = path + ".nodeAffinity"
        if node.get(REQUIRED) is not None:
            errors += node_selector(node[REQUIRED], f"{where}.{REQUIRED}", options.invalid_node_affinity_values)
        for index, item in enumerate(node.get(PREFERRED) or ()):
            inner = f"{where}.{PREFERRED}[{index}]"
            weight = item.get("weight", 0)
            if not 0 < weight <= 100:
                errors.append(invalid(inner + ".weight", weight, WEIGHT_TEXT))
            errors += node_selector_term(item.get("preference") or {}, inner + ".preference", True)
    for key in ("podAffinity", "podAntiAffinity"):
        if affinity.get(key) is not None:
            errors += _pod_affinity(affinity[key], f"{path}.{key}", options.invalid_selector_values)
    return errors


# --- tolerations -----------------------------------------------------------------------------------------------------


def validate_tolerations(tolerations: list[Obj], path: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, item in enumerate(tolerations):
        where = f"{path}[{index}]"
        key, operator, effect = item.get("key", ""), item.get("operator", ""), item.get("effect", "")
        if key:
            errors += validate_label_name(key, where + ".key")
        elif operator != "Exists":
            text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            errors.append(invalid(where + ".operator", operator, text))
        if item.get("tolerationSeconds") is not None and effect != "NoExecute":
            text = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            errors.append(invalid(where + ".effect", effect, text))
        errors += _toleration_value(operator, item.get("value", ""), where, options)
        if effect and effect not in EFFECTS:
            errors.append(not_supported(where + ".effect", effect, EFFECTS))
    return errors


def _toleration_value(operator: str, value: str, path: str, options: PodOptions) -> list[FieldError]:
    if operator in ("", "Equal"):
        texts = label_value(value)
        return [invalid(path + ".operator", value, ";".join(texts))] if texts else []
    if operator == "Exists":
        if not value:
            return []
        return [invalid(path + ".operator", value, "value must be empty when `operator` is 'Exists'")]
    if operator in ("Lt", "Gt"):
        if not options.comparing_tolerations:
            return [not_supported(path + ".operator", operator, ("Equal", "Exists", "Lt", "Gt"))]
        return _decimal(value, path + ".value")
    return [not_supported(path + ".operator", operator, ("Equal", "Exists"))]


def _decimal(value: str, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    digits = value.removeprefix("-")
    if not value:
        errors.append(invalid(path, value, "must be non-empty"))
    elif not (digits.isascii() and digits.isdigit()) or (digits[0] == "0" and value != "0"):
        errors.append(invalid(path, value, "must be a valid decimal integer in canonical form"))
    try:
        parse_go_int(value)
    except ValueError as error:
        errors.append(invalid(path, value, str(error)))
    return errors


# --- topology spread -------------------------------------------------------------------------------------------------


def validate_spread(constraints: list[Obj], path: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, item in enumerate(constraints):
        where = f"{path}[{index}]"
        skew, key, action = item.get("maxSkew", 0), item.get("topologyKey", ""), item.get("whenUnsatisfiable", "")
        if skew <= 0:
            errors.append(invalid(where + ".maxSkew", skew, NOT_POSITIVE))
        if not key:
            errors.append(required(where + ".topologyKey", "can not be empty"))
        if action not in ACTIONS:
            errors.append(not_supported(where + ".whenUnsatisfiable", action, ACTIONS))
        if any(
            key == other.get("topologyKey", "") and action == other.get("whenUnsatisfiable", "")
            for other in constraints[index + 1 :]
        ):
            errors.append(duplicate(where + ".{topologyKey, whenUnsatisfiable}", f"{{{key}, {action}}}"))
        domains = item.get("minDomains")
        if domains is not None:
            if domains <= 0:
                errors.append(invalid(where + ".minDomains", domains, NOT_POSITIVE))
            if action != "DoNotSchedule":
                text = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
                errors.append(invalid(where + ".minDomains", domains, text))
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if item.get(name) is not None and item[name] not in INCLUSION:
                errors.append(unsupported_json(f"{where}.{name}", item[name], INCLUSION))
        keys, selector = item.get("matchLabelKeys") or [], item.get("labelSelector")
        if options.old_spread_keys:
            errors += _legacy_keys(where + ".matchLabelKeys", keys, selector)
        else:
            errors += _label_keys(where, keys, [], selector)
        if not options.invalid_spread_selector:
            errors += validate_label_selector(selector, where + ".labelSelector")
    return errors


def _label_keys(path: str, keys: list[str], not_keys: list[str], selector: Obj | None) -> list[FieldError]:
    """Keys whose values come from the pod, merged into a selector (ValidateMatchLabelKeysAndMismatchLabelKeys)."""
    errors: list[FieldError] = []
    for name, listed in (("matchLabelKeys", keys), ("mismatchLabelKeys", not_keys)):
        if not listed:
            continue
        if selector is None:
            text = "must not be specified when labelSelector is not set"
            errors.append(forbidden(f"{path}.{name}", text))
            continue
        for index, key in enumerate(listed):
            errors += [invalid(f"{path}.{name}[{index}]", key, text) for text in label_key(key)]
    if selector is not None:
        where = {key: index for index, key in enumerate(keys)}
        seen = set(selector.get("matchLabels") or ())
        for item in selector.get("matchExpressions") or ():
            key = item.get("key", "")
            if key in where and key in seen:
                text = "exists in both matchLabelKeys and labelSelector"
                errors.append(invalid(f"{path}[{where[key]}]", key, text))
            seen.add(key)
    for index, key in enumerate(keys):
        if key in not_keys:
            text = "exists in both matchLabelKeys and mismatchLabelKeys"
            errors.append(invalid(f"{path}.matchLabelKeys[{index}]", key, text))
    return errors


def _legacy_keys(path: str, keys: list[str], selector: Obj | None) -> list[FieldError]:
    if not keys:
        return []
    errors: list[FieldError] = []
    known: set[str] = set()
    if selector is None:
        errors.append(forbidden(path, "must not be specified when labelSelector is not set"))
    else:
        known = {*(selector.get("matchLabels") or ())}
        known |= {item.get("key", "") for item in selector.get("matchExpressions") or ()}
    for index, key in enumerate(keys):
        errors += validate_label_name(key, f"{path}[{index}]")
        if key in known:
            errors.append(invalid(f"{path}[{index}]", key, "exists in both matchLabelKeys and labelSelector"))
    return errors


# --- what a stored pod already breaks --------------------------------------------------------------------------------


def has_invalid_affinity_selector(spec: Obj) -> bool:
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        found = [*(terms.get(REQUIRED) or ()), *(i.get("podAffinityTerm") or {} for i in terms.get(PREFERRED) or ())]
        if any(_term_selectors(term, "", False) for term in found):
            return True
    return False


def has_invalid_node_affinity(spec: Obj) -> bool:
    selector = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(REQUIRED) or {}
    return any(
        label_value(value)
        for term in selector.get("nodeSelectorTerms") or ()
        for item in term.get("matchExpressions") or ()
        for value in item.get("values") or ()
    )


def has_invalid_spread_selector(spec: Obj) -> bool:
    return any(
        validate_label_selector(item.get("labelSelector"), "") for item in spec.get("topologySpreadConstraints") or ()
    )


def has_invalid_spread_keys(spec: Obj) -> bool:
    return any(
        _label_keys("", item.get("matchLabelKeys") or [], [], item.get("labelSelector"))
        for item in spec.get("topologySpreadConstraints") or ()
    )
