"""What is bound, described once for all who bind it: schemas as definitions, compiled when somebody asks.

A consumer's objects must outlive the provider's documents, so the schema of what was bound is kept in a space of its
own, under its uid. Objects of a bound kind live in the consumer's workspace below `<resource>:<identity>`: two
providers' kinds of one name never meet, nor do they meet a definition of the workspace's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from wherry.machinery.kinds import Obj
from wherry.storage.api import SpaceExists, Spaces, Storage
from wherry.store import keys
from wherry.store.custom import definitions
from wherry.store.definition import Definition
from wherry.workspaces.objects import read
from wherry.workspaces.sharing import CONVERSIONS, SCHEMAS
from wherry.workspaces.sharing.index import Bound

if TYPE_CHECKING:
    from wherry.machinery.crd.rules import Rules
    from wherry.store.conversion import Post

SPACE = "system:bound-crds"
HERE = "root"
_RULES = "conversions"  # beside the spec of a schema that is kept: the rules that it was bound with
APPROVED = "api-approved.kubernetes.io"


def crd_of(schema: Obj) -> Obj:
    """The definition that an APIResourceSchema stands for, its names accepted."""
    from wherry.machinery.crd.defaults import set_defaults

    meta, spec = schema["metadata"], schema["spec"]
    approved = (meta.get("annotations") or {}).get(APPROVED)
    names = dict(spec["names"])
    crd: Obj = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{names['plural']}.{spec['group']}",
            "uid": meta.get("uid", ""),
            **({"annotations": {APPROVED: approved}} if approved else {}),
        },
        "spec": {
            "group": spec["group"],
            "names": names,
            "scope": spec["scope"],
            "versions": [{**v, "schema": {"openAPIV3Schema": v["schema"]}} for v in spec["versions"]],
        },
    }
    if len(spec["versions"]) > 1 and spec.get("conversion"):
        crd["spec"]["conversion"] = spec["conversion"]
    set_defaults(crd)
    crd["status"] = {**crd["status"], "acceptedNames": names}
    return crd


def problems(schema: Obj) -> list[Any]:
    """What keeps a schema from being served: the field errors of its definition."""
    from wherry.machinery.crd.strategy import CustomResourceDefinitionStrategy

    return CustomResourceDefinitionStrategy().validate_create(crd_of(schema))


def rules_of(schema: Obj, conversions: list[Obj]) -> Rules:
    """The rules by which versions of a schema become each other, compiled."""
    from wherry.machinery.crd.rules import Rules

    return Rules(conversions, {version["name"]: version["schema"] for version in schema["spec"]["versions"]})


def _kept_rules(schema: Obj) -> Rules | None:
    return rules_of(schema, schema[_RULES]) if _RULES in schema else None


def prefix(bound: Bound) -> str:
    """Where a workspace keeps the objects of a bound kind."""
    return keys.collection(HERE, bound.group, f"{bound.resource}:{bound.identity}")


class Schemas:
    """All that is bound. `spaces` holds the space in which it is kept; `post` calls conversion webhooks."""

    def __init__(self, spaces: Spaces, post: Post | None = None):
        self._spaces = spaces
        self._post = post
        self._compiled: dict[tuple[str, str], list[Definition]] = {}  # (uid, identity)

    async def keep(self, home: Storage, schema: Obj) -> None:
        """Bindings are about to use this schema of a workspace, and its APIConversion where there is one."""
        space = self._spaces.space(SPACE)
        if space is None:
            try:
                space = await self._spaces.make(SPACE)
            except SpaceExists:
                space = self._spaces.space(SPACE)
        assert space is not None
        key = SCHEMAS + schema["metadata"]["uid"]
        if space.newest(key) is None:
            conversion = read(home, CONVERSIONS + schema["metadata"]["name"])
            data = orjson.dumps({**schema, _RULES: conversion["spec"]["conversions"]} if conversion else schema)
            await space.put(key, lambda revision: data)

    def crd(self, uid: str) -> Obj | None:
        """The definition behind something bound."""
        schema = self._kept(uid)
        return crd_of(schema) if schema is not None else None

    def uses(self, uid: str) -> bool:
        """Whether somebody has bound this, or was about to: rules for it come too late."""
        return self._kept(uid) is not None

    def _kept(self, uid: str) -> Obj | None:
        space: Storage | None = self._spaces.space(SPACE)
        record = space.newest(SCHEMAS + uid) if space is not None else None
        return orjson.loads(record.value) if record is not None else None

    def definitions(self, bound: Bound) -> list[Definition]:
        """What serves a bound kind, the same for all consumers; empty when the schema is not there."""
        found = self._compiled.get((bound.uid, bound.identity))
        if found is None:
            schema = self._kept(bound.uid)
            found = definitions(HERE, crd_of(schema), self._post, _kept_rules(schema)) if schema is not None else []
            for d in found:
                d.prefix = prefix(bound)
            if found:
                self._compiled[(bound.uid, bound.identity)] = found
        return found

    async def forget(self, unused: set[str]) -> None:
        """Nobody binds these uids any more."""
        space = self._spaces.space(SPACE)
        for uid in unused:
            for known in [k for k in self._compiled if k[0] == uid]:
                del self._compiled[known]
            if space is not None and space.newest(SCHEMAS + uid) is not None:
                await space.delete(SCHEMAS + uid, lambda revision: b"{}")


def names_taken(crd: Obj, wanted: Obj) -> str:
    """Which of the names of one definition another one has; empty if none (kcp's conflict checker)."""
    if crd["spec"]["group"] != wanted["spec"]["group"]:
        return ""
    has = (crd.get("status") or {}).get("acceptedNames") or {}
    has = has if has.get("plural") else crd["spec"]["names"]
    asked = wanted["spec"]["names"]
    resources = {has.get("plural"), has.get("singular"), *(has.get("shortNames") or ())} - {None, ""}
    kinds = {has.get("kind"), has.get("listKind")} - {None, ""}
    for field, taken in (("plural", resources), ("singular", resources), ("shortNames", resources),
                         ("kind", kinds), ("listKind", kinds)):  # fmt: skip
        value = asked.get(field)
        given = value if isinstance(value, list) else [value]
        if taken.intersection(given):
            shown = f"[{' '.join(given)}]" if isinstance(value, list) else value
            return f"spec.names.{field}={shown} is forbidden"
    return ""
