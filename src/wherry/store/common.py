"""Kinds that every workspace serves without a definition of its own: those by which workspaces are managed.

They are custom kinds in every respect but one: no CustomResourceDefinition object stands behind them, as with kcp,
where a binding of the system provides them. Compiled once for all workspaces, and each only when somebody asks for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.machinery.kinds import Obj, Resource
from wherry.store.definition import Definition

Key = tuple[str, str, str]  # group, version, resource
HERE = "root"


class CommonKinds:
    """`crds` are CustomResourceDefinition documents (apiextensions.k8s.io/v1) without a status."""

    def __init__(self, crds: Sequence[Obj] = ()):
        self._documents = crds
        self._resources: list[Resource] | None = None
        self._crds: dict[Key, Obj] = {}
        self._made: dict[str, dict[Key, Definition]] = {}
        for crd in crds:
            spec = crd["spec"]
            for version in spec["versions"]:
                if version.get("served"):
                    self._crds[(spec["group"], version["name"], spec["names"]["plural"])] = crd

    def find(self, key: Key) -> Definition | None:
        """The definition of a served resource, or None."""
        crd = self._crds.get(key)
        return self._definitions(crd)[key] if crd is not None else None

    def all(self) -> dict[Key, Definition]:
        """All of them; compiles what is not compiled yet."""
        return {key: self._definitions(crd)[key] for key, crd in self._crds.items()}

    def resources(self) -> list[Resource]:
        """What discovery lists of them; compiles nothing."""
        from wherry.machinery.crd.versions import resource_of

        if self._resources is None:
            versions = [(crd, v) for crd in self._documents for v in crd["spec"]["versions"] if v.get("served")]
            self._resources = [resource_of(crd, version) for crd, version in versions]
        return self._resources

    def _definitions(self, crd: Obj) -> dict[Key, Definition]:
        name = crd["metadata"]["name"]
        made = self._made.get(name)
        if made is None:
            from wherry.store.custom import definitions

            found = definitions(HERE, {**crd, "status": {"acceptedNames": crd["spec"]["names"]}})
            made = self._made[name] = {(d.resource.group, d.resource.version, d.resource.name): d for d in found}
        return made
