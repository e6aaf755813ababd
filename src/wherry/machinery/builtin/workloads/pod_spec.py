"""Validation of a pod spec and of a pod template. Follows ValidatePodSpec and ValidatePodTemplateSpec."""

from __future__ import annotations

from typing import Any

from wherry.errors import FieldError, duplicate, forbidden, invalid, not_found, not_supported, required, too_long
from wherry.machinery.builtin.common.labels import validate_label_name, validate_labels
from wherry.machinery.builtin.common.meta import validate_annotations
from wherry.machinery.builtin.common.names import (
    byte_length,
    dns1123_label,
    dns1123_subdomain,
    dns1123_subdomain_underscore,
    range_text,
)
from wherry.machinery.builtin.common.values import unsupported_json
from wherry.machinery.builtin.core.shared.ip import legacy_ip
from wherry.machinery.builtin.workloads.annotations import validate_pod_annotations
from wherry.machinery.builtin.workloads.containers import (
    PodContext,
    validate_containers,
    validate_ephemeral_containers,
    validate_init_containers,
)
from wherry.machinery.builtin.workloads.internal_shapes import internal
from wherry.machinery.builtin.workloads.options import PodOptions
from wherry.machinery.builtin.workloads.pod_os import validate_linux, validate_windows, windows_host_process
from wherry.machinery.builtin.workloads.pod_scheduling import validate_affinity, validate_spread, validate_tolerations
from wherry.machinery.builtin.workloads.pod_security import (
    annotations_against_fields,
    validate_pod_security,
    with_paths,
)
from wherry.machinery.builtin.workloads.pod_volumes import validate_volumes
from wherry.machinery.builtin.workloads.resources import validate_pod_level, validate_requirements

Obj = dict[str, Any]
MIRROR = "kubernetes.io/config.mirror"
RESTART_POLICIES = ("Always", "OnFailure", "Never")
DNS_POLICIES = ("ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")


