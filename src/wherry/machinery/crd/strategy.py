"""The strategy of customresourcedefinitions (k8s.io/apiextensions-apiserver/pkg/registry/customresourcedefinition)."""

from __future__ import annotations

from wherry.errors import FieldError, go_quote
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.crd.cel_hooks import NO_CEL, CelHooks
from wherry.machinery.crd.conditions import terminating
from wherry.machinery.crd.defaults import empty_status, set_defaults
from wherry.machinery.crd.internal import to_internal
from wherry.machinery.crd.validate import validate_create, validate_status_update, validate_update
from wherry.machinery.crd.walk import has, walk
from wherry.machinery.kinds import Obj
from wherry.machinery.schema.node import unrecognized_format

CLEANUP = "customresourcecleanup.apiextensions.k8s.io"  # held until the objects of the kind have gone


def cel_hooks(crd: Obj) -> CelHooks:
    """What compiles rules, where a definition has any."""
    for version in crd["spec"].get("versions") or ():
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is not None and has(schema, lambda s: bool(s.get("x-kubernetes-validations"))):
            from wherry.machinery.cel.rules_definition import check_definition
            from wherry.machinery.cel.rules_run import check_default

            return CelHooks(check_definition, check_default)
    return NO_CEL


class CustomResourceDefinitionStrategy(Strategy):
    """Validation rules are compiled by machinery/cel, which is imported for the first definition that has some."""

    unconditional_update = False
    has_generation = True
    standard_finalizers = False

    def default(self, obj: Obj) -> None:
        set_defaults(obj)

    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = empty_status()
        _store_version(obj)

    def prepare_update(self, new: Obj, old: Obj) -> None:
        old_status = old.get("status")
        new["status"] = {**old_status} if old_status is not None else empty_status()
        _store_version(new)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        return validate_create(obj, cel_hooks(obj))

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return validate_update(new, old, cel_hooks(new))

    def warnings_create(self, obj: Obj) -> list[str]:
        return [_warning(name) for name in _unrecognized(obj)]

    def warnings_update(self, new: Obj, old: Obj) -> list[str]:
        before = set(_unrecognized(old))
        return [_warning(name) for name in _unrecognized(new) if name not in before]

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        return validate_status_update(new)

    keeps_deleted = True

    def mark_deleting(self, obj: Obj, now: str) -> None:
        meta = obj["metadata"]
        meta.pop("deletionGracePeriodSeconds", None)
        finalizers = meta.get("finalizers") or []
        if CLEANUP not in finalizers:
            meta["finalizers"] = [*finalizers, CLEANUP]
        obj["status"] = terminating(obj.get("status") or empty_status(), now)


def _store_version(crd: Obj) -> None:
    """The storage version joins those in which objects may be stored."""
    versions = (crd.get("spec") or {}).get("versions") or ()
    name = next((v.get("name") or "" for v in versions if v.get("storage")), None)
    stored = crd["status"].get("storedVersions") or []
    if name is not None and name not in stored:
        crd["status"]["storedVersions"] = [*stored, name]


def _warning(name: str) -> str:
    return f"unrecognized format {go_quote(name)}"


def _unrecognized(crd: Obj) -> list[str]:
    """Formats that are not enforced, one entry for each place (getUnrecognizedFormatsInCRD)."""
    return [
        node["format"]
        for schema in to_internal(crd).schemas()
        for node in walk(schema)
        if node.get("format") and unrecognized_format(node.get("type") or "", node["format"])
    ]
