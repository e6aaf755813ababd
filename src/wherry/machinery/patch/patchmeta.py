"""What a schema says about the strategic merge of a field: strategy, merge key, and the schema below it.

Read from `x-kubernetes-patch-*` of the OpenAPI schemas; upstream reads the same words from Go struct tags
(k8s.io/apimachinery/pkg/util/strategicpatch.PatchMetaFromStruct), whose type names show in the errors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wherry.machinery.patch.refusals import unclassified

Schema = dict[str, Any]
Resolve = Callable[[str], Schema]

_KINDS = {"string": "string", "boolean": "bool", "array": "slice", "number": "float64"}


@dataclass(frozen=True, slots=True)
class Meta:
    """A schema with the patch strategy and merge key of the field that led to it."""

    schema: Schema
    resolve: Resolve
    name: str = ""  # the Go name of a struct type
    strategy: str = ""  # merge, replace or nothing; retainKeys is only a hint for clients
    merge_key: str = ""

    @classmethod
    def of(cls, schema: Schema, resolve: Resolve, field: Schema | None = None) -> Meta:
        field = schema if field is None else field
        strategy, merge_key = "", ""
        words = [word for word in field.get("x-kubernetes-patch-strategy", "").split(",") if word != "retainKeys"]
        if words:
            strategy, merge_key = words[0], field.get("x-kubernetes-patch-merge-key", "")
        name = ""
        ref = _ref(schema)
        if ref:
            schema, name = resolve(ref), ref.rpartition(".")[2]
        elif "x-kubernetes-group-version-kind" in schema:
            name = schema["x-kubernetes-group-version-kind"][0]["kind"]
        return cls(schema, resolve, name, strategy, merge_key)

    @property
    def kind(self) -> str:
        """The kind of the Go type, as reflect names it."""
        if self.name or "properties" in self.schema:
            return "struct"
        if "additionalProperties" in self.schema:
            return "map"
        if self.schema.get("type") == "integer":
            return str(self.schema.get("format", "int64"))
        return _KINDS.get(str(self.schema.get("type")), "struct")

    def struct(self, key: str) -> Meta:
        """The field `key`, an object."""
        field = self._field(key)
        return Meta.of(field, self.resolve)

    def slice(self, key: str) -> Meta:
        """The elements of the field `key`, a list."""
        field = self._field(key)
        ref = _ref(field)
        listed = self.resolve(ref) if ref else field
        if "items" not in listed:
            raise unclassified(f"expected slice or array type, but got: {self.kind}")
        return Meta.of(listed["items"], self.resolve, field)

    def _field(self, key: str) -> Schema:
        if self.kind != "struct":
            text = f"merging an object in json but data type is not struct, instead is: {self.kind}"
            raise unclassified(text)
        fields: dict[str, Schema] = self.schema.get("properties", {})
        field = fields.get(key)
        if field is None:  # Go's JSON falls back to a comparison without case
            field = next((fields[name] for name in fields if name.lower() == key.lower()), None)
        if field is None:
            raise unclassified(f'unable to find api field in struct {self.name} for the json field "{key}"')
        return field


def _ref(schema: Schema) -> str:
    ref = schema.get("$ref", "")
    if not ref and len(schema.get("allOf", ())) == 1:
        ref = schema["allOf"][0].get("$ref", "")
    return str(ref).rpartition("/")[2]
