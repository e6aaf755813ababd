"""Validation of a pod's volumes.

Follows ValidateVolumes and below in k8s.io/kubernetes/pkg/apis/core/validation/validation.go, field names as they are
reported there (a few differ from the API's: `persistentDisk`, `cephFS`, `downwarAPI`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required, too_long
from wherry.machinery.builtin.common.names import byte_length, dns1123_label, dns1123_subdomain, range_text
from wherry.machinery.builtin.common.quantities import parse
from wherry.machinery.builtin.workloads.claims import validate_claim_template
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.paths import (
    is_mode,
    local_descending_path,
    local_path,
    mode_errors,
    no_backsteps,
)
from wherry.machinery.builtin.workloads.projections import validate_downward_file, validate_projections

Obj = dict[str, Any]
Check = Callable[[Obj, str], list[FieldError]]
MORE_THAN_ONE = "may not specify more than 1 volume type"
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
_iqn_re = re.compile(r"iqn\.\d{4}-\d{2}\.([A-Za-z0-9\-.]+)(:[^,;*&$|\s]+)\Z")
_eui_re = re.compile(r"eui.[A-Za-z0-9]{16}\Z")
_naa_re = re.compile(r"naa.[A-Za-z0-9]{32}\Z")
_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)


def need(source: Obj, path: str, *names: str) -> list[FieldError]:
    return [required(f"{path}.{name}") for name in names if not source.get(name)]


def key_to_path(item: Obj, path: str) -> list[FieldError]:
    errors = need(item, path, "key", "path")
    errors += local_path(item.get("path", ""), path + ".path")
    if item.get("mode") is not None and not is_mode(item["mode"]):
        errors += mode_errors(item["mode"], path + ".mode")
    return errors


def _keyed(name: str) -> Check:
    """Secrets and config maps: the object's name, the mode, the items."""

    def check(source: Obj, path: str) -> list[FieldError]:
        errors = need(source, path, name)
        errors += mode_errors(source.get("defaultMode"), path + ".defaultMode")
        for index, item in enumerate(source.get("items") or ()):
            errors += key_to_path(item, f"{path}.items[{index}]")
        return errors

    return check


def _needs(*names: str) -> Check:
    return lambda source, path: need(source, path, *names)


def host_path(source: Obj, path: str) -> list[FieldError]:
    if not source.get("path"):
        return [required(path + ".path")]
    errors = no_backsteps(source["path"], path + ".path")
    kind = source.get("type")
    if kind is not None and kind not in _HOST_PATH_TYPES:
        errors.append(not_supported(path + ".type", kind, _HOST_PATH_TYPES))
    return errors


def _git_repo(source: Obj, path: str) -> list[FieldError]:
    return need(source, path, "repository") + local_descending_path(source.get("directory", ""), path + ".directory")


def disk(name: str) -> Check:
    def check(source: Obj, path: str) -> list[FieldError]:
        errors = need(source, path, name)
        partition = source.get("partition", 0)
        if not 0 <= partition <= 255:
            errors.append(invalid(path + ".partition", partition, range_text(1, 255)))
        return errors

    return check


def nfs(source: Obj, path: str) -> list[FieldError]:
    errors = need(source, path, "server", "path")
    if not source.get("path", "").startswith("/"):
        errors.append(invalid(path + ".path", source.get("path", ""), "must be an absolute path"))
    return errors


def well_formed(name: str) -> bool:
    for prefix, pattern, search in (("iqn", _iqn_re, True), ("eui", _eui_re, False), ("naa", _naa_re, False)):
        if name.startswith(prefix):
            return bool(pattern.search(name) if search else pattern.match(name))
    return True


