"""Objects reduced to their metadata, and what the `as=` parameter of an Accept header may ask for.

`server` picks a `Transform` while negotiating, then answers GET, LIST, WATCH, PATCH and DELETE with it. Follows
k8s.io/apiserver/pkg/endpoints/handlers/response.go and metav1.PartialObjectMetadata.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from wherry.errors import NotAcceptable
from wherry.machinery.kinds import Obj

TABLE, PARTIAL, PARTIAL_LIST = "Table", "PartialObjectMetadata", "PartialObjectMetadataList"
_VERSIONS = ("v1", "v1beta1")


class Transform(NamedTuple):
    """Another shape for the answer: `kind` in the given version of meta.k8s.io."""

    kind: str
    version: str


def transform_of(kind: str, group: str, version: str) -> Transform | None:
    """The transform that `as=kind;g=group;v=version` asks for, or None when there is no such shape."""
    known = kind in (TABLE, PARTIAL, PARTIAL_LIST) and group == "meta.k8s.io" and version in _VERSIONS
    return Transform(kind, version) if known else None


def partial_metadata(obj: Obj, version: str = "v1") -> Obj:
    """The object as PartialObjectMetadata; shares the metadata with it."""
    return {"kind": PARTIAL, "apiVersion": f"meta.k8s.io/{version}", "metadata": obj.get("metadata") or {}}


def partial_metadata_bytes(metadata: bytes, version: str = "v1") -> bytes:
    """The same as JSON, around the JSON of the metadata."""
    return b'{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/%b","metadata":%b}' % (
        version.encode(),
        metadata,
    )


def partial_metadata_list(
    items: Sequence[bytes],
    *,
    resource_version: str,
    continue_: str = "",
    remaining: int | None = None,
    version: str = "v1",
) -> bytes:
    """A list of PartialObjectMetadata (each already JSON); without items it says `null`, as the real one does."""
    metadata: dict[str, str | int] = {"resourceVersion": resource_version} if resource_version else {}
    if continue_:
        metadata["continue"] = continue_
    if remaining is not None:
        metadata["remainingItemCount"] = remaining
    listed = b"[" + b",".join(items) + b"]" if items else b"null"
    return b'{"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/%b","metadata":%b,"items":%b}' % (
        version.encode(),
        orjson.dumps(metadata),
        listed,
    )


# --- refusals -------------------------------------------------------------------------------------------------------

# The Go package of each group's internal types; refusals name the Go type.
_PACKAGES = {
    "": "core",
    "admissionregistration.k8s.io": "admissionregistration",
    "apiextensions.k8s.io": "apiextensions",
    "apiregistration.k8s.io": "apiregistration",
    "apps": "apps",
    "authentication.k8s.io": "authentication",
    "authorization.k8s.io": "authorization",
    "autoscaling": "autoscaling",
    "batch": "batch",
    "certificates.k8s.io": "certificates",
    "coordination.k8s.io": "coordination",
    "discovery.k8s.io": "discovery",
    "events.k8s.io": "core",
    "flowcontrol.apiserver.k8s.io": "flowcontrol",
    "internal.apiserver.k8s.io": "apiserverinternal",
    "networking.k8s.io": "networking",
    "node.k8s.io": "node",
    "policy": "policy",
    "rbac.authorization.k8s.io": "rbac",
    "resource.k8s.io": "resource",
    "scheduling.k8s.io": "scheduling",
    "storage.k8s.io": "storage",
    "storagemigration.k8s.io": "storagemigration",
}


def _go_type(group: str, kind: str, *, is_list: bool) -> str:
    package = _PACKAGES.get(group)
    if package is None:
        return "*unstructured.UnstructuredList" if is_list else "*unstructured.Unstructured"
    return f"*{package}.{kind}List" if is_list else f"*{package}.{kind}"


def refuse_list(group: str, kind: str) -> NotAcceptable:
    """PartialObjectMetadata was asked of a list."""
    go_type = _go_type(group, kind, is_list=True)
    return NotAcceptable(f"you requested PartialObjectMetadata, but the requested object is a list ({go_type})")


def refuse_object(group: str, kind: str) -> NotAcceptable:
    """PartialObjectMetadataList was asked of one object."""
    go_type = _go_type(group, kind, is_list=False)
    return NotAcceptable(f"you requested PartialObjectMetadataList, but the requested object is not a list ({go_type})")
