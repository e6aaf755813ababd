"""The internal form of a definition, which is what upstream validates and prints in its errors.

v1 has schema, subresources, columns and selectable fields per version; where all versions agree, the internal form
holds them once at the top. That is why errors speak of `spec.validation.openAPIV3Schema`. Follows
k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1/conversion.go.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Obj = dict[str, Any]


@dataclass(slots=True)
class Version:
    """CustomResourceDefinitionVersion; `schema` is the CustomResourceValidation wrapper."""

    name: str
    served: bool
    storage: bool
    deprecated: bool
    deprecation_warning: str | None
    schema: Obj | None
    subresources: Obj | None
    columns: list[Obj] | None
    selectable: list[Obj] | None


@dataclass(slots=True)
class Conversion:
    strategy: str
    client_config: Obj | None
    review_versions: list[str] | None


@dataclass(slots=True)
class Spec:
    """CustomResourceDefinitionSpec. `versions` is None where the field was absent, which error texts show."""

    group: str
    version: str
    names: Obj
    scope: str
    validation: Obj | None
    subresources: Obj | None
    versions: list[Version] | None
    columns: list[Obj] | None
    selectable: list[Obj] | None
    conversion: Conversion | None
    preserve_unknown: bool
    each: list[Version] = field(default_factory=list)  # `versions` without the None

    def schema_for(self, name: str) -> Obj | None:
        """The CustomResourceValidation that applies to a version (GetSchemaForVersion)."""
        if not any(v.schema is not None for v in self.each):
            return self.validation
        return next((v.schema for v in self.each if v.name == name), None)

    def schemas(self) -> list[Obj]:
        """Every OpenAPI schema of the definition, once."""
        wrappers = [self.validation, *(v.schema for v in self.each)]
        return [w["openAPIV3Schema"] for w in wrappers if w is not None and w.get("openAPIV3Schema") is not None]


def to_internal(crd: Obj) -> Spec:
    """Convert `spec` of a v1 definition."""
    spec = crd.get("spec") or {}
    raw = spec.get("versions")
    versions = None if raw is None else [_version(v or {}) for v in raw]
    out = Spec(
        group=spec.get("group") or "",
        version="",
        names=spec.get("names") or {},
        scope=spec.get("scope") or "",
        validation=None,
        subresources=None,
        versions=versions,
        columns=None,
        selectable=None,
        conversion=_conversion(spec.get("conversion")),
        preserve_unknown=bool(spec.get("preserveUnknownFields")),
        each=versions or [],
    )
    if versions:
        out.version = versions[0].name
        _hoist(out, versions)
    return out


def _version(raw: Obj) -> Version:
    return Version(
        name=raw.get("name") or "",
        served=bool(raw.get("served")),
        storage=bool(raw.get("storage")),
        deprecated=bool(raw.get("deprecated")),
        deprecation_warning=raw.get("deprecationWarning"),
        schema=raw.get("schema"),
        subresources=raw.get("subresources"),
        columns=raw.get("additionalPrinterColumns") or None,
        selectable=raw.get("selectableFields") or None,
    )


def _conversion(raw: Obj | None) -> Conversion | None:
    if raw is None:
        return None
    webhook = raw.get("webhook") or {}
    return Conversion(raw.get("strategy") or "", webhook.get("clientConfig"), webhook.get("conversionReviewVersions"))


def _hoist(out: Spec, versions: list[Version]) -> None:
    first = versions[0]
    same = {
        name: all(getattr(v, name) == getattr(first, name) for v in versions)
        for name in ("subresources", "schema", "columns", "selectable")
    }
    if same["subresources"]:
        out.subresources = first.subresources
    if same["schema"]:
        out.validation = first.schema
    if same["columns"]:
        out.columns = first.columns
    if same["selectable"]:
        out.selectable = first.selectable
    for version in versions:
        for name, hoisted in same.items():
            if hoisted:
                setattr(version, name, None)
