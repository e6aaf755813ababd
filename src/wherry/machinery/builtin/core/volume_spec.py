"""The spec of a PersistentVolume, also as it stands inline in a VolumeAttachment (ValidatePersistentVolumeSpec).

Checks of sources that pods know too come from `workloads.pod_volumes`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable
from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_supported, required
from wherry.machinery.builtin.common.names import byte_length, dns1123_label, dns1123_subdomain
from wherry.machinery.builtin.common.quantities import parse
from wherry.machinery.builtin.core.persistentvolumeclaims import basic_resource
from wherry.machinery.builtin.core.shared.fields import IMMUTABLE, checked
from wherry.machinery.builtin.core.storage import csi_driver_name
from wherry.machinery.builtin.workloads import pod_volumes
from wherry.machinery.builtin.workloads.claims import ACCESS_MODES, VOLUME_MODES
from wherry.machinery.builtin.workloads.internal_shapes import internal
from wherry.machinery.builtin.workloads.paths import no_backsteps
from wherry.machinery.builtin.workloads.pod_scheduling import node_selector
from wherry.machinery.kinds import Obj

MOUNT_OPTIONS = "volume.beta.kubernetes.io/mount-options"
RECLAIM = ["Delete", "Recycle", "Retain"]
MORE = "may not specify more than 1 volume type"
_MOUNTABLE = [
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "quobyte",
    "iscsi",
    "cinder",
    "cephfs",
    "azureFile",
    "vsphereVolume",
    "azureDisk",
    "photonPersistentDisk",
]
_BETA = {
    "failure-domain.beta.kubernetes.io/zone": "topology.kubernetes.io/zone",
    "failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
    "beta.kubernetes.io/os": "kubernetes.io/os",
    "beta.kubernetes.io/arch": "kubernetes.io/arch",
    "beta.kubernetes.io/instance-type": "node.kubernetes.io/instance-type",
}


def _need(source: Obj, field: str, *names: str) -> list[FieldError]:
    return [required(f"{field}.{name}") for name in names if not source.get(name)]


def _secret(source: Obj, field: str) -> list[FieldError]:
    reference = source.get("secretRef")
    return [] if reference is None else _need(reference, field + ".secretRef", "name", "namespace")


def _glusterfs(source: Obj, field: str) -> list[FieldError]:
    out = _need(source, field, "endpoints", "path")
    namespace, where = source.get("endpointsNamespace"), field + ".endpointsNamespace"
    if namespace == "":
        why = "if the endpointnamespace is set, it must be a valid namespace name"
        out.append(invalid(where, namespace, why))
    elif namespace is not None:
        out += checked(where, namespace, dns1123_label(namespace))
    return out


def _azure_file(source: Obj, field: str) -> list[FieldError]:
    out = _need(source, field, "secretName", "shareName")
    return out + ([required(field + ".secretNamespace")] if source.get("secretNamespace") == "" else [])


def _local(source: Obj, field: str) -> list[FieldError]:
    path = source.get("path") or ""
    return no_backsteps(path, field + ".path") if path else [required(field + ".path")]


def _storage_os(source: Obj, field: str) -> list[FieldError]:
    out = _need(source, field, "volumeName")
    for key in ("volumeName", "volumeNamespace"):
        if source.get(key):
            out += checked(f"{field}.{key}", source[key], dns1123_label(source[key]))
    return out + _secret(source, field)


def _csi(source: Obj, field: str) -> list[FieldError]:
    out = csi_driver_name(source.get("driver") or "", field + ".driver")
    out += _need(source, field, "volumeHandle")
    for key in ("controllerPublish", "controllerExpand", "nodePublish", "nodeExpand"):
        reference = source.get(key + "SecretRef")
        if reference is not None:
            out += _secret_reference(reference, f"{field}.{key}SecretRef")
    return out


def _secret_reference(reference: Obj, field: str) -> list[FieldError]:
    """validatePVSecretReference."""
    out: list[FieldError] = []
    for key, rule in (("name", dns1123_subdomain), ("namespace", dns1123_label)):
        value = reference.get(key) or ""
        out += checked(f"{field}.{key}", value, rule(value)) if value else [required(f"{field}.{key}")]
    return out


_FORM = "must be valid format"


def _qualified(name: str, field: str) -> list[FieldError]:
    known = ("iqn", "eui", "naa")
    good = name.startswith(known) and pod_volumes.well_formed(name)
    return [] if good else [invalid(field, name, _FORM)]


def _iscsi(source: Obj, field: str, name: str) -> list[FieldError]:
    portal, iqn, initiator = source.get("targetPortal") or "", source.get("iqn") or "", source.get("initiatorName")
    out = _need(source, field, "targetPortal")
    if initiator is not None and byte_length(f"{name}:{portal}") > 64:
        why = (
            "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is "
            "specified."
        )
        out.append(invalid(field + ".targetportal", portal, why))
    out += _qualified(iqn, field + ".iqn") if iqn else [required(field + ".iqn")]
    lun = source.get("lun") or 0
    if not 0 <= lun <= 255:
        out.append(invalid(field + ".lun", lun, "must be between 0 and 255, inclusive"))
    secret = source.get("secretRef")
    if (source.get("chapAuthDiscovery") or source.get("chapAuthSession")) and secret is None:
        out.append(required(field + ".secretRef"))
    if secret is not None:
        out += _need(secret, field + ".secretRef", "name")
    if initiator is not None:
        out += _qualified(initiator, field + ".initiatorname")
    return out


Check = Callable[[Obj, str], list[FieldError]]

# JSON name -> (name in "more than one", name in other errors, check); in upstream's order
SOURCES: dict[str, tuple[str, str, Check]] = {
    "hostPath": ("hostPath", "hostPath", pod_volumes.host_path),
    "gcePersistentDisk": ("gcePersistentDisk", "persistentDisk", pod_volumes.disk("pdName")),
    "awsElasticBlockStore": ("awsElasticBlockStore", "awsElasticBlockStore", pod_volumes.disk("volumeID")),
    "glusterfs": ("glusterfs", "glusterfs", _glusterfs),
    "flocker": ("flocker", "flocker", pod_volumes.flocker),
    "nfs": ("nfs", "nfs", pod_volumes.nfs),
    "rbd": ("rbd", "rbd", lambda s, f: _need(s, f, "monitors", "image")),
    "quobyte": ("quobyte", "quobyte", pod_volumes.quobyte),
    "cephfs": ("cephFS", "cephfs", lambda s, f: _need(s, f, "monitors")),
    "iscsi": ("iscsi", "iscsi", lambda s, f: _iscsi(s, f, "")),
    "cinder": ("cinder", "cinder", lambda s, f: _need(s, f, "volumeID") + _secret(s, f)),
    "fc": ("fc", "fc", pod_volumes.fibre_channel),
    "flexVolume": ("flexVolume", "flexVolume", pod_volumes.flex),
    "azureFile": ("azureFile", "azureFile", _azure_file),
    "vsphereVolume": ("vsphereVolume", "vsphereVolume", lambda s, f: _need(s, f, "volumePath")),
    "photonPersistentDisk": ("photonPersistentDisk", "photonPersistentDisk", lambda s, f: _need(s, f, "pdID")),
    "portworxVolume": ("portworxVolume", "portworxVolume", lambda s, f: _need(s, f, "volumeID")),
    "azureDisk": ("azureDisk", "azureDisk", pod_volumes.azure_disk),
    "scaleIO": ("scaleIO", "scaleIO", lambda s, f: _need(s, f, "gateway", "system", "volumeName")),
    "local": ("local", "local", _local),
    "storageos": ("storageos", "storageos", _storage_os),
    "csi": ("csi", "csi", _csi),
}


def default_source(spec: Obj) -> None:
    """Defaults inside sources (SetDefaults_*VolumeSource of persistent volumes)."""
    fixed: dict[str, dict[str, Any]] = {
        "hostPath": {"type": ""},
        "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
        "iscsi": {"iscsiInterface": "default"},
        "azureDisk": {"cachingMode": "ReadWrite", "kind": "Shared", "fsType": "ext4", "readOnly": False},
        "scaleIO": {"fsType": "xfs", "storageMode": "ThinProvisioned"},
    }
    for key, values in fixed.items():
        source = spec.get(key)
        if source is not None:
            for name, value in values.items():
                missing = source.get(name) is None or (source[name] == "" and value != "")
                if missing:
                    source[name] = value


def _inline(spec: Obj, field: str) -> list[FieldError]:
    why = "may not be specified in the context of inline volumes"
    out = [forbidden(f"{field}.{key}", why) for key in ("claimRef", "capacity") if spec.get(key)]
    if spec.get("csi") is None:
        out.append(required(field + ".csi", "has to be specified in the context of inline volumes"))
    return out


def _access(modes: list[str], field: str) -> list[FieldError]:
    out = [] if modes else [required(field)]
    out += [not_supported(field, mode, ACCESS_MODES) for mode in modes if mode not in ACCESS_MODES]
    if "ReadWriteOncePod" in modes and any(m in ACCESS_MODES and m != "ReadWriteOncePod" for m in modes):
        out.append(forbidden(field, "may not use ReadWriteOncePod with other access modes"))
    return out


def _capacity(spec: Obj, field: str) -> list[FieldError]:
    given = spec.get("capacity")
    capacity: Obj = given or {}
    out = [] if capacity else [required(field)]
    if set(capacity) != {"storage"}:
        out.append(not_supported(field, None if given is None else dict(sorted(capacity.items())), ["storage"]))
    for name, text in capacity.items():
        where = f"{field}[{name}]"
        out += basic_resource(text, where)
        if parse(text) <= 0:
            out.append(invalid(where, text, "must be greater than zero"))
    return out


def _reclaim(policy: str, inline: bool, field: str) -> list[FieldError]:
    if not policy:
        return []
    if inline:
        ok = policy == "Retain"
        return [] if ok else [forbidden(field, "may only be Retain in the context of inline volumes")]
    return [] if policy in RECLAIM else [not_supported(field, policy, RECLAIM)]


def _sources(spec: Obj, name: str, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    found = 0
    for key, (many, where, check) in SOURCES.items():
        source = spec.get(key)
        if source is None:
            continue
        if found and key != "flexVolume":  # upstream forgets the check for flexVolume
            out.append(forbidden(f"{field}.{many}", MORE))
            continue
        found += 1
        inner = f"{field}.{where}"
        out += _iscsi(source, inner, name) if key == "iscsi" else check(source, inner)
        if key == "local" and spec.get("nodeAffinity") is None:
            out.append(required(field + ".nodeAffinity", "Local volume requires node affinity"))
    if not found:
        out.append(required(field, "must specify a volume type"))
    host = (spec.get("hostPath") or {}).get("path") or ""
    root = host.startswith("/") and posixpath.normpath("/" + host.lstrip("/")) == "/"
    if root and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        why = "may not be 'recycle' for a hostPath mount of '/'"
        out.append(forbidden(field + ".persistentVolumeReclaimPolicy", why))
    return out


def _affinity(spec: Obj, inline: bool, any_value: bool, field: str) -> list[FieldError]:
    affinity = spec.get("nodeAffinity")
    if affinity is None:
        return []
    if inline:
        return [forbidden(field, "may not be specified in the context of inline volumes")]
    if affinity.get("required") is None:
        return [required(field + ".required", "must specify required node constraints")]
    return node_selector(affinity["required"], field + ".required", any_value)


def _names(spec: Obj, inline: bool, field: str) -> list[FieldError]:
    out: list[FieldError] = []
    if name := spec.get("storageClassName"):
        where = field + ".storageClassName"
        if inline:
            out.append(forbidden(where, "may not be specified in the context of inline volumes"))
        else:
            out += checked(where, name, dns1123_subdomain(name))
    mode, where = spec.get("volumeMode"), field + ".volumeMode"
    if mode is not None and inline and mode != "Filesystem":
        why = "may not specify volumeMode other than Filesystem in the context of inline volumes"
        out.append(forbidden(where, why))
    elif mode is not None and not inline and mode not in VOLUME_MODES:
        out.append(not_supported(where, mode, VOLUME_MODES))
    name, where = spec.get("volumeAttributesClassName"), field + ".volumeAttributesClassName"
    if name is not None and not inline:
        if name:
            out += checked(where, name, dns1123_subdomain(name))
        else:
            out.append(required(where, "an empty string is disallowed"))
        if spec.get("csi") is None:
            out.append(required(field + ".csi", "has to be specified when using volumeAttributesClassName"))
    return out


def validate_volume_spec(
    spec: Obj, name: str, field: str, *, inline: bool = False, any_value: bool = False
) -> list[FieldError]:
    """`name` is the volume's; `any_value` lets old label values in the node affinity pass."""
    out = _inline(spec, field) if inline else []
    out += _access(spec.get("accessModes") or [], field + ".accessModes")
    if not inline:
        out += _capacity(spec, field + ".capacity")
    policy = spec.get("persistentVolumeReclaimPolicy") or ""
    out += _reclaim(policy, inline, field + ".persistentVolumeReclaimPolicy")
    out += _affinity(spec, inline, any_value, field + ".nodeAffinity")
    return out + _sources(spec, name, field) + _names(spec, inline, field)