def _iscsi(source: Obj, path: str) -> list[FieldError]:
    errors = need(source, path, "targetPortal", "iqn")
    iqn = source.get("iqn", "")
    known = ("iqn", "eui", "naa")
    if iqn and not iqn.startswith(known):
        errors.append(invalid(path + ".iqn", iqn, "must be valid format starting with iqn, eui, or naa"))
    elif iqn and not well_formed(iqn):
        errors.append(invalid(path + ".iqn", iqn, "must be valid format"))
    lun = source.get("lun", 0)
    if not 0 <= lun <= 255:
        errors.append(invalid(path + ".lun", lun, range_text(0, 255)))
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and source.get("secretRef") is None:
        errors.append(required(path + ".secretRef"))
    initiator = source.get("initiatorName")
    if initiator is not None:
        if not initiator.startswith(known):
            text = "must be valid format starting with iqn, eui, or naa"
            errors.append(invalid(path + ".initiatorname", initiator, text))
        elif not well_formed(initiator):
            errors.append(invalid(path + ".initiatorname", initiator, "must be valid format"))
    return errors


def flocker(source: Obj, path: str) -> list[FieldError]:
    name, uuid = source.get("datasetName", ""), source.get("datasetUUID", "")
    errors: list[FieldError] = []
    if not name and not uuid:
        errors.append(required(path, "one of datasetName and datasetUUID is required"))
    if name and uuid:
        errors.append(invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously"))
    if "/" in name:
        errors.append(invalid(path + ".datasetName", name, "must not contain '/'"))
    return errors


def _secret_ref_name(source: Obj, path: str) -> list[FieldError]:
    reference = source.get("secretRef")
    return [required(path + ".secretRef.name")] if reference is not None and not reference.get("name") else []


def _is_host_port(text: str) -> bool:
    """net.SplitHostPort succeeds: exactly one colon, or a bracketed host before the last."""
    if text.startswith("["):
        head, bracket, tail = text.partition("]")
        return (
            bool(bracket) and tail.startswith(":") and ":" not in tail[1:] and "[" not in tail and "[" not in head[1:]
        )
    return text.count(":") == 1 and "[" not in text and "]" not in text


def quobyte(source: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    text = "must be a host:port pair or multiple pairs separated by commas"
    registry = source.get("registry", "")
    if not registry:
        errors.append(required(path + ".registry", text))
    elif byte_length(source.get("tenant", "")) >= 65:
        errors.append(required(path + ".tenant", "must be a UUID and may not exceed a length of 64 characters"))
    else:
        errors += [invalid(path + ".registry", registry, text) for p in registry.split(",") if not _is_host_port(p)]
    return errors + need(source, path, "volume")


def fibre_channel(source: Obj, path: str) -> list[FieldError]:
    names, ids, lun = source.get("targetWWNs") or [], source.get("wwids") or [], source.get("lun")
    errors: list[FieldError] = []
    where = path + ".targetWWNs"
    if not names and not ids:
        errors.append(required(where, "must specify either targetWWNs or wwids, but not both"))
    if names and ids:
        errors.append(invalid(where, names, "targetWWNs and wwids can not be specified simultaneously"))
    if names and lun is None:
        errors.append(required(path + ".lun", "lun is required if targetWWNs is specified"))
    elif names and lun is not None and not 0 <= lun <= 255:
        errors.append(invalid(path + ".lun", lun, range_text(0, 255)))
    return errors


def flex(source: Obj, path: str) -> list[FieldError]:
    errors = need(source, path, "driver")
    for key in sorted(source.get("options") or ()):
        namespace = "." + key.partition("/")[0].lower()
        if namespace.endswith((".kubernetes.io", ".k8s.io")):
            text = "kubernetes.io and k8s.io namespaces are reserved"
            errors.append(invalid(f"{path}.options[{key}]", key, text))
    return errors


def azure_disk(source: Obj, path: str) -> list[FieldError]:
    errors = need(source, path, "diskName", "diskURI")
    caching, kind, uri = source.get("cachingMode"), source.get("kind"), source.get("diskURI", "")
    if caching is not None and caching not in ("None", "ReadOnly", "ReadWrite"):
        errors.append(not_supported(path + ".cachingMode", caching, ("None", "ReadOnly", "ReadWrite")))
    if kind is not None and kind not in ("Dedicated", "Managed", "Shared"):
        errors.append(not_supported(path + ".kind", kind, ("Dedicated", "Managed", "Shared")))
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        managed = "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
        errors.append(not_supported(path + ".diskURI", uri, (managed,)))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        blob = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"
        errors.append(not_supported(path + ".diskURI", uri, (blob,)))
    return errors


def _storage_os(source: Obj, path: str) -> list[FieldError]:
    errors = need(source, path, "volumeName")
    for name in ("volumeName", "volumeNamespace"):
        if source.get(name):
            errors += [invalid(f"{path}.{name}", source[name], text) for text in dns1123_label(source[name])]
    return errors + _secret_ref_name(source, path)


def csi_driver_name(driver: str, path: str) -> list[FieldError]:
    if not driver:
        return [required(path)]
    errors = [too_long(path, 63)] if byte_length(driver) > 63 else []
    return errors + [invalid(path, driver, text) for text in dns1123_subdomain(driver.lower())]


def _csi(source: Obj, path: str) -> list[FieldError]:
    errors = csi_driver_name(source.get("driver", ""), path + ".driver")
    reference = source.get("nodePublishSecretRef")
    if reference is not None:
        name = reference.get("name", "")
        if not name:
            errors.append(required(path + ".nodePublishSecretRef.name"))
        else:
            errors += [invalid(path + ".name", name, text) for text in dns1123_subdomain(name)]
    return errors


def pull_policy(policy: str, path: str) -> list[FieldError]:
    if not policy:
        return [required(path)]
    return [] if policy in PULL_POLICIES else [not_supported(path, policy, PULL_POLICIES)]


# Sources in upstream's order: (key, name in "more than 1" errors, name in other errors, check).
_SOURCES: tuple[tuple[str, str, str, Check], ...] = (
    ("hostPath", "hostPath", "hostPath", host_path),
    ("gitRepo", "gitRepo", "gitRepo", _git_repo),
    ("gcePersistentDisk", "gcePersistentDisk", "persistentDisk", disk("pdName")),
    ("awsElasticBlockStore", "awsElasticBlockStore", "awsElasticBlockStore", disk("volumeID")),
    ("secret", "secret", "secret", _keyed("secretName")),
    ("nfs", "nfs", "nfs", nfs),
    ("iscsi", "iscsi", "iscsi", _iscsi),
    ("glusterfs", "glusterfs", "glusterfs", _needs("endpoints", "path")),
    ("flocker", "flocker", "flocker", flocker),
    ("persistentVolumeClaim", "persistentVolumeClaim", "persistentVolumeClaim", _needs("claimName")),
    ("rbd", "rbd", "rbd", _needs("monitors", "image")),
    ("cinder", "cinder", "cinder", lambda s, p: need(s, p, "volumeID") + _secret_ref_name(s, p)),
    ("cephfs", "cephFS", "cephfs", _needs("monitors")),
    ("quobyte", "quobyte", "quobyte", quobyte),
    ("downwardAPI", "downwarAPI", "downwardAPI", _needs()),
    ("fc", "fc", "fc", fibre_channel),
    ("flexVolume", "flexVolume", "flexVolume", flex),
    ("configMap", "configMap", "configMap", _keyed("name")),
    ("azureFile", "azureFile", "azureFile", _needs("secretName", "shareName")),
    ("vsphereVolume", "vsphereVolume", "vsphereVolume", _needs("volumePath")),
    ("photonPersistentDisk", "photonPersistentDisk", "photonPersistentDisk", _needs("pdID")),
    ("portworxVolume", "portworxVolume", "portworxVolume", _needs("volumeID")),
    ("azureDisk", "azureDisk", "azureDisk", azure_disk),
    ("storageos", "storageos", "storageos", _storage_os),
    ("projected", "projected", "projected", _needs()),
    ("scaleIO", "scaleIO", "scaleIO", _needs("gateway", "system", "volumeName")),
    ("csi", "csi", "csi", _csi),
    ("ephemeral", "ephemeral", "ephemeral", _needs()),
    ("image", "image", "image", _needs()),
)


def _downward(source: Obj, path: str) -> list[FieldError]:
    errors = mode_errors(source.get("defaultMode"), path + ".defaultMode")
    for item in source.get("items") or ():
        errors += validate_downward_file(item, path)
    return errors


def _ephemeral(source: Obj, path: str, where: str, volume: str, pod: str) -> list[FieldError]:
    template = source.get("volumeClaimTemplate")
    if template is None:
        errors = [required(path + ".volumeClaimTemplate")]
    else:
        errors = validate_claim_template(template, path + ".volumeClaimTemplate")
    if pod and volume:
        claim = f"{pod}-{volume}"
        texts = dns1123_subdomain(claim)
        errors += [invalid(where + ".name", volume, f'PVC name "{claim}": {text}') for text in texts]
    return errors


def _portal_length(name: str, source: Obj, path: str) -> list[FieldError]:
    if byte_length(f"{name}:{source.get('targetPortal', '')}") <= 64:
        return []
    text = (
        "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
        "if iscsi.initiatorName is specified."
    )
    return [invalid(path + ".name", name, text)]


def _source(volume: Obj, path: str, pod: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    found = 0
    name = volume.get("name", "")
    empty = volume.get("emptyDir")
    if empty is not None:
        found += 1
        if empty.get("sizeLimit") is not None and parse(empty["sizeLimit"]) < 0:
            text = "SizeLimit field must be a valid resource quantity"
            errors.append(forbidden(path + ".emptyDir.sizeLimit", text))
    for key, many, where, check in _SOURCES:
        source = volume.get(key)
        if source is None:
            continue
        if found:
            errors.append(forbidden(f"{path}.{many}", MORE_THAN_ONE))
        else:
            found += 1
            inner = f"{path}.{where}"
            if key == "downwardAPI":
                errors += _downward(source, inner)
            elif key == "projected":
                errors += mode_errors(source.get("defaultMode"), inner + ".defaultMode")
                errors += validate_projections(source, inner, options)
            elif key == "ephemeral":
                errors += _ephemeral(source, inner, path, name, pod)
            elif key == "image":
                if options.resource_is_pod and not source.get("reference"):
                    errors.append(required(inner + ".reference"))
                errors += pull_policy(source.get("pullPolicy", ""), inner + ".pullPolicy")
            else:
                errors += check(source, inner)
        if key == "iscsi" and source.get("initiatorName") is not None:
            errors += _portal_length(name, source, path)
    if not found:
        errors.append(required(path, "must specify a volume type"))
    return errors


def validate_volumes(
    volumes: list[Obj], pod: str, path: str, options: PodOptions
) -> tuple[dict[str, Obj], list[FieldError]]:
    """The sound volumes by name, and what is wrong with the others; `pod` is "" where the pod's name is unknown."""
    errors: list[FieldError] = []
    sound: dict[str, Obj] = {}
    created = {f"{pod}-{v.get('name', '')}" for v in volumes if v.get("ephemeral") is not None} if pod else set()
    for index, volume in enumerate(volumes):
        where, name = f"{path}[{index}]", volume.get("name", "")
        found = _source(volume, where, pod, options)
        if not name:
            found.append(required(where + ".name"))
        else:
            found += [invalid(where + ".name", name, text) for text in dns1123_label(name)]
        if name in sound:
            found.append(duplicate(where + ".name", name))
        if not found:
            sound[name] = volume
        errors += found
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim is not None and claim in created:
            text = "must not reference a PVC that gets created for an ephemeral volume"
            errors.append(invalid(where + ".persistentVolumeClaim.claimName", claim, text))
    return sound, errors
