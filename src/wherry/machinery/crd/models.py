"""A CustomResourceDefinition from a Python class: a dataclass, a pydantic model or a msgspec struct.

pydantic and msgspec describe their classes as JSON schema themselves; dataclasses are described here. What they say is
then brought into the form that Kubernetes calls structural (apiextensions/v1 JSONSchemaProps): references written out,
`null` as `nullable`, whatever a structural schema cannot say left open instead of being refused.
"""

from __future__ import annotations

import dataclasses
import datetime
import enum
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from wherry.machinery.kinds import Obj

_KEPT = frozenset(
    (
        "description", "type", "format", "default", "minimum", "maximum", "minLength", "maxLength", "pattern",
        "minItems", "maxItems", "multipleOf", "minProperties", "maxProperties", "enum", "required",
    )
)  # fmt: skip
_TYPES = {str: "string", int: "integer", float: "number", bool: "boolean"}
_OPEN: Obj = {"x-kubernetes-preserve-unknown-fields": True}


class ModelRefused(ValueError):
    """A class that no kind can be made of: says why."""


def definition(
    model: type,
    group: str,
    *,
    version: str = "v1",
    kind: str = "",
    plural: str = "",
    scope: str = "Namespaced",
    short_names: Sequence[str] = (),
    status: type | None = None,
    columns: Mapping[str, str] | None = None,
) -> Obj:
    """The definition of a kind named after the class. Its fields are those of `spec`, unless one of them is called
    `spec`: then the class is the whole object. `status` is the class of the status, which is then a subresource;
    `columns` are further printer columns, name to JSON path. Raises ModelRefused."""
    kind = kind or model.__name__
    singular = kind.lower()
    plural = plural or _plural(singular)
    body = schema(model)
    properties: Obj = dict(body["properties"]) if "spec" in body.get("properties", {}) else {"spec": body}
    if status is not None:
        properties["status"] = schema(status)
    root: Obj = {"type": "object", "properties": properties}
    if properties["spec"].get("required"):
        root["required"] = ["spec"]
    served: Obj = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": root}}
    if "status" in properties:
        served["subresources"] = {"status": {}}
    if columns:
        served["additionalPrinterColumns"] = [_column(name, path, root) for name, path in columns.items()]
    names: Obj = {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": singular}
    if short_names:
        names["shortNames"] = list(short_names)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": scope, "names": names, "versions": [served]},
    }


def schema(model: type) -> Obj:
    """The structural schema of a class. Raises ModelRefused."""
    described: Obj
    if hasattr(model, "model_json_schema"):
        described = model.model_json_schema()
    elif hasattr(model, "__struct_fields__"):
        import msgspec

        described = msgspec.json.schema(model)
    elif dataclasses.is_dataclass(model):
        described = _dataclass(model, ())
    else:
        raise ModelRefused(f"{model.__name__} is no dataclass, pydantic model or msgspec struct")
    return _structural(described, described.get("$defs", {}), ())


def _plural(word: str) -> str:
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return word + "es"
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return word[:-1] + "ies"
    return word + "s"


def _column(name: str, path: str, root: Obj) -> Obj:
    found: Any = root
    for step in path.strip(".").split("."):
        found = (found.get("properties") or {}).get(step) or {}
    shown = found.get("type", "string")
    return {"name": name, "jsonPath": path, "type": shown if shown in _TYPES.values() else "string"}


# --- dataclasses as JSON schema ---------------------------------------------------------------------------------------
def _dataclass(model: type, above: tuple[type, ...]) -> Obj:
    if model in above:
        raise ModelRefused(f"{model.__name__} contains itself, which no schema of a kind can say")
    hints = typing.get_type_hints(model)
    properties: Obj = {}
    required: list[str] = []
    for field in dataclasses.fields(model):
        found = properties[field.name] = _type(hints[field.name], (*above, model))
        if field.default is not dataclasses.MISSING:
            found["default"] = _plain(field.default)
        elif field.default_factory is not dataclasses.MISSING:
            found["default"] = _plain(field.default_factory())
        else:
            required.append(field.name)
    out: Obj = {"type": "object", "properties": properties}
    if model.__doc__ and not model.__doc__.startswith(f"{model.__name__}("):
        out["description"] = model.__doc__.strip()
    return {**out, "required": required} if required else out