def validate_mount_options(obj: Obj) -> list[FieldError]:
    """Mount options by annotation are only for sources that are mounted (pkg/volume/validation)."""
    spec = obj.get("spec") or {}
    if MOUNT_OPTIONS not in (obj["metadata"].get("annotations") or {}):
        return []
    if any(spec.get(key) is not None for key in _MOUNTABLE):
        return []
    return [forbidden(f"metadata.annotations.{MOUNT_OPTIONS}", "may not specify mount options for this volume type")]


# --- changes ---------------------------------------------------------------------------------------------------------


def _requirements(affinity: Obj | None) -> list[list[list[Any]]]:
    terms = ((affinity or {}).get("required") or {}).get("nodeSelectorTerms") or []
    keys = ("matchExpressions", "matchFields")
    return [
        [[i.get("key"), i.get("operator"), i.get("values") or []] for key in keys for i in term.get(key) or []]
        for term in terms
    ]


def affinity_change(new: Obj | None, old: Obj | None) -> list[FieldError]:
    """Node affinity is fixed, save that beta labels may become their final names."""
    now, was = _requirements(new), _requirements(old)
    for term, before in zip(now, was, strict=False):
        for item, known in zip(term, before, strict=False):
            if item[0] != known[0] and _BETA.get(known[0]) == item[0]:
                known[0] = item[0]
    if now == was and new is not None:
        return []
    shown = None
    if new is not None:
        wanted = new.get("required")
        shown = {"Required": internal("core.NodeSelector", wanted) if wanted is not None else None}
    return [invalid("nodeAffinity", shown, IMMUTABLE + ", except for updating from beta label to GA")]


def source_diff(old: Obj, new: Obj) -> str:
    from wherry.machinery.builtin.core.shared.diff import struct_diff

    return struct_diff("core.PersistentVolumeSource", old, new)


def shown_attachment(spec: Obj) -> Obj:
    """A VolumeAttachmentSpec as the real server prints it."""
    source = spec.get("source") or {}
    from wherry.machinery.builtin.core.shared.diff import shown

    inline = source.get("inlineVolumeSpec")
    return {
        "Attacher": spec.get("attacher", ""),
        "Source": {
            "PersistentVolumeName": source.get("persistentVolumeName"),
            "InlineVolumeSpec": shown("core.PersistentVolumeSpec", inline) if inline is not None else None,
        },
        "NodeName": spec.get("nodeName", ""),
    }
