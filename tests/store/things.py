"""Definitions of a custom kind in several versions."""

from __future__ import annotations

import asyncio
from typing import Any

from .api import Api, Obj

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
V1, V2 = (f"/apis/c.example.com/{name}/namespaces/default/things" for name in ("v1", "v2"))


def version(name: str, field: str, *, storage: bool = False, **more: Any) -> Obj:
    """A version whose spec has one string, under this name, and replicas."""
    properties = {field: {"type": "string"}, "replicas": {"type": "integer"}}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": properties}}}
    return {"name": name, "served": True, "storage": storage, "schema": {"openAPIV3Schema": schema}, **more}


def definition(versions: list[Obj], conversion: Obj | None = None) -> Obj:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "things.c.example.com"},
        "spec": {
            "group": "c.example.com",
            "scope": "Namespaced",
            "names": {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"},
            "versions": versions,
            **({"conversion": conversion} if conversion else {}),
        },
    }


def thing(api: str, name: str, **spec: Any) -> Obj:
    return {"apiVersion": f"c.example.com/{api}", "kind": "Thing", "metadata": {"name": name}, "spec": spec}


async def established(api: Api, crd: Obj) -> None:
    answer = await api.call("POST", CRDS, crd)
    assert answer["kind"] == "CustomResourceDefinition", answer
    for _ in range(50):
        if (await api.respond("GET", V1)).status == 200:
            return
        await asyncio.sleep(0)
    raise AssertionError("not served")
