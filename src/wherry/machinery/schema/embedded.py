"""Resources embedded in custom objects (x-kubernetes-embedded-resource): coercion and validation of their type and
object metadata.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema/objectmeta. The root of an object is handled by the store.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, required
from wherry.machinery.schema.gotext import invalid_value
from wherry.machinery.schema.listtype import child_path
from wherry.machinery.schema.node import Node
from wherry.machinery.schema.objectmeta import MetaError, coerce_object_meta
from wherry.machinery.schema.prune import join

Obj = dict[str, Any]


class CoerceError(ValueError):
    """An embedded resource that cannot be decoded; the text is that of its field error."""

    def __init__(self, field_error: FieldError):
        super().__init__(str(field_error))
        self.field_error = field_error


def has_embedded(node: Node) -> bool:
    return node.any_structural("embedded")


def coerce_embedded(node: Node, value: Any, *, drop_invalid: bool = False, path: str = "") -> list[str]:
    """Coerce in place and return unknown metadata paths. Raises CoerceError."""
    unknown: list[str] = []
    if isinstance(value, list):
        if node.items is not None:
            for index, item in enumerate(value):
                unknown += coerce_embedded(node.items, item, drop_invalid=drop_invalid, path=f"{path}[{index}]")
        return unknown
    if not isinstance(value, dict):
        return unknown
    for name in sorted(value):
        if node.embedded:
            unknown += _coerce_member(value, name, path, drop_invalid)
        child = node.properties.get(name)
        where = child_path(path, name)
        if child is None and node.additional is not None:
            child, where = node.additional, f"{path}[{name}]"
        if child is not None and name in value:
            unknown += coerce_embedded(child, value[name], drop_invalid=drop_invalid, path=where)
    return unknown


def _coerce_member(value: Obj, name: str, path: str, drop_invalid: bool) -> list[str]:
    if name in ("apiVersion", "kind"):
        if not isinstance(value[name], str):
            if not drop_invalid:
                raise CoerceError(invalid_value(child_path(path, name), value[name], "must be a string"))
            del value[name]
    elif name == "metadata":
        try:
            meta, unknown = coerce_object_meta(value[name], drop_invalid=drop_invalid)
        except MetaError as error:
            if drop_invalid:
                return []
            raise CoerceError(invalid_value(child_path(path, name), value[name], str(error))) from None
        value[name] = meta
        return [join(child_path(path, name), field) for field in unknown]
    return []


def validate_embedded(node: Node, value: Any, path: str = "") -> list[FieldError]:
    """Every embedded resource below has apiVersion, kind and valid metadata."""
    errors: list[FieldError] = []
    if isinstance(value, list):
        if node.items is not None:
            for index, item in enumerate(value):
                errors += validate_embedded(node.items, item, f"{path}[{index}]")
        return errors
    if not isinstance(value, dict):
        return errors
    if node.embedded:
        errors += validate_resource(value, path)
    for name in sorted(value):
        child = node.properties.get(name)
        if child is not None:
            errors += validate_embedded(child, value[name], child_path(path, name))
        elif node.additional is not None:
            errors += validate_embedded(node.additional, value[name], f"{path}[{name}]")
    return errors


def validate_resource(value: Obj, path: str) -> list[FieldError]:
    """Type and object metadata of one embedded resource."""
    errors = [required(child_path(path, name)) for name in ("apiVersion", "kind") if name not in value]
    if "apiVersion" in value:
        errors += _check_api_version(value["apiVersion"], child_path(path, "apiVersion"))
    if "kind" in value:
        errors += _check_kind(value["kind"], child_path(path, "kind"))
    if "metadata" in value:
        errors += _check_metadata(value["metadata"], child_path(path, "metadata"))
    return errors


def _check_api_version(value: Any, path: str) -> list[FieldError]:
    if not isinstance(value, str):
        return [invalid_value(path, value, "must be a string")]
    if not value:
        return [invalid_value(path, value, "must not be empty")]
    if value != "/" and value.count("/") > 1:
        return [invalid_value(path, value, f"unexpected GroupVersion string: {value}")]
    return []


def _check_kind(value: Any, path: str) -> list[FieldError]:
    from wherry.machinery.builtin.common.names import dns1035_label

    if not isinstance(value, str):
        return [invalid_value(path, value, "must be a string")]
    if not value:
        return [invalid_value(path, value, "must not be empty")]
    wrong = dns1035_label(value.lower())
    detail = "may have mixed case, but should otherwise match: " + ",".join(wrong)
    return [invalid_value(path, value, detail)] if wrong else []


def _check_metadata(value: Any, path: str) -> list[FieldError]:
    from wherry.machinery.builtin.common.meta import validate_object_meta
    from wherry.machinery.builtin.common.names import name_is_path_segment

    try:
        meta, _ = coerce_object_meta(value)
    except MetaError as error:
        return [invalid_value(path, value, str(error))]
    if not meta.get("name"):
        meta["name"] = "fakename"  # an embedded resource needs no name
    return list(validate_object_meta(meta, bool(meta.get("namespace")), name_is_path_segment, path))
