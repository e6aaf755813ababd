"""What a served version of a definition is to the store and the server: `compile_version`.

A definition is compiled once when it is established or changes; the parts then live as long as it does. Follows
getOrCreateServingInfoFor in k8s.io/apiextensions-apiserver/pkg/apiserver/customresource_handler.go.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wherry.errors import BadRequest
from wherry.machinery.crd.columns import CustomPrinter
from wherry.machinery.crd.custom import CustomStrategy, RuleChecker
from wherry.machinery.crd.nested import go_print
from wherry.machinery.crd.scale import ScalePaths
from wherry.machinery.crd.walk import has
from wherry.machinery.discovery import CUSTOM_VERBS, SUBRESOURCE_VERBS, storage_version_hash, version_order
from wherry.machinery.fieldselectors import FieldLabels, Getter
from wherry.machinery.jsonpath import JSONPathError, compile_path
from wherry.machinery.kinds import Obj, Resource, Subresource
from wherry.machinery.schema import Structural, compile_schema
from wherry.machinery.schema.embedded import CoerceError
from wherry.machinery.schema.objectmeta import MetaError, coerce_object_meta

MakeRules = Callable[[Structural, Obj], RuleChecker]  # (compiled schema, JSONSchemaProps) -> checker


@dataclass(slots=True)
class CustomVersion:
    """One served version. `schemas` has the compiled schema of every version of the definition, by name."""

    resource: Resource
    strategy: CustomStrategy
    storage: str  # name of the storage version
    schemas: dict[str, Structural | None]
    openapi: Obj | None  # the JSONSchemaProps of this version
    printer: CustomPrinter
    fields: FieldLabels
    scale: ScalePaths | None
    deprecation: str  # text of a Warning header, or ""

    @property
    def restores_status(self) -> bool:
        """Whether a status that a creator may not give, and that is not stored, is shown by default."""
        properties = (self.openapi or {}).get("properties") or {}
        return self.strategy.status and "default" in (properties.get("status") or {})

    @property
    def storage_api_version(self) -> str:
        return f"{self.resource.group}/{self.storage}"

    def decode(self, obj: Obj, *, applied: bool = False) -> list[str]:
        """Bring a request's object of this version to canonical form in place; paths of fields that were dropped.

        Defaults, metadata as ObjectMeta, pruning, embedded resources. What an apply has made keeps its nulls. Raises
        BadRequest."""
        schema = self.strategy.schema
        if schema is not None and applied:
            schema.default_applied(obj)
        elif schema is not None:
            schema.default(obj)
        unknown: list[str] = []
        try:
            if "metadata" in obj:
                obj["metadata"], dropped = coerce_object_meta(obj["metadata"])
                unknown += [f"metadata.{path}" for path in dropped]
            if schema is not None:
                unknown += schema.prune(obj)
                unknown += schema.coerce_embedded(obj)
        except (MetaError, CoerceError) as error:
            raise BadRequest(str(error)) from None
        return unknown

    def refresh(self, obj: Obj) -> bool:
        """Bring a stored object to what this version shows of it now, in place, kind and apiVersion excepted.

        Defaults and pruning follow the schema of the version it is stored in, then pruning that of this version.
        Returns whether anything changed."""
        stored = obj.get("apiVersion", "").rpartition("/")[2]
        schema = self.schemas.get(stored)
        changed = False
        if schema is not None:
            changed = schema.default(obj)
            changed = bool(schema.prune(obj)) or changed
        if stored != self.resource.version and self.strategy.schema is not None:
            changed = bool(self.strategy.schema.prune(obj)) or changed
        if not obj["metadata"].get("generation"):
            obj["metadata"]["generation"] = 1
            changed = True
        return changed


def compile_version(crd: Obj, name: str, make_rules: MakeRules | None = None) -> CustomVersion:
    """Compile version `name` of an established definition."""
    return compile_versions(crd, [name], make_rules)[0]


def compile_versions(
    crd: Obj, names: list[str] | None = None, make_rules: MakeRules | None = None
) -> list[CustomVersion]:
    """The served versions (or those named), their schemas compiled once and shared."""
    versions: list[Obj] = crd["spec"]["versions"]
    schemas = _schemas(versions)
    wanted = names if names is not None else [v["name"] for v in versions if v.get("served")]
    by_name = {v["name"]: v for v in versions}
    return [_compile(crd, by_name[name], schemas, make_rules) for name in wanted]


def _schemas(versions: list[Obj]) -> dict[str, Structural | None]:
    """Equal schemas are compiled once."""
    done: list[tuple[Obj, Structural]] = []
    out: dict[str, Structural | None] = {}
    for version in versions:
        raw = openapi_schema(version)
        found = next((compiled for other, compiled in done if other == raw), None)
        if raw is not None and found is None:
            found = compile_schema(raw)
            done.append((raw, found))
        out[version["name"]] = found
    return out


NO_SUCH_VERSION = "request to convert CR to an invalid group/version"


def openapi_schema(version: Obj) -> Obj | None:
    schema: Obj | None = (version.get("schema") or {}).get("openAPIV3Schema")
    return schema


def _compile(
    crd: Obj, version: Obj, schemas: dict[str, Structural | None], make_rules: MakeRules | None
) -> CustomVersion:
    storage = next((v["name"] for v in crd["spec"]["versions"] if v.get("storage")), version["name"])
    schema, raw = schemas[version["name"]], openapi_schema(version)
    subresources = version.get("subresources") or {}
    scale = ScalePaths(subresources["scale"]) if subresources.get("scale") is not None else None
    other = schemas.get(storage) if storage != version["name"] else None
    rules = None
    if (
        make_rules is not None
        and schema is not None
        and raw is not None
        and has(raw, lambda s: bool(s.get("x-kubernetes-validations")))
    ):
        rules = make_rules(schema, raw)
    return CustomVersion(
        resource=resource_of(crd, version),
        strategy=CustomStrategy(
            schema,
            status=subresources.get("status") is not None,
            scale=scale,
            storage=other if other is not schema else None,
            rules=rules,
        ),
        storage=storage,
        schemas=schemas,
        openapi=raw,
        printer=CustomPrinter(version.get("additionalPrinterColumns")),
        fields=field_labels(version.get("selectableFields"), crd["spec"]["scope"] == "Namespaced"),
        scale=scale,
        deprecation=deprecation_warning(crd, version),
    )


def resource_of(crd: Obj, version: Obj) -> Resource:
    """The resource that discovery lists for one version, under the accepted names."""
    spec = crd["spec"]
    names: Obj = (crd.get("status") or {}).get("acceptedNames") or {}
    names = names if names.get("plural") else spec["names"]
    group, storage = spec["group"], next((v["name"] for v in spec["versions"] if v.get("storage")), version["name"])
    given = version.get("subresources") or {}
    subresources: dict[str, Subresource] = {}
    if given.get("status") is not None:
        subresources["status"] = Subresource("status", group, version["name"], names["kind"], SUBRESOURCE_VERBS)
    if given.get("scale") is not None:
        subresources["scale"] = Subresource("scale", "autoscaling", "v1", "Scale", SUBRESOURCE_VERBS)
    return Resource(
        group=group,
        version=version["name"],
        name=names["plural"],
        singular=names.get("singular") or "",
        kind=names["kind"],
        namespaced=spec["scope"] == "Namespaced",
        verbs=CUSTOM_VERBS,
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=subresources,
        storage_version_hash=storage_version_hash(group, storage, spec["names"]["kind"]),
        list_kind=names.get("listKind") or f"{names['kind']}List",
    )


def deprecation_warning(crd: Obj, version: Obj) -> str:
    """What requests to a deprecated version are warned of, "" for other versions."""
    if not version.get("deprecated"):
        return ""
    own: str | None = version.get("deprecationWarning")
    if own is not None:
        return own
    spec, name = crd["spec"], version["name"]
    kind = spec["names"]["kind"]
    text = f"{spec['group']}/{name} {kind} is deprecated"
    better = [v["name"] for v in spec["versions"] if v.get("served") and not v.get("deprecated")]
    better = sorted((v for v in better if version_order(v) < version_order(name)), key=version_order)
    return f"{text}; use {spec['group']}/{better[0]} {kind}" if better else text


def field_labels(selectable: list[Obj] | None, namespaced: bool) -> FieldLabels:
    """The fields that lists and watches of a version can be selected by."""
    getters: dict[str, Getter] = {"metadata.name": lambda obj: str(obj["metadata"].get("name") or "")}
    if namespaced:
        getters["metadata.namespace"] = lambda obj: str(obj["metadata"].get("namespace") or "")
    for entry in selectable or ():
        getters[entry["jsonPath"].removeprefix(".")] = _getter(entry["jsonPath"])
    return FieldLabels(getters, lambda label: f"field label not supported: {label}")


def _getter(path: str) -> Getter:
    compiled = compile_path(path)

    def get(obj: Obj) -> str:
        try:
            found = compiled.find(obj)
        except JSONPathError:
            return ""
        return "" if not found or found[0] is None else go_print(found[0])

    return get


__all__ = ["CustomVersion", "compile_version", "compile_versions", "resource_of"]
