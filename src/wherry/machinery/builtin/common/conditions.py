"""Validation of `metav1.Condition` lists (k8s.io/apimachinery/pkg/apis/meta/v1/validation.ValidateConditions)."""

from __future__ import annotations

import re
from typing import Any

from wherry.errors import FieldError, duplicate, invalid, not_supported, required, too_long
from wherry.machinery.builtin.common.labels import validate_label_name
from wherry.machinery.builtin.common.names import byte_length, regex_text

STATUSES = ("False", "True", "Unknown")
_REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_reason_re = re.compile(_REASON)
_REASON_TEXT = regex_text(
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'",
    _REASON,
    "my_name",
    "MY_NAME",
    "MyName",
    "ReasonA,ReasonB",
    "ReasonA:ReasonB",
)


def validate_conditions(conditions: list[dict[str, Any]], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        kind = condition.get("type", "")
        if kind in seen:
            errors.append(duplicate(f"{path}[{index}].type", kind))
        seen.add(kind)
        errors += _condition(condition, f"{path}[{index}]")
    return errors


def _condition(condition: dict[str, Any], path: str) -> list[FieldError]:
    errors = validate_label_name(condition.get("type", ""), path + ".type")
    status, seen = condition.get("status", ""), condition.get("observedGeneration", 0)
    if status not in STATUSES:
        errors.append(not_supported(path + ".status", status, STATUSES))
    if seen < 0:
        errors.append(invalid(path + ".observedGeneration", seen, "must be greater than or equal to zero"))
    if condition.get("lastTransitionTime") is None:
        errors.append(required(path + ".lastTransitionTime"))
    reason = condition.get("reason", "")
    if not reason:
        errors.append(required(path + ".reason"))
    else:
        if not _reason_re.fullmatch(reason):
            errors.append(invalid(path + ".reason", reason, _REASON_TEXT))
        if byte_length(reason) > 1024:
            errors.append(too_long(path + ".reason", 1024))
    if byte_length(condition.get("message", "")) > 32 * 1024:
        errors.append(too_long(path + ".message", 32 * 1024))
    return errors
