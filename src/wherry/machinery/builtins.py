"""The built-in kinds of the API: which groups, versions and resources a Kubernetes 1.36 server has.

Read from `machinery/data` (made by `tools/generate_kinds.py`). Start-up needs only `resources.json`; OpenAPI schemas
and Go type facts are loaded by the first call that needs them. Order is that of discovery: core first, then by
priority.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import orjson

from wherry.machinery.kinds import GroupVersion, Resource, Subresource

EXTENSIONS = "apiextensions.k8s.io"
AGGREGATION = "apiregistration.k8s.io"
# Kinds that every group and version registers for request bodies (metav1.AddToGroupVersion); described under meta/v1.
OPTION_KINDS = frozenset(
    ("CreateOptions", "DeleteOptions", "GetOptions", "ListOptions", "PatchOptions", "UpdateOptions", "WatchEvent")
)
UNVERSIONED_KINDS = frozenset(("Status", "APIVersions", "APIGroup", "APIGroupList", "APIResourceList"))


_DATA = Path(__file__).parent / "data"


def load(name: str) -> Any:
    """One generated data file."""
    return orjson.loads((_DATA / name).read_bytes())


def _resource(group: str, version: str, row: list[Any]) -> Resource:
    name, singular, kind, namespaced, verbs, short_names, categories, subresources, digest, list_kind = row
    subs = {
        sub: Subresource(sub, sub_group, sub_version, sub_kind, tuple(sub_verbs.split()))
        for sub, sub_group, sub_version, sub_kind, sub_verbs in subresources
    }
    return Resource(
        group=group,
        version=version,
        name=name,
        singular=singular,
        kind=kind,
        namespaced=bool(namespaced),
        verbs=tuple(verbs.split()),
        short_names=tuple(short_names.split()),
        categories=tuple(categories.split()),
        subresources=subs,
        storage_version_hash=digest,
        list_kind=list_kind,
    )


@cache
def resources() -> dict[tuple[str, str], list[Resource]]:
    """(group, version) -> its resources by name; versions of a group in order of preference."""
    return {
        (group, version): [_resource(group, version, row) for row in rows]
        for group, versions in load("resources.json")["groups"]
        for version, rows in versions
    }


@cache
def groups() -> dict[str, list[str]]:
    """Group -> served versions, the preferred one first."""
    out: dict[str, list[str]] = {}
    for group, version in resources():
        out.setdefault(group, []).append(version)
    return out


@cache
def _by_name() -> dict[tuple[str, str, str], Resource]:
    return {(group, version, r.name): r for (group, version), found in resources().items() for r in found}


def resource(group: str, version: str, plural: str) -> Resource | None:
    return _by_name().get((group, version, plural))


@cache
def _by_kind() -> dict[tuple[str, str, str], Resource]:
    return {(group, version, r.kind): r for (group, version), found in resources().items() for r in found}


def resource_of_kind(group: str, version: str, kind: str) -> Resource | None:
    return _by_kind().get((group, version, kind))


# Events have two groups and one storage: what is written through events.k8s.io is read through core.
_SHARED_STORAGE = {("events.k8s.io", "events"): GroupVersion("", "v1")}


def storage_group_version(group: str, plural: str) -> GroupVersion:
    """Where objects of a resource are kept; another group than its own only for events."""
    return _SHARED_STORAGE.get((group, plural)) or GroupVersion(group, storage_version(group, plural))


def storage_version(group: str, plural: str) -> str:
    """The version that objects are stored in: the preferred served version that has the resource."""
    for version in groups()[group]:
        if (group, version, plural) in _by_name():
            return version
    raise KeyError(f"{group}/{plural}")


# --- lazily loaded ---------------------------------------------------------------------------------------------------


@cache
def _schemas() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = load("schemas.json")
    return found


def schemas() -> dict[str, dict[str, Any]]:
    """All OpenAPI v3 schemas by full name. Shared: do not change."""
    return _schemas()


def schema(name: str) -> dict[str, Any]:
    """The OpenAPI v3 schema of a full name (`io.k8s.api.core.v1.Pod`). Shared: do not change."""
    return _schemas()[name]


@cache
def type_facts() -> Any:
    """`types.json`: Go struct facts and registered kinds (see `machinery.typed.facts`)."""
    return load("types.json")


def go_type_name(group: str, version: str, kind: str) -> str:
    """`core/v1.Pod`: the key of a kind in the table of Go types."""
    package = type_facts()["packages"].get(f"{group}/{version}")
    if kind in OPTION_KINDS or kind in UNVERSIONED_KINDS or package is None:
        return f"meta/v1.{kind}"
    return f"{package}.{kind}"


_SCHEMA_ROOTS = {
    "meta": "io.k8s.apimachinery.pkg.apis",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis",
}


def schema_name(group: str, version: str, kind: str) -> str:
    """`io.k8s.api.apps.v1.Deployment`: the full OpenAPI name of a kind."""
    package, _, name = go_type_name(group, version, kind).partition(".")
    directory, _, package_version = package.partition("/")
    return f"{_SCHEMA_ROOTS.get(directory, 'io.k8s.api')}.{directory}.{package_version}.{name}"
