"""Who owns the replicas, seen from `/scale` and from the object behind it.

The scale subresource is an object of its own with one field, so its managedFields are made from the parent's, and after
a write the parent's from the scale's. Mirrors ScaleHandler of k8s.io/apimachinery/pkg/util/managedfields.
"""

from __future__ import annotations

from collections.abc import Mapping

from wherry.machinery.fields.entries import Entry, Managed, Owned, decode, encode
from wherry.machinery.fields.sets import Path, difference, has, of_paths

SCALE_VERSION = "autoscaling/v1"
REPLICAS: Path = ("f:spec", "f:replicas")

# apiVersion of the parent -> where its replicas are; None for a version without the subresource
Mappings = Mapping[str, Path | None]


def to_scale(parent: list[Entry] | None, mappings: Mappings) -> list[Entry]:
    """managedFields of the Scale object."""
    managed = decode(parent, trusted=True)
    out: Managed = {}
    for manager, owned in managed.items():
        path = mappings.get(owned.api_version)
        if path and has(owned.fields, path):
            out[manager] = Owned(of_paths(REPLICAS), SCALE_VERSION, owned.time)
    return encode(out)


def to_parent(
    parent: list[Entry] | None, scale: list[Entry] | None, api_version: str, mappings: Mappings
) -> list[Entry]:
    """managedFields of the parent after the Scale object was written; `api_version` is the parent's."""
    managed, scaled = decode(parent, trusted=True), decode(scale, trusted=True)
    out: Managed = {}
    for manager, owned in managed.items():
        if owned.api_version not in mappings:
            continue  # a version that is served no more
        path = mappings[owned.api_version]
        if not path or not has(owned.fields, path):
            out[manager] = owned
        elif manager in scaled:
            out[manager] = owned
            del scaled[manager]
        else:
            fields = difference(owned.fields, of_paths(path))
            if fields:
                out[manager] = owned._replace(fields=fields)
    replicas = mappings.get(api_version)
    for manager, owned in scaled.items():
        if replicas and has(owned.fields, REPLICAS):
            time = managed[manager].time if manager in managed else None
            out[manager] = Owned(of_paths(replicas), api_version, time)
    return encode(out)
