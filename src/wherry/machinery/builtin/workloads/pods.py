"""Pods: what the API server does with them on create, update, delete and on their subresources.

Follows k8s.io/kubernetes/pkg/registry/core/pod/strategy.go. What admission adds is in `pod_admission`, the rules of
`binding` and `eviction` are in files of their own.
"""

from __future__ import annotations

from typing import Any, ClassVar

from wherry.errors import FieldError, forbidden
from wherry.machinery.builtin.common.meta import validate_object_meta
from wherry.machinery.builtin.common.names import dns1123_label
from wherry.machinery.builtin.core.shared.ip import ip_warnings
from wherry.machinery.builtin.strategy import Strategy
from wherry.machinery.builtin.workloads.annotations import validate_annotation_updates, validate_pod_annotations
from wherry.machinery.builtin.workloads.containers import validate_image_padding
from wherry.machinery.builtin.workloads.options import PodOptions, options_for
from wherry.machinery.builtin.workloads.pod_defaults import containers_of, default_pod
from wherry.machinery.builtin.workloads.pod_fields import drop_disabled, drop_disabled_status
from wherry.machinery.builtin.workloads.pod_qos import qos_class
from wherry.machinery.builtin.workloads.pod_scheduling import PREFERRED, REQUIRED
from wherry.machinery.builtin.workloads.pod_security import (
    APPARMOR_CONTAINER,
    annotations_against_fields,
    app_armor_from_annotation,
)
from wherry.machinery.builtin.workloads.pod_spec import validate_pod_spec
from wherry.machinery.builtin.workloads.pod_warnings import USE_APPARMOR, pod_warnings
from wherry.machinery.kinds import Obj

_NAME_WARNING = (
    "metadata.name: this is used in the Pod's hostname, which can result in surprising behavior; "
    "a DNS label is recommended: [{}]"
)


