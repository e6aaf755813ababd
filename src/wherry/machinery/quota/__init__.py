"""Resource quotas: what objects use, which quotas they fall under, whether there is room for them.

Pure. Admission charges through `check.charge` what a request adds; the controller of the quota feature reckons
through `usage.status` what stands there. Both ask the same evaluators (k8s.io/apiserver/pkg/quota/v1,
k8s.io/kubernetes/pkg/quota/v1).
"""
