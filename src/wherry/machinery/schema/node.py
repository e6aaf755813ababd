"""A JSONSchemaProps document parsed once into nodes that the compilers of this room read.

Follows k8s.io/apiextensions-apiserver/pkg/apiserver/schema (Structural) and pkg/apiserver/validation (conversion to the
go-openapi schema, unsupported formats stripped). A node is used both as the structural schema (prune, default, list
types) and as the value validation schema, because upstream derives both from the same document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.schema.formats import is_supported

Json = dict[str, Any]
META_FIELDS = frozenset(("apiVersion", "kind", "metadata"))


class Node:
    """One schema node. `types` is empty for "any", and ("integer", "string") for int-or-string.

    Formats that mean nothing are left out, unless `keep_formats`: defaults are validated with them."""

    __slots__ = (
        "additional",
        "all_of",
        "any_of",
        "default",
        "embedded",
        "enum",
        "exclusive_maximum",
        "exclusive_minimum",
        "forbids_additional",
        "format",
        "has_additional",
        "items",
        "list_map_keys",
        "list_type",
        "map_type",
        "max_items",
        "max_length",
        "max_properties",
        "maximum",
        "min_items",
        "min_length",
        "min_properties",
        "minimum",
        "multiple_of",
        "not_",
        "nullable",
        "one_of",
        "pattern",
        "preserve",
        "properties",
        "required",
        "types",
        "unique_items",
        "validations",
    )

    def __init__(self, props: Json, *, keep_formats: bool = False):
        def make(child: Json | None) -> Node:
            return Node(child or {}, keep_formats=keep_formats)

        get = props.get
        self.types = _types(props)
        self.nullable = bool(get("nullable"))
        named: str = get("format") or ""
        self.format = named if keep_formats else _format(self.types, named)
        self.minimum: float | int | None = get("minimum")
        self.maximum: float | int | None = get("maximum")
        self.exclusive_minimum = bool(get("exclusiveMinimum"))
        self.exclusive_maximum = bool(get("exclusiveMaximum"))
        self.multiple_of: float | int | None = get("multipleOf")
        self.min_length: int | None = get("minLength")
        self.max_length: int | None = get("maxLength")
        self.pattern: str = get("pattern") or ""
        self.min_items: int | None = get("minItems")
        self.max_items: int | None = get("maxItems")
        self.unique_items = bool(get("uniqueItems"))
        self.min_properties: int | None = get("minProperties")
        self.max_properties: int | None = get("maxProperties")
        self.required: list[str] = list(get("required") or ())
        self.enum: list[Any] = list(get("enum") or ())
        self.default: Any = get("default")
        self.properties: dict[str, Node] = {k: make(v) for k, v in (get("properties") or {}).items()}
        self.has_additional, self.additional = _additional(get("additionalProperties"), make)
        self.forbids_additional = get("additionalProperties") is False
        items = get("items")
        self.items: Node | None = make(items) if isinstance(items, dict) else None
        self.all_of = [make(s) for s in get("allOf") or ()]
        self.any_of = [make(s) for s in get("anyOf") or ()]
        self.one_of = [make(s) for s in get("oneOf") or ()]
        negated = get("not")
        self.not_: Node | None = make(negated) if isinstance(negated, dict) else None
        self.preserve = bool(get("x-kubernetes-preserve-unknown-fields"))
        self.embedded = bool(get("x-kubernetes-embedded-resource"))
        self.list_type: str | None = get("x-kubernetes-list-type")
        self.list_map_keys: list[str] = list(get("x-kubernetes-list-map-keys") or ())
        self.map_type: str | None = get("x-kubernetes-map-type")
        self.validations: list[Json] = list(get("x-kubernetes-validations") or ())

    def children(self) -> list[Node]:
        """The structural children: properties, additionalProperties, items."""
        found = list(self.properties.values())
        if self.additional is not None:
            found.append(self.additional)
        if self.items is not None:
            found.append(self.items)
        return found

    def any_structural(self, wanted: str) -> bool:
        """Whether attribute `wanted` is set here or in any structural descendant."""
        return bool(getattr(self, wanted)) or any(child.any_structural(wanted) for child in self.children())


def _types(props: Json) -> tuple[str, ...]:
    if props.get("x-kubernetes-int-or-string"):
        return ("integer", "string")
    name = props.get("type")
    return (name,) if name else ()


def unrecognized_format(kind: str, name: str) -> bool:
    """Whether a format means nothing for a type (GetUnrecognizedFormats)."""
    if kind in ("", "string"):
        return not is_supported(name)
    if kind == "integer":
        return name not in ("int32", "int64")
    return kind != "number" or name not in ("float", "double")


def _format(types: tuple[str, ...], name: str) -> str:
    """The format that is enforced; those unknown for the type are ignored (StripUnsupportedFormatsPostProcess)."""
    kind = types[0] if len(types) == 1 else ""
    return "" if not name or unrecognized_format(kind, name) else name


def _additional(value: Any, make: Callable[[Json | None], Node]) -> tuple[bool, Node | None]:
    """(present, schema). `true` and `false` are present without a schema, as in StructuralOrBool."""
    if value is None:
        return False, None
    if isinstance(value, dict):
        return True, make(value)
    return True, None
