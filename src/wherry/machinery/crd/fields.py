"""Field errors for definitions: values printed as Go prints internal types, texts of lists sorted as its sets are."""

from __future__ import annotations

from wherry.errors import DUPLICATE, INVALID, FieldError, forbidden, not_supported, required
from wherry.machinery.schema.gotext import bad_value, invalid_value

__all__ = ["duplicate_shown", "forbidden", "invalid_shown", "invalid_value", "not_supported", "required"]


def invalid_shown(field: str, shown: str, detail: str) -> FieldError:
    """field.Invalid with the value already printed."""
    return FieldError(field, INVALID[0], f"Invalid value: {shown}: {detail}")


def duplicate_shown(field: str, value: object) -> FieldError:
    return FieldError(field, DUPLICATE[0], f"Duplicate value: {bad_value(value)}")
