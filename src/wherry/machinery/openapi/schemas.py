"""Component schemas of OpenAPI documents: the compact facts turned into the published form, closed over references.

Facts (`machinery/data`) name references barely and carry no descriptions. OpenAPI v3 wraps a reference that has
siblings in `allOf`, v2 writes them side by side (kube-openapi's builder and its `WrapRefs`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

from wherry.machinery import builtins
from wherry.machinery.kinds import Obj
from wherry.machinery.openapi.words import Texts

GVK = "x-kubernetes-group-version-kind"
META = "io.k8s.apimachinery.pkg.apis.meta.v1"
V3_PREFIX, V2_PREFIX = "#/components/schemas/", "#/definitions/"
_OPTIONS = frozenset((f"{META}.DeleteOptions", f"{META}.WatchEvent"))
_NESTED = ("items", "additionalProperties", "not")
_LISTED = ("allOf", "anyOf", "oneOf")


def with_reference(schema: Obj, *, v3: bool) -> Obj:
    """A schema whose `$ref` is a bare name, in the form that clients read."""
    name = schema["$ref"]
    if not v3:
        return {**schema, "$ref": V2_PREFIX + name}
    rest = {key: value for key, value in schema.items() if key != "$ref"}
    reference = {"$ref": V3_PREFIX + name}
    return {**rest, "allOf": [reference]} if rest else reference


def published(schema: Any, *, v3: bool) -> Any:
    """A schema of the facts in published form, without descriptions."""
    if not isinstance(schema, dict):
        return schema
    out = dict(schema)
    for key in _NESTED:
        if key in out:
            out[key] = published(out[key], v3=v3)
    for key in _LISTED:
        if key in out:
            out[key] = [published(item, v3=v3) for item in out[key]]
    if "properties" in out:
        out["properties"] = {name: published(item, v3=v3) for name, item in out["properties"].items()}
    return with_reference(out, v3=v3) if "$ref" in out else out


def references(schema: Any) -> Iterable[str]:
    """The bare names that a schema of the facts refers to."""
    if isinstance(schema, dict):
        if isinstance(name := schema.get("$ref"), str):
            yield name
        for key, value in schema.items():
            if key == "properties":
                for item in value.values():
                    yield from references(item)
            elif key in _NESTED:
                yield from references(value)
            elif key in _LISTED:
                for item in value:
                    yield from references(item)


def closure(names: Iterable[str]) -> list[str]:
    """The built-in ones of the names and all that they refer to, sorted."""
    facts = builtins.schemas()
    found: set[str] = set()
    waiting = [name for name in names if name in facts]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(_referred(name))
    return sorted(found)


@cache
def _referred(name: str) -> tuple[str, ...]:
    return tuple(references(builtins.schemas().get(name)))


def component(
    name: str, texts: Callable[[str], Texts | None], option_versions: Iterable[tuple[str, str]], *, v3: bool = True
) -> Obj:
    """The published schema of one built-in type, with descriptions where there are any."""
    fact = builtins.schema(name)
    words = texts(name) or {}
    schema = dict(fact)
    if "properties" in schema:
        schema["properties"] = {
            member: _described(item, words.get(member)) for member, item in schema["properties"].items()
        }
    out: Obj = published(_described(schema, words.get("")), v3=v3)
    if name in _OPTIONS:  # registered under every group; which ones are named depends on the document
        kind = name.rpartition(".")[2]
        out[GVK] = [{"group": group, "kind": kind, "version": version} for group, version in option_versions]
    return out


def _described(schema: Mapping[str, Any], text: str | None) -> Obj:
    return {"description": text, **schema} if text else dict(schema)
