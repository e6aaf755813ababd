"""The OpenAPI v3 documents of a server, as a source of fields and of values that fit them."""

from __future__ import annotations

from random import Random
from typing import Any

Obj = dict[str, Any]

_WORDS = [
    "a",
    "b",
    "x",
    "app",
    "http",
    "Always",
    "Never",
    "TCP",
    "example.com/x",
    "10m",
    "1Gi",
    "10.1.2.3",
    "x.example.com",
    "25%",
    "",
    "Bad_Word",
]
_NUMBERS = [0, 1, 2, 3, 5, 10, 80, 100, 1000, -1, 65536, 2**31 - 1]


class Schemas:
    """The schema of one kind, with the document that it refers to."""

    def __init__(self, document: Obj, group: str, version: str, kind: str):
        self._all: Obj = document.get("components", {}).get("schemas", {})
        wanted = {"group": group, "version": version, "kind": kind}
        found = [s for s in self._all.values() if wanted in s.get("x-kubernetes-group-version-kind", [])]
        self._root: Obj = found[0] if found else {}

    def _resolve(self, schema: Obj) -> Obj:
        for _ in range(5):
            if "$ref" in schema:
                schema = self._all.get(schema["$ref"].rpartition("/")[2], {})
            elif len(schema.get("allOf", ())) == 1:
                schema = schema["allOf"][0]
            else:
                break
        return schema

    def places(self, body: Any) -> list[tuple[Obj, Obj]]:
        """Objects inside a body whose schema lists fields, in a fixed order; metadata is left to others."""
        found: list[tuple[Obj, Obj]] = []
        self._walk(body, self._root, found, top=True)
        return found

    def _walk(self, value: Any, schema: Obj, found: list[tuple[Obj, Obj]], *, top: bool = False) -> None:
        schema = self._resolve(schema)
        if isinstance(value, dict):
            properties = schema.get("properties")
            if properties and not top:
                found.append((value, schema))
            for key in sorted(value):
                if top and key in ("metadata", "apiVersion", "kind"):
                    continue
                inner = (properties or {}).get(key) or schema.get("additionalProperties")
                if isinstance(inner, dict):
                    self._walk(value[key], inner, found)
        elif isinstance(value, list):
            for item in value:
                self._walk(item, schema.get("items") or {}, found)

    def value(self, rng: Random, schema: Obj, name: str = "", depth: int = 0) -> Any:
        """Something of the type that a schema asks for; now and then not what its text asks for."""
        schema = self._resolve(schema)
        if schema.get("enum") and rng.random() < 0.9:
            return rng.choice(schema["enum"])
        kind = schema.get("type")
        if (
            schema.get("x-kubernetes-int-or-string")
            or schema.get("format") == "int-or-string"
            or ("oneOf" in schema and not kind)
        ):
            return rng.choice([1, 80, "http", "50%", "10m", "1Gi"])
        if kind == "string":
            return self._text(rng, schema, name)
        if kind in ("integer", "number"):
            return rng.choice(_NUMBERS)
        if kind == "boolean":
            return rng.random() < 0.5
        if kind == "array":
            return [
                self.value(rng, schema.get("items") or {}, name, depth + 1) for _ in range(rng.choice([0, 1, 1, 1, 2]))
            ]
        return self._object(rng, schema, depth)

    def _text(self, rng: Random, schema: Obj, name: str) -> str:
        if schema.get("format") == "date-time":
            return rng.choice(["2026-01-02T03:04:05Z", "2026-01-02T03:04:05.123456Z", "soon"])
        if schema.get("format") == "byte":
            return rng.choice(["YQ==", "not base64!"])
        if "ame" in name and rng.random() < 0.7:
            return rng.choice(["a", "n1", "x.y"])
        return rng.choice(_WORDS)

    def _object(self, rng: Random, schema: Obj, depth: int) -> Any:
        properties: Obj = schema.get("properties") or {}
        if properties:
            wanted = set(schema.get("required", ()))
            chance = 0.5 if depth < 2 else 0.15
            names = [
                name for name in sorted(properties) if name in wanted or rng.random() < min(chance, 2 / len(properties))
            ]
            return {name: self.value(rng, properties[name], name, depth + 1) for name in names if depth < 6}
        inner = schema.get("additionalProperties")
        if isinstance(inner, dict):
            return {rng.choice(["a", "cpu", "example.com/x"]): self.value(rng, inner, "", depth + 1)}
        return rng.choice([{}, {"a": 1}])
