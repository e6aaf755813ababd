"""Labels and label selectors in objects: their validation, and whether a selector in an object matches labels.

Follows k8s.io/apimachinery/pkg/apis/meta/v1/validation. The selectors of list requests are another matter
(`machinery.selectors`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.errors import FieldError, forbidden, invalid, required
from wherry.machinery.builtin.common.names import label_key, label_value


def validate_label_name(name: str, path: str) -> list[FieldError]:
    return [invalid(path, name, text) for text in label_key(name)]


def validate_labels(labels: Mapping[str, str] | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for key in sorted(labels or ()):  # Go walks maps in random order; sorted is one of the orders it may give
        value = (labels or {})[key]
        errors += [invalid(path, key, text) for text in label_key(key)]
        errors += [invalid(path, value, text) for text in label_value(value)]
    return errors


def validate_requirement(
    requirement: Mapping[str, Any],
    path: str,
    *,
    allow_invalid_values: bool = False,
    allow_unknown_operator: bool = False,
) -> list[FieldError]:
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    errors: list[FieldError] = []
    if operator in ("In", "NotIn"):
        if not values:
            errors.append(required(path + ".values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            errors.append(forbidden(path + ".values", text))
    elif not allow_unknown_operator:
        errors.append(invalid(path + ".operator", operator, "not a valid selector operator"))
    errors += validate_label_name(requirement.get("key", ""), path + ".key")
    if not allow_invalid_values:
        for index, value in enumerate(values):
            errors += [invalid(f"{path}.values[{index}]", value, text) for text in label_value(value)]
    return errors


def validate_label_selector(
    selector: Mapping[str, Any] | None, path: str, *, allow_invalid_values: bool = False
) -> list[FieldError]:
    if selector is None:
        return []
    errors = validate_labels(selector.get("matchLabels"), path + ".matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions") or ()):
        where = f"{path}.matchExpressions[{index}]"
        errors += validate_requirement(requirement, where, allow_invalid_values=allow_invalid_values)
    return errors


def is_empty_selector(selector: Mapping[str, Any]) -> bool:
    return not selector.get("matchLabels") and not selector.get("matchExpressions")


def _requirement_text(key: str, operator: str, values: list[str]) -> str | None:
    """Why a requirement cannot become a selector, or None (labels.NewRequirement)."""
    if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        return f'"{operator}" is not a valid label selector operator'
    if operator in ("In", "NotIn") and not values:
        return "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
    if operator in ("Exists", "DoesNotExist") and values:
        return "values: Invalid value: []: values set must be empty for exists and does not exist"
    return None


def selector_is_convertible(selector: Mapping[str, Any]) -> bool:
    """Whether `LabelSelectorAsSelector` would succeed: every key, operator and value is sound."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if label_key(key) or label_value(value):
            return False
    for item in selector.get("matchExpressions") or ():
        values = item.get("values") or []
        if _requirement_text(item.get("key", ""), item.get("operator", ""), values) is not None:
            return False
        if label_key(item.get("key", "")) or any(label_value(v) for v in values):
            return False
    return True


def selector_matches(selector: Mapping[str, Any] | None, labels: Mapping[str, str] | None) -> bool:
    """A `metav1.LabelSelector` against labels; None matches nothing, an empty one everything."""
    if selector is None:
        return False
    labels = labels or {}
    if any(labels.get(key) != value for key, value in (selector.get("matchLabels") or {}).items()):
        return False
    for item in selector.get("matchExpressions") or ():
        key, operator, values = item.get("key", ""), item.get("operator", ""), item.get("values") or []
        if operator == "In":
            matched = key in labels and labels[key] in values
        elif operator == "NotIn":
            matched = key not in labels or labels[key] not in values
        elif operator == "Exists":
            matched = key in labels
        else:
            matched = operator == "DoesNotExist" and key not in labels
        if not matched:
            return False
    return True


def selector_string(selector: Mapping[str, Any] | None) -> str:
    """`metav1.FormatLabelSelector`-like text, sorted by key as `labels.Selector.String` gives it; "" matches all."""
    if selector is None:
        return ""
    parts: list[tuple[str, str]] = [(k, f"{k}={v}") for k, v in (selector.get("matchLabels") or {}).items()]
    for item in selector.get("matchExpressions") or ():
        key, operator, values = item.get("key", ""), item.get("operator", ""), sorted(item.get("values") or [])
        if operator in ("In", "NotIn"):
            word = "in" if operator == "In" else "notin"
            parts.append((key, f"{key} {word} ({','.join(values)})"))
        else:
            parts.append((key, key if operator == "Exists" else f"!{key}"))
    return ",".join(text for _, text in sorted(parts, key=lambda part: part[0]))
