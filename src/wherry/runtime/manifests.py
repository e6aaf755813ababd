"""Objects as manifests: read from files, applied in an order that works, or made sure of before a feature begins.

New kinds are waited for, since a definition takes a moment until its kind is served.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from wherry.client import Client, Kind
from wherry.errors import AlreadyExists, Conflict, NotFound, StatusError

Obj = dict[str, Any]
DEFINITION = "CustomResourceDefinition"
_FIRST = (DEFINITION, "Namespace")
_SUFFIXES = (".yaml", ".yml", ".json")
_SEPARATOR = re.compile(rb"^---(?=\s|$)[^\n]*$", re.M)
_PATIENCE = 50  # looks for a kind that was just defined
_PAUSE = 0.05  # seconds between them


def read(what: str | Path) -> list[Obj]:
    """The objects of a text with YAML or JSON documents, of a file, or of all files of a folder and those below it.

    A text without a line break that names something on disk is its path. Lists are taken apart. Raises ValueError for
    what is no manifest, OSError for a path that is not there.
    """
    if isinstance(what, str) and ("\n" in what or what.lstrip().startswith("{")):
        return list(_objects(what.encode(), "the text"))
    path = Path(what)
    files = sorted(p for p in path.rglob("*") if p.suffix in _SUFFIXES) if path.is_dir() else [path]
    return [obj for file in files for obj in _objects(file.read_bytes(), str(file))]


def _objects(body: bytes, source: str) -> Iterable[Obj]:
    from wherry.kit.goyaml import loads

    for document in _SEPARATOR.split(body):
        try:
            found, _ = loads(document)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None
        if found is None:
            continue
        if not isinstance(found, dict) or not found.get("kind") or not found.get("apiVersion"):
            raise ValueError(f"{source}: a document without kind and apiVersion is no manifest")
        yield from found["items"] if isinstance(found.get("items"), list) else (found,)


async def apply_all(client: Client, manifests: Iterable[Obj]) -> list[Obj]:
    """Server-side apply, definitions and namespaces first, conflicts won; the objects as they are then. What has no
    namespace and needs one goes into `default`. Raises StatusError."""
    last = len(_FIRST)
    order = sorted(manifests, key=lambda obj: _FIRST.index(obj["kind"]) if obj["kind"] in _FIRST else last)
    known: dict[tuple[str, str], Kind] = {}
    made = []
    for obj in order:
        which = (obj["apiVersion"], obj["kind"])
        kind = known[which] = known.get(which) or await _kind(client, obj)
        if kind.namespaced and not obj["metadata"].get("namespace"):
            obj = {**obj, "metadata": {**obj["metadata"], "namespace": "default"}}
        made.append(await client.apply(kind, obj, force=True))
    for obj in order:
        if obj["kind"] == DEFINITION:
            names, group = obj["spec"]["names"], obj["spec"]["group"]
            for version in obj["spec"]["versions"]:
                if version.get("served"):
                    await _kind(client, {"apiVersion": f"{group}/{version['name']}", "kind": names["kind"]})
    return made


def kind_of(definition: Obj) -> Kind:
    """How objects of a CustomResourceDefinition are addressed, in the version that is stored."""
    spec = definition["spec"]
    version = next(v["name"] for v in spec["versions"] if v["storage"])
    return Kind(spec["group"], version, spec["names"]["plural"], spec["scope"] == "Namespaced")


async def ensure(client: Client, manifest: Obj) -> None:
    """Create an object or set its spec. Raises what the server refuses with."""
    kind = await _kind(client, manifest)
    meta = manifest["metadata"]
    namespace = meta.get("namespace", "")
    while True:
        try:
            await client.create(kind, manifest, namespace)
            return
        except AlreadyExists:
            pass
        try:
            live = await client.get(kind, meta["name"], namespace)
            await client.update(kind, {**live, "spec": manifest["spec"]})
            return
        except (Conflict, NotFound):
            continue  # somebody was faster


async def _kind(client: Client, manifest: Obj) -> Kind:
    """How the manifest's kind is addressed, from discovery; one that was just defined may take a moment."""
    group_version = manifest["apiVersion"]
    group, _, version = group_version.rpartition("/")
    path = f"/apis/{group_version}" if group else f"/api/{version}"
    for _ in range(_PATIENCE):
        try:
            found = await client.request("GET", path)
        except NotFound:
            found = {"resources": []}
        for resource in found["resources"]:
            if resource["kind"] == manifest["kind"] and "/" not in resource["name"]:
                return Kind(group, version, resource["name"], resource["namespaced"])
        await asyncio.sleep(_PAUSE)
    raise StatusError(f"no kind {manifest['kind']} in {group_version}", reason="NotFound", code=404)
