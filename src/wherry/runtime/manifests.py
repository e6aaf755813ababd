"""Objects that must be there before a feature begins: made, or brought up to date; new kinds are waited for."""

from __future__ import annotations

import asyncio
from typing import Any

from wherry.client import Client, Kind
from wherry.errors import AlreadyExists, Conflict, NotFound, StatusError

Obj = dict[str, Any]
_PATIENCE = 50  # looks for a kind that was just defined
_PAUSE = 0.05  # seconds between them


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
