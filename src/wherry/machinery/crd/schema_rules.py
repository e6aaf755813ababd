"""What a definition's OpenAPI schema may say, keyword by keyword.

Part of `validate` (ValidateCustomResourceDefinitionOpenAPISchema in
k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation). Go walks maps in random order; here it is key order.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.crd.fieldpath import PathError, resolve
from wherry.machinery.crd.fields import invalid_shown, invalid_value
from wherry.machinery.crd.godump import dump_items
from wherry.machinery.crd.structural_rules import unsupported
from wherry.machinery.crd.walk import single_items
from wherry.machinery.schema.node import META_FIELDS

Obj = dict[str, Any]
TYPES = ("array", "boolean", "integer", "number", "object", "string")
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_NEWLINE = re.compile(r"[\n\r]")
_KEYWORDS = ("id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref")


@dataclass(frozen=True, slots=True)
class _Place:
    """What the ancestors of a schema say about it."""

    allow_defaults: bool = True
    why_no_defaults: str = ""
    in_meta: bool = False
    uncorrelatable: str = ""

    def without_defaults(self, why: str) -> _Place:
        return replace(self, allow_defaults=False, why_no_defaults=why)

    def uncorrelated(self, path: str) -> _Place:
        return self if self.uncorrelatable else replace(self, uncorrelatable=path)


@dataclass(slots=True)
class SchemaRules:
    """One walk over one schema. The flags are off where an update must not tighten what was stored before."""

    require_types: bool = True
    require_atomic_sets: bool = True
    require_map_keys: bool = True
    dirty: set[str] = field(default_factory=set)
    uncorrelatable: dict[str, str] = field(default_factory=dict)

    def check(self, schema: Obj, path: str) -> list[FieldError]:
        return self._check(schema, path, _Place(), root=True)

    def _check(self, schema: Any, path: str, place: _Place, *, root: bool = False) -> list[FieldError]:
        if not isinstance(schema, dict):
            return []
        if place.uncorrelatable:
            self.uncorrelatable[path] = place.uncorrelatable
        errors = self._keywords(schema, path, place)
        if schema.get("uniqueItems"):
            why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
            errors.append(forbidden(f"{path}.uniqueItems", why))
        errors += self._children(schema, path, place, root)
        errors += self._extensions(schema, path)
        errors += self._map_list(schema, path)
        if self.require_map_keys:
            errors += check_map_keys(schema, path)
        errors += _check_rules(schema, path)
        if errors:
            self.dirty.add(path)
        return errors

    def _keywords(self, schema: Obj, path: str, place: _Place) -> list[FieldError]:
        errors: list[FieldError] = []
        kind = schema.get("type") or ""
        if self.require_types and kind and kind not in TYPES:
            errors.append(not_supported(f"{path}.type", kind, TYPES))
        if schema.get("default") is not None and not place.allow_defaults:
            why = f"must not be set {place.why_no_defaults}" if place.why_no_defaults else "must not be set"
            errors.append(forbidden(f"{path}.default", why))
        for name in _KEYWORDS:
            value = schema.get(name)
            if value or (value is not None and name in ("additionalItems", "dependencies", "$ref")):
                errors.append(forbidden(f"{path}.{name}", f"{name} is not supported"))
        if kind == "null":
            errors.append(forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative"))
        if isinstance(schema.get("items"), list) and schema["items"]:
            errors.append(forbidden(f"{path}.items", "items must be a schema object and not an array"))
        if place.in_meta and schema.get("x-kubernetes-embedded-resource"):
            why = "must not be used inside of resource meta"
            errors.append(forbidden(f"{path}.x-kubernetes-embedded-resource", why))
        return errors

    def _children(self, schema: Obj, path: str, place: _Place, root: bool) -> list[FieldError]:
        errors: list[FieldError] = []
        properties: Obj = schema.get("properties") or {}
        extra = schema.get("additionalProperties")
        if extra is not None:
            if properties and extra is not True:
                why = "additionalProperties and properties are mutual exclusive"
                errors.append(forbidden(f"{path}.additionalProperties", why))
            why = "inside additionalProperties applying to object metadata"
            below = place.without_defaults(why) if place.in_meta else place
            errors += self._check(extra, f"{path}.additionalProperties", below)
        for name, child in sorted(properties.items()):
            below = place if schema.get("x-kubernetes-map-type") in (None, "granular") else place.uncorrelated(path)
            if (root or schema.get("x-kubernetes-embedded-resource")) and name in META_FIELDS:
                below = replace(below, in_meta=True)
                if root:
                    below = below.without_defaults(f"in top-level {name}")
            errors += self._check(child, f"{path}.properties[{name}]", below)
        errors += self._check(schema.get("not"), f"{path}.not", place)
        for name in ("allOf", "oneOf", "anyOf"):
            for index, child in enumerate(schema.get(name) or ()):
                errors += self._check(child, f"{path}.{name}[{index}]", place)
        for name, child in sorted((schema.get("definitions") or {}).items()):
            errors += self._check(child, f"{path}.definitions[{name}]", place)
        items = schema.get("items")
        if items is not None:
            below = place if schema.get("x-kubernetes-list-type") == "map" else place.uncorrelated(path)
            errors += self._check(items, f"{path}.items", below)
            for index, child in enumerate(items if isinstance(items, list) else ()):
                errors += self._check(child, f"{path}.items[{index}]", below)
        for name, child in sorted((schema.get("dependencies") or {}).items()):
            errors += self._check(child, f"{path}.dependencies[{name}]", place)
        return errors

    def _extensions(self, schema: Obj, path: str) -> list[FieldError]:
        errors: list[FieldError] = []
        kind = schema.get("type") or ""
        map_type, list_type = schema.get("x-kubernetes-map-type"), schema.get("x-kubernetes-list-type")
        if schema.get("x-kubernetes-preserve-unknown-fields") is False:
            errors.append(invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined"))
        if map_type is not None and kind != "object":
            errors.append(_wrong_type(path, kind, "must be object if x-kubernetes-map-type is specified"))
        if map_type not in (None, "atomic", "granular"):
            errors.append(not_supported(f"{path}.x-kubernetes-map-type", map_type, ["atomic", "granular"]))
        if list_type is not None and kind != "array":
            errors.append(_wrong_type(path, kind, "must be array if x-kubernetes-list-type is specified"))
        elif self.require_atomic_sets and list_type == "set":
            errors += _atomic_items(schema, path)
        if list_type not in (None, "atomic", "set", "map"):
            errors.append(not_supported(f"{path}.x-kubernetes-list-type", list_type, ["atomic", "set", "map"]))
        return errors

    def _map_list(self, schema: Obj, path: str) -> list[FieldError]:
        errors: list[FieldError] = []
        list_type, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
        if keys and list_type != "map":
            why, where = "must be map if x-kubernetes-list-map-keys is non-empty", f"{path}.x-kubernetes-list-type"
            errors.append(required(where, why) if list_type is None else invalid(where, list_type, why))
        if list_type != "map":
            return errors
        if not keys:
            why = "must not be empty if x-kubernetes-list-type is map"
            errors.append(required(f"{path}.x-kubernetes-list-map-keys", why))
        items = schema.get("items")
        if items is None:
            errors.append(required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map"))
        elif isinstance(items, list):
            why = "must only have a single schema if x-kubernetes-list-type is map"
            errors.append(invalid_shown(f"{path}.items", dump_items(items), why))
        elif items.get("type") != "object":
            why = "must be object if parent array's x-kubernetes-list-type is map"
            errors.append(invalid(f"{path}.items.type", items.get("type") or "", why))
        else:
            errors += _map_keys(items, keys, path)
        return errors


def _wrong_type(path: str, kind: str, why: str) -> FieldError:
    return invalid(f"{path}.type", kind, why) if kind else required(f"{path}.type", why)


def _is_atomic(items: Obj) -> str | None:
    """The extension that keeps an item of a set from being atomic, or None (hasNonAtomicSetType)."""
    if items.get("type") == "array" and items.get("x-kubernetes-list-type") not in (None, "atomic"):
        return "x-kubernetes-list-type"
    if items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
        return "x-kubernetes-map-type"
    return None


def has_non_atomic_set(schema: Obj) -> bool:
    items = single_items(schema)
    return schema.get("x-kubernetes-list-type") == "set" and items is not None and _is_atomic(items) is not None


def _atomic_items(schema: Obj, path: str) -> list[FieldError]:
    items = single_items(schema)
    name = _is_atomic(items) if items is not None else None
    if items is None or name is None:
        return []
    why = "must be atomic as item of a list with x-kubernetes-list-type=set"
    return [invalid_value(f"{path}.items.{name}", items.get("x-kubernetes-list-type"), why)]


def _map_keys(items: Obj, keys: list[str], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    properties: Obj = items.get("properties") or {}
    where, seen = f"{path}.x-kubernetes-list-map-keys", set[str]()
    for key in keys:
        child = properties.get(key)
        if child is None:
            errors.append(invalid_value(where, keys, "entries must all be names of item properties"))
        elif child.get("type") in ("array", "object"):
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            errors.append(invalid(f"{path}.items.properties[{key}].type", "object", why))
        if key in seen:
            errors.append(invalid_value(where, keys, "must not contain duplicate entries"))
        seen.add(key)
    return errors


def check_map_keys(schema: Obj, path: str) -> list[FieldError]:
    """Items of sets and maps are not nullable, keys of maps are always there (validateMapListKeysMapSet)."""
    items, list_type = single_items(schema), schema.get("x-kubernetes-list-type")
    if items is None or list_type not in ("set", "map"):
        return []
    errors: list[FieldError] = []
    if items.get("nullable"):
        why = f"cannot be nullable when x-kubernetes-list-type is {list_type}"
        errors.append(forbidden(f"{path}.items.nullable", why))
    if list_type == "set":
        return errors
    for key in schema.get("x-kubernetes-list-map-keys") or ():
        child = (items.get("properties") or {}).get(key)
        if child is None:
            continue
        where, what = f"{path}.items.properties[{key}]", "this property is in x-kubernetes-list-map-keys, so it"
        if key not in (items.get("required") or ()) and child.get("default") is None:
            errors.append(required(f"{where}.default", f"{what} must have a default or be a required property"))
        if child.get("nullable"):
            errors.append(forbidden(f"{where}.nullable", f"{what} cannot be nullable"))
    return errors


def _check_rules(schema: Obj, path: str) -> list[FieldError]:
    """The form of validation rules; what they mean is compiled elsewhere."""
    errors: list[FieldError] = []
    for index, rule in enumerate(schema.get("x-kubernetes-validations") or ()):
        errors += _check_rule(schema, rule, f"{path}.x-kubernetes-validations[{index}]")
    return errors


def _check_rule(schema: Obj, rule: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    text, message = rule.get("rule") or "", rule.get("message") or ""
    expression, where = rule.get("messageExpression") or "", rule.get("fieldPath") or ""
    trimmed = message.strip()
    if not text.strip():
        errors.append(required(f"{path}.rule", "rule is not specified"))
    elif message and not trimmed:
        errors.append(invalid(f"{path}.message", message, "must be non-empty if specified"))
    elif _NEWLINE.search(trimmed):
        errors.append(invalid(f"{path}.message", message, "must not contain line breaks"))
    elif _NEWLINE.search(text.strip()) and not trimmed:
        errors.append(required(f"{path}.message", "message must be specified if rule contains line breaks"))
    if expression and not expression.strip():
        errors.append(required(f"{path}.messageExpression", "messageExpression must be non-empty if specified"))
    reason = rule.get("reason")
    if reason is not None and reason not in _REASONS:
        errors.append(not_supported(f"{path}.reason", reason, _REASONS))
    if where and not where.strip():
        errors.append(invalid(f"{path}.fieldPath", where, "must be non-empty if specified"))
    if _NEWLINE.search(where):
        errors.append(invalid(f"{path}.fieldPath", where, "must not contain line breaks"))
    if where and not _is_path(schema, where):
        errors.append(invalid(f"{path}.fieldPath", where, "must be a valid path"))
    return errors


def _is_path(schema: Obj, text: str) -> bool:
    if unsupported(schema):
        return True
    try:
        resolve(text, schema)
    except PathError:
        return False
    return True
