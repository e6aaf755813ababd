"""Fields that an endpoint puts back to what they were, and that its writers therefore never own.

The table is what GetResetFields of the strategies says (k8s.io/kubernetes/pkg/registry, apiextensions-apiserver,
kube-aggregator): the main endpoint of a kind with a status does not write the status, `/status` does not write the
rest. They must match what the kind's strategy really drops.
"""

from __future__ import annotations

from dataclasses import dataclass

from wherry.machinery.fields.sets import LEAF, FieldSet, of_fields, recursive_difference


@dataclass(frozen=True)
class Only:
    """The reverse: nothing but what is below these paths; `*` stands for any element."""

    patterns: tuple[tuple[str, ...], ...]

    def keep(self, fields: FieldSet) -> FieldSet:
        return _matching(fields, self.patterns)


Reset = FieldSet | Only


def keep(fields: FieldSet, reset: Reset) -> FieldSet:
    """What of a field set is left to be owned."""
    return reset.keep(fields) if isinstance(reset, Only) else recursive_difference(fields, reset)


def _matching(fields: FieldSet, patterns: tuple[tuple[str, ...], ...]) -> FieldSet:
    out: FieldSet = {}
    for key, child in fields.items():
        rest = tuple(pattern[1:] for pattern in patterns if pattern[0] in ("*", key))
        if key == ".":
            if patterns:
                out[key] = child
        elif () in rest:
            out[key] = child
        elif rest:
            inner = {k: v for k, v in _matching(child, rest).items() if k != "."} if child else LEAF
            is_member = not child or "." in child
            if is_member or inner:
                out[key] = {".": LEAF, **inner} if is_member and inner else inner
    return out


_STATUS = of_fields("status")
_SPEC = of_fields("spec")
_METADATA_SPEC = of_fields("metadata", "spec")
_POD_STATUS = of_fields("spec", "metadata.deletionTimestamp", "metadata.ownerReferences")
_RESIZE = Only(
    tuple(
        ("f:spec", f"f:{containers}", "*", f"f:{field}")
        for containers in ("containers", "initContainers")
        for field in ("resources", "resizePolicy")
    )
)
_EPHEMERAL = Only((("f:spec", "f:ephemeralContainers"),))

# (group, resource) whose main endpoint leaves the status alone
_WITH_STATUS = {
    ("", "namespaces"),
    ("", "nodes"),
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "pods"),
    ("", "replicationcontrollers"),
    ("", "resourcequotas"),
    ("", "services"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("apps", "daemonsets"),
    ("apps", "deployments"),
    ("apps", "replicasets"),
    ("apps", "statefulsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("internal.apiserver.k8s.io", "storageversions"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "servicecidrs"),
    ("policy", "poddisruptionbudgets"),
    ("resource.k8s.io", "devicetaintrules"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourcepoolstatusrequests"),
    ("scheduling.k8s.io", "podgroups"),
    ("storage.k8s.io", "volumeattachments"),
    ("storagemigration.k8s.io", "storageversionmigrations"),
}

# (group, resource) whose /status leaves metadata alone as well
_STATUS_KEEPS_METADATA = {
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("apiregistration.k8s.io", "apiservices"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("internal.apiserver.k8s.io", "storageversions"),
    ("networking.k8s.io", "servicecidrs"),
    ("resource.k8s.io", "devicetaintrules"),
    ("resource.k8s.io", "resourceclaims"),
    ("resource.k8s.io", "resourcepoolstatusrequests"),
    ("scheduling.k8s.io", "podgroups"),
    ("storage.k8s.io", "volumeattachments"),
    ("storagemigration.k8s.io", "storageversionmigrations"),
}

_SPECIAL: dict[tuple[str, str, str], Reset] = {
    ("", "pods", "status"): _POD_STATUS,
    ("", "pods", "resize"): _RESIZE,
    ("", "pods", "ephemeralcontainers"): _EPHEMERAL,
    ("", "namespaces", "finalize"): _STATUS,
    ("apps", "deployments", "status"): of_fields("spec", "metadata.labels"),
    ("certificates.k8s.io", "certificatesigningrequests", ""): of_fields("spec", "status"),
    ("certificates.k8s.io", "certificatesigningrequests", "status"): of_fields("spec", "status.conditions"),
    ("certificates.k8s.io", "certificatesigningrequests", "approval"): of_fields("spec", "status.certificate"),
    ("certificates.k8s.io", "podcertificaterequests", "status"): _SPEC,
}


def of_builtin(group: str, resource: str, subresource: str = "") -> Reset:
    """For an endpoint of a built-in resource."""
    special = _SPECIAL.get((group, resource, subresource))
    if special is not None:
        return special
    if (group, resource) not in _WITH_STATUS:
        return LEAF
    if subresource == "":
        return _STATUS
    if subresource == "status":
        return _METADATA_SPEC if (group, resource) in _STATUS_KEEPS_METADATA else _SPEC
    return LEAF


def of_custom(has_status: bool, subresource: str = "") -> FieldSet:
    """For an endpoint of a custom resource."""
    if subresource == "status":
        return _METADATA_SPEC
    return _STATUS if has_status else LEAF
