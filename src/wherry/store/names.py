"""Rules that tie an object to the URL it came by (endpoints/handlers/rest.go, registry/rest/meta.go)."""

from __future__ import annotations

from wherry import errors
from wherry.machinery.kinds import Obj, Resource

_MISMATCH = "the namespace of the provided object does not match the namespace sent on the request"


def match_namespace(resource: Resource, meta: Obj, namespace: str) -> None:
    """The body may repeat the URL's namespace or leave it out; that of an object without one is forgotten."""
    given = meta.get("namespace", "")
    if resource.namespaced:
        if given and given != namespace:
            raise errors.BadRequest(_MISMATCH)
        meta["namespace"] = namespace
    elif given:
        del meta["namespace"]


def match_name(meta: Obj, name: str) -> None:
    """The body of a write to a named URL must carry that name."""
    given = meta.get("name", "")
    if not given:
        raise errors.BadRequest(
            f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        )
    if given != name:
        raise errors.BadRequest(f"the name of the object ({given}) does not match the name on the URL ({name})")


def require_no_revision(meta: Obj) -> None:
    """A create must not say which version it replaces; what does not parse counts as none (upstream's Versioner)."""
    text = str(meta.get("resourceVersion", ""))
    if text.isdigit() and text.isascii() and int(text) != 0:
        raise errors.StatusError("resourceVersion should not be set on objects to be created", reason="")
