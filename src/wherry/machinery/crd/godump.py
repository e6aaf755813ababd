"""Internal Go structs as encoding/json prints them in error texts: field names of the struct, no member left out.

Only for `Invalid value: ...` of versions, schemas and rules (k8s.io/apiextensions-apiserver/pkg/apis/apiextensions).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wherry.machinery.crd.internal import Version
from wherry.machinery.schema.gotext import go_json

Obj = dict[str, Any]
Dump = Callable[[Any], str]


def _struct(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in members) + "}"


def _list(items: list[Any] | None, dump: Dump) -> str:
    return "null" if items is None else "[" + ",".join(dump(item) for item in items) + "]"


def _text(value: Any) -> str:
    return go_json(value or "")


def _flag(value: Any) -> str:
    return "true" if value else "false"


def _map(value: Obj | None, dump: Dump) -> str:
    if not value:
        return "null"
    return "{" + ",".join(f"{go_json(k)}:{dump(v)}" for k, v in sorted(value.items())) + "}"


def dump_versions(versions: list[Version] | None) -> str:
    return _list(versions, _version)


def _version(v: Version) -> str:
    return _struct(
        [
            ("Name", go_json(v.name)),
            ("Served", _flag(v.served)),
            ("Storage", _flag(v.storage)),
            ("Deprecated", _flag(v.deprecated)),
            ("DeprecationWarning", go_json(v.deprecation_warning)),
            ("Schema", _validation(v.schema)),
            ("Subresources", _subresources(v.subresources)),
            ("AdditionalPrinterColumns", _list(v.columns, _column)),
            ("SelectableFields", _list(v.selectable, lambda f: _struct([("JSONPath", _text(f.get("jsonPath")))]))),
        ]
    )


def _validation(wrapper: Obj | None) -> str:
    return "null" if wrapper is None else _struct([("OpenAPIV3Schema", dump_schema(wrapper.get("openAPIV3Schema")))])


def _subresources(value: Obj | None) -> str:
    if value is None:
        return "null"
    scale = value.get("scale")
    shown = "null"
    if scale is not None:
        names = ("specReplicasPath", "statusReplicasPath")
        members = [(name[0].upper() + name[1:], _text(scale.get(name))) for name in names]
        shown = _struct([*members, ("LabelSelectorPath", go_json(scale.get("labelSelectorPath")))])
    return _struct([("Status", "null" if value.get("status") is None else "{}"), ("Scale", shown)])


def _column(value: Obj) -> str:
    return _struct(
        [
            ("Name", _text(value.get("name"))),
            ("Type", _text(value.get("type"))),
            ("Format", _text(value.get("format"))),
            ("Description", _text(value.get("description"))),
            ("Priority", go_json(value.get("priority") or 0)),
            ("JSONPath", _text(value.get("jsonPath"))),
        ]
    )


def dump_rule(rule: Obj) -> str:
    """ValidationRule, which the errors of CEL rules show whole."""
    return _struct(
        [
            ("Rule", _text(rule.get("rule"))),
            ("Message", _text(rule.get("message"))),
            ("MessageExpression", _text(rule.get("messageExpression"))),
            ("Reason", go_json(rule.get("reason"))),
            ("FieldPath", _text(rule.get("fieldPath"))),
            ("OptionalOldSelf", go_json(rule.get("optionalOldSelf"))),
        ]
    )


def dump_items(items: Any) -> str:
    """JSONSchemaPropsOrArray."""
    if items is None:
        return "null"
    if isinstance(items, list):
        return _struct([("Schema", "null"), ("JSONSchemas", _list(items, dump_schema))])
    return _struct([("Schema", dump_schema(items)), ("JSONSchemas", "null")])


def _or_bool(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, dict):
        return _struct([("Allows", "true"), ("Schema", dump_schema(value))])
    return _struct([("Allows", _flag(value)), ("Schema", "null")])


def _dependency(value: Any) -> str:
    if isinstance(value, list):
        return _struct([("Schema", "null"), ("Property", go_json(value))])
    return _struct([("Schema", dump_schema(value)), ("Property", "null")])


def _docs(value: Obj | None) -> str:
    if value is None:
        return "null"
    return _struct([("Description", _text(value.get("description"))), ("URL", _text(value.get("url")))])


def _schemas(value: list[Any] | None) -> str:
    return _list(value or None, dump_schema)


# (Go field, JSON field, printer), in the order of the struct
_SCHEMA: tuple[tuple[str, str, Dump], ...] = (
    ("ID", "id", _text),
    ("Schema", "$schema", _text),
    ("Ref", "$ref", go_json),
    ("Description", "description", _text),
    ("Type", "type", _text),
    ("Nullable", "nullable", _flag),
    ("Format", "format", _text),
    ("Title", "title", _text),
    ("Default", "default", go_json),
    ("Maximum", "maximum", go_json),
    ("ExclusiveMaximum", "exclusiveMaximum", _flag),
    ("Minimum", "minimum", go_json),
    ("ExclusiveMinimum", "exclusiveMinimum", _flag),
    ("MaxLength", "maxLength", go_json),
    ("MinLength", "minLength", go_json),
    ("Pattern", "pattern", _text),
    ("MaxItems", "maxItems", go_json),
    ("MinItems", "minItems", go_json),
    ("UniqueItems", "uniqueItems", _flag),
    ("MultipleOf", "multipleOf", go_json),
    ("Enum", "enum", lambda v: _list(v or None, go_json)),
    ("MaxProperties", "maxProperties", go_json),
    ("MinProperties", "minProperties", go_json),
    ("Required", "required", lambda v: _list(v or None, go_json)),
    ("Items", "items", dump_items),
    ("AllOf", "allOf", _schemas),
    ("OneOf", "oneOf", _schemas),
    ("AnyOf", "anyOf", _schemas),
    ("Not", "not", lambda v: dump_schema(v)),
    ("Properties", "properties", lambda v: _map(v, dump_schema)),
    ("AdditionalProperties", "additionalProperties", _or_bool),
    ("PatternProperties", "patternProperties", lambda v: _map(v, dump_schema)),
    ("Dependencies", "dependencies", lambda v: _map(v, _dependency)),
    ("AdditionalItems", "additionalItems", _or_bool),
    ("Definitions", "definitions", lambda v: _map(v, dump_schema)),
    ("ExternalDocs", "externalDocs", _docs),
    ("Example", "example", go_json),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", go_json),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", _flag),
    ("XIntOrString", "x-kubernetes-int-or-string", _flag),
    ("XListMapKeys", "x-kubernetes-list-map-keys", lambda v: _list(v or None, go_json)),
    ("XListType", "x-kubernetes-list-type", go_json),
    ("XMapType", "x-kubernetes-map-type", go_json),
    ("XValidations", "x-kubernetes-validations", lambda v: _list(v or None, dump_rule)),
)

ZERO_FIELDS = tuple((name, key) for name, key, _ in _SCHEMA)


def dump_schema(schema: Obj | None) -> str:
    """JSONSchemaProps."""
    if schema is None:
        return "null"
    return _struct([(name, dump(schema.get(key))) for name, key, dump in _SCHEMA])
