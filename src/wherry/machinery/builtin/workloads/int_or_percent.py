"""Numbers that may be a percentage. Follows ValidatePositiveIntOrPercent and its friends in apps validation."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError
from wherry.machinery.builtin.common.names import percent
from wherry.machinery.builtin.common.values import invalid_json
from wherry.machinery.builtin.workloads.base import at_least_zero


def positive_int_or_percent(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, str):
        return [invalid_json(path, value, text) for text in percent(value)]
    return at_least_zero(value, path)


def amount(value: Any) -> int:
    """The number or the percentage; text that is neither counts as the integer it starts as, else zero."""
    if not isinstance(value, str):
        return int(value)
    digits = value.removesuffix("%") if not percent(value) else value
    return int(digits) if digits.isascii() and digits.removeprefix("-").isdigit() else 0


def at_most_all(value: Any, path: str) -> list[FieldError]:
    if isinstance(value, str) and not percent(value) and int(value[:-1]) > 100:
        return [invalid_json(path, value, "must not be greater than 100%")]
    return []
