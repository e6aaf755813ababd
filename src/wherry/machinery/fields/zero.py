"""Members that an empty Go struct shows, where the schema does not tell.

A member without `omitempty` is always there, and so is a struct that is no pointer; that is what a new object is
compared with. The schemas nearly say so (`required`, an empty default); these are the members where they do not, of the
types that stand in an object by value. Facts of the json tags of k8s.io/api 1.36 and its sisters.
"""

from __future__ import annotations

# type -> members that are shown though optional
SHOWN: dict[str, tuple[str, ...]] = {
    "io.k8s.api.apps.v1.ControllerRevision": ("data",),
    "io.k8s.api.apps.v1.StatefulSetSpec": ("serviceName",),
    "io.k8s.api.apps.v1.StatefulSetStatus": ("availableReplicas",),
    "io.k8s.api.authentication.v1.TokenRequestSpec": (
        "audiences",
        "boundObjectRef",
        "expirationSeconds",
    ),
    "io.k8s.api.authentication.v1.TokenRequestStatus": (
        "expirationTimestamp",
        "token",
    ),
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus": ("currentMetrics",),
    "io.k8s.api.certificates.v1beta1.PodCertificateRequestSpec": (
        "pkixPublicKey",
        "proofOfPossession",
    ),
    "io.k8s.api.core.v1.Event": (
        "eventTime",
        "firstTimestamp",
        "lastTimestamp",
        "reportingComponent",
        "reportingInstance",
    ),
    "io.k8s.api.discovery.v1.EndpointSlice": (
        "endpoints",
        "ports",
    ),
    "io.k8s.api.events.v1.Event": (
        "deprecatedFirstTimestamp",
        "deprecatedLastTimestamp",
    ),
    "io.k8s.api.flowcontrol.v1.FlowSchemaSpec": ("matchingPrecedence",),
    "io.k8s.api.policy.v1.PodDisruptionBudgetStatus": (
        "currentHealthy",
        "desiredHealthy",
        "disruptionsAllowed",
        "expectedPods",
    ),
    "io.k8s.api.rbac.v1.ClusterRole": ("rules",),
    "io.k8s.api.rbac.v1.Role": ("rules",),
    "io.k8s.api.rbac.v1.RoleRef": ("apiGroup",),
    "io.k8s.api.resource.v1.DeviceClaim": ("requests",),
    "io.k8s.api.resource.v1beta1.DeviceClaim": ("requests",),
    "io.k8s.api.resource.v1beta2.DeviceClaim": ("requests",),
    "io.k8s.api.scheduling.v1.PriorityClass": ("value",),
    "io.k8s.api.scheduling.v1alpha2.PodGroupSpec": ("podGroupTemplateRef",),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus": (
        "conditions",
        "storedVersions",
    ),
}

# type -> members that are left out when empty though required
OMITTED: dict[str, tuple[str, ...]] = {
    "io.k8s.api.admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec": (
        "policyName",
        "validationActions",
    ),
    "io.k8s.api.authentication.v1.TokenReviewSpec": ("token",),
    "io.k8s.api.coordination.v1alpha2.LeaseCandidateSpec": ("strategy",),
    "io.k8s.api.coordination.v1beta1.LeaseCandidateSpec": ("strategy",),
    "io.k8s.api.networking.v1.IPAddressSpec": ("parentRef",),
    "io.k8s.api.networking.v1beta1.IPAddressSpec": ("parentRef",),
}
