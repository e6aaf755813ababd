"""Field errors that many kinds raise, and the few helpers that keep validators short.

Follows k8s.io/apimachinery/pkg/api/validation and pkg/apis/meta/v1/validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from wherry.errors import (
    TOO_LONG,
    TOO_MANY,
    FieldError,
    duplicate,
    forbidden,
    invalid,
    not_supported,
    required,
)
from wherry.machinery.builtin.common import names
from wherry.machinery.builtin.common.labels import validate_label_name
from wherry.machinery.kinds import Obj

IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"


def spec_of(obj: Obj) -> Obj:
    """`spec` as a mapping, empty when absent; read only."""
    return obj.get("spec") or {}


def make(obj: Obj, key: str) -> Obj:
    """A member mapping that may be written to, created when absent."""
    value = obj.get(key)
    if value is None:
        value = obj[key] = {}
    return value


def checked(field: str, value: str, texts: Iterable[str]) -> list[FieldError]:
    """One `Invalid` per text of a content check."""
    return [invalid(field, value, text) for text in texts]


def immutable(new: Any, old: Any, field: str, shown: Any = ...) -> list[FieldError]:
    """ValidateImmutableField; absent, null and empty count as equal. `shown` is what the message prints."""
    if (new or None) == (old or None) and type(new or None) is type(old or None):
        return []
    return [invalid(field, new if shown is ... else shown, IMMUTABLE)]


def non_negative(value: int, field: str) -> list[FieldError]:
    return [invalid(field, value, NOT_NEGATIVE)] if value < 0 else []


def too_long_bytes(field: str, limit: int) -> FieldError:
    return FieldError(field, TOO_LONG[0], f"Too long: may not be more than {limit} byte{'' if limit == 1 else 's'}")


def too_many_items(field: str, actual: int, limit: int) -> FieldError:
    items = "item" if limit == 1 else "items"
    return FieldError(field, TOO_MANY[0], f"Too many: {actual}: must have at most {limit} {items}")


def bare(field: str, reason: tuple[str, str], detail: str) -> FieldError:
    """An error whose bad value is left out."""
    return FieldError(field, reason[0], f"{reason[1]}: {detail}" if detail else reason[1])


# --- requirements of selectors in access reviews ---------------------------------------------------------------------


def field_requirement(requirement: Obj, field: str, *, any_operator: bool = False) -> list[FieldError]:
    """ValidateFieldSelectorRequirement."""
    out = [] if requirement.get("key") else [required(field + ".key", "must be specified")]
    operator, values = requirement.get("operator", ""), requirement.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            out.append(required(field + ".values", "must be specified when `operator` is 'In' or 'NotIn'"))
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            out.append(forbidden(field + ".values", why))
    elif not any_operator:
        out.append(invalid(field + ".operator", operator, "not a valid selector operator"))
    return out


# --- conditions ------------------------------------------------------------------------------------------------------

REASON = "[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?"
_reason = re.compile(REASON).fullmatch
_REASON_RULE = (
    "a condition reason must start with alphabetic character, optionally followed by a string of alphanumeric "
    "characters or '_,:', and must end with an alphanumeric character or '_'"
)


def conditions(value: Sequence[Obj] | None, field: str) -> list[FieldError]:
    """A list of metav1.Condition."""
    out: list[FieldError] = []
    seen: set[str] = set()
    for i, condition in enumerate(value or []):
        kind = condition.get("type", "")
        if kind in seen:
            out.append(duplicate(f"{field}[{i}].type", kind))
        seen.add(kind)
        out += one_condition(condition, f"{field}[{i}]")
    return out


def one_condition(condition: Obj, field: str) -> list[FieldError]:
    out = validate_label_name(condition.get("type", ""), field + ".type")
    status = condition.get("status", "")
    if status not in ("True", "False", "Unknown"):
        out.append(not_supported(field + ".status", status, ["False", "True", "Unknown"]))
    observed = condition.get("observedGeneration") or 0
    if observed < 0:
        out.append(invalid(field + ".observedGeneration", observed, "must be greater than or equal to zero"))
    if not condition.get("lastTransitionTime"):
        out.append(required(field + ".lastTransitionTime"))
    reason = condition.get("reason", "")
    if not reason:
        out.append(required(field + ".reason"))
    else:
        if not _reason(reason):
            examples = ("my_name", "MY_NAME", "MyName", "ReasonA,ReasonB", "ReasonA:ReasonB")
            out.append(invalid(field + ".reason", reason, names.regex_text(_REASON_RULE, REASON, *examples)))
        if names.byte_length(reason) > 1024:
            out.append(too_long_bytes(field + ".reason", 1024))
    if names.byte_length(condition.get("message", "")) > 32768:
        out.append(too_long_bytes(field + ".message", 32768))
    return out


# --- structs as the real server prints them --------------------------------------------------------------------------


def go_struct(value: Obj | None, shape: Mapping[str, tuple[str, Any]]) -> Obj | None:
    """An object as Go's JSON shows an internal struct: Go's field names, every field present.

    `shape` maps the Go name to (JSON name, zero value), in the order of the struct."""
    if value is None:
        return None
    return {go: value.get(name, zero) for go, (name, zero) in shape.items()}
