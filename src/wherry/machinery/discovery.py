"""Discovery documents: which groups, versions and resources there are, in the legacy and the aggregated form.

The first thing every client asks. `server` holds one `Discovery` for each set of resources (it is immutable; a new
definition of a kind makes a new one) and serves its documents, which are built when first asked for. Follows
k8s.io/apiserver/pkg/endpoints/discovery, its `aggregated` package, and the group order of kube-aggregator.
"""

from __future__ import annotations

import re
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Mapping, Sequence
from hashlib import sha256, sha512
from typing import NamedTuple

import orjson

from wherry.machinery.aggregation import CUSTOM, OWN_PRIORITY, PRIORITIES, Remote
from wherry.machinery.kinds import Obj, Resource, Subresource

AGGREGATED_GROUP = "apidiscovery.k8s.io"
AGGREGATION = "apiregistration.k8s.io"
AGGREGATED_VERSIONS = ("v2", "v2beta1")
# The verbs of a custom resource in the order in which the real server lists them.
CUSTOM_VERBS = ("delete", "deletecollection", "get", "list", "patch", "create", "update", "watch")
TERMINATING_VERBS = ("delete", "deletecollection", "get", "list", "watch")
SUBRESOURCE_VERBS = ("get", "patch", "update")


class Document(NamedTuple):
    """One document: as an object (for YAML and protobuf), as JSON, and the quoted ETag of its content."""

    obj: Obj
    body: bytes
    etag: str


def storage_version_hash(group: str, version: str, kind: str) -> str:
    """How discovery lets clients notice that the stored version of a kind changed (discovery.StorageVersionHash)."""
    digest = sha256(f"{group}/{version}/{kind}".encode()).digest()
    return b2a_base64(digest[:8], newline=False).decode()


# --- order of versions ----------------------------------------------------------------------------------------------

_KUBE_VERSION = r"v([0-9]+)(?:(alpha|beta)([0-9]+))?\Z"
_STABILITY = {"alpha": 0, "beta": 1, None: 2}


def version_order(version: str) -> tuple[int, int, int, int, str]:
    """A sort key, best first: GA before beta before alpha, newer before older, odd names last by name."""
    found = re.match(_KUBE_VERSION, version)
    if found is None:
        return 1, 0, 0, 0, version
    major, stability, minor = found[1], found[2], found[3]
    return 0, -_STABILITY[stability], -int(major), -int(minor or 0), ""


# --- the parts of documents -----------------------------------------------------------------------------------------


def _legacy_entry(resource: Resource, sub: Subresource | None = None) -> Obj:
    """One APIResource; group and version only where they are not those of the list."""
    entry: Obj = {
        "name": resource.name if sub is None else f"{resource.name}/{sub.name}",
        "singularName": resource.singular if sub is None else "",
        "namespaced": resource.namespaced,
    }
    if sub is not None and (sub.group, sub.version) != (resource.group, resource.version):
        entry["group"], entry["version"] = sub.group, sub.version
    entry["kind"] = (resource if sub is None else sub).kind
    entry["verbs"] = list((resource if sub is None else sub).verbs)
    if sub is None:
        _optional(entry, resource)
        if resource.storage_version_hash:
            entry["storageVersionHash"] = resource.storage_version_hash
    return entry


def _optional(entry: Obj, resource: Resource) -> None:
    if resource.short_names:
        entry["shortNames"] = list(resource.short_names)
    if resource.categories:
        entry["categories"] = list(resource.categories)


def _response_kind(resource: Resource, group: str, version: str, kind: str, *, custom: bool) -> Obj:
    """Built-in kinds name their group only where it is another one; custom kinds always do."""
    if not custom and (group, version) == (resource.group, resource.version):
        group = version = ""
    return {"group": group, "version": version, "kind": kind}


def _aggregated_entry(resource: Resource, *, custom: bool) -> Obj:
    entry: Obj = {
        "resource": resource.name,
        "responseKind": _response_kind(resource, resource.group, resource.version, resource.kind, custom=custom),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": resource.singular,
        "verbs": list(resource.verbs),
    }
    _optional(entry, resource)
    if resource.subresources:
        entry["subresources"] = [
            {
                "subresource": sub.name,
                "responseKind": _response_kind(resource, sub.group, sub.version, sub.kind, custom=custom),
                "verbs": list(sub.verbs),
            }
            for sub in resource.subresources.values()
        ]
    return entry


