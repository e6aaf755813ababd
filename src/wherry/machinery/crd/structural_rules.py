"""What makes a schema structural: every field specified outside of junctors, junctors only about values.

Part of `validate` (k8s.io/apiextensions-apiserver/pkg/apiserver/schema: NewStructural and ValidateStructural).
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid, required
from wherry.machinery.crd.walk import single_items
from wherry.machinery.regex import PatternError, compile_go

Obj = dict[str, Any]
_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_MISSING_TYPE = {
    "root": "must not be empty at the root",
    "item": "must not be empty for specified array items",
    "field": "must not be empty for specified object fields",
}
_UNSUPPORTED = (
    ("id", "id"),
    ("$schema", "schema"),
    ("$ref", "$ref"),
    ("patternProperties", "patternProperties"),
    ("dependencies", "dependencies"),
    ("additionalItems", "additionalItems"),
    ("definitions", "definitions"),
)
# what a junctor may not hold: (field, words)
_NOT_NESTED = (
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
)


def unsupported(schema: Obj | None) -> str | None:
    """Why NewStructural fails, or None."""
    if schema is None:
        return None
    for key, name in _UNSUPPORTED:
        value = schema.get(key)
        if value or (key == "additionalItems" and value is not None):
            return f"OpenAPIV3Schema '{name}' is not supported"
    for name in ("not",):
        found = unsupported(schema.get(name))
        if found:
            return found
    for name in ("allOf", "anyOf", "oneOf"):
        for child in schema.get(name) or ():
            found = unsupported(child)
            if found:
                return found
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
    if isinstance(schema.get("items"), list):
        return "OpenAPIV3Schema 'items' must be a schema, but is an array" if schema["items"] else None
    below = [schema.get("items"), *(child for _, child in sorted((schema.get("properties") or {}).items()))]
    extra = schema.get("additionalProperties")
    for child in [*below, extra if isinstance(extra, dict) else None]:
        found = unsupported(child)
        if found:
            return found
    return None


def check_structural(schema: Obj, path: str) -> list[FieldError]:
    """ValidateStructural; upstream sorts the errors by text."""
    errors = _invariants(schema, "root", path) + _complete_values(schema, schema, path, path)
    return sorted(errors, key=str)


def _key(path: str, name: str) -> str:
    return f"{path}.properties[{name}]"


def _invariants(schema: Obj, level: str, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    items = single_items(schema)
    if schema.get("type") == "array" and items is None:
        errors.append(required(f"{path}.items", "must be specified"))
    if items is not None:
        errors += _invariants(items, "item", f"{path}.items")
    properties: Obj = schema.get("properties") or {}
    for name, child in properties.items():
        errors += _invariants(child, "field", _key(path, name))
    extra = schema.get("additionalProperties")
    if extra is not None:
        if level == "root":
            errors.append(forbidden(f"{path}.additionalProperties", "must not be used at the root"))
        if isinstance(extra, dict):
            errors += _invariants(extra, "field", f"{path}.additionalProperties")
    errors += _extensions(schema, path)
    any_of, all_of = schema.get("anyOf") or [], schema.get("allOf") or []
    skip_any = any_of == _INT_OR_STRING
    skip_first = bool(all_of) and (all_of[0].get("anyOf") or []) == _INT_OR_STRING
    errors += _values(schema, path, skip_any=skip_any, skip_first=skip_first)
    errors += _own_type(schema, level, path, extra)
    errors += _meta_fields(schema, level, path, properties)
    return errors


def _own_type(schema: Obj, level: str, path: str, extra: Any) -> list[FieldError]:
    errors: list[FieldError] = []
    kind, embedded = schema.get("type") or "", bool(schema.get("x-kubernetes-embedded-resource"))
    untyped = schema.get("x-kubernetes-int-or-string") or schema.get("x-kubernetes-preserve-unknown-fields")
    if embedded and kind != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        errors.append(invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why))
    elif not kind and not untyped:
        errors.append(required(f"{path}.type", _MISSING_TYPE[level]))
    if embedded and extra is not None:
        why = "must not be used if x-kubernetes-embedded-resource is set"
        errors.append(forbidden(f"{path}.additionalProperties", why))
    if level == "root" and kind and kind != "object":
        errors.append(invalid(f"{path}.type", kind, "must be object at the root"))
    return errors


def _meta_fields(schema: Obj, level: str, path: str, properties: Obj) -> list[FieldError]:
    errors: list[FieldError] = []
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    checked = level == "root" or embedded
    for name in ("kind", "apiVersion"):
        if checked and name in properties and properties[name].get("type") != "string":
            errors.append(invalid(f"{_key(path, name)}.type", properties[name].get("type") or "", "must be string"))
    if "metadata" in properties:
        errors += _metadata(properties["metadata"], checked, level, _key(path, "metadata"))
    if embedded and not schema.get("x-kubernetes-preserve-unknown-fields") and not properties:
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        errors.append(required(f"{path}.properties", why))
    return errors


def _metadata(schema: Obj, checked: bool, level: str, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if checked and schema.get("type") != "object":
        errors.append(invalid(f"{path}.type", schema.get("type") or "", "must be object"))
    if level == "root":
        # a bound of 0 is there, though it equals False
        others = {key for key, value in schema.items() if value is not False and value not in (None, "", [], {})}
        named = set(schema.get("properties") or {})
        if others - {"type", "default", "properties"} or not named <= {"name", "generateName"}:
            why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            errors.append(forbidden(path, why))
    return errors


def _extensions(schema: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if schema.get("x-kubernetes-int-or-string"):
        for name in ("x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"):
            if schema.get(name):
                why = "must be false if x-kubernetes-int-or-string is true"
                errors.append(invalid(f"{path}.{name}", True, why))
    return errors


def _values(schema: Obj, path: str, *, skip_any: bool = False, skip_first: bool = False) -> list[FieldError]:
    errors: list[FieldError] = []
    if not skip_any:
        for index, child in enumerate(schema.get("anyOf") or ()):
            errors += _nested(child, f"{path}.anyOf[{index}]")
    for index, child in enumerate(schema.get("allOf") or ()):
        errors += _nested(child, f"{path}.allOf[{index}]", skip_any=skip_first and index == 0)
    for index, child in enumerate(schema.get("oneOf") or ()):
        errors += _nested(child, f"{path}.oneOf[{index}]")
    if schema.get("not") is not None:
        errors += _nested(schema["not"], f"{path}.not")
    pattern = schema.get("pattern")
    if pattern:
        try:
            compile_go(pattern)
        except PatternError as error:
            why = f"must be a valid regular expression, but isn't: {error}"
            errors.append(invalid(f"{path}.pattern", pattern, why))
    return errors


def _nested(schema: Obj, path: str, *, skip_any: bool = False) -> list[FieldError]:
    errors = _values(schema, path, skip_any=skip_any)
    items = single_items(schema)
    if items is not None:
        errors += _nested(items, f"{path}.items")
    properties: Obj = schema.get("properties") or {}
    for name, child in properties.items():
        errors += _nested(child, _key(path, name))
    if schema.get("type"):
        errors.append(forbidden(f"{path}.type", "must be empty to be structural"))
    extra = schema.get("additionalProperties")
    if extra is not None and extra is not False:
        errors.append(forbidden(f"{path}.additionalProperties", "must be undefined to be structural"))
    if schema.get("default") is not None:
        errors.append(forbidden(f"{path}.default", "must be undefined to be structural"))
    for name in ("title", "description"):
        if schema.get(name):
            errors.append(forbidden(f"{path}.{name}", "must be empty to be structural"))
    if schema.get("nullable"):
        errors.append(forbidden(f"{path}.nullable", "must be false to be structural"))
    for name, words in _NOT_NESTED:
        value = schema.get(name)
        if value or (value is not None and words == "must be undefined to be structural"):
            errors.append(forbidden(f"{path}.{name}", words))
    if "metadata" in properties:
        errors.append(forbidden(_key(path, "metadata"), "must not be specified in a nested context"))
    return errors


def _complete_values(values: Obj, schema: Obj, path: str, nested: str) -> list[FieldError]:
    """Everything that junctors speak of is specified structurally (validateStructuralCompleteness)."""
    errors: list[FieldError] = []
    if values.get("not") is not None:
        errors += _complete(values["not"], schema, path, f"{nested}.not")
    for name in ("allOf", "anyOf", "oneOf"):
        for index, child in enumerate(values.get(name) or ()):
            errors += _complete(child, schema, path, f"{nested}.{name}[{index}]")
    return errors


def _complete(values: Obj, schema: Obj | None, path: str, nested: str) -> list[FieldError]:
    if schema is None:
        return [required(path, f"because it is defined in {nested}")]
    errors = _complete_values(values, schema, path, nested)
    items = single_items(values)
    if items is not None:
        errors += _complete(items, single_items(schema), f"{path}.items", f"{nested}.items")
    known: Obj = schema.get("properties") or {}
    for name, child in (values.get("properties") or {}).items():
        errors += _complete(child, known.get(name), _key(path, name), _key(nested, name))
    return errors
