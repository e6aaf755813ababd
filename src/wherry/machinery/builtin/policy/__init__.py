"""(group, resource) -> "module:Class" of this area; `resource/subresource` where it has a body of its own."""

_ADMISSION, _RBAC = "admissionregistration.k8s.io", "rbac.authorization.k8s.io"
_CERTIFICATES, _FLOW = "certificates.k8s.io", "flowcontrol.apiserver.k8s.io"
_DEVICES, _REVIEWS = "resource.k8s.io", "authorization.k8s.io"

TABLE: dict[tuple[str, str], str] = {
    ("", "serviceaccounts/token"): "reviews:TokenRequestStrategy",
    (_ADMISSION, "mutatingadmissionpolicies"): "admission_policies:MutatingAdmissionPolicyStrategy",
    (_ADMISSION, "mutatingadmissionpolicybindings"): "admission_policies:MutatingAdmissionPolicyBindingStrategy",
    (_ADMISSION, "mutatingwebhookconfigurations"): "webhooks:MutatingWebhookStrategy",
    (_ADMISSION, "validatingadmissionpolicies"): "admission_policies:ValidatingAdmissionPolicyStrategy",
    (_ADMISSION, "validatingadmissionpolicybindings"): "admission_policies:ValidatingAdmissionPolicyBindingStrategy",
    (_ADMISSION, "validatingwebhookconfigurations"): "webhooks:ValidatingWebhookStrategy",
    ("apiregistration.k8s.io", "apiservices"): "apiservices:APIServiceStrategy",
    (_REVIEWS, "localsubjectaccessreviews"): "reviews:LocalSubjectAccessReviewStrategy",
    (_REVIEWS, "selfsubjectaccessreviews"): "reviews:SelfSubjectAccessReviewStrategy",
    (_REVIEWS, "subjectaccessreviews"): "reviews:SubjectAccessReviewStrategy",
    (_CERTIFICATES, "certificatesigningrequests"): "certificates:SigningRequestStrategy",
    (_CERTIFICATES, "clustertrustbundles"): "certificates:ClusterTrustBundleStrategy",
    (_FLOW, "flowschemas"): "flowcontrol:FlowSchemaStrategy",
    (_FLOW, "prioritylevelconfigurations"): "flowcontrol:PriorityLevelStrategy",
    ("internal.apiserver.k8s.io", "storageversions"): "storage_versions:StorageVersionStrategy",
    ("node.k8s.io", "runtimeclasses"): "runtimeclasses:RuntimeClassStrategy",
    (_RBAC, "clusterrolebindings"): "rbac:ClusterRoleBindingStrategy",
    (_RBAC, "clusterroles"): "rbac:ClusterRoleStrategy",
    (_RBAC, "rolebindings"): "rbac:RoleBindingStrategy",
    (_RBAC, "roles"): "rbac:RoleStrategy",
    (_DEVICES, "deviceclasses"): "dra:DeviceClassStrategy",
    (_DEVICES, "devicetaintrules"): "dra:DeviceTaintRuleStrategy",
    (_DEVICES, "resourceclaims"): "dra:ResourceClaimStrategy",
    (_DEVICES, "resourceclaimtemplates"): "dra:ResourceClaimTemplateStrategy",
    (_DEVICES, "resourcepoolstatusrequests"): "dra:PoolStatusRequestStrategy",
    (_DEVICES, "resourceslices"): "dra:ResourceSliceStrategy",
    ("scheduling.k8s.io", "priorityclasses"): "scheduling:PriorityClassStrategy",
    ("storagemigration.k8s.io", "storageversionmigrations"): "storage_versions:MigrationStrategy",
}
