"""Defaults in a definition's schema must themselves be valid, pruned values.

Part of `validate` (k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting/validation.go).
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError
from wherry.machinery.crd.cel_hooks import CelDefaultChecker
from wherry.machinery.crd.fields import invalid_value
from wherry.machinery.crd.walk import single_items
from wherry.machinery.schema.defaulting import copy_json
from wherry.machinery.schema.embedded import CoerceError, coerce_embedded, validate_embedded
from wherry.machinery.schema.node import META_FIELDS, Node
from wherry.machinery.schema.prune import compile_prune
from wherry.machinery.schema.ratchet import same
from wherry.machinery.schema.values import field_errors, validate_value

Obj = dict[str, Any]
Steps = tuple[str | int, ...]


class DefaultRules:
    """One walk over one schema. `require_pruned` is off where stored defaults were not pruned before."""

    def __init__(self, require_pruned: bool, cel: CelDefaultChecker | None):
        self.require_pruned = require_pruned
        self.cel = cel

    def check(self, schema: Obj, path: str) -> list[FieldError]:
        root = {**schema, "x-kubernetes-embedded-resource": True}
        return self._check(root, path, root, (), in_meta=False)

    def _check(self, schema: Obj, path: str, root: Obj, steps: Steps, *, in_meta: bool) -> list[FieldError]:
        embedded = bool(schema.get("x-kubernetes-embedded-resource"))
        if embedded:
            in_meta, steps, root = False, (), schema
        errors: list[FieldError] = []
        if schema.get("default") is not None:
            check = self._in_meta if in_meta else self._plain
            errors += check(schema, f"{path}.default", root, steps)
        items = single_items(schema)
        if items is not None:
            errors += self._check(items, f"{path}.items", root, (*steps, 0), in_meta=in_meta)
        for name, child in sorted((schema.get("properties") or {}).items()):
            meta = in_meta or (embedded and name in META_FIELDS)
            errors += self._check(child, f"{path}.properties[{name}]", root, (*steps, name), in_meta=meta)
        return errors

    def _plain(self, schema: Obj, path: str, root: Obj, steps: Steps) -> list[FieldError]:
        node, value = Node(schema, keep_formats=True), schema["default"]
        errors: list[FieldError] = []
        if self.require_pruned:
            pruned = copy_json(value)
            prune = compile_prune(node, root=node.embedded)
            if prune is not None:
                prune(pruned)
            if not same(pruned, value):
                errors.append(invalid_value(path, value, "must not have unknown fields"))
        found = self._embedded(node, value, path)
        return errors + (found or self._values(schema, node, value, path))

    def _embedded(self, node: Node, value: Any, path: str) -> list[FieldError]:
        try:
            coerce_embedded(node, copy_json(value), path=path)
        except CoerceError as error:
            return [error.field_error]
        return validate_embedded(node, value, path)

    def _values(self, schema: Obj, node: Node, value: Any, path: str) -> list[FieldError]:
        errors = field_errors(validate_value(node, value), path)
        if not errors and self.cel is not None:
            errors = self.cel(schema, value, path)
        return errors

    def _in_meta(self, schema: Obj, path: str, root: Obj, steps: Steps) -> list[FieldError]:
        """The default of a field of type or object metadata, put into an otherwise empty resource."""
        node = Node(root)
        node.embedded = True
        value: Any = copy_json(schema["default"])
        for step in reversed(steps):
            value = [value] if isinstance(step, int) else {step: value}
        resource = {"kind": "Validation", "apiVersion": "validation/v1", **value}
        try:
            coerce_embedded(node, resource)
        except CoerceError as error:
            return [invalid_value(path, schema["default"], f"must result in valid metadata: {error}")]
        wrong = [str(error) for error in validate_embedded(node, resource)]
        if wrong:
            joined = wrong[0] if len(wrong) == 1 else f"[{', '.join(dict.fromkeys(wrong))}]"
            return [invalid_value(path, schema["default"], f"must result in valid metadata: {joined}")]
        return self._values(schema, Node(schema, keep_formats=True), schema["default"], path)
