"""OpenAPI v2: the one document about everything, as JSON and as protobuf (`v2_protobuf.py`).

Read by Terraform, Argo CD, older Helm and kubectl. What it says of built-in kinds is made once (`BuiltinV2`); custom
kinds are added to the finished bytes, so that a new definition costs its own size and no more. Follows
k8s.io/kube-openapi/pkg/builder: parameters that many operations share are named once, but `dryRun` and
`fieldValidation` stand where they apply, because kubectl looks for them there; defaults are left out.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha512
from typing import Any

import orjson

from wherry.machinery.kinds import Obj, Resource
from wherry.machinery.openapi import builtin_routes, custom, words
from wherry.machinery.openapi.custom import CustomKind
from wherry.machinery.openapi.documents import INFO, SECURITY, OpenAPIDocument
from wherry.machinery.openapi.routes import (
    STRING,
    UNAUTHORIZED,
    Parameter,
    Parameters,
    Route,
    bodies,
    by_path,
    extensions,
    message,
    parameters_of,
    shared,
    tag,
)
from wherry.machinery.openapi.schemas import V2_PREFIX, closure, component

JSON_TYPE = "application/json"
PROTOBUF_TYPE = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
# What an Accept header may name -> the form of the answer; both spellings of the protobuf form are in use.
ACCEPTED = {
    JSON_TYPE: JSON_TYPE,
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf": PROTOBUF_TYPE,
    PROTOBUF_TYPE: PROTOBUF_TYPE,
}
_UNSHARED = frozenset((("name", "path"), ("dryRun", "query"), ("fieldValidation", "query")))
_COMMON_BODY = f"{V2_PREFIX}io.k8s.apimachinery"


def _fnv64(data: bytes) -> int:
    value = 0xCBF29CE484222325
    for byte in data:
        value = (value * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF) ^ byte
    return value


def _go_json(value: Obj) -> bytes:
    """JSON as Go writes it, with HTML characters escaped; names of shared parameters are hashes of it."""
    return orjson.dumps(value).replace(b"&", b"\\u0026").replace(b"<", b"\\u003c").replace(b">", b"\\u003e")


class _Emitter:
    """Turns routes into paths and collects the parameters that they share."""

    def __init__(self) -> None:
        self.parameters: dict[str, Obj] = {}
        self._names: dict[bytes, str] = {}
        self._known: dict[Parameter, Obj] = {}

    def paths(self, routes: Iterable[Route], group_tag: str) -> Obj:
        out: Obj = {}
        for path, found in by_path(routes).items():
            common = shared(found)
            item: Obj = {route.method: self._operation(route, common, group_tag) for route in found}
            if common:
                item["parameters"] = [self._parameter(common[key]) for key in sorted(common)]
            out[path] = item
        return out

    def _operation(self, route: Route, common: Parameters, group_tag: str) -> Obj:
        operation: Obj = {
            "description": route.description,
            "consumes": list(route.consumes),
            "produces": list(route.produces),
            "schemes": ["https"],
            "tags": [group_tag],
            "operationId": route.operation,
        }
        own = {key: value for key, value in parameters_of(route).items() if key not in common}
        parameters = {key: self._parameter(value) for key, value in own.items()}
        if route.body is not None:
            parameters["body", "body"] = self._body(route.body, required=route.body_required)
        if parameters:
            operation["parameters"] = [parameters[key] for key in sorted(parameters)]
        operation["responses"] = {
            str(code): {"description": message(code), "schema": _schema(name)} for code, name in route.answers.items()
        }
        code, text = UNAUTHORIZED
        operation["responses"][str(code)] = {"description": text}
        return {**operation, **extensions(route)}

    def _parameter(self, parameter: Parameter) -> Obj:
        if parameter in self._known:
            return self._known[parameter]
        out: Obj = {
            "uniqueItems": True,
            "type": parameter.kind,
            "description": parameter.description,
            "name": parameter.name,
            "in": parameter.place,
        }
        if parameter.place == "path":
            out["required"] = True
        if (parameter.name, parameter.place) not in _UNSHARED:
            out = self._share(out)
        self._known[parameter] = out
        return out

    def _body(self, name: str, *, required: bool) -> Obj:
        out: Obj = {"name": "body", "in": "body"}
        if required:
            out["required"] = True
        out["schema"] = _schema(name)
        return self._share(out) if out["schema"].get("$ref", "").startswith(_COMMON_BODY) else out

    def _share(self, parameter: Obj) -> Obj:
        # the order in which Go marshals: schema members first, then those of the parameter itself
        order = ("uniqueItems", "type", "description", "name", "in", "required", "schema")
        key = _go_json({name: parameter[name] for name in order if name in parameter})
        if key not in self._names:
            digest = urlsafe_b64encode(_fnv64(key).to_bytes(8, "big")[:6]).decode()
            self._names[key] = f"{parameter['name']}-{digest}"
            self.parameters[self._names[key]] = parameter
        return {"$ref": f"#/parameters/{self._names[key]}"}


def _schema(name: str) -> Obj:
    return {"type": "string"} if name == STRING else {"$ref": V2_PREFIX + name}


# --- definitions ----------------------------------------------------------------------------------------------------


def without_defaults(schema: Any) -> Any:
    """A schema without `default`s, at any depth; properties of that name stay."""
    if not isinstance(schema, dict):
        return schema
    out = {key: value for key, value in schema.items() if key != "default"}
    if "properties" in out:
        out["properties"] = {name: without_defaults(item) for name, item in out["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in out:
            out[key] = without_defaults(out[key])
    return out


def _definition(schema: Obj) -> Obj:
    """A published v2 schema: v2 knows no `oneOf`, and says string where a number is allowed too."""
    out: Obj = without_defaults(schema)
    if "oneOf" in out:
        del out["oneOf"]
        out["type"] = "string"
    return out


# --- the document ---------------------------------------------------------------------------------------------------


class BuiltinV2:
    """What v2 says of the built-in kinds: made when first read, kept as bytes, shared by every document."""

    def __init__(self, builtin: Mapping[tuple[str, str], Sequence[Resource]]):
        self._builtin = builtin
        self.emitter = _Emitter()

    def _routes(self) -> dict[str, list[Route]]:
        """All routes by tag."""
        out = {
            "core": builtin_routes.root_routes(core=True),
            "apis": builtin_routes.root_routes(core=False),
            "version": builtin_routes.version_routes(),
        }
        for group in dict.fromkeys(group for group, _ in self._builtin if group):
            out[tag(group, "")] = builtin_routes.group_routes(group)
        for (group, version), resources in self._builtin.items():
            out[tag(group, version)] = builtin_routes.routes(group, version, resources)
        return out

    def _parts(self) -> tuple[Obj, Obj]:
        """Paths and definitions; made anew for each form, because the objects weigh ten times what the bytes do."""
        routes = self._routes()
        paths: Obj = {}
        for group_tag, found in routes.items():
            paths.update(self.emitter.paths(found, group_tag))
        explained, options = words.Explained(), words.option_versions()
        names = closure({*custom.COMMON, *(name for found in routes.values() for name in bodies(found))})
        definitions = {name: _definition(component(name, explained.texts, options, v3=False)) for name in names}
        return paths, definitions

    @cached_property
    def json(self) -> tuple[bytes, bytes]:
        """JSON of the paths and the definitions, without braces around them."""
        paths, definitions = self._parts()
        return orjson.dumps(paths)[1:-1], orjson.dumps(definitions)[1:-1]

    @cached_property
    def protobuf(self) -> tuple[bytes, bytes]:
        """The same as protobuf entries."""
        from wherry.machinery.openapi import v2_protobuf

        paths, definitions = self._parts()
        return v2_protobuf.path_entries(paths), v2_protobuf.definition_entries(definitions)


class OpenAPIV2:
    """The document about one set of resources, in both forms; each is built when first asked for."""

    def __init__(self, builtin: BuiltinV2, custom_kinds: Iterable[CustomKind] = (), others: Iterable[Obj] = ()):
        """`others` are parts of other servers' documents: paths, definitions and parameters."""
        self._builtin = builtin
        self._others = list(others)
        self._custom = sorted(custom_kinds, key=lambda k: (k.resource.group, k.resource.version, k.resource.name))

    def _paths(self) -> Obj:
        out: Obj = {}
        for kind in self._custom:
            group_tag = tag(kind.resource.group, kind.resource.version)
            out.update(self._builtin.emitter.paths(custom.routes(kind), group_tag))
        for other in self._others:
            out.update(other["paths"])
        return out

    def _definitions(self, known: bytes = b"") -> Obj:
        """What is added to `known`, the built-in half: types that both have are the same published ones."""
        found = custom.schemas(self._custom, v3=False)
        out = {name: without_defaults(schema) for name, schema in found.items()}
        for other in self._others:
            for name, schema in other["definitions"].items():
                if name not in out and orjson.dumps(name) + b":" not in known:
                    out[name] = schema
        return out

    def _head(self) -> Obj:
        """All but paths and definitions; asked for when those were made, because they name the parameters."""
        shared_parameters = self._builtin.emitter.parameters
        return {
            "swagger": "2.0",
            "info": INFO,
            "parameters": {**{n: p for o in self._others for n, p in o["parameters"].items()}, **shared_parameters},
            "securityDefinitions": SECURITY,
            "security": [{"BearerToken": []}],
        }

    @cached_property
    def json(self) -> OpenAPIDocument:
        """The document as JSON."""
        paths, definitions = self._builtin.json
        more_paths = orjson.dumps(self._paths())[1:-1]
        more_definitions = orjson.dumps(self._definitions(definitions))[1:-1]
        head = orjson.dumps(self._head())[:-1]
        body = b"".join(
            (
                head,
                b',"paths":{',
                b",".join(part for part in (paths, more_paths) if part),
                b'},"definitions":{',
                b",".join(part for part in (definitions, more_definitions) if part),
                b"}}",
            )
        )
        return OpenAPIDocument(body, sha512(body).hexdigest().upper())

    @cached_property
    def protobuf(self) -> OpenAPIDocument:
        """The document as protobuf (gnostic's openapi.v2.Document)."""
        from wherry.machinery.openapi import v2_protobuf

        paths, definitions = self._builtin.protobuf
        paths += v2_protobuf.path_entries(self._paths())
        known = self._builtin.json[1] if self._others else b""
        definitions += v2_protobuf.definition_entries(self._definitions(known))
        body = v2_protobuf.document(self._head(), paths, definitions)
        return OpenAPIDocument(body, sha512(body).hexdigest().upper())
