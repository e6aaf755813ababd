"""Field errors whose bad value Go holds behind a pointer or in a struct: those are printed as JSON, also strings."""

from __future__ import annotations

import json
from typing import Any

from wherry.errors import INVALID, NOT_SUPPORTED, FieldError, go_quote


def json_text(value: Any) -> str:
    """encoding/json: compact, keys in the order given, HTML characters escaped."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def invalid_json(path: str, value: Any, detail: str = "") -> FieldError:
    return FieldError(path, INVALID[0], f"Invalid value: {json_text(value)}" + (f": {detail}" if detail else ""))


def unsupported_json(path: str, value: Any, supported: tuple[str, ...]) -> FieldError:
    listed = ", ".join(go_quote(item) for item in supported)
    return FieldError(path, NOT_SUPPORTED[0], f"Unsupported value: {json_text(value)}: supported values: {listed}")


def invalid_omitted(path: str, detail: str) -> FieldError:
    """An invalid value that is not shown (field.OmitValueType)."""
    return FieldError(path, INVALID[0], f"Invalid value: {detail}")
