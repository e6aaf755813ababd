"""What pod validation tolerates: nothing in a new object, and in an updated one what the stored object already has.

Follows GetValidationOptionsFromPodSpecAndMeta in k8s.io/kubernetes/pkg/api/pod/util.go with the gates of 1.36.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]


@dataclass(slots=True)
class PodOptions:
    resource_is_pod: bool = False
    invalid_deletion_cost: bool = False
    invalid_selector_values: bool = False
    indivisible_huge_pages: bool = False
    invalid_spread_selector: bool = False
    non_local_token_path: bool = False
    namespaced_sysctls: bool = False
    any_selinux_policy: bool = False
    invalid_node_affinity_values: bool = False
    old_spread_keys: bool = False  # the stored object breaks the newer rule about matchLabelKeys
    restart_container_for_init: bool = False
    user_namespace_devices: bool = False
    user_namespace_host_network: bool = False
    comparing_tolerations: bool = False


def deletion_cost_is_sound(annotations: Mapping[str, str] | None) -> bool:
    """The annotation of a pod's deletion cost holds an int32, without plus sign or leading zeros."""
    value = (annotations or {}).get("controller.kubernetes.io/pod-deletion-cost")
    if value is None:
        return True
    digits = value.removeprefix("-")
    if value.startswith("+") or not (digits.isascii() and digits.isdigit()):
        return False
    if digits.startswith("0") and value == digits != "0":
        return False
    return -(1 << 31) <= int(value) < 1 << 31


def options_for(old_spec: Obj | None, old_meta: Obj | None, *, is_pod: bool = False) -> PodOptions:
    options = PodOptions(resource_is_pod=is_pod)
    if old_meta is not None:
        options.invalid_deletion_cost = not deletion_cost_is_sound(old_meta.get("annotations"))
    if old_spec is None:
        return options
    from wherry.machinery.builtin.workloads import pod_scheduling, pod_security, resources

    security = old_spec.get("securityContext") or {}
    options.indivisible_huge_pages = resources.uses_indivisible_huge_pages(old_spec)
    options.invalid_selector_values = pod_scheduling.has_invalid_affinity_selector(old_spec)
    options.invalid_node_affinity_values = pod_scheduling.has_invalid_node_affinity(old_spec)
    options.invalid_spread_selector = pod_scheduling.has_invalid_spread_selector(old_spec)
    options.old_spread_keys = pod_scheduling.has_invalid_spread_keys(old_spec)
    options.non_local_token_path = _non_local_token_path(old_spec)
    options.namespaced_sysctls = any(
        pod_security.host_sysctl(item.get("name", ""), old_spec, "") for item in security.get("sysctls") or ()
    )
    options.any_selinux_policy = security.get("seLinuxChangePolicy") is not None
    options.restart_container_for_init = any(
        policy.get("restartPolicy") == "RestartContainer"
        for container in old_spec.get("initContainers") or ()
        if container.get("restartPolicy") != "Always"
        for policy in container.get("resizePolicy") or ()
    )
    if old_spec.get("hostUsers") is False:
        from wherry.machinery.builtin.workloads.pod_defaults import containers_of

        options.user_namespace_host_network = bool(old_spec.get("hostNetwork"))
        options.user_namespace_devices = any(c.get("volumeDevices") for c in containers_of(old_spec))
    options.comparing_tolerations = any(t.get("operator") in ("Lt", "Gt") for t in old_spec.get("tolerations") or ())
    return options


def _non_local_token_path(spec: Obj) -> bool:
    from wherry.machinery.builtin.workloads.paths import local_path

    return any(
        local_path(source["serviceAccountToken"].get("path", ""), "")
        for volume in spec.get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
        if source.get("serviceAccountToken") is not None
    )