def _resource_claims(claims: list[Obj], meta: Obj | None, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    names: set[str] = set()
    for index, claim in enumerate(claims):
        if MIRROR in ((meta or {}).get("annotations") or {}):
            errors.append(forbidden("", "static pods do not support resource claims"))
            continue
        where, name = f"{path}[{index}]", claim.get("name", "")
        if not name:
            errors.append(required(where + ".name"))
        elif name in names:
            errors.append(duplicate(where + ".name", name))
        else:
            errors += [invalid(where + ".name", name, text) for text in dns1123_label(name)]
            names.add(name)
        direct, template = claim.get("resourceClaimName"), claim.get("resourceClaimTemplateName")
        text = ""
        if direct is not None and template is not None:
            text = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified"
        elif direct is None and template is None:
            text = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`"
        if text:
            errors.append(invalid(where, internal("core.PodResourceClaim", claim), text))
        for key in ("resourceClaimName", "resourceClaimTemplateName"):
            if claim.get(key) is not None:
                errors += [invalid(f"{where}.{key}", claim[key], why) for why in dns1123_subdomain(claim[key])]
    return errors


def _dns_config(config: Obj | None, policy: str, path: str) -> list[FieldError]:
    if policy == "None":
        if config is None:
            return [required(path, "must provide `dnsConfig` when `dnsPolicy` is None")]
        if not config.get("nameservers"):
            text = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            return [required(path + ".nameservers", text)]
    if config is None:
        return []
    errors: list[FieldError] = []
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > 3:
        errors.append(invalid(path + ".nameservers", servers, "must not have more than 3 nameservers"))
    for index, server in enumerate(servers):
        errors += legacy_ip(f"{path}.nameservers[{index}]", server)
    if len(searches) > 32:
        errors.append(invalid(path + ".searches", searches, "must not have more than 32 search paths"))
    if byte_length(" ".join(searches)) > 2048:
        text = "must not have more than 2048 characters (including spaces) in the search list"
        errors.append(invalid(path + ".searches", searches, text))
    for index, search in enumerate(searches):
        if search != ".":
            domain = search.removesuffix(".")
            texts = dns1123_subdomain_underscore(domain)
            errors += [invalid(f"{path}.searches[{index}]", domain, text) for text in texts]
    for index, option in enumerate(config.get("options") or ()):
        if not option.get("name"):
            errors.append(required(f"{path}.options[{index}]", "must not be empty"))
    return errors


def _host_network_ports(spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
    if not spec.get("hostNetwork"):
        return []
    text = "must match `containerPort` when `hostNetwork` is true"
    return [
        invalid(f"{path}.containers[{index}].ports[{number}].hostPort", port.get("hostPort", 0), text)
        for index, container in enumerate(spec.get("containers") or ())
        for number, port in enumerate(container.get("ports") or ())
        if (options.resource_is_pod or port.get("hostPort")) and port.get("hostPort", 0) != port.get("containerPort", 0)
    ]


def _gates(spec: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, gate in enumerate(spec.get("readinessGates") or ()):
        where = f"{path}.readinessGates[{index}].conditionType"
        errors += validate_label_name(gate.get("conditionType", ""), where)
    seen: set[str] = set()
    for index, gate in enumerate(spec.get("schedulingGates") or ()):
        where, name = f"{path}.schedulingGates[{index}]", gate.get("name", "")
        errors += validate_label_name(name, where)
        if name in seen:
            errors.append(duplicate(where, name))
        seen.add(name)
    return errors


def _host_users(spec: Obj, path: str, options: PodOptions) -> list[FieldError]:
    if spec.get("hostUsers") is not False:
        return []
    text = "when `hostUsers` is false"
    errors: list[FieldError] = []
    if spec.get("hostNetwork") and not options.user_namespace_host_network:
        errors.append(forbidden(path + ".hostNetwork", text))
    if spec.get("hostPID"):
        errors.append(forbidden(path + ".HostPID", text))
    if spec.get("hostIPC"):
        errors.append(forbidden(path + ".HostIPC", text))
    if not options.user_namespace_devices:
        errors += [forbidden(w + ".volumeDevices", text) for c, w in with_paths(spec, path) if c.get("volumeDevices")]
    return errors


def _hostname_override(spec: Obj, path: str) -> list[FieldError]:
    name = spec.get("hostnameOverride")
    if name is None:
        return []
    where = path + ".hostnameOverride"
    errors: list[FieldError] = []
    if spec.get("setHostnameAsFQDN"):
        errors.append(forbidden(where, "may not be specified when setHostnameAsFQDN is true"))
    if spec.get("hostNetwork"):
        errors.append(forbidden(where, "may not be specified when hostNetwork is true"))
    if byte_length(name) > 64:
        errors.append(too_long(where, 64))
    return errors + [invalid(where, name, text) for text in dns1123_subdomain(name)]


def _named(spec: Obj, path: str, rule: Any, *keys: str) -> list[FieldError]:
    return [invalid(f"{path}.{key}", spec[key], text) for key in keys if spec.get(key) for text in rule(spec[key])]


def _host_aliases(aliases: list[Obj], path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    for index, alias in enumerate(aliases):
        errors += legacy_ip(f"{path}[{index}].ip", alias.get("ip", ""))
        for number, name in enumerate(alias.get("hostnames") or ()):
            texts = dns1123_subdomain(name)
            errors += [invalid(f"{path}[{index}].hostnames[{number}]", name, text) for text in texts]
    return errors


def _file_key_volumes(spec: Obj, path: str) -> list[FieldError]:
    errors: list[FieldError] = []
    volumes = {v.get("name", ""): v for v in spec.get("volumes") or ()}
    for container, where in with_paths(spec, path):
        for index, variable in enumerate(container.get("env") or ()):
            reference = (variable.get("valueFrom") or {}).get("fileKeyRef")
            if reference is None:
                continue
            name, inner = reference.get("volumeName", ""), f"{where}.env[{index}].valueFrom.fileKeyRef.volumeName"
            if name not in volumes:
                errors.append(not_found(inner, name))
            elif volumes[name].get("emptyDir") is None:
                errors.append(invalid(inner, name, "referenced volume must be of type emptyDir"))
    return errors


def _os(spec: Obj, path: str) -> list[FieldError]:
    os = spec.get("os")
    if os is None:
        return []
    name = os.get("name", "")
    if not name:
        return [required(path + ".os.name")]
    if name == "linux":
        return validate_linux(spec, path)
    if name == "windows":
        return validate_windows(spec, path)
    return [not_supported(path + ".os", name, ("linux", "windows"))]


def _enum(value: str, known: tuple[str, ...], path: str, *, pointer: bool = False) -> list[FieldError]:
    if not value:
        return [required(path)]
    if value in known:
        return []
    return [unsupported_json(path, value, known) if pointer else not_supported(path, value, known)]


def validate_pod_spec(spec: Obj, meta: Obj | None, path: str, options: PodOptions) -> list[FieldError]:
    """`meta` is the pod's own metadata, None in a template."""
    errors: list[FieldError] = []
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is None:
        errors.append(required(path + ".terminationGracePeriodSeconds"))
    name = (meta or {}).get("name", "")
    volumes, found = validate_volumes(spec.get("volumes") or [], name, path + ".volumes", options)
    errors += found
    claims = {c["name"] for c in spec.get("resourceClaims") or () if c.get("name")}
    errors += _resource_claims(spec.get("resourceClaims") or [], meta, path + ".resourceClaims")
    restart = spec.get("restartPolicy", "")
    pod = PodContext(volumes, claims, options, restart, spec.get("hostUsers") is not False, grace, spec.get("os"))
    regular = spec.get("containers") or []
    errors += validate_containers(regular, path + ".containers", pod)
    errors += validate_init_containers(spec.get("initContainers") or [], regular, path + ".initContainers", pod)
    errors += validate_ephemeral_containers(spec, path + ".ephemeralContainers", pod)
    errors += validate_pod_level(spec, claims, path, options)
    errors += _host_network_ports(spec, path, options)
    errors += _enum(restart, RESTART_POLICIES, path + ".restartPolicy")
    errors += _enum(spec.get("dnsPolicy", ""), DNS_POLICIES, path + ".dnsPolicy", pointer=True)
    errors += validate_labels(spec.get("nodeSelector"), path + ".nodeSelector")
    errors += validate_pod_security(spec, path + ".securityContext", options)
    errors += validate_affinity(spec.get("affinity"), path + ".affinity", options)
    errors += _dns_config(spec.get("dnsConfig"), spec.get("dnsPolicy", ""), path + ".dnsConfig")
    errors += _gates(spec, path)
    spread = spec.get("topologySpreadConstraints") or []
    errors += validate_spread(spread, path + ".topologySpreadConstraints", options)
    errors += windows_host_process(spec, path)
    errors += _host_users(spec, path, options)
    errors += _hostname_override(spec, path)
    errors += _named(spec, path, dns1123_subdomain, "serviceAccountName", "nodeName")
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2147483647:
        errors.append(invalid(path + ".activeDeadlineSeconds", deadline, range_text(1, 2147483647)))
    errors += _named(spec, path, dns1123_label, "hostname", "subdomain")
    errors += validate_tolerations(spec.get("tolerations") or [], path + ".tolerations", options)
    errors += _host_aliases(spec.get("hostAliases") or [], path + ".hostAliases")
    errors += _named(spec, path, dns1123_subdomain, "priorityClassName")
    if spec.get("runtimeClassName") is not None:
        runtime = spec["runtimeClassName"]
        errors += [invalid(path + ".runtimeClassName", runtime, text) for text in dns1123_subdomain(runtime)]
    if spec.get("preemptionPolicy") is not None:
        known = ("PreemptLowerPriority", "Never")
        errors += _enum(spec["preemptionPolicy"], known, path + ".preemptionPolicy", pointer=True)
    if spec.get("overhead") is not None:
        errors += validate_requirements({"limits": spec["overhead"]}, set(), path + ".overhead", options)
    errors += _os(spec, path)
    group = spec.get("schedulingGroup")
    if group is not None:
        where = path + ".schedulingGroup.podGroupName"
        if group.get("podGroupName") is None:
            errors.append(invalid(where, None, "must specify one of: `podGroupName`"))
        else:
            errors += [invalid(where, group["podGroupName"], t) for t in dns1123_subdomain(group["podGroupName"])]
    return errors + _file_key_volumes(spec, path)


def validate_template(template: Obj, path: str, options: PodOptions) -> list[FieldError]:
    """A PodTemplateSpec; labels and annotations are reported without `metadata` in their path, as upstream does."""
    meta, spec = template.get("metadata") or {}, template.get("spec") or {}
    annotations = meta.get("annotations") or {}
    errors = validate_labels(meta.get("labels"), path + ".labels")
    errors += validate_annotations(annotations, path + ".annotations")
    errors += validate_pod_annotations(annotations, spec, path + ".annotations", options)
    errors += validate_pod_spec(spec, None, path + ".spec", options)
    errors += annotations_against_fields(annotations, spec, path + ".spec")
    if spec.get("ephemeralContainers"):
        errors.append(forbidden(path + ".spec.ephemeralContainers", "ephemeral containers not allowed in pod template"))
    return errors
