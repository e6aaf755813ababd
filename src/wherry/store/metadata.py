"""Metadata that the server owns: filled on create, kept on update (k8s.io/apiserver/pkg/registry/rest)."""

from __future__ import annotations

from wherry.errors import FieldError
from wherry.kit.ids import name_suffix, new_uid
from wherry.machinery.kinds import Obj, Resource

_MAX_BASE = 58  # 63 less the five random characters
GENERATE_ATTEMPTS = 8


def generate_name(base: str) -> str:
    """`base`, cut to 58 characters, and five random ones (names.SimpleNameGenerator)."""
    return base[:_MAX_BASE] + name_suffix()


def single_owners(meta: Obj, warnings: list[str], *, admitted: bool = False) -> None:
    """Drop owner references that are there twice, and say so (dedupOwnerReferencesAndAddWarning).

    Bodies are looked at as they come and again when they are `admitted`, patched objects only then.
    """
    given = meta.get("ownerReferences")
    if not given or len(given) < 2:
        return
    kept: list[Obj] = []
    twice: list[str] = []
    for reference in given:
        if reference in kept:
            twice.append(reference.get("uid", ""))
        else:
            kept.append(reference)
    if twice:
        meta["ownerReferences"] = kept
        when = " after mutating admission happens" if admitted else ""
        warnings.append(
            f".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, "
            f"and may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: "
            f"{', '.join(twice)}"
        )


def wipe_system_fields(meta: Obj) -> None:
    """Forget what a creator can't say; done before it is reckoned who owns what (rest.WipeObjectMetaSystemFields)."""
    for key in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink"):
        meta.pop(key, None)


def fill_system_fields(obj: Obj, resource: Resource, namespace: str, now: str) -> None:
    """What every new object gets, whatever its creator sent (rest.FillObjectMetaSystemFields, BeforeCreate)."""
    meta = obj["metadata"]
    wipe_system_fields(meta)
    if resource.namespaced:
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    meta["uid"] = new_uid()
    meta["creationTimestamp"] = now


def keep_system_fields(new: Obj, old: Obj) -> None:
    """What an update can't change and need not send (rest.BeforeUpdate).

    Times stay what they were; an id that differs and is not empty stays too, so that validation can refuse it."""
    n, o = new["metadata"], old["metadata"]
    for key in ("uid", "namespace"):
        if not n.get(key) and key in o:
            n[key] = o[key]
    for key in ("creationTimestamp", "deletionTimestamp"):
        if key in o:
            n[key] = o[key]
    if "deletionGracePeriodSeconds" not in n and "deletionGracePeriodSeconds" in o:
        n["deletionGracePeriodSeconds"] = o["deletionGracePeriodSeconds"]
    if "generation" in o:
        n["generation"] = o["generation"]
    else:
        n.pop("generation", None)
    n.pop("selfLink", None)


def set_managed(meta: Obj, entries: list[Obj]) -> None:
    """managedFields, absent when empty."""
    if entries:
        meta["managedFields"] = entries
    else:
        meta.pop("managedFields", None)


def order_metadata(meta: Obj) -> Obj:
    """Members in the order of the Go struct, as a stranger who reads the JSON expects them."""
    return {key: meta[key] for key in _ORDER if key in meta}


_ORDER = (
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
)


def must_set_resource_version() -> FieldError:
    return FieldError(
        "metadata.resourceVersion", "FieldValueInvalid", "Invalid value: 0: must be specified for an update"
    )
