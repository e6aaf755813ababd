"""Warnings about pods and pod templates. Follows k8s.io/kubernetes/pkg/api/pod/warnings.go."""

from __future__ import annotations

from typing import Any

from wherry.errors import go_quote
from wherry.machinery.builtin.common.names import label_value
from wherry.machinery.builtin.common.quantities import milli_value
from wherry.machinery.builtin.core.shared.ip import ip_warnings
from wherry.machinery.builtin.workloads.claims import claim_warnings
from wherry.machinery.builtin.workloads.path_warnings import overlapping_paths
from wherry.machinery.builtin.workloads.pod_scheduling import PREFERRED, REQUIRED
from wherry.machinery.builtin.workloads.pod_security import (
    APPARMOR_CONTAINER,
    SECCOMP_CONTAINER,
    SECCOMP_POD,
    app_armor_from_annotation,
    with_paths,
)

Obj = dict[str, Any]
NULL_SELECTOR = "a null labelSelector results in matching no pod"
USE_SECCOMP = 'non-functional in v1.27+; use the "seccompProfile" field instead'
USE_APPARMOR = 'deprecated since v1.30; use the "appArmorProfile" field instead'
NODE_LABELS = {
    "beta.kubernetes.io/arch": 'deprecated since v1.14; use "kubernetes.io/arch" instead',
    "beta.kubernetes.io/os": 'deprecated since v1.14; use "kubernetes.io/os" instead',
    "failure-domain.beta.kubernetes.io/region": 'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
    "failure-domain.beta.kubernetes.io/zone": 'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
    "beta.kubernetes.io/instance-type": 'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
    "app.kubernetes.io/created-by": "deprecated since v1.9",
    "scheduler.alpha.kubernetes.io/preferAvoidPods": "deprecated since v1.22; use Taints and Tolerations instead",
    "node-role.kubernetes.io/master": 'use "node-role.kubernetes.io/control-plane" instead',
}
_ANNOTATIONS = (
    ("scheduler.alpha.kubernetes.io/critical-pod", "v1.16+", "priorityClassName"),
    ("security.alpha.kubernetes.io/sysctls", "v1.11+", "sysctls"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "v1.11+", "sysctls"),
)
_VOLUMES = (
    ("photonPersistentDisk", "photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "storageOS", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("ephemeral", "", ""),
    ("cephfs", "cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "rbd", "deprecated in v1.28, non-functional in v1.31+"),
)


def pod_warnings(spec: Obj, meta: Obj, path: str = "") -> list[str]:
    """`path` is where the template stands (`spec.template`), empty for a pod itself."""
    prefix = path + "." if path else ""
    where = prefix + "spec"
    annotations = meta.get("annotations") or {}
    marks = f"{prefix}metadata.annotations"
    out = _scheduling(spec, where)
    out += [
        f'{marks}[{key}]: non-functional in {since}; use the "{field}" field instead'
        for key, since, field in _ANNOTATIONS
        if key in annotations
    ]
    out += _volumes(spec, where)
    out += overlapping_paths(spec.get("volumes") or [])
    out += _repetitions(spec, where)
    out += _fractions(spec.get("overhead") or {}, where + ".overhead")
    context = spec.get("securityContext") or {}
    if context.get("seccompProfile") is None and SECCOMP_POD in annotations:
        out.append(f"{marks}[{SECCOMP_POD}]: {USE_SECCOMP}")
    for container, inner in with_paths(spec, where):
        out += _container(container, inner, annotations, marks, context, bool(path))
    out += _ports(spec, where)
    if spec.get("terminationGracePeriodSeconds", 0) < 0:
        out.append(
            f"{where}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        )
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for index, term in enumerate(terms.get(REQUIRED) or ()):
            if term.get("labelSelector") is None:
                out.append(f"{where}.affinity.{kind}.{REQUIRED}[{index}].labelSelector: {NULL_SELECTOR}")
        for index, item in enumerate(terms.get(PREFERRED) or ()):
            if (item.get("podAffinityTerm") or {}).get("labelSelector") is None:
                inner = f"{where}.affinity.{kind}.{PREFERRED}[{index}].podAffinityTerm.labelSelector"
                out.append(f"{inner}: {NULL_SELECTOR}")
    for index, server in enumerate((spec.get("dnsConfig") or {}).get("nameservers") or ()):
        out += ip_warnings(f"{where}.dnsConfig.nameservers[{index}]", server)
    for index, alias in enumerate(spec.get("hostAliases") or ()):
        out += ip_warnings(f"{where}.hostAliases[{index}].ip", alias.get("ip", ""))
    return out


def _scheduling(spec: Obj, where: str) -> list[str]:
    out = [
        f"{where}.nodeSelector[{key}]: {NODE_LABELS[key]}"
        for key in sorted(spec.get("nodeSelector") or ())
        if key in NODE_LABELS
    ]
    node = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    start = f"{where}.affinity.nodeAffinity"
    for index, term in enumerate((node.get(REQUIRED) or {}).get("nodeSelectorTerms") or ()):
        out += _term(term, f"{start}.{REQUIRED}.nodeSelectorTerms[{index}]", False)
    for index, item in enumerate(node.get(PREFERRED) or ()):
        out += _term(item.get("preference") or {}, f"{start}.{PREFERRED}[{index}].preference", True)
    for index, item in enumerate(spec.get("topologySpreadConstraints") or ()):
        inner, key = f"{where}.topologySpreadConstraints[{index}]", item.get("topologyKey", "")
        if key in NODE_LABELS:
            out.append(f"{inner}.topologyKey: {key} is {NODE_LABELS[key]}")
        if item.get("labelSelector") is None:
            out.append(f"{inner}.labelSelector: {NULL_SELECTOR}")
    return out


def _term(term: Obj, where: str, check_values: bool) -> list[str]:
    out: list[str] = []
    for index, item in enumerate(term.get("matchExpressions") or ()):
        inner, key = f"{where}.matchExpressions[{index}]", item.get("key", "")
        if key in NODE_LABELS:
            out.append(f"{inner}.key: {key} is {NODE_LABELS[key]}")
        if check_values:
            for number, value in enumerate(item.get("values") or ()):
                out += [f"{inner}.values[{number}]: {value} is invalid, {text}" for text in label_value(value)]
    return out


def _volumes(spec: Obj, where: str) -> list[str]:
    out: list[str] = []
    for index, volume in enumerate(spec.get("volumes") or ()):
        inner = f"{where}.volumes[{index}]"
        for key, shown, text in _VOLUMES:
            source = volume.get(key)
            if source is None:
                continue
            if key != "ephemeral":
                out.append(f"{inner}.{shown}: {text}")
            elif source.get("volumeClaimTemplate") is not None:
                claim = source["volumeClaimTemplate"].get("spec") or {}
                out += claim_warnings(claim, f"{inner}.ephemeral.volumeClaimTemplate.spec")
    return out


def _repetitions(spec: Obj, where: str) -> list[str]:
    out: list[str] = []
    for field, key in (("hostAliases", "ip"), ("imagePullSecrets", "name")):
        seen: set[str] = set()
        for index, item in enumerate(spec.get(field) or ()):
            value = item.get(key, "")
            if value in seen:
                out.append(f"{where}.{field}[{index}].{key}: duplicate {key} {go_quote(value)}")
            seen.add(value)
    for index, item in enumerate(spec.get("imagePullSecrets") or ()):
        if not item.get("name"):
            out.append(f'{where}.imagePullSecrets[{index}].name: invalid empty name ""')
    return out


def _fractions(entries: Obj, where: str, *names: str) -> list[str]:
    return [
        f'{where}[{name}]: fractional byte value "{entries[name]}" is invalid, must be an integer'
        for name in names or ("memory", "ephemeral-storage")
        if name in entries and milli_value(entries[name]) % 1000
    ]


def _container(
    container: Obj, where: str, annotations: dict[str, str], marks: str, pod: Obj, template: bool
) -> list[str]:
    out: list[str] = []
    context, name = container.get("securityContext") or {}, container.get("name", "")
    key = SECCOMP_CONTAINER + name
    if context.get("seccompProfile") is None and key in annotations:
        out.append(f"{marks}[{key}]: {USE_SECCOMP}")
    key = APPARMOR_CONTAINER + name
    if template and context.get("appArmorProfile") is None and key in annotations:
        profile = pod.get("appArmorProfile")
        if profile is None or profile != app_armor_from_annotation(annotations[key]):
            out.append(f"{marks}[{key}]: {USE_APPARMOR}")
    resources = container.get("resources") or {}
    for resource in ("memory", "ephemeral-storage"):
        for kind in ("limits", "requests"):
            out += _fractions(resources.get(kind) or {}, f"{where}.resources.{kind}", resource)
    seen: set[str] = set()
    for index, item in enumerate(container.get("env") or ()):
        variable, value = item.get("name", ""), item.get("value", "")
        reference = f"$({variable})"
        hides = item.get("valueFrom") is not None or value == reference or reference not in value
        if variable in seen and hides:
            text = f"hides previous definition of {go_quote(variable)}, which may be dropped when using apply"
            out.append(f"{where}.env[{index}]: {text}")
        seen.add(variable)
    return out


def _ports(spec: Obj, where: str) -> list[str]:
    out: list[str] = []
    known: dict[str, list[tuple[str, str, int]]] = {}
    for container, inner in with_paths(spec, where):
        for index, port in enumerate(container.get("ports") or ()):
            here, ip, host = f"{inner}.ports[{index}]", port.get("hostIP", ""), port.get("hostPort", 0)
            number, protocol = port.get("containerPort", 0), port.get("protocol", "")
            if ip and not host:
                shown = (
                    f"{{Name:{port.get('name', '')} HostPort:0 ContainerPort:{number} Protocol:{protocol} HostIP:{ip}}}"
                )
                out.append(f"{here}: hostIP set without hostPort: {shown}")
            others = known.setdefault(f"{number}/{protocol}", [])
            for other, other_ip, other_host in others:
                if ip == other_ip and host == other_host:
                    out.append(f"{here}: duplicate port definition with {other}")
                elif not host or not other_host:
                    out.append(f"{here}: overlapping port definition with {other}")
                elif host == other_host and (not ip) != (not other_ip):
                    out.append(f"{here}: dangerously ambiguous port definition with {other}")
            others.append((here, ip, host))
    names: dict[str, str] = {}
    for container, inner in with_paths(spec, where):
        for index, port in enumerate(container.get("ports") or ()):
            name, here = port.get("name", ""), f"{inner}.ports[{index}]"
            if not name:
                continue
            if name in names:
                first = names[name]
                text = f"services and probes that select ports by name will use {first}"
                out.append(f"{here}: duplicate port name {go_quote(name)} with {first}, {text}")
            else:
                names[name] = here
    return out
