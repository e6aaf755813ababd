"""Operations of the API as data, and their OpenAPI v3 form.

Built-in kinds (`builtin_routes.py`) and custom kinds (`custom.py`) describe their operations as `Route`s; the emitters
here and in `v2.py` turn them into paths. What all operations of a path share is listed once, as kube-openapi does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache

from wherry.machinery.kinds import Obj
from wherry.machinery.openapi import words
from wherry.machinery.openapi.schemas import V3_PREFIX

STRING = ""  # a body that is plain text, in place of the name of a schema
UNAUTHORIZED = (401, "Unauthorized")

LIST = (
    "allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
    "resourceVersionMatch", "sendInitialEvents", "shardSelector", "timeoutSeconds", "watch",
)  # fmt: skip
WRITE = ("dryRun", "fieldManager", "fieldValidation")
PATCH = ("dryRun", "fieldManager@patch", "fieldValidation", "force")
DELETE = (
    "dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents",
    "propagationPolicy",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Route:
    """One operation. `query` are keys of `words.parameter`; `answers` code -> name of the schema of the body."""

    method: str  # lower case
    path: str
    description: str
    operation: str  # the operation's id
    action: str = ""
    gvk: tuple[str, str, str] | None = None
    query: tuple[str, ...] = ()
    path_parameters: tuple[tuple[str, str], ...] = ()  # (name, description)
    body: str | None = None
    body_required: bool = True
    consumes: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    answers: Mapping[int, str] = field(default_factory=dict)


_MESSAGES = {200: "OK", 201: "Created", 202: "Accepted"}


def message(code: int) -> str:
    return _MESSAGES[code]


# --- names ----------------------------------------------------------------------------------------------------------


def _camel(text: str, *, capital: bool) -> str:
    """Letters, digits and underscores; what follows anything else is capitalised (openapi.ToValidOperationID)."""
    out: list[str] = []
    for index, char in enumerate(text):
        if char.isalpha() or char == "_" or (index and char.isdigit()):
            out.append(char.upper() if capital else char)
            capital = False
        else:
            capital = True
    return "".join(out)


def operation_id(verb: str, group: str, version: str, rest: str) -> str:
    """`list` + `AppsV1` + `NamespacedDeployment`."""
    trimmed = (group or "core").removesuffix(".k8s.io")
    return verb + _camel(trimmed, capital=True) + _camel(version, capital=True) + _camel(rest, capital=True)


def tag(group: str, version: str) -> str:
    trimmed = (group or "core").removesuffix(".k8s.io")
    name = _camel(trimmed, capital=False)
    return f"{name}_{_camel(version, capital=False)}" if version else name


def article(noun: str) -> str:
    """` a `, ` an `, or a space before plurals (endpoints.GetArticleForNoun)."""
    if noun.endswith("s") and not noun.endswith("ss"):
        return " "
    return " an " if noun[:1].lower() in "aeiou" else " a "


# --- OpenAPI v3 -----------------------------------------------------------------------------------------------------


def v3_schema(name: str) -> Obj:
    return {"type": "string"} if name == STRING else {"$ref": V3_PREFIX + name}


Parameters = Mapping[tuple[str, str], "Parameter"]  # by (name, place)


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    place: str  # query or path
    description: str
    kind: str  # string, integer or boolean


@cache
def _query_parameter(key: str) -> Parameter:
    kind, text = words.parameter(key)
    return Parameter(key.partition("@")[0], "query", text, kind)


def parameters_of(route: Route) -> Parameters:
    """All parameters of an operation."""
    out = {(name, "path"): Parameter(name, "path", text, "string") for name, text in route.path_parameters}
    for key in route.query:
        parameter = _query_parameter(key)
        out[parameter.name, "query"] = parameter
    return out


def shared(routes: Iterable[Route]) -> Parameters:
    """What all operations of one path have in common."""
    every = [parameters_of(route) for route in routes]
    return {key: value for key, value in every[0].items() if all(key in others for others in every[1:])}


@cache
def _v3_parameter(parameter: Parameter) -> Obj:
    out: Obj = {"name": parameter.name, "in": parameter.place, "description": parameter.description}
    if parameter.place == "path":
        out["required"] = True
    out["schema"] = {"type": parameter.kind, "uniqueItems": True}
    return out


def _v3_parameters(parameters: Parameters) -> list[Obj]:
    return [_v3_parameter(parameters[key]) for key in sorted(parameters)]


def _v3_content(types: tuple[str, ...], name: str) -> Obj:
    schema = {"schema": v3_schema(name)}
    return {media: schema for media in types}  # noqa: C420 - shared on purpose, nobody changes it


def _v3_operation(route: Route, common: Parameters, group_tag: str) -> Obj:
    operation: Obj = {"tags": [group_tag], "description": route.description, "operationId": route.operation}
    own = {key: value for key, value in parameters_of(route).items() if key not in common}
    if own:
        operation["parameters"] = _v3_parameters(own)
    if route.body is not None:
        operation["requestBody"] = {"content": _v3_content(route.consumes, route.body)}
        if route.body_required:
            operation["requestBody"]["required"] = True
    operation["responses"] = {
        str(code): {"description": message(code), "content": _v3_content(route.produces, name)}
        for code, name in route.answers.items()
    }
    code, text = UNAUTHORIZED
    operation["responses"][str(code)] = {"description": text}
    return {**operation, **extensions(route)}


def extensions(route: Route) -> Obj:
    out: Obj = {}
    if route.action:
        out["x-kubernetes-action"] = route.action
    if route.gvk is not None:
        group, version, kind = route.gvk
        out["x-kubernetes-group-version-kind"] = {"group": group, "version": version, "kind": kind}
    return out


def by_path(routes: Iterable[Route]) -> dict[str, list[Route]]:
    out: dict[str, list[Route]] = {}
    for route in routes:
        out.setdefault(route.path, []).append(route)
    return out


def v3_paths(routes: Iterable[Route], group_tag: str) -> Obj:
    """The `paths` of a document."""
    out: Obj = {}
    for path, found in by_path(routes).items():
        common = shared(found)
        item: Obj = {route.method: _v3_operation(route, common, group_tag) for route in found}
        if common:
            item["parameters"] = _v3_parameters(common)
        out[path] = item
    return out


def bodies(routes: Iterable[Route]) -> set[str]:
    """The names of all schemas that the operations speak of."""
    return {name for route in routes for name in (route.body, *route.answers.values()) if name}
