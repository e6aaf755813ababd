"""Validation of security contexts, of the pod and of its containers, and of the profile annotations they replace.

Follows ValidateSecurityContext, validatePodSpecSecurityContext and the seccomp and AppArmor rules in core validation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_supported, required, too_long
from wherry.machinery.builtin.common.names import byte_length, dns1123_subdomain, id_number
from wherry.machinery.builtin.common.values import invalid_json, unsupported_json
from wherry.machinery.builtin.workloads.internal_shapes import internal
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.paths import local_descending_path

Obj = dict[str, Any]
PROFILE_TYPES = ("Localhost", "RuntimeDefault", "Unconfined")
SECCOMP_POD = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_CONTAINER = "container.apparmor.security.beta.kubernetes.io/"
_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL = rf"({_SEGMENT}[\./])*{_SEGMENT}"
_sysctl_re = re.compile(_SYSCTL)
_IPC = frozenset(
    f"kernel.{name}"
    for name in (
        "sem",
        "shm",
        "shmall",
        "shmmax",
        "shmmni",
        "shm_rmid_forced",
        "msg",
        "msgmax",
        "msgmnb",
        "msgmni",
    )
)
_control_re = re.compile(r"[\x00-\x1f\x7f]")
_netbios_re = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
_LABEL = "[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
_domain_re = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_user_re = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
_dots_re = re.compile(r"[. ]+")


def with_paths(spec: Obj, path: str) -> Iterator[tuple[Obj, str]]:
    """All containers with where they stand, init containers first."""
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            yield container, f"{path}.{key}[{index}]" if path else f"{key}[{index}]"


def _ids(source: Obj, path: str, *names: str) -> list[FieldError]:
    return [
        invalid(f"{path}.{name}", source[name], text)
        for name in names
        if source.get(name) is not None
        for text in id_number(source[name])
    ]


def seccomp_profile(profile: Obj | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    errors: list[FieldError] = []
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    if not kind:
        errors.append(required(path + ".type", "type is required when seccompProfile is set"))
    elif kind not in PROFILE_TYPES:
        errors.append(not_supported(path + ".type", kind, PROFILE_TYPES))
    where = path + ".localhostProfile"
    if kind != "Localhost":
        if local is not None:
            shown = internal("core.SeccompProfile", profile)
            errors.append(invalid(where, shown, "can only be set when seccomp type is Localhost"))
    elif local is None:
        errors.append(required(where, "must be set when seccomp type is Localhost"))
    else:
        errors += local_descending_path(local, where)
    return errors


def app_armor_profile(profile: Obj | None, path: str) -> list[FieldError]:
    if profile is None:
        return []
    kind, local = profile.get("type", ""), profile.get("localhostProfile")
    where = path + ".localhostProfile"
    needed = "must be set when AppArmor type is Localhost"
    if kind == "Localhost":
        if local is None:
            return [required(where, needed)]
        errors: list[FieldError] = []
        if local.strip() != local:
            errors.append(invalid(where, local, "must not be padded with whitespace"))
        elif not local:
            errors.append(required(where, needed))
        return errors + ([too_long(where, 4095)] if byte_length(local) > 4095 else [])
    if kind in PROFILE_TYPES:
        if local is None:
            return []
        return [invalid_json(where, local, "can only be set when AppArmor type is Localhost")]
    if not kind:
        return [required(path + ".type", "type is required when appArmorProfile is set")]
    return [not_supported(path + ".type", kind, PROFILE_TYPES)]


def validate_security_context(context: Obj, path: str, host_users: bool) -> list[FieldError]:
    """The context of one container."""
    errors = _ids(context, path, "runAsUser", "runAsGroup")
    mount = context.get("procMount")
    if mount is not None:
        where = path + ".procMount"
        if mount not in ("Default", "Unmasked"):
            errors.append(not_supported(where, mount, ("Default", "Unmasked")))
        if host_users and mount == "Unmasked":
            errors.append(invalid(where, mount, "`hostUsers` must be false to use `Unmasked`"))
    errors += seccomp_profile(context.get("seccompProfile"), path + ".seccompProfile")
    if context.get("allowPrivilegeEscalation") is False:
        start = "cannot set `allowPrivilegeEscalation` to false and "
        if context.get("privileged"):
            shown = internal("core.SecurityContext", context)
            errors.append(invalid(path, shown, start + "`privileged` to true"))
        for capability in (context.get("capabilities") or {}).get("add") or ():
            if capability == "CAP_SYS_ADMIN":
                shown = internal("core.SecurityContext", context)
                errors.append(invalid(path, shown, start + "`capabilities.Add` CAP_SYS_ADMIN"))
    errors += windows_options(context.get("windowsOptions"), path + ".windowsOptions")
    return errors + app_armor_profile(context.get("appArmorProfile"), path + ".appArmorProfile")


def windows_options(options: Obj | None, path: str) -> list[FieldError]:
    if options is None:
        return []
    errors: list[FieldError] = []
    name, text = options.get("gmsaCredentialSpecName"), options.get("gmsaCredentialSpec")
    if name is not None:
        errors += [invalid_json(path + ".gmsaCredentialSpecName", name, why) for why in dns1123_subdomain(name)]
    if text is not None:
        where = path + ".gmsaCredentialSpec"
        if not text:
            errors.append(invalid_json(where, text, "gmsaCredentialSpec cannot be an empty string"))
        elif byte_length(text) > 64 * 1024:
            errors.append(invalid_json(where, text, "gmsaCredentialSpec size must be under 64 KiB"))
    user = options.get("runAsUserName")
    if user is not None:
        errors += [invalid_json(path + ".runAsUserName", user, "runAsUserName" + why) for why in _user_name(user)]
    return errors


def _user_name(name: str) -> list[str]:
    """What is wrong with `[DOMAIN\\]USER`, without the field's name in front."""
    if not name:
        return [" cannot be an empty string"]
    if _control_re.search(name):
        return [" cannot contain control characters"]
    parts = name.split("\\")
    if len(parts) > 2:
        return [" cannot contain more than one backslash"]
    user = parts[-1]
    texts: list[str] = []
    if len(parts) == 2:
        domain = parts[0]
        if byte_length(domain) >= 256:
            texts.append("'s Domain length must be under 256 characters")
        if not _netbios_re.fullmatch(domain) and not _domain_re.fullmatch(domain):
            texts.append("'s Domain doesn't match the NetBios nor the DNS format")
    if not user:
        texts.append("'s User cannot be empty")
    elif byte_length(user) > 104:
        texts.append("'s User length must not be longer than 104 characters")
    if _dots_re.fullmatch(user):
        texts.append("'s User cannot contain only periods or spaces")
    if _user_re.search(user):
        texts.append("""'s User cannot contain the following characters: "/\\:;|=,+*?<>@[]""")
    return texts


