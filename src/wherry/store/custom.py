"""Definitions of custom resources: what a CustomResourceDefinition becomes once it is established."""

from __future__ import annotations

from typing import Any

from wherry.machinery.kinds import Obj
from wherry.store.definition import Definition


def definitions(workspace: str, crd: Obj) -> list[Definition]:
    """One Definition per served version, all stored in the storage version."""
    from wherry.machinery.crd.versions import compile_version

    spec = crd["spec"]
    storage = next(v["name"] for v in spec["versions"] if v.get("storage"))
    return [
        _definition(workspace, crd, version, storage, compile_version) for version in spec["versions"] if version.get("served")
    ]


def _definition(workspace: str, crd: Obj, version: Obj, storage: str, compile_version: Any) -> Definition:
    raise NotImplementedError
