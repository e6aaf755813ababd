"""Fields that a 1.36 API server drops because their feature is off by default, unless the stored object uses them.

Follows dropDisabledFields of k8s.io/kubernetes/pkg/api/pod/util.go, for the gates that are off in 1.36:
ContainerStopSignals, ClusterTrustBundleProjection, PodCertificateRequest and GenericWorkload (schedulingGroup).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wherry.machinery.builtin.workloads.pod_defaults import containers_of

Obj = dict[str, Any]


def drop_disabled(spec: Obj, old: Mapping[str, Any] | None = None) -> None:
    """Drop from a pod spec, in place, what `old` (the stored spec) does not already use."""
    before: Obj = dict(old or {})
    if "schedulingGroup" in spec and "schedulingGroup" not in before:
        del spec["schedulingGroup"]
    for name in ("clusterTrustBundle", "podCertificate"):
        if _projects(spec, name) and not _projects(before, name):
            for volume in spec.get("volumes") or ():
                for source in (volume.get("projected") or {}).get("sources") or ():
                    source.pop(name, None)
    if _stop_signals(spec) and not _stop_signals(before):
        for container in containers_of(spec):
            lifecycle = container.get("lifecycle")
            if lifecycle and lifecycle.pop("stopSignal", None) is not None and not lifecycle:
                del container["lifecycle"]


def drop_disabled_status(status: Obj, old: Mapping[str, Any]) -> None:
    """The same of a pod's status."""
    if not old.get("nodeAllocatableResourceClaimStatuses"):
        status.pop("nodeAllocatableResourceClaimStatuses", None)
    if not any("volumeStatus" in mount for mount in _status_mounts(old)):
        for mount in _status_mounts(status):
            mount.pop("volumeStatus", None)


def _status_mounts(status: Mapping[str, Any]) -> list[Obj]:
    kinds = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    return [mount for kind in kinds for entry in status.get(kind) or () for mount in entry.get("volumeMounts") or ()]


def _projects(spec: Mapping[str, Any], name: str) -> bool:
    return any(
        source.get(name) is not None
        for volume in spec.get("volumes") or ()
        for source in (volume.get("projected") or {}).get("sources") or ()
    )


def _stop_signals(spec: Obj) -> bool:
    return any((c.get("lifecycle") or {}).get("stopSignal") is not None for c in containers_of(spec))
