"""Defaults of pods and pod templates, nested types included; they run on canonical objects, in place.

Follows k8s.io/kubernetes/pkg/apis/core/v1/defaults.go and the order of zz_generated.defaults.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wherry.machinery.builtin.common.quantities import add_lists, max_lists, round_to_milli
from wherry.machinery.builtin.workloads.images import default_pull_policy

Obj = dict[str, Any]
CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_INIT_ANNOTATIONS = tuple(
    f"pod.{stage}.kubernetes.io/init-container{what}" for stage in ("alpha", "beta") for what in ("s", "-statuses")
)
OVERCOMMIT = ("cpu", "memory")  # of the resources a pod may set as a whole; huge pages may not be overcommitted


def containers_of(spec: Obj) -> Iterator[Obj]:
    """All containers, init first, as upstream visits them."""
    for key in CONTAINER_LISTS:
        yield from spec.get(key) or ()


def tidy_resources(resources: Obj | None) -> None:
    """The decoder tells an empty list of claims from none, but only for a pod as a whole that matters."""
    round_resources(resources)
    if resources and not resources.get("claims", True):
        del resources["claims"]


def round_resources(resources: Obj | None) -> None:
    for key in ("limits", "requests"):
        entries = (resources or {}).get(key)
        if entries:
            for name, text in entries.items():
                entries[name] = round_to_milli(text)


def default_pod(pod: Obj) -> None:
    """Defaults of a v1 Pod: those of any pod spec, after those that only a pod has (SetObjectDefaults_Pod)."""
    spec: Obj = pod.setdefault("spec", {})
    for key in ("containers", "initContainers"):
        for container in spec.get(key) or ():
            _requests_from_limits(container)
    if spec.get("resources") is not None:
        _huge_page_limits(spec)
        _pod_requests(spec)
    spec.setdefault("enableServiceLinks", True)
    if spec.get("hostNetwork"):
        for key in ("containers", "initContainers"):
            for container in spec.get(key) or ():
                for port in container.get("ports") or ():
                    if not port.get("hostPort") and port.get("containerPort"):
                        port["hostPort"] = port["containerPort"]
    default_pod_spec(spec)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    drop_init_annotations(pod.setdefault("metadata", {}))
    status = pod.get("status") or {}
    for key in ("initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"):
        for entry in status.get(key) or ():
            for name, text in (entry.get("allocatedResources") or {}).items():
                entry["allocatedResources"][name] = round_to_milli(text)
            tidy_resources(entry.get("resources"))


def default_template(template: Obj, *, keep_labels: bool = False) -> None:
    """Defaults of a v1 PodTemplateSpec; `keep_labels` leaves an empty map to be refused."""
    meta = template.setdefault("metadata", {})
    drop_init_annotations(meta)
    if not keep_labels and not meta.get("labels", True):
        del meta["labels"]
    spec: Obj = template.setdefault("spec", {})
    if not spec.get("overhead", True):
        del spec["overhead"]
    default_pod_spec(spec)


def drop_init_annotations(meta: Obj) -> None:
    """Annotations of the time before init containers had a field vanish in conversion."""
    annotations = meta.get("annotations")
    if annotations:
        for key in _INIT_ANNOTATIONS:
            annotations.pop(key, None)
        if not annotations:
            del meta["annotations"]


def _requests_from_limits(container: Obj) -> None:
    resources = container.get("resources") or {}
    limits = resources.get("limits")
    if limits:
        requests = resources.setdefault("requests", {})
        for name, text in limits.items():
            requests.setdefault(name, text)


def aggregate(spec: Obj, kind: str) -> dict[str, str]:
    """What the containers ask for together: sum of containers and sidecars, or what an init container needs if more."""
    total: dict[str, str] = {}
    for container in spec.get("containers") or ():
        add_lists(total, (container.get("resources") or {}).get(kind) or {})
    sidecars: dict[str, str] = {}
    peak: dict[str, str] = {}
    for container in spec.get("initContainers") or ():
        own = (container.get("resources") or {}).get(kind) or {}
        if container.get("restartPolicy") == "Always":
            add_lists(total, own)
            add_lists(sidecars, own)
            max_lists(peak, sidecars)
        else:
            need = dict(own)
            add_lists(need, sidecars)
            max_lists(peak, need)
    max_lists(total, peak)
    return total


def _huge_page_limits(spec: Obj) -> None:
    resources = spec["resources"]
    if not resources.get("limits") and not resources.get("requests"):
        return
    limits = dict(resources.get("limits") or {})
    for name, text in aggregate(spec, "limits").items():
        if name.startswith("hugepages-") and name not in (resources.get("requests") or {}):
            limits.setdefault(name, text)
    if limits:
        resources["limits"] = limits


def _pod_requests(spec: Obj) -> None:
    resources = spec["resources"]
    if not resources.get("limits"):
        return
    requests = dict(resources.get("requests") or {})
    for name, text in aggregate(spec, "requests").items():
        if name in OVERCOMMIT:
            requests.setdefault(name, text)
    for name, text in resources["limits"].items():
        if name in OVERCOMMIT or name.startswith("hugepages-"):
            requests.setdefault(name, text)
    if requests:
        resources["requests"] = requests


def default_pod_spec(spec: Obj) -> None:
    """Defaults of a v1 PodSpec, in a pod or in a template."""
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("securityContext", {})
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("schedulerName", "default-scheduler")
    _mirror_service_account(spec)
    for volume in spec.get("volumes") or ():
        _default_volume(volume)
    for container in containers_of(spec):
        _default_container(container)
    if spec.get("overhead"):
        for name, text in spec["overhead"].items():
            spec["overhead"][name] = round_to_milli(text)
    round_resources(spec.get("resources"))


def _mirror_service_account(spec: Obj) -> None:
    """The internal type has one field; the v1 shape always shows it twice (conversion of PodSpec)."""
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _default_container(container: Obj) -> None:
    if not container.get("imagePullPolicy"):
        container["imagePullPolicy"] = default_pull_policy(container.get("image", ""))
    container.setdefault("terminationMessagePath", "/dev/termination-log")
    container.setdefault("terminationMessagePolicy", "File")
    container.setdefault("resources", {})
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom")
        if source:
            if source.get("fieldRef") is not None:
                source["fieldRef"].setdefault("apiVersion", "v1")
            if source.get("fileKeyRef") is not None:
                source["fileKeyRef"].setdefault("optional", False)
    tidy_resources(container["resources"])
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(key)
        if probe is not None:
            _default_probe(probe)
    lifecycle = container.get("lifecycle") or {}
    for key in ("postStart", "preStop"):
        handler = lifecycle.get(key)
        if handler:
            _default_http_get(handler.get("httpGet"))


def _default_probe(probe: Obj) -> None:
    for key, value in (("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)):
        if not probe.get(key):
            probe[key] = value
    _default_http_get(probe.get("httpGet"))
    grpc = probe.get("grpc")
    if grpc is not None and grpc.get("service") is None:  # a pointer that is written even when it is nil
        grpc["service"] = ""


def _default_http_get(action: Obj | None) -> None:
    if action is not None:
        action.setdefault("path", "/")
        action.setdefault("scheme", "HTTP")


# Volume sources whose absent fields have constant defaults.
_CONSTANTS: dict[str, dict[str, Any]] = {
    "hostPath": {"type": ""},
    "secret": {"defaultMode": 420},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "downwardAPI": {"defaultMode": 420},
    "configMap": {"defaultMode": 420},
    "azureDisk": {"cachingMode": "ReadWrite", "fsType": "ext4", "readOnly": False, "kind": "Shared"},
    "projected": {"defaultMode": 420},
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}


def _default_volume(volume: Obj) -> None:
    if not any(value is not None for key, value in volume.items() if key != "name"):
        volume["emptyDir"] = {}
    image = volume.get("image")
    if image is not None and not image.get("pullPolicy"):
        image["pullPolicy"] = default_pull_policy(image.get("reference", ""))
    for key, constants in _CONSTANTS.items():
        source = volume.get(key)
        if source is not None:
            for name, value in constants.items():
                source.setdefault(name, value)
    _default_downward_items(volume.get("downwardAPI"))
    for source in (volume.get("projected") or {}).get("sources") or ():
        _default_downward_items(source.get("downwardAPI"))
        if source.get("serviceAccountToken") is not None:
            source["serviceAccountToken"].setdefault("expirationSeconds", 3600)
    template = (volume.get("ephemeral") or {}).get("volumeClaimTemplate")
    if template is not None:
        template.setdefault("metadata", {})
        default_claim_spec(template.setdefault("spec", {}))


def _default_downward_items(source: Obj | None) -> None:
    for item in (source or {}).get("items") or ():
        if item.get("fieldRef") is not None:
            item["fieldRef"].setdefault("apiVersion", "v1")


def default_claim_spec(spec: Obj) -> None:
    """Defaults of a PersistentVolumeClaimSpec inside a template."""
    spec.setdefault("volumeMode", "Filesystem")
    spec.setdefault("resources", {})
    round_resources(spec["resources"])