def _type(hint: Any, above: tuple[type, ...]) -> Obj:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return _type(arguments[0], above)
    if origin is typing.Literal:
        return {"enum": list(arguments)}
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_type(each, above) for each in arguments]}
    if hint is type(None):
        return {"type": "null"}
    if hint in _TYPES:
        return {"type": _TYPES[hint]}
    if origin in (list, tuple, set, frozenset, Sequence):
        found: Obj = {"type": "array", "items": _type(arguments[0], above) if arguments else {}}
        return {**found, "uniqueItems": True} if origin in (set, frozenset) else found
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _type(arguments[1], above)}
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return {"enum": [each.value for each in hint]}
    if hint is datetime.datetime:
        return {"type": "string", "format": "date-time"}
    if hint is bytes:
        return {"type": "string", "format": "byte"}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _dataclass(hint, above)
    return {}


def _plain(value: Any) -> Any:
    """A default as JSON."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(each) for each in value]
    return value


# --- JSON schema as a structural one ----------------------------------------------------------------------------------
def _structural(given: Any, named: Obj, above: tuple[str, ...]) -> Obj:
    if not isinstance(given, dict):
        return dict(_OPEN)
    if "$ref" in given:
        name = given["$ref"].rpartition("/")[2]
        if name in above:
            raise ModelRefused(f"{name} contains itself, which no schema of a kind can say")
        own = {key: value for key, value in given.items() if key != "$ref"}
        return _structural({**named[name], **own}, named, (*above, name))
    for word in ("anyOf", "oneOf", "allOf"):
        if word in given:
            own = {key: value for key, value in given.items() if key != word}
            return _choice(given[word], own, word == "allOf", named, above)
    return _simple(given, named, above)


def _choice(choices: list[Obj], own: Obj, every: bool, named: Obj, above: tuple[str, ...]) -> Obj:
    """One of several schemas: none but null beside it, a number or a text, or left open."""
    left = [each for each in choices if each.get("type") != "null"]
    nullable = len(left) < len(choices)
    if len(left) == 1:
        found = _structural({**left[0], **own}, named, above)
    elif not every and sorted(each.get("type", "") for each in left) == ["integer", "string"]:
        found = {**_kept(own), "x-kubernetes-int-or-string": True}
    else:
        found = {**_kept(own), **_OPEN}
    return {**found, "nullable": True} if nullable else found


def _kept(given: Obj) -> Obj:
    """What both languages say alike. A default of null is none."""
    return {k: v for k, v in given.items() if k in _KEPT and not (k == "default" and v is None)}


def _simple(given: Obj, named: Obj, above: tuple[str, ...]) -> Obj:
    out = _kept(given)
    if "const" in given:
        out["enum"] = [given["const"]]
    if "type" not in out and out.get("enum"):
        out["type"] = _TYPES.get(type(out["enum"][0]), "string")
    for limit, word in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if limit in given:
            out[word], out[limit] = given[limit], True
    if out.get("type") == "array":
        out["items"] = _structural(given.get("items") or {}, named, above)
        if given.get("uniqueItems") and out["items"].get("type") in _TYPES.values():
            out["x-kubernetes-list-type"] = "set"
    elif out.get("type") == "object":
        _members(out, given, named, above)
    elif "type" not in out:
        out |= _OPEN
    return out


def _members(out: Obj, given: Obj, named: Obj, above: tuple[str, ...]) -> None:
    more = given.get("additionalProperties")
    if given.get("properties"):
        out["properties"] = {k: _structural(v, named, above) for k, v in given["properties"].items()}
    elif isinstance(more, dict) and more:
        out["additionalProperties"] = _structural(more, named, above)
    elif more is not False and "properties" not in given:
        out |= _OPEN
