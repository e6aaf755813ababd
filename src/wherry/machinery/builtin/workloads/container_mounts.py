"""Validation of volume mounts and block devices. Follows ValidateVolumeMounts and ValidateVolumeDevices."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid, not_found, not_supported, required
from wherry.machinery.builtin.workloads.paths import local_descending_path, no_backsteps

Obj = dict[str, Any]
PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
READ_ONLY_MODES = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(container: Obj, volumes: dict[str, Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    devices = {d.get("name", ""): d.get("devicePath", "") for d in container.get("volumeDevices") or ()}
    targets: set[str] = set()
    for index, mount in enumerate(container["volumeMounts"]):
        where, name, target = f"{path}[{index}]", mount.get("name", ""), mount.get("mountPath", "")
        if not name:
            errors.append(required(where + ".name"))
        if name not in volumes:
            errors.append(not_found(where + ".name", name))
        if not target:
            errors.append(required(where + ".mountPath"))
        if target in targets:
            errors.append(invalid(where + ".mountPath", target, "must be unique"))
        targets.add(target)
        if name in devices:
            errors.append(invalid(where + ".name", name, "must not already exist in volumeDevices"))
        if target in devices.values():
            text = "must not already exist as a path in volumeDevices"
            errors.append(invalid(where + ".mountPath", target, text))
        errors += _sub_paths(mount, where, path)
        errors += _propagation(mount.get("mountPropagation"), container, path + ".mountPropagation")
        errors += _recursive(mount, path + ".recursiveReadOnly")
    return errors


def _sub_paths(mount: Obj, where: str, path: str) -> list[FieldError]:
    plain, expression = mount.get("subPath", ""), mount.get("subPathExpr", "")
    errors = local_descending_path(plain, path + ".subPath") if plain else []
    if expression:
        if plain:
            text = "subPathExpr and subPath are mutually exclusive"
            errors.append(invalid(where + ".subPathExpr", expression, text))
        errors += local_descending_path(expression, path + ".subPathExpr")
    return errors


def _propagation(mode: str | None, container: Obj, path: str) -> list[FieldError]:
    if mode is None:
        return []
    errors = [] if mode in PROPAGATIONS else [not_supported(path, mode, PROPAGATIONS)]
    if mode == "Bidirectional" and not (container.get("securityContext") or {}).get("privileged"):
        text = "Bidirectional mount propagation is available only to privileged containers"
        errors.append(forbidden(path, text))
    return errors


def _recursive(mount: Obj, path: str) -> list[FieldError]:
    mode = mount.get("recursiveReadOnly")
    if mode is None or mode == "Disabled":
        return []
    if mode not in READ_ONLY_MODES:
        return [not_supported(path, mode, READ_ONLY_MODES)]
    errors: list[FieldError] = []
    if not mount.get("readOnly"):
        errors.append(forbidden(path, "may only be specified when readOnly is true"))
    if mount.get("mountPropagation") not in (None, "None"):
        text = "may only be specified when mountPropagation is None or not specified"
        errors.append(forbidden(path, text))
    return errors


def validate_devices(container: Obj, volumes: dict[str, Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    mounts = {m.get("name", ""): m.get("mountPath", "") for m in container.get("volumeMounts") or ()}
    paths: set[str] = set()
    names: set[str] = set()
    for index, device in enumerate(container["volumeDevices"]):
        where, name, target = f"{path}[{index}]", device.get("name", ""), device.get("devicePath", "")
        volume = volumes.get(name)
        if not name:
            errors.append(required(where + ".name"))
        if name in names:
            errors.append(invalid(where + ".name", name, "must be unique"))
        if volume is None:
            errors.append(not_found(where + ".name", name))
        elif volume.get("persistentVolumeClaim") is None and volume.get("ephemeral") is None:
            text = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            errors.append(invalid(where + ".name", name, text))
        if not target:
            errors.append(required(where + ".devicePath"))
        if target in paths:
            errors.append(invalid(where + ".devicePath", target, "must be unique"))
        if target and no_backsteps(target, ""):
            errors.append(invalid(where + ".devicePath", target, "can not contain backsteps ('..')"))
        else:
            paths.add(target)
        if name in mounts:
            errors.append(invalid(where + ".name", name, "must not already exist in volumeMounts"))
        if target in mounts.values():
            text = "must not already exist as a path in volumeMounts"
            errors.append(invalid(where + ".devicePath", target, text))
        if name:
            names.add(name)
    return errors
