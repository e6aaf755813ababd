"""How the real server prints parts of a review that it refuses: metadata as JSON, attributes as Go structs."""

from __future__ import annotations

from wherry.machinery.kinds import Obj


def shown_non_resource(attributes: Obj) -> Obj:
    return {"Path": attributes.get("path", ""), "Verb": attributes.get("verb", "")}


_META = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
]


def shown_meta(meta: Obj) -> Obj:
    """ObjectMeta in the order of its struct, empty members left out."""
    return {key: meta[key] for key in _META if meta.get(key)}
