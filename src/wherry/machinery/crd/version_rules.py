"""Validation of what a version has beside its schema: deprecation, subresources, printer columns, selectable fields.

Part of `validate`.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from wherry.errors import FieldError, duplicate, invalid, required, too_many
from wherry.machinery.crd.fieldpath import PathError, resolve
from wherry.machinery.crd.internal import Version

Obj = dict[str, Any]
_COLUMN_TYPES = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
MAX_SELECTABLE = 8


def check_deprecation(version: Version, path: str) -> list[FieldError]:
    text = version.deprecation_warning
    if text is None:
        return []
    if not version.deprecated:
        return [invalid(path, text, "can only be set for deprecated versions")]
    errors: list[FieldError] = []
    if len(text.encode("utf-8", "surrogatepass")) > 256:
        errors.append(invalid(path, text, "must be <= 256 characters long"))
    if not text:
        errors.append(invalid(path, text, "must not be an empty string"))
    position = 0
    for char in text:
        if not is_print(char):
            why = f"must only contain printable UTF-8 characters; non-printable character found at index {position}"
            errors.append(invalid(path, text, why))
            break
        position += len(char.encode("utf-8", "surrogatepass"))
    return errors


def is_print(char: str) -> bool:
    """unicode.IsPrint: letters, marks, numbers, punctuation, symbols, and the ASCII space."""
    return char == " " or unicodedata.category(char)[0] in "LMNPS"


def check_subresources(subresources: Obj | None, path: str) -> list[FieldError]:
    scale = (subresources or {}).get("scale")
    if scale is None:
        return []
    errors: list[FieldError] = []
    for member, root in (("specReplicasPath", "spec"), ("statusReplicasPath", "status")):
        text, where = scale.get(member) or "", f"{path}.scale.{member}"
        if not text:
            errors.append(required(where))
        else:
            errors += _json_path(text, where) or _under(text, (root,), where)
    text = scale.get("labelSelectorPath")
    if text:
        where = f"{path}.scale.labelSelectorPath"
        errors += _json_path(text, where) or _under(text, ("spec", "status"), where)
    return errors


def _under(text: str, roots: tuple[str, ...], path: str) -> list[FieldError]:
    if text.startswith(tuple(f".{root}." for root in roots)):
        return []
    where = "either .spec or .status" if len(roots) == 2 else f".{roots[0]}"
    return [invalid(path, text, f"should be a json path under {where}")]


def _json_path(text: str, path: str) -> list[FieldError]:
    """validateSimpleJSONPath, for text that is not empty."""
    return [] if text.startswith(".") else [invalid(path, text, "must be a simple json path starting with .")]


def check_columns(columns: list[Obj] | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, column in enumerate(columns or ()):
        errors += _check_column(column, f"{path}[{index}]")
    return errors


def _check_column(column: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if not column.get("name"):
        errors.append(required(f"{path}.name"))
    kind, form, text = column.get("type") or "", column.get("format") or "", column.get("jsonPath") or ""
    why = f"must be one of {','.join(_COLUMN_TYPES)}"
    if not kind:
        errors.append(required(f"{path}.type", why))
    elif kind not in _COLUMN_TYPES:
        errors.append(invalid(f"{path}.type", kind, why))
    if form and form not in _COLUMN_FORMATS:
        errors.append(invalid(f"{path}.format", form, f"must be one of {','.join(_COLUMN_FORMATS)}"))
    if not text:
        errors.append(required(f"{path}.JSONPath"))
    else:
        errors += _json_path(text, f"{path}.JSONPath")
    return errors


def check_selectable(fields: list[Obj], schema: Obj | None, path: str, allow_many: bool) -> list[FieldError]:
    """ValidateCustomResourceSelectableFields."""
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, entry in enumerate(fields):
        where, text = f"{path}[{index}].jsonPath", entry.get("jsonPath") or ""
        if not text:
            errors.append(required(where))
            continue
        try:
            found = resolve(text, schema or {}, brackets=False)
        except PathError as error:
            errors.append(invalid(where, text, f"is an invalid path: {error}"))
            continue
        if found.root == "metadata":
            errors.append(invalid(where, text, "must not point to fields in metadata"))
        if found.schema is None or found.schema.get("type") not in ("string", "boolean", "integer"):
            why = "must point to a field of type string, boolean or integer."
            errors.append(invalid(where, text, f"{why} Enum string fields and strings with formats are allowed."))
        if found.path in seen:
            errors.append(duplicate(where, text))
        seen.add(found.path)
    if len(seen) > MAX_SELECTABLE and not allow_many:
        errors.append(too_many(path, len(seen), MAX_SELECTABLE))
    return errors
