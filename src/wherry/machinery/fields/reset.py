"""Fields that an endpoint puts back to what they were, and that its writers therefore never own.

The table is what GetResetFields of the strategies says (k8s.io/kubernetes/pkg/registry, apiextensions-apiserver,
kube-aggregator): the main endpoint of a kind with a status does not write the status, `/status` does not write the
rest. They must match what the kind's strategy really drops. Endpoints that are not here (`/resize`,
`/ephemeralcontainers`, `/scale`) reset without telling, as upstream's do.
"""

from __future__ import annotations

from wherry.machinery.fields.sets import LEAF, FieldSet, of_fields, recursive_difference

Reset = FieldSet


def keep(fields: FieldSet, reset: Reset) -> FieldSet:
    """What of a field set is left to be owned."""
    return recursive_difference(fields, reset)


_STATUS = of_fields("status")
_SPEC = of_fields("spec")
_METADATA_SPEC = of_fields("metadata", "spec")
_POD_STATUS = of_fields("spec", "metadata.deletionTimestamp", "metadata.ownerReferences")

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
    ("", "namespaces", "finalize"): _STATUS,
    ("apps", "deployments", "status"): of_fields("spec", "metadata.labels"),
    ("certificates.k8s.io", "certificatesigningrequests", ""): of_fields("spec", "status"),
    ("certificates.k8s.io", "certificatesigningrequests", "status"): of_fields("spec", "status.conditions"),
    ("certificates.k8s.io", "certificatesigningrequests", "approval"): of_fields("spec", "status.certificate"),
    ("certificates.k8s.io", "podcertificaterequests", "status"): _SPEC,
    ("scheduling.k8s.io", "podgroups", ""): LEAF,
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
