"""Validation of containers: regular, init and ephemeral ones.

Follows validateContainers, validateInitContainers, validateEphemeralContainers and below in core validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_found, not_supported, required, too_many
from wherry.machinery.builtin.common.names import dns1123_label, port_name, port_number
from wherry.machinery.builtin.workloads.container_env import validate_env, validate_env_from
from wherry.machinery.builtin.workloads.container_mounts import validate_devices, validate_mounts
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_security import validate_security_context
from wherry.machinery.builtin.workloads.pod_volumes import pull_policy
from wherry.machinery.builtin.workloads.probes import lifecycle, probe
from wherry.machinery.builtin.workloads.resources import validate_requirements

Obj = dict[str, Any]
PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
PROTOCOLS = ("SCTP", "TCP", "UDP")
MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
RESTART_POLICIES = ("Always", "Never", "OnFailure")
RULE_ACTIONS = ("Restart", "RestartAllContainers")
OPERATORS = ("In", "NotIn")
NO_POLICY = "must specify restartPolicy when restart rules are used"
NOT_FOR_INIT = "may not be set for init containers without restartPolicy=Always"
NOT_FOR_EPHEMERAL = "cannot be set for an Ephemeral Container"
# Fields of an ephemeral container that must be zero, in the order of the Go struct.
_EPHEMERAL_FORBIDDEN = (
    "ports",
    "resources",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)


@dataclass(slots=True)
class PodContext:
    """What containers need to know of their pod."""

    volumes: dict[str, Obj]
    claims: set[str]
    options: PodOptions
    restart_policy: str
    host_users: bool
    grace: int | None
    os: Obj | None


def _ports(ports: list[Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, entry in enumerate(ports):
        where, name = f"{path}[{index}]", entry.get("name", "")
        if name:
            texts = port_name(name)
            errors += [invalid(where + ".name", name, text) for text in texts]
            if not texts and name in names:
                errors.append(duplicate(where + ".name", name))
            elif not texts:
                names.add(name)
        number, host = entry.get("containerPort", 0), entry.get("hostPort", 0)
        if number == 0:
            errors.append(required(where + ".containerPort"))
        else:
            errors += [invalid(where + ".containerPort", number, text) for text in port_number(number)]
        if host:
            errors += [invalid(where + ".hostPort", host, text) for text in port_number(host)]
        protocol = entry.get("protocol", "")
        if not protocol:
            errors.append(required(where + ".protocol"))
        elif protocol not in PROTOCOLS:
            errors.append(not_supported(where + ".protocol", protocol, PROTOCOLS))
    return errors


def _resize_policies(policies: list[Obj], path: str, restart_policy: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, policy in enumerate(policies):
        name, restart = policy.get("resourceName", ""), policy.get("restartPolicy", "")
        if name in seen:
            errors.append(duplicate(f"{path}[{index}]", name))
        seen.add(name)
        for value, known in ((name, ("cpu", "memory")), (restart, ("NotRequired", "RestartContainer"))):
            if not value:
                errors.append(required(path))
            elif value not in known:
                errors.append(not_supported(path, value, known))
        if restart_policy == "Never" and restart != "NotRequired":
            text = "must be 'NotRequired' when pod `restartPolicy` is 'Never'"
            errors.append(invalid(path, restart, text))
    return errors


def validate_common(container: Obj, path: str, pod: PodContext) -> list[FieldError]:
    errors: list[FieldError] = []
    name = container.get("name", "")
    if not name:
        errors.append(required(path + ".name"))
    else:
        errors += [invalid(path + ".name", name, text) for text in dns1123_label(name)]
    if not container.get("image"):
        errors.append(required(path + ".image"))
    policy = container.get("terminationMessagePolicy", "")
    if not policy:
        errors.append(required(path + ".terminationMessagePolicy"))
    elif policy not in MESSAGE_POLICIES:
        errors.append(not_supported(path + ".terminationMessagePolicy", policy, MESSAGE_POLICIES))
    if container.get("ports"):
        errors += _ports(container["ports"], path + ".ports")
    if container.get("env"):
        errors += validate_env(container["env"], path + ".env")
    if container.get("envFrom"):
        errors += validate_env_from(container["envFrom"], path + ".envFrom")
    if container.get("volumeMounts"):
        errors += validate_mounts(container, pod.volumes, path + ".volumeMounts")
    if container.get("volumeDevices"):
        errors += validate_devices(container, pod.volumes, path + ".volumeDevices")
    errors += pull_policy(container.get("imagePullPolicy", ""), path + ".imagePullPolicy")
    if container.get("resources"):
        errors += validate_requirements(container["resources"], pod.claims, path + ".resources", pod.options)
    if container.get("resizePolicy"):
        errors += _resize_policies(container["resizePolicy"], path + ".resizePolicy", pod.restart_policy)
    if container.get("securityContext"):
        errors += validate_security_context(container["securityContext"], path + ".securityContext", pod.host_users)
    return errors


def _restart_policy(policy: str | None, rules: list[Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if policy is None:
        if not rules:
            return []
        errors.append(required(path + ".restartPolicy", NO_POLICY))
    elif policy not in RESTART_POLICIES:
        errors.append(not_supported(path + ".restartPolicy", policy, RESTART_POLICIES))
    if len(rules) > 20:
        errors.append(too_many(path + ".restartPolicyRules", len(rules), 20))
    for index, rule in enumerate(rules):
        where = f"{path}.restartPolicyRules[{index}]"
        if rule.get("action", "") not in RULE_ACTIONS:
            errors.append(not_supported(where + ".action", rule.get("action", ""), RULE_ACTIONS))
        codes = rule.get("exitCodes")
        if codes is None:
            errors.append(required(where + ".exitCodes", "must be specified"))
            continue
        if codes.get("operator", "") not in OPERATORS:
            errors.append(not_supported(where + ".exitCodes.operator", codes.get("operator", ""), OPERATORS))
        values = codes.get("values") or []
        if len(values) > 255:
            errors.append(too_many(where + ".exitCodes.values", len(values), 255))
    return errors


def _host_ports(containers: list[Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    seen: set[str] = set()
    for index, container in enumerate(containers):
        for number, entry in enumerate(container.get("ports") or ()):
            if not entry.get("hostPort"):
                continue
            key = f"{entry.get('protocol', '')}/{entry.get('hostIP', '')}/{entry['hostPort']}"
            if key in seen:
                errors.append(duplicate(f"{path}[{index}].ports[{number}].hostPort", key))
            seen.add(key)
    return errors


def validate_containers(containers: list[Obj], path: str, pod: PodContext) -> list[FieldError]:
    if not containers:
        return [required(path)]
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, container in enumerate(containers):
        where = f"{path}[{index}]"
        errors += validate_common(container, where, pod)
        name = container.get("name", "")
        if name in names:
            errors.append(duplicate(where + ".name", name))
        names.add(name)
        errors += lifecycle(container.get("lifecycle"), pod.grace, where + ".lifecycle", pod.os)
        for kind in PROBES:
            errors += probe(container.get(kind), kind, pod.grace, f"{where}.{kind}")
        errors += _restart_policy(container.get("restartPolicy"), container.get("restartPolicyRules") or [], where)
    return errors + _host_ports(containers, path)


def validate_init_containers(containers: list[Obj], regular: list[Obj], path: str, pod: PodContext) -> list[FieldError]:
    errors: list[FieldError] = []
    names = {c.get("name", "") for c in regular}
    for index, container in enumerate(containers):
        where, name = f"{path}[{index}]", container.get("name", "")
        errors += validate_common(container, where, pod)
        policy, rules = container.get("restartPolicy"), container.get("restartPolicyRules") or []
        if policy is not None:
            errors += _restart_policy(policy, rules, where)
        elif rules:  # then the rules themselves are not looked at
            errors.append(required(where + ".restartPolicy", NO_POLICY))
        if name in names:
            errors.append(duplicate(where + ".name", name))
        elif name:
            names.add(name)
        errors += _host_ports([container], path)
        sidecar = container.get("restartPolicy") == "Always"
        if sidecar:
            errors += lifecycle(container.get("lifecycle"), pod.grace, where + ".lifecycle", pod.os)
            for kind in PROBES:
                errors += probe(container.get(kind), kind, pod.grace, f"{where}.{kind}")
        else:
            errors += [
                forbidden(f"{where}.{key}", NOT_FOR_INIT)
                for key in ("lifecycle", *PROBES)
                if container.get(key) is not None
            ]
            if not pod.options.restart_container_for_init:
                for number, policy in enumerate(container.get("resizePolicy") or ()):
                    if policy.get("restartPolicy") == "RestartContainer":
                        text = "must not be set to 'RestartContainer' for non-sidecar initContainers"
                        inner = f"{where}.resizePolicy[{number}].restartPolicy"
                        errors.append(invalid(inner, "RestartContainer", text))
    return errors


def validate_ephemeral_containers(spec: Obj, path: str, pod: PodContext) -> list[FieldError]:
    errors: list[FieldError] = []
    others = {c.get("name", "") for key in ("containers", "initContainers") for c in spec.get(key) or ()}
    names = set(others)
    for index, container in enumerate(spec.get("ephemeralContainers") or ()):
        where, name = f"{path}[{index}]", container.get("name", "")
        errors += validate_common(container, where, pod)
        errors += validate_image_padding(container, where)
        if name in names:
            errors.append(duplicate(where + ".name", name))
        names.add(name)
        target = container.get("targetContainerName", "")
        if target and target not in others:
            errors.append(not_found(where + ".targetContainerName", target))
        errors += [
            forbidden(f"{where}.{key}", NOT_FOR_EPHEMERAL)
            for key in _EPHEMERAL_FORBIDDEN
            if container.get(key) is not None and not (key == "resources" and container[key] == {})
        ]
        for number, mount in enumerate(container.get("volumeMounts") or ()):
            errors += [
                forbidden(f"{where}.volumeMounts[{number}].{key}", NOT_FOR_EPHEMERAL)
                for key in ("subPath", "subPathExpr")
                if mount.get(key)
            ]
    return errors


def validate_image_padding(container: Obj, path: str) -> list[FieldError]:
    image = container.get("image", "")
    if image == image.strip():
        return []
    return [invalid(path + ".image", image, "must not have leading or trailing whitespace")]