class Pods(Strategy):
    has_generation = True
    graceful = True
    updates: ClassVar[dict[str, tuple[str, str]]] = {
        "status": ("prepare_status_update", "validate_status_update"),
        "ephemeralcontainers": ("prepare_ephemeral_update", "validate_ephemeral_update"),
        "resize": ("prepare_resize", "validate_resize"),
    }

    def default(self, obj: Obj) -> None:
        default_pod(obj)
        _pod_ips(obj.get("status"))

    # --- create ------------------------------------------------------------------------------------------------------
    def prepare_create(self, obj: Obj) -> None:
        obj["status"] = {"phase": "Pending", "qosClass": qos_class(obj)}
        spec = obj["spec"]
        drop_disabled(spec)
        if spec.get("schedulingGates"):
            obj["status"]["conditions"] = [
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "lastProbeTime": None,
                    "lastTransitionTime": obj["metadata"].get("creationTimestamp"),
                    "reason": "SchedulingGated",
                    "message": "Scheduling is blocked due to non-empty scheduling gates",
                }
            ]
        merge_label_keys(obj)
        _fields_from_app_armor(obj)

    def validate_create(self, obj: Obj) -> list[FieldError]:
        options = options_for(None, None, is_pod=True)
        spec, meta = obj["spec"], obj["metadata"]
        errors = validate_pod(obj, options)
        if spec.get("ephemeralContainers"):
            errors.append(forbidden("spec.ephemeralContainers", "cannot be set on create"))
        if spec.get("nodeName") and spec.get("schedulingGates"):
            text = "cannot be set until all schedulingGates have been cleared"
            errors.append(forbidden("spec.nodeName", text))
        return errors + annotations_against_fields(meta.get("annotations") or {}, spec, "spec")

    def warnings_create(self, obj: Obj) -> list[str]:
        meta, spec = obj["metadata"], obj["spec"]
        texts = dns1123_label(meta.get("name", ""))
        out = [_NAME_WARNING.format(" ".join(texts))] if texts else []
        return _app_armor_warnings(obj) + out + pod_warnings(spec, meta)

    # --- update ------------------------------------------------------------------------------------------------------
    def prepare_update(self, new: Obj, old: Obj) -> None:
        new["status"] = old.get("status", {})
        if not new["spec"].get("overhead", True):
            del new["spec"]["overhead"]
        drop_disabled(new["spec"], old["spec"])

    def spec_changed(self, new: Obj, old: Obj) -> bool:
        return new["spec"] != old["spec"]  # type: ignore[no-any-return]

    def validate_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.workloads.pod_update import validate_pod_update

        return validate_pod_update(new, old, options_for(old["spec"], old["metadata"], is_pod=True))

    # --- status ------------------------------------------------------------------------------------------------------
    def prepare_status_update(self, new: Obj, old: Obj) -> None:
        from wherry.machinery.builtin.workloads.pod_status import keep_observed_generations

        new["spec"] = old["spec"]
        meta, before = new["metadata"], old["metadata"]
        meta.pop("deletionTimestamp", None)
        meta.pop("ownerReferences", None)
        for key in ("deletionTimestamp", "ownerReferences"):
            if key in before:
                meta[key] = before[key]
        status = new.setdefault("status", {})
        if not status.get("qosClass") and (old.get("status") or {}).get("qosClass"):
            status["qosClass"] = old["status"]["qosClass"]
        drop_disabled_status(status, old.get("status") or {})
        _pod_ips(status)
        keep_observed_generations(status, old.get("status") or {})

    def validate_status_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.workloads.pod_status import validate_pod_status_update

        return validate_pod_status_update(new, old, options_for(old["spec"], old["metadata"], is_pod=True))

    def warnings_status_update(self, new: Obj, old: Obj) -> list[str]:
        status, out = new.get("status") or {}, list[str]()
        for key in ("podIPs", "hostIPs"):
            for index, item in enumerate(status.get(key) or ()):
                out += ip_warnings(f"status.{key}[{index}].ip", item.get("ip", ""))
        return out

    # --- other subresources ------------------------------------------------------------------------------------------
    def prepare_ephemeral_update(self, new: Obj, old: Obj) -> None:
        """`ephemeralcontainers`: nothing but those, beside the metadata that a status update may change."""
        added = new["spec"].get("ephemeralContainers")
        new["spec"] = {key: value for key, value in old["spec"].items() if key != "ephemeralContainers"}
        if added:
            new["spec"]["ephemeralContainers"] = added
        new["status"] = old.get("status", {})
        reset_meta(new, old)
        drop_disabled(new["spec"], old["spec"])

    def validate_ephemeral_update(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.workloads.pod_update import validate_ephemeral_update

        return validate_ephemeral_update(new, old, options_for(old["spec"], old["metadata"], is_pod=True))

    def prepare_resize(self, new: Obj, old: Obj) -> None:
        from wherry.machinery.builtin.workloads.pod_resize import keep_but_resources

        keep_but_resources(new, old)
        drop_disabled(new["spec"], old["spec"])

    def validate_resize(self, new: Obj, old: Obj) -> list[FieldError]:
        from wherry.machinery.builtin.workloads.pod_resize import validate_resize

        return validate_resize(new, old, options_for(old["spec"], old["metadata"], is_pod=True))

    # --- delete ------------------------------------------------------------------------------------------------------
    def grace_period(self, obj: Obj, asked: int | None) -> int:
        """Seconds a deleted pod stays, from what the client asked for and the pod says (CheckGracefulDelete)."""
        spec, status = obj.get("spec") or {}, obj.get("status") or {}
        period = asked if asked is not None else spec.get("terminationGracePeriodSeconds") or 0
        if not spec.get("nodeName") or status.get("phase") in ("Failed", "Succeeded"):
            return 0
        return 1 if period < 0 else int(period)


def _pod_ips(status: Obj | None) -> None:
    """`podIP` and the first of `podIPs` say the same; where they differ, the singular wins (conversion)."""
    if not status:
        return
    single, many = status.get("podIP", ""), status.get("podIPs") or []
    if single and (not many or many[0].get("ip") != single):
        status["podIPs"] = [{"ip": single}]
    elif many:
        status["podIP"] = many[0].get("ip", "")


def reset_meta(new: Obj, old: Obj) -> None:
    """metav1.ResetObjectMetaForStatus: keep all of the stored metadata but managedFields."""
    meta, before = new["metadata"], old["metadata"]
    for key in (
        "deletionTimestamp",
        "generation",
        "selfLink",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
    ):
        meta.pop(key, None)
        if key in before:
            meta[key] = before[key]


def validate_pod(obj: Obj, options: PodOptions) -> list[FieldError]:
    """validatePodMetadataAndSpec without the metadata, which the caller judges."""
    spec, meta = obj["spec"], obj["metadata"]
    annotations = meta.get("annotations") or {}
    errors = validate_pod_annotations(annotations, spec, "metadata.annotations", options)
    errors += validate_pod_spec(spec, meta, "spec", options)
    if not spec.get("serviceAccountName"):
        text = "must not be specified when serviceAccountName is not set"
        errors += [
            forbidden(f"spec.volumes[{index}].projected.sources[{number}].serviceAccountToken", text)
            for index, volume in enumerate(spec.get("volumes") or ())
            for number, source in enumerate((volume.get("projected") or {}).get("sources") or ())
            if source.get("serviceAccountToken") is not None
        ]
    for key in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            errors += validate_image_padding(container, f"spec.{key}[{index}]")
    return errors


def validate_pod_and_meta(obj: Obj, options: PodOptions) -> list[FieldError]:
    """As upstream judges an updated pod: its metadata once more, as if it were new."""
    return validate_object_meta(obj["metadata"], True, standard_finalizers=True) + validate_pod(obj, options)


def validate_annotations_of_update(new: Obj, old: Obj, options: PodOptions) -> list[FieldError]:
    return validate_annotation_updates(new, old, "metadata.annotations", options)


def merge_label_keys(obj: Obj) -> None:
    """matchLabelKeys become requirements of the selector, with the values of the pod's own labels."""
    spec, labels = obj["spec"], obj["metadata"].get("labels") or {}
    affinity = spec.get("affinity") or {}
    for kind in ("podAffinity", "podAntiAffinity"):
        terms = affinity.get(kind) or {}
        for item in terms.get(PREFERRED) or ():
            _merge(item.get("podAffinityTerm") or {}, labels)
        for term in terms.get(REQUIRED) or ():
            _merge(term, labels)
    for item in spec.get("topologySpreadConstraints") or ():
        _merge(item, labels)


def _merge(term: Obj, labels: dict[str, str]) -> None:
    selector = term.get("labelSelector")
    if selector is None:
        return
    for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn")):
        for key in term.get(field) or ():
            if key in labels:
                item: dict[str, Any] = {"key": key, "operator": operator, "values": [labels[key]]}
                selector.setdefault("matchExpressions", []).append(item)


def _app_armor_sources(obj: Obj) -> list[tuple[Obj, str, Obj | None]]:
    """Containers with an AppArmor annotation: the container, the annotation's key, the profile it stands for."""
    spec, annotations = obj["spec"], obj["metadata"].get("annotations") or {}
    if not annotations or (spec.get("os") or {}).get("name") == "windows":
        return []
    found = []
    for container in containers_of(spec):
        key = APPARMOR_CONTAINER + container.get("name", "")
        if key in annotations:
            profile = app_armor_from_annotation(annotations[key])
            local = (profile or {}).get("localhostProfile", "")
            found.append((container, key, None if local.strip() != local or len(local) > 4095 else profile))
    return found


def _fields_from_app_armor(obj: Obj) -> None:
    of_pod = (obj["spec"].get("securityContext") or {}).get("appArmorProfile")
    for container, _, profile in _app_armor_sources(obj):
        own = (container.get("securityContext") or {}).get("appArmorProfile")
        if own is None and profile is not None and profile != of_pod:
            container.setdefault("securityContext", {})["appArmorProfile"] = profile


def _app_armor_warnings(obj: Obj) -> list[str]:
    """For annotations that became a field, or could not."""
    of_pod = (obj["spec"].get("securityContext") or {}).get("appArmorProfile")
    return [
        f"metadata.annotations[{key}]: {USE_APPARMOR}"
        for container, key, profile in _app_armor_sources(obj)
        if profile is None
        or (profile != of_pod and (container.get("securityContext") or {}).get("appArmorProfile") == profile)
    ]
