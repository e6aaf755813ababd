"""OpenAPI of custom kinds: their operations, and their structural schema as it is published.

Built from a definition when its document is asked for (`v3.py`, `v2.py`). Follows
k8s.io/apiextensions-apiserver/pkg/controller/openapi/builder, which describes custom kinds a little differently from
built-in ones: no watch paths, list options on deletecollection, JSON and YAML only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wherry.machinery.kinds import Obj, Resource
from wherry.machinery.openapi import words
from wherry.machinery.openapi.routes import DELETE, LIST, PATCH, WRITE, Route, article, operation_id
from wherry.machinery.openapi.schemas import GVK, META, with_reference

TITLE = {"title": "Kubernetes CRD Swagger", "version": "v0.1.0"}
SCALE = "io.k8s.api.autoscaling.v1.Scale"
COMMON = (f"{META}.ObjectMeta", f"{META}.ListMeta")  # what every custom kind's schema refers to
_MEDIA = ("application/json", "application/yaml")
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")
_CONVENTIONS = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
_METADATA = f"Standard object's metadata. More info: {_CONVENTIONS}#metadata"
_LIST_METADATA = f"Standard list metadata. More info: {_CONVENTIONS}#types-kinds"


@dataclass(frozen=True, slots=True)
class CustomKind:
    """One served version of a definition: what discovery says, its `openAPIV3Schema`, and its selectable fields."""

    resource: Resource
    schema: Obj | None
    selectable_fields: Sequence[str] = ()  # JSON paths as the definition writes them
    preserve_unknown_fields: bool = False

    @property
    def list_kind(self) -> str:
        return self.resource.list_kind or f"{self.resource.kind}List"


def model_name(group: str, version: str, kind: str) -> str:
    """`com.example.stable.v1.CronTab`: the group turned round."""
    return f"{'.'.join(reversed(group.split('.')))}.{version}.{kind}"


# --- operations -----------------------------------------------------------------------------------------------------

_NAMESPACE = ("namespace", "object name and auth scope, such as for teams and projects")
_STATUS = f"{META}.Status"
_OPTIONS: dict[str, tuple[str, ...]] = {
    "get": ("resourceVersion",),
    "list": LIST,
    "deletecollection": LIST,
    "put": WRITE,
    "post": WRITE,
    "patch": PATCH,
    "delete": DELETE,
}
_CODES = {"post": (200, 201, 202), "put": (200, 201), "delete": (200, 202)}


class _Builder:
    def __init__(self, resource: Resource):
        self.resource = resource
        self.group, self.version, self.kind = resource.group, resource.version, resource.kind
        root = f"/apis/{self.group}/{self.version}"
        self.everywhere = f"{root}/{resource.name}"
        self.root = f"{root}/namespaces/{{namespace}}/{resource.name}" if resource.namespaced else self.everywhere

    def _description(self, verb: str, sub: str) -> str:
        of = f" {sub} of" if sub else ""
        if verb == "list":
            return f"list objects of kind {self.kind}"
        if verb == "deletecollection":
            return f"delete collection of {self.kind}"
        if verb in ("create", "delete"):
            return f"{verb}{of}{article(self.kind)}{self.kind}"
        word = "partially update" if verb == "patch" else verb
        return f"{word}{of} the specified {self.kind}"

    def route(
        self, path: str, method: str, action: str, verb: str, answer: str, *, body: str | None = None, sub: str = ""
    ) -> Route:
        scope = "Namespaced" if self.resource.namespaced else ""
        rest = f"{scope}{self.kind}{sub.title()}"
        if path == self.everywhere and self.resource.namespaced:
            rest = f"{self.kind}ForAllNamespaces"
        if verb == "deletecollection":
            verb_id, rest = "delete", f"collection{rest}"
        else:
            verb_id = verb
        parameters = [_NAMESPACE] if "{namespace}" in path else []
        if "{name}" in path:
            parameters.append(("name", f"name of the {self.kind}"))
        return Route(
            method=method,
            path=path,
            description=self._description(verb, sub),
            operation=operation_id(verb_id, self.group, self.version, rest),
            action=action,
            gvk=(self.group, self.version, self.kind),
            query=(*_OPTIONS[action], "pretty"),
            path_parameters=tuple(parameters),
            body=body,
            body_required=action != "delete",
            consumes=_PATCHES if method == "patch" else _MEDIA,
            produces=_MEDIA,
            answers=dict.fromkeys(_CODES.get(action, (200,)), answer),
        )

    def object_routes(self, sub: str, model: str) -> list[Route]:
        path = f"{self.root}/{{name}}" + (f"/{sub}" if sub else "")
        patch = f"{META}.Patch"
        out = [
            self.route(path, "get", "get", "read", model, sub=sub),
            self.route(path, "put", "put", "replace", model, body=model, sub=sub),
        ]
        if not sub:
            options = f"{META}.DeleteOptions"
            out.append(self.route(path, "delete", "delete", "delete", _STATUS, body=options))
        return [*out, self.route(path, "patch", "patch", "patch", model, body=patch, sub=sub)]


def routes(kind: CustomKind) -> list[Route]:
    """The operations of a custom kind in one version."""
    resource = kind.resource
    build = _Builder(resource)
    model = model_name(resource.group, resource.version, resource.kind)
    listed = model_name(resource.group, resource.version, kind.list_kind)
    out: list[Route] = []
    if resource.namespaced:
        out.append(build.route(build.everywhere, "get", "list", "list", listed))
    out += [
        build.route(build.root, "get", "list", "list", listed),
        build.route(build.root, "post", "post", "create", model, body=model),
        build.route(build.root, "delete", "deletecollection", "deletecollection", _STATUS),
        *build.object_routes("", model),
    ]
    for sub in resource.subresources:
        out += build.object_routes(sub, SCALE if sub == "scale" else model)
    return out


# Every kind can be selected by these; a definition may not declare them, and documents do not list them.
_ALWAYS_SELECTABLE = frozenset(("metadata.name", "metadata.namespace"))

# --- schemas --------------------------------------------------------------------------------------------------------

_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]


def _unfolded(schema: Obj) -> Obj:
    """Say what `x-kubernetes-int-or-string` means in terms that every reader knows (Structural.Unfold)."""
    if not schema.get("x-kubernetes-int-or-string"):
        return schema
    any_of, all_of = schema.get("anyOf"), schema.get("allOf")
    if any_of == _INT_OR_STRING or (all_of and all_of[0].get("anyOf") == _INT_OR_STRING):
        return schema
    if any_of is None:
        return {**schema, "anyOf": _INT_OR_STRING}
    return {**schema, "allOf": [{"anyOf": _INT_OR_STRING}, *(all_of or [])]}


# What a structural schema may hold is kept; what carries no meaning when it is empty or false is left out, as Go does.
_DROPPED_WHEN_EMPTY = frozenset(
    (
        "type", "format", "title", "description", "nullable", "exclusiveMaximum", "exclusiveMinimum", "uniqueItems",
        "pattern", "required", "allOf", "anyOf", "oneOf", "x-kubernetes-preserve-unknown-fields",
        "x-kubernetes-embedded-resource", "x-kubernetes-int-or-string", "x-kubernetes-list-map-keys",
        "x-kubernetes-validations",
    )
)  # fmt: skip


class _Publisher:
    def __init__(self, *, v3: bool):
        self.v3 = v3

    def reference(self, name: str, description: str) -> Obj:
        return with_reference({"description": description, "$ref": name}, v3=self.v3)

    def type_meta(self) -> Obj:
        texts = words.common(f"{META}.Status") or {}  # TypeMeta's words are those of any kind that embeds it
        return {
            member: {"description": texts[member], "type": "string"} if member in texts else {"type": "string"}
            for member in ("apiVersion", "kind")
        }

    def structural(self, schema: Obj) -> Obj:
        """A structural schema and all below it, embedded resources completed."""
        out = {
            key: value
            for key, value in _unfolded(schema).items()
            if value is not None and (value or key not in _DROPPED_WHEN_EMPTY)
        }
        if not self.v3:
            out = _v2_compatible(out)
        if "properties" in out:
            out["properties"] = {name: self.structural(item) for name, item in out["properties"].items()}
        for key in ("items", "additionalProperties"):
            if isinstance(out.get(key), dict):
                out[key] = self.structural(out[key])
        if out.get("x-kubernetes-embedded-resource") and (
            self.v3 or not out.get("x-kubernetes-preserve-unknown-fields")
        ):
            self._embed(out)
        return out

    def _embed(self, out: Obj) -> None:
        version = (
            "apiVersion defines the versioned schema of this representation of an object. "
            f"More info: {_CONVENTIONS}#resources"
        )
        kind = (
            "kind is a string value representing the type of this object. In CamelCase. "
            f"More info: {_CONVENTIONS}#types-kinds"
        )
        out["properties"] = {
            **(out.get("properties") or {}),
            "apiVersion": {"description": version, "type": "string"},
            "kind": {"description": kind, "type": "string"},
            "metadata": self.reference(f"{META}.ObjectMeta", _METADATA),
        }
        required = list(out.get("required") or ())
        out["required"] = required + [member for member in ("kind", "apiVersion") if member not in required]

    def root(self, kind: CustomKind) -> Obj:
        schema, resource = kind.schema, kind.resource
        open_ended = not self.v3 and (
            kind.preserve_unknown_fields or (schema or {}).get("x-kubernetes-preserve-unknown-fields")
        )
        if schema is None or open_ended:  # kubectl takes listed properties to be all there are
            out: Obj = {"type": "object"}
        else:
            out = self.structural(schema)
            out["properties"] = {
                **(out.get("properties") or {}),
                "metadata": self.reference(f"{META}.ObjectMeta", _METADATA),
                **self.type_meta(),
            }
        self._name(out, kind, resource.kind)
        return out

    def listed(self, kind: CustomKind) -> Obj:
        resource = kind.resource
        model = model_name(resource.group, resource.version, resource.kind)
        out: Obj = {
            "description": f"{kind.list_kind} is a list of {resource.kind}",
            "type": "object",
            "required": ["items"],
            "properties": {
                **self.type_meta(),
                "items": {
                    "description": f"List of {resource.name}. More info: {_CONVENTIONS}",
                    "type": "array",
                    "items": with_reference({"$ref": model}, v3=self.v3),
                },
                "metadata": self.reference(f"{META}.ListMeta", _LIST_METADATA),
            },
        }
        self._name(out, kind, kind.list_kind)
        return out

    @staticmethod
    def _name(out: Obj, kind: CustomKind, name: str) -> None:
        out[GVK] = [{"group": kind.resource.group, "kind": name, "version": kind.resource.version}]
        paths = [path.removeprefix(".") for path in kind.selectable_fields]
        declared = [{"fieldPath": path} for path in paths if path not in _ALWAYS_SELECTABLE]
        if declared:
            out["x-kubernetes-selectable-fields"] = declared


def _v2_compatible(schema: Obj) -> Obj:
    """What OpenAPI v2, and kubectl reading it, can cope with (openapi/v2.ToStructuralOpenAPIV2)."""
    out = {key: value for key, value in schema.items() if key not in ("allOf", "anyOf", "oneOf", "not")}
    nullable = bool(out.pop("nullable", False))
    unknown = bool(out.get("x-kubernetes-preserve-unknown-fields"))
    if nullable or unknown:
        out.pop("items", None)
        out.pop("properties", None)
    if nullable or (unknown and out.get("type") == "object") or ("items" not in out and out.get("type") == "array"):
        out.pop("type", None)
    required: list[Any] = list(out.get("required") or ())
    for name, item in (out.get("properties") or {}).items():
        if item.get("nullable") and name in required:
            required.remove(name)
    values = out.get("additionalProperties")
    if isinstance(values, dict) and values.get("nullable"):
        required = []
    out.pop("required", None)
    if required:
        out["required"] = required
    return out


def schemas(kinds: Iterable[CustomKind], *, v3: bool = True) -> Obj:
    """The published schemas of custom kinds and their lists, by full name."""
    publisher = _Publisher(v3=v3)
    out: Obj = {}
    for kind in kinds:
        resource = kind.resource
        out[model_name(resource.group, resource.version, resource.kind)] = publisher.root(kind)
        out[model_name(resource.group, resource.version, kind.list_kind)] = publisher.listed(kind)
    return out