def _normal_sysctl(name: str) -> str:
    for char in name:
        if char == ".":
            return name
        if char == "/":
            return name.translate({ord("."): "/", ord("/"): "."})
    return name


def host_sysctl(name: str, spec: Obj, path: str) -> list[FieldError]:
    """A sysctl of a namespace that the pod shares with its host may not be set."""
    normal = _normal_sysctl(name).partition("*")[0]
    if spec.get("hostNetwork") and normal.startswith("net."):
        return [invalid(path, name, "may not be specified when 'hostNetwork' is true")]
    if spec.get("hostIPC") and (normal in _IPC or normal.startswith("fs.mqueue.")):
        return [invalid(path, name, "may not be specified when 'hostIPC' is true")]
    return []


def _sysctls(spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, item in enumerate(spec["securityContext"].get("sysctls") or ()):
        where, name = f"{path}[{index}].name", item.get("name", "")
        if not name:
            errors.append(required(where))
        elif byte_length(name) > 253 or not _sysctl_re.fullmatch(name):
            text = f"must have at most 253 characters and match regex ^{_SYSCTL}$"
            errors.append(invalid(where, name, text))
        elif name in names:
            errors.append(duplicate(where, name))
        if not options.namespaced_sysctls:
            errors += host_sysctl(name, spec, where)
        names.add(name)
    return errors


def validate_pod_security(spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
    context = spec.get("securityContext") or {}
    errors = _ids(context, path, "fsGroup", "runAsUser", "runAsGroup")
    for index, group in enumerate(context.get("supplementalGroups") or ()):
        errors += [invalid(f"{path}.supplementalGroups[{index}]", group, text) for text in id_number(group)]
    if spec.get("shareProcessNamespace") and spec.get("hostPID"):
        text = "ShareProcessNamespace and HostPID cannot both be enabled"
        errors.append(invalid(path + ".shareProcessNamespace", True, text))
    if context.get("sysctls"):
        errors += _sysctls(spec, path + ".sysctls", options)
    policy = context.get("fsGroupChangePolicy")
    if policy is not None and policy not in ("Always", "OnRootMismatch"):
        errors.append(unsupported_json(path + ".fsGroupChangePolicy", policy, ("Always", "OnRootMismatch")))
    errors += seccomp_profile(context.get("seccompProfile"), path + ".seccompProfile")
    errors += windows_options(context.get("windowsOptions"), path + ".windowsOptions")
    errors += app_armor_profile(context.get("appArmorProfile"), path + ".appArmorProfile")
    policy = context.get("supplementalGroupsPolicy")
    if policy is not None and policy not in ("Merge", "Strict"):
        errors.append(unsupported_json(path + ".supplementalGroupsPolicy", policy, ("Merge", "Strict")))
    policy = context.get("seLinuxChangePolicy")
    known = ("MountOption", "Recursive") if options.any_selinux_policy else ("Recursive",)
    if policy is not None and policy not in known:
        errors.append(not_supported(path + ".seLinuxChangePolicy", policy, known))
    return errors


# --- annotations -----------------------------------------------------------------------------------------------------


def _seccomp_annotation(profile: str, path: str) -> list[FieldError]:
    if profile in ("runtime/default", "docker/default", "unconfined"):
        return []
    if profile.startswith("localhost/"):
        return local_descending_path(profile.removeprefix("localhost/"), path)
    return [invalid(path, profile, "must be a valid seccomp profile")]


def profile_annotations(annotations: dict[str, str], spec: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if SECCOMP_POD in annotations:
        errors += _seccomp_annotation(annotations[SECCOMP_POD], f"{path}.{SECCOMP_POD}")
    for key in sorted(annotations):
        if key.startswith(SECCOMP_CONTAINER):
            errors += _seccomp_annotation(annotations[key], f"{path}.{key}")
    names = {c.get("name", "") for c, _ in with_paths(spec, "")}
    for key in sorted(annotations):
        if key.startswith(APPARMOR_CONTAINER):
            profile, name = annotations[key], key.removeprefix(APPARMOR_CONTAINER)
            if name not in names:
                errors.append(invalid(f"{path}[{key}]", name, "container not found"))
            if profile not in ("", "runtime/default", "unconfined") and not profile.startswith("localhost/"):
                errors.append(invalid(f"{path}[{key}]", profile, f'invalid AppArmor profile name: "{profile}"'))
    return errors


def _matches(annotation: str, profile: Obj, path: str, what: str, defaults: tuple[str, ...]) -> list[FieldError]:
    """An annotation against the field that replaces it; `what` is `seccomp` or `apparmor`."""
    kind = profile.get("type", "")
    type_error = [forbidden(path + ".type", f"{what} type in annotation and field must match")]
    if kind == "Unconfined":
        return [] if annotation == "unconfined" else type_error
    if kind == "RuntimeDefault":
        return [] if annotation in defaults else type_error
    if kind == "Localhost":
        if not annotation.startswith("localhost/"):
            return type_error
        if profile.get("localhostProfile") != annotation.removeprefix("localhost/"):
            return [forbidden(path + ".localhostProfile", f"{what} profile in annotation and field must match")]
    return []


def annotations_against_fields(annotations: dict[str, str], spec: Obj, path: str) -> list[FieldError]:
    """Both say something: then the same (ValidatePodCreate and pod templates)."""
    if not annotations:
        return []
    errors: list[FieldError] = []
    context = spec.get("securityContext") or {}
    seccomp_defaults = ("runtime/default", "docker/default")
    profile = context.get("seccompProfile")
    if profile is not None and SECCOMP_POD in annotations:
        where = path + ".securityContext.seccompProfile"
        errors += _matches(annotations[SECCOMP_POD], profile, where, "seccomp", seccomp_defaults)
    for container, where in with_paths(spec, path):
        profile = (container.get("securityContext") or {}).get("seccompProfile")
        annotation = annotations.get(SECCOMP_CONTAINER + container.get("name", ""))
        if profile is not None and annotation is not None:
            inner = where + ".securityContext.seccompProfile"
            errors += _matches(annotation, profile, inner, "seccomp", seccomp_defaults)
    if (spec.get("os") or {}).get("name") == "windows":
        return errors
    for container, where in with_paths(spec, path):
        profile = (container.get("securityContext") or {}).get("appArmorProfile") or context.get("appArmorProfile")
        annotation = annotations.get(APPARMOR_CONTAINER + container.get("name", ""))
        if profile is not None and annotation is not None:
            inner = where + ".securityContext.appArmorProfile"
            errors += _matches(annotation, profile, inner, "apparmor", ("runtime/default",))
    return errors


def app_armor_from_annotation(annotation: str) -> Obj | None:
    """The field that an annotation stands for (ApparmorFieldForAnnotation)."""
    if annotation == "unconfined":
        return {"type": "Unconfined"}
    if annotation == "runtime/default":
        return {"type": "RuntimeDefault"}
    if annotation.startswith("localhost/") and annotation != "localhost/":
        return {"type": "Localhost", "localhostProfile": annotation.removeprefix("localhost/")}
    return None
