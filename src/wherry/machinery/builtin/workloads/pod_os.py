"""What a pod may not set for its operating system. Follows validateWindows, validateLinux and host process rules."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, forbidden, invalid
from wherry.machinery.builtin.workloads.pod_security import with_paths

Obj = dict[str, Any]
# (field, whether it stands in the security context), in upstream's order; both halves of a pod's context.
_POD_FIELDS = (
    ("appArmorProfile", True),
    ("seLinuxOptions", True),
    ("hostUsers", False),
    ("hostPID", False),
    ("hostIPC", False),
    ("seccompProfile", True),
    ("fsGroup", True),
    ("fsGroupChangePolicy", True),
    ("sysctls", True),
    ("shareProcessNamespace", False),
    ("runAsUser", True),
    ("runAsGroup", True),
    ("supplementalGroups", True),
    ("supplementalGroupsPolicy", True),
    ("seLinuxChangePolicy", True),
)
_CONTAINER_FIELDS = (
    "appArmorProfile",
    "seLinuxOptions",
    "seccompProfile",
    "capabilities",
    "readOnlyRootFilesystem",
    "privileged",
    "allowPrivilegeEscalation",
    "procMount",
    "runAsUser",
    "runAsGroup",
)
_TRUE_ONLY = ("hostPID", "hostIPC")  # not pointers: false is as good as absent


def validate_linux(spec: Obj, path: str) -> list[FieldError]:
    text = "windows options cannot be set for a linux pod"
    errors: list[FieldError] = []
    if (spec.get("securityContext") or {}).get("windowsOptions") is not None:
        errors.append(forbidden(path + ".securityContext.windowsOptions", text))
    for container, where in with_paths(spec, path):
        if (container.get("securityContext") or {}).get("windowsOptions") is not None:
            errors.append(forbidden(where + ".securityContext.windowsOptions", text))
    return errors


def validate_windows(spec: Obj, path: str) -> list[FieldError]:
    text = "cannot be set for a windows pod"
    errors: list[FieldError] = []
    context = spec.get("securityContext") or {}
    for name, inside in _POD_FIELDS:
        value = (context if inside else spec).get(name)
        if value is not None and not (name in _TRUE_ONLY and not value):
            errors.append(forbidden(f"{path}.securityContext.{name}" if inside else f"{path}.{name}", text))
    for container, where in with_paths(spec, path):
        own = container.get("securityContext") or {}
        errors += [
            forbidden(f"{where}.securityContext.{name}", text)
            for name in _CONTAINER_FIELDS
            if own.get(name) is not None
        ]
    return errors


def windows_host_process(spec: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    of_pod = ((spec.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
    total = host = 0
    for container, where in with_paths(spec, path):
        total += 1
        own = ((container.get("securityContext") or {}).get("windowsOptions") or {}).get("hostProcess")
        if of_pod is not None and own is not None and of_pod != own:
            text = f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}"
            errors.append(invalid(where + ".securityContext.windowsOptions.hostProcess", own, text))
        if own or (own is None and of_pod):
            host += 1
    if host:
        if host != total:
            text = "If pod contains any hostProcess containers then all containers must be HostProcess containers"
            errors.append(invalid(path, "", text))
        if not spec.get("hostNetwork"):
            text = "hostNetwork must be true if pod contains any hostProcess containers"
            errors.append(invalid(path + ".hostNetwork", False, text))
    return errors