class Discovery:
    """All documents about one set of resources: the built-in ones, in order of preference, custom ones, and those that
    other servers serve."""

    def __init__(
        self,
        builtin: Mapping[tuple[str, str], Sequence[Resource]],
        custom: Iterable[Resource] = (),
        remote: Iterable[Remote] = (),
        *,
        server_address: str = "",
    ):
        self._builtin = builtin
        self._remote = {(each.group, each.version): each for each in remote}
        self._custom: dict[tuple[str, str], list[Resource]] = {}
        for resource in sorted(custom, key=lambda r: r.name):
            self._custom.setdefault((resource.group, resource.version), []).append(resource)
        self._server_address = server_address
        self._groups = self._ordered()
        self._documents: dict[tuple[str, ...], Document | None] = {}

    def _ordered(self) -> dict[str, list[str]]:
        """Group -> versions: built-in groups by priority, then custom groups by name (they all have the same)."""
        out: dict[str, list[str]] = {}
        for group, version in self._builtin:
            out.setdefault(group, []).append(version)
        for group, version in sorted(self._custom, key=lambda gv: (gv[0], version_order(gv[1]))):
            versions = out.setdefault(group, [])
            if version not in versions:
                versions.append(version)
        return self._with_remote(out) if self._remote else out

    def _with_remote(self, groups: dict[str, list[str]]) -> dict[str, list[str]]:
        """The same with the other servers' group versions, all where their priorities put them."""
        for group, version in self._remote:
            versions = groups.setdefault(group, [])
            if version not in versions:
                versions.append(version)

        def priority(group: str, version: str) -> tuple[int, int]:
            remote = self._remote.get((group, version))
            if remote is not None:
                return remote.group_priority, remote.version_priority
            if group == AGGREGATION:
                return OWN_PRIORITY, 0
            return PRIORITIES.get((group, version), CUSTOM)

        def group_place(group: str) -> tuple[int, str]:
            return -max(priority(group, version)[0] for version in groups[group]), group

        def version_place(group: str, version: str) -> tuple[int, tuple[int, int, int, int, str]]:
            return -priority(group, version)[1], version_order(version)

        builtin = {group for group, _ in self._builtin}
        ordered = sorted(groups, key=group_place)
        # built-in groups of one priority keep the order that they have among themselves
        places = iter([g for g in groups if g in builtin])
        ordered = [next(places) if g in builtin else g for g in ordered]
        return {group: sorted(groups[group], key=lambda v: version_place(group, v)) for group in ordered}

    @property
    def groups(self) -> Mapping[str, Sequence[str]]:
        """Group -> served versions, preferred first; core is the empty group."""
        return self._groups

    def _document(self, key: tuple[str, ...], build: Callable[[], Obj | None]) -> Document | None:
        if key not in self._documents:
            obj = build()
            if obj is None:
                self._documents[key] = None
            else:
                body = orjson.dumps(obj)
                self._documents[key] = Document(obj, body, f'"{sha512(body).hexdigest().upper()}"')
        return self._documents[key]

    # --- legacy documents -------------------------------------------------------------------------------------------

    def api_versions(self) -> Document:
        """`/api`."""
        document = self._document(("api",), self._api_versions)
        assert document is not None
        return document

    def _api_versions(self) -> Obj:
        address = {"clientCIDR": "0.0.0.0/0", "serverAddress": self._server_address}
        return {
            "kind": "APIVersions",
            "versions": list(self._groups.get("", ())),
            "serverAddressByClientCIDRs": [address],
        }

    def group_list(self) -> Document:
        """`/apis`."""
        document = self._document(("apis",), self._group_list)
        assert document is not None
        return document

    def _group_list(self) -> Obj:
        named = [group for group in self._groups if group]
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(group) for group in named]}

    def group(self, group: str) -> Document | None:
        """`/apis/<group>`, or None when there is no such group."""
        if not group or group not in self._groups:
            return None
        return self._document(("group", group), lambda: {"kind": "APIGroup", "apiVersion": "v1", **self._group(group)})

    def _group(self, group: str) -> Obj:
        versions = [{"groupVersion": f"{group}/{version}", "version": version} for version in self._groups[group]]
        return {"name": group, "versions": versions, "preferredVersion": versions[0]}

    def resources(self, group: str, version: str) -> Document | None:
        """`/api/v1` and `/apis/<group>/<version>`, or None when that is not served."""
        if version not in self._groups.get(group, ()) or (group, version) in self._remote:
            return None
        return self._document(("resources", group, version), lambda: self._resources(group, version))

    def _resources(self, group: str, version: str) -> Obj:
        entries: list[Obj] = []
        for resource in (*self._builtin.get((group, version), ()), *self._custom.get((group, version), ())):
            entries.append(_legacy_entry(resource))
            entries.extend(_legacy_entry(resource, sub) for sub in resource.subresources.values())
        if not group:  # the core group's documents are older than the apiVersion of others
            return {"kind": "APIResourceList", "groupVersion": version, "resources": entries}
        group_version = f"{group}/{version}"
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": entries}

    # --- aggregated documents ---------------------------------------------------------------------------------------

    def aggregated(self, *, core: bool, version: str = "v2") -> Document:
        """`/api` (core) or `/apis` as APIGroupDiscoveryList in `v2` or `v2beta1`."""
        document = self._document(("aggregated", "core" if core else "", version), lambda: self._list(core, version))
        assert document is not None
        return document

    def _list(self, core: bool, version: str) -> Obj:
        groups = [group for group in self._groups if bool(group) is not core]
        return {
            "kind": "APIGroupDiscoveryList",
            "apiVersion": f"{AGGREGATED_GROUP}/{version}",
            "metadata": {},
            "items": [self._item(group) for group in groups],
        }

    def _item(self, group: str) -> Obj:
        versions = [
            _remote_version(self._remote[(group, version)])
            if (group, version) in self._remote
            else {
                "version": version,
                "resources": [
                    *(_aggregated_entry(r, custom=False) for r in self._builtin.get((group, version), ())),
                    *(_aggregated_entry(r, custom=True) for r in self._custom.get((group, version), ())),
                ],
                "freshness": "Current",
            }
            for version in self._groups[group]
        ]
        return {"metadata": {"name": group} if group else {}, "versions": versions}


def _remote_version(remote: Remote) -> Obj:
    found: Obj = {"version": remote.version}
    if remote.entries:
        found["resources"] = list(remote.entries)
    return {**found, "freshness": "Current" if remote.fresh else "Stale"}


def aggregated_media_type(version: str = "v2") -> str:
    """The Content-Type of an aggregated document: clients compare it with what they asked for."""
    return f"application/json;g={AGGREGATED_GROUP};v={version};as=APIGroupDiscoveryList"
