"""Validation of projected volumes and of files made from the pod's own fields.

Follows validateProjectionSources and validateDownwardAPIVolumeFile in core validation, signer names in names.go.
"""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required, too_long
from wherry.machinery.builtin.common.labels import validate_label_selector
from wherry.machinery.builtin.common.meta import ANNOTATIONS_LIMIT
from wherry.machinery.builtin.common.names import byte_length, dns1123_label, dns1123_subdomain, label_key
from wherry.machinery.builtin.common.values import invalid_json
from wherry.machinery.builtin.workloads.field_refs import VOLUME_FIELDS, validate_field_ref, validate_resource_ref
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.paths import is_mode, local_path, mode_errors

Obj = dict[str, Any]
DUPLICATE_PATHS = "conflicting duplicate paths"
KEY_TYPES = ("RSA3072", "RSA4096", "ECDSAP256", "ECDSAP384", "ECDSAP521", "ED25519")
DAY = 24 * 60 * 60


def validate_downward_file(item: Obj, path: str) -> list[FieldError]:
    """One file; upstream reports all of a list under the list's own source path, without an index."""
    errors = [] if item.get("path") else [required(path + ".path")]
    errors += local_path(item.get("path", ""), path + ".path")
    field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if field is not None:
        errors += validate_field_ref(field, VOLUME_FIELDS, path + ".fieldRef")
        if resource is not None:
            text = "fieldRef and resourceFieldRef can not be specified simultaneously"
            errors.append(invalid(path, "resource", text))
    elif resource is not None:
        errors += validate_resource_ref(resource, path + ".resourceFieldRef", True)
    else:
        errors.append(required(path, "one of fieldRef and resourceFieldRef is required"))
    return errors + mode_errors(item.get("mode"), path + ".mode")


