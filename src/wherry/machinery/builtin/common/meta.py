"""Object metadata: what the store checks for every kind, built-in or custom, on create and on update.

Follows k8s.io/apimachinery/pkg/api/validation/objectmeta.go and apiserver/pkg/registry/rest. On an update upstream
checks the metadata for all kinds, as if new and as a change, and most kinds check it again themselves, so that a cause
appears two to four times; the message repeats nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.errors import FieldError, forbidden, go_quote, invalid, required, too_long
from wherry.machinery.builtin.common.labels import validate_labels
from wherry.machinery.builtin.common.names import (
    NameRule,
    byte_length,
    label_key,
    name_is_dns_label,
    name_is_dns_subdomain,
    name_is_path_segment,
)

FIELD_IMMUTABLE = "field is immutable"
NOT_NEGATIVE = "must be greater than or equal to 0"
ANNOTATIONS_LIMIT = 256 * 1024
ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
STANDARD_FINALIZERS = ("kubernetes", ORPHAN, FOREGROUND)


def validate_object_meta(
    meta: Mapping[str, Any],
    namespaced: bool,
    name_fn: NameRule | None = None,
    path: str = "metadata",
    *,
    standard_finalizers: bool = False,
) -> list[FieldError]:
    """Metadata of a new object, its name already generated. `name_fn` None means a DNS subdomain.

    `standard_finalizers` is the extra rule of most built-in kinds (`Strategy.standard_finalizers`); custom resources
    do not have it.
    """
    rule = name_fn or name_is_dns_subdomain
    errors: list[FieldError] = []
    prefix, name = meta.get("generateName", ""), meta.get("name", "")
    if prefix:
        errors += [invalid(path + ".generateName", prefix, text) for text in rule(prefix, True)]
    if not name:
        errors.append(required(path + ".name", "name or generateName is required"))
    else:
        errors += [invalid(path + ".name", name, text) for text in rule(name, False)]
    errors += _common(meta, namespaced, path)
    return errors + _finalizer_words(meta, path) if standard_finalizers else errors


def _finalizer_words(meta: Mapping[str, Any], path: str) -> list[FieldError]:
    text = "name is neither a standard finalizer name nor is it fully qualified"
    return [
        invalid(f"{path}.finalizers[{index}]", name, text)
        for index, name in enumerate(meta.get("finalizers") or ())
        if "/" not in name and name not in STANDARD_FINALIZERS
    ]


def _common(meta: Mapping[str, Any], namespaced: bool, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    namespace = meta.get("namespace", "")
    if not namespaced:
        if namespace:
            errors.append(forbidden(path + ".namespace", "not allowed on this type"))
    elif not namespace:
        errors.append(required(path + ".namespace"))
    else:
        errors += [invalid(path + ".namespace", namespace, text) for text in name_is_dns_label(namespace)]
    generation = meta.get("generation", 0)
    if generation < 0:
        errors.append(invalid(path + ".generation", generation, NOT_NEGATIVE))
    if labels := meta.get("labels"):
        errors += validate_labels(labels, path + ".labels")
    if annotations := meta.get("annotations"):
        errors += validate_annotations(annotations, path + ".annotations")
    if owners := meta.get("ownerReferences"):
        errors += validate_owner_references(owners, path + ".ownerReferences")
    if finalizers := meta.get("finalizers"):
        errors += validate_finalizers(finalizers, path + ".finalizers")
    if managed := meta.get("managedFields"):
        errors += validate_managed_fields(managed, path + ".managedFields")
    return errors


def validate_object_meta_update(
    new: Mapping[str, Any],
    old: Mapping[str, Any],
    path: str = "metadata",
    *,
    standard_finalizers: bool = False,
) -> list[FieldError]:
    """The check that kinds make themselves: metadata as a change. Expects server-owned fields to be carried over."""
    errors = _update(new, old, path)
    return errors + _finalizer_words(new, path) if standard_finalizers else errors


def validate_any_update(
    new: Mapping[str, Any],
    old: Mapping[str, Any],
    namespaced: bool,
    path: str = "metadata",
    *,
    standard_finalizers: bool = False,
    again: bool = False,
) -> list[FieldError]:
    """The check that is made of every kind on every update: metadata as if new, but for the name, and as a change.

    `again` adds the check of the kinds that begin with one of their own (`Strategy.meta_again`), which alone has the
    rule about standard finalizers. Causes repeat, as upstream's do.
    """
    change = _update(new, old, path)
    errors = validate_object_meta(new, namespaced, name_is_path_segment, path) + change
    if again:
        errors += change + _finalizer_words(new, path) if standard_finalizers else change
    return errors


def _update(new: Mapping[str, Any], old: Mapping[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if old.get("deletionTimestamp") is not None:
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            listed = "[]string{" + ", ".join(go_quote(f) for f in added) + "}"
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers {listed}"
            errors.append(forbidden(path + ".finalizers", text))
    if not new.get("resourceVersion"):
        errors.append(invalid(path + ".resourceVersion", "", "must be specified for an update"))
    if new.get("generation", 0) < old.get("generation", 0):
        errors.append(invalid(path + ".generation", new.get("generation", 0), "must not be decremented"))
    for key in ("name", "namespace", "uid"):
        if new.get(key, "") != old.get(key, ""):
            errors.append(invalid(f"{path}.{key}", new.get(key, ""), FIELD_IMMUTABLE))
    for key in ("creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"):
        if new.get(key) != old.get(key):
            errors.append(invalid(f"{path}.{key}", new.get(key), FIELD_IMMUTABLE))
    if labels := new.get("labels"):
        errors += validate_labels(labels, path + ".labels")
    if annotations := new.get("annotations"):
        errors += validate_annotations(annotations, path + ".annotations")
    if owners := new.get("ownerReferences"):
        errors += validate_owner_references(owners, path + ".ownerReferences")
    if managed := new.get("managedFields"):
        errors += validate_managed_fields(managed, path + ".managedFields")
    return errors


def validate_annotations(annotations: Mapping[str, str] | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    size = 0
    for key in sorted(annotations or ()):
        size += byte_length(key) + byte_length((annotations or {})[key])
        errors += [invalid(path, key, text) for text in label_key(key.lower())]
    if size > ANNOTATIONS_LIMIT:
        errors.append(too_long(path, ANNOTATIONS_LIMIT))
    return errors


def _owner_document(reference: Mapping[str, Any]) -> dict[str, Any]:
    """An OwnerReference as Go writes it: the four required strings always, in the order of the struct."""
    out: dict[str, Any] = {key: reference.get(key, "") for key in ("apiVersion", "kind", "name", "uid")}
    out.update({key: reference[key] for key in ("controller", "blockOwnerDeletion") if reference.get(key) is not None})
    return out


def validate_owner_references(references: list[Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    first = ""
    for reference in references:
        errors += _owner_reference(reference, path)
        if reference.get("controller"):
            current = f"{reference.get('kind', '')}/{reference.get('name', '')}"
            if first:
                text = (
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {first} and {current}'
                )
                errors.append(invalid(path, [_owner_document(r) for r in references], text))
            else:
                first = current
    return errors


def _owner_reference(reference: Mapping[str, Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    api_version, kind = reference.get("apiVersion", ""), reference.get("kind", "")
    # A malformed version ("a/b/c") parses to nothing, and so does "" (schema.FromAPIVersionAndKind).
    if api_version.count("/") > 1 or api_version.rpartition("/")[2] == "":
        errors.append(invalid(path + ".apiVersion", api_version, "version must not be empty"))
    for key in ("kind", "name", "uid"):
        if not reference.get(key):
            errors.append(invalid(f"{path}.{key}", "", "must not be empty"))
    if api_version == "v1" and kind == "Event":
        text = "/v1, Kind=Event is disallowed from being an owner"
        errors.append(invalid(path, _owner_document(reference), text))
    return errors


def validate_finalizers(finalizers: list[str], path: str) -> list[FieldError]:
    errors = [invalid(path, name, text) for name in finalizers for text in label_key(name)]
    if ORPHAN in finalizers and FOREGROUND in finalizers:
        errors.append(invalid(path, finalizers, f"finalizer {ORPHAN} and {FOREGROUND} cannot be both set"))
    return errors


def validate_managed_fields(entries: list[Any], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, entry in enumerate(entries):
        where = f"{path}[{index}]"
        if entry.get("operation", "") not in ("Apply", "Update"):
            errors.append(invalid(where + ".operation", entry.get("operation", ""), "must be `Apply` or `Update`"))
        if entry.get("fieldsType", "") not in ("", "FieldsV1"):
            errors.append(invalid(where + ".fieldsType", entry["fieldsType"], "must be `FieldsV1`"))
        errors += validate_field_manager(entry.get("manager", ""), where + ".manager")
        if byte_length(entry.get("subresource", "")) > 256:
            errors.append(too_long(where + ".subresource", 256))
    return errors


def validate_field_manager(manager: str, path: str) -> list[FieldError]:
    """A manager's name, in managedFields and in the `fieldManager` parameter: at most 128 bytes, all printable."""
    if len(manager) <= 128 and manager.isascii() and manager.isprintable():
        return []
    errors: list[FieldError] = []
    if byte_length(manager) > 128:
        errors.append(too_long(path, 128))
    position = 0
    for char in manager:
        if not char.isprintable():
            shown = f"U+{ord(char):04X}"
            errors.append(invalid(path, manager, f"invalid character {shown} (at position {position})"))
        position += byte_length(char)
    return errors