class _Paths:
    """Which paths in the volume are taken already."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.taken: set[str] = set()

    def take(self, target: str, shown: str) -> list[FieldError]:
        if target not in self.taken:
            self.taken.add(target)
            return []
        return [invalid(self.path, shown, DUPLICATE_PATHS)]


def validate_projections(projected: Obj, path: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    paths = _Paths(path)
    for index, source in enumerate(projected.get("sources") or ()):
        where = f"{path}.sources[{index}]"
        found = 0
        for kind in ("secret", "configMap"):
            if source.get(kind) is not None:
                found += 1
                errors += _keyed(source[kind], f"{where}.{kind}", paths)
        if source.get("downwardAPI") is not None:
            found += 1
            for item in source["downwardAPI"].get("items") or ():
                errors += validate_downward_file(item, where + ".downwardAPI")
                if item.get("path"):
                    errors += paths.take(item["path"], item["path"])
        if source.get("serviceAccountToken") is not None:
            found += 1
            errors += _token(source["serviceAccountToken"], where + ".serviceAccountToken", path, options)
        if source.get("clusterTrustBundle") is not None:
            found += 1
            errors += _trust_bundle(source["clusterTrustBundle"], where + ".clusterTrustBundle", paths)
        if source.get("podCertificate") is not None:
            found += 1
            errors += _certificate(source["podCertificate"], where + ".podCertificate", paths)
        if found > 1:
            errors.append(forbidden(where, "may not specify more than 1 volume type per source"))
    return errors


def _keyed(source: Obj, path: str, paths: _Paths) -> list[FieldError]:
    errors = [] if source.get("name") else [required(path + ".name")]
    for index, item in enumerate(source.get("items") or ()):
        where = f"{path}.items[{index}]"
        errors += [required(f"{where}.{name}") for name in ("key", "path") if not item.get(name)]
        errors += local_path(item.get("path", ""), where + ".path")
        if item.get("mode") is not None and not is_mode(item["mode"]):
            errors += mode_errors(item["mode"], where + ".mode")
        if item.get("path"):
            errors += paths.take(item["path"], source.get("name", ""))
    return errors


def _token(source: Obj, path: str, volume: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    seconds = source.get("expirationSeconds", 0)
    if seconds < 600:
        errors.append(invalid(path + ".expirationSeconds", seconds, "may not specify a duration less than 10 minutes"))
    if seconds > 1 << 32:
        text = "may not specify a duration larger than 2^32 seconds"
        errors.append(invalid(path + ".expirationSeconds", seconds, text))
    if not source.get("path"):
        errors.append(required(volume + ".path"))
    elif not options.non_local_token_path:
        errors += local_path(source["path"], volume + ".path")
    return errors


def _bundle_name(name: str) -> list[str]:
    signer, colon, _ = name.rpartition(":")
    if not colon:
        return dns1123_subdomain(name)
    return dns1123_subdomain(name.removeprefix(signer + ":"))


def _trust_bundle(source: Obj, path: str, paths: _Paths) -> list[FieldError]:
    errors: list[FieldError] = []
    name, signer, selector = source.get("name"), source.get("signerName"), source.get("labelSelector")
    if name is not None and signer is not None:
        errors.append(invalid_json(path, source, "only one of name and signerName may be used"))
    elif name is not None:
        if not name:
            errors.append(required(path + ".name", "must be a valid object name"))
        text = "not a valid clustertrustbundlename: "
        errors += [invalid(path + ".name", name, text + why) for why in _bundle_name(name)]
        if selector is not None:
            text = "labelSelector must be unset if name is specified"
            errors.append(invalid(path + ".labelSelector", selector, text))
    elif signer is not None:
        if not signer:
            errors.append(required(path + ".signerName", "must be a valid signer name"))
        errors += validate_signer_name(signer, path + ".signerName")
        errors += validate_label_selector(selector, path + ".labelSelector")
    else:
        errors.append(required(path, "either name or signerName must be specified"))
    target = source.get("path", "")
    if not target:
        errors.append(required(path + ".path"))
    errors += local_path(target, path + ".path")
    return errors + paths.take(target, target)


def _certificate(source: Obj, path: str, paths: _Paths) -> list[FieldError]:
    signer = source.get("signerName", "")
    errors = validate_signer_name(signer, path + ".signerName")
    annotations = source.get("userAnnotations") or {}
    size = 0
    for key in sorted(annotations):
        size += byte_length(key) + byte_length(annotations[key])
        errors += _prefixed_key(key.lower(), path + ".userAnnotations")
    if size > ANNOTATIONS_LIMIT:
        errors.append(too_long(path + ".userAnnotations", ANNOTATIONS_LIMIT))
    if source.get("keyType", "") not in KEY_TYPES:
        errors.append(not_supported(path + ".keyType", source.get("keyType", ""), KEY_TYPES))
    seconds = source.get("maxExpirationSeconds")
    if seconds is not None:
        host = signer.partition("/")[0]
        most = DAY if host == "kubernetes.io" or host.endswith(".kubernetes.io") else 91 * DAY
        where = path + ".maxExpirationSeconds"
        if seconds < 3600:
            errors.append(invalid(where, seconds, "if provided, maxExpirationSeconds must be >= 3600"))
        if seconds > most:
            errors.append(invalid(where, seconds, f"if provided, maxExpirationSeconds must be <= {most}"))
    found = 0
    for name in ("credentialBundlePath", "keyPath", "certificateChainPath"):
        target = source.get(name, "")
        if target:
            found += 1
            errors += local_path(target, f"{path}.{name}")
            errors += paths.take(target, target)
    if not found:
        text = "specify at least one of credentialBundlePath, keyPath, and certificateChainPath"
        errors.append(required(path, text))
    return errors


def _prefixed_key(key: str, path: str) -> list[FieldError]:
    if not key:
        return [required(path)]
    errors = [invalid(path, key, text) for text in label_key(key)]
    if errors or key.count("/") == 1:
        return errors
    return [invalid(path, key, 'must be a domain-prefixed key (such as "acme.io/foo")')]


def validate_signer_name(signer: str, path: str) -> list[FieldError]:
    """`domain.com/something`, with room for `<namespace>.<name>` behind the slash."""
    if not signer:
        return [required(path)]
    if signer.count("/") != 1:
        text = "must be a fully qualified domain and path of the form 'example.com/signer-name'"
        return [invalid(path, signer, text)]
    domain, _, rest = signer.partition("/")
    errors = [too_long(path, 253)] if byte_length(domain) > 253 else []
    labels = domain.split(".")
    errors += _first_bad(labels, dns1123_label, domain, path)
    if len(labels) < 2:
        errors.append(invalid(path, domain, "should be a domain with at least two segments separated by dots"))
    errors += _first_bad(rest.split("."), dns1123_subdomain, rest, path)
    return errors + ([too_long(path, 571)] if byte_length(signer) > 571 else [])


def _first_bad(labels: list[str], rule: Any, shown: str, path: str) -> list[FieldError]:
    for label in labels:
        texts = rule(label)
        if texts:
            return [invalid(path, shown, f'validating label "{label}": {text}') for text in texts]
    return []
