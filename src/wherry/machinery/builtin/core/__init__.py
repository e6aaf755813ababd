"""(group, resource) -> "module:Class" of this area."""

_STORAGE, _NETWORK = "storage.k8s.io", "networking.k8s.io"

TABLE: dict[tuple[str, str], str] = {
    ("", "bindings"): "bindings:BindingStrategy",
    ("", "configmaps"): "configmaps:ConfigMapStrategy",
    ("", "endpoints"): "endpoints:EndpointsStrategy",
    ("", "events"): "events:EventStrategy",
    ("", "limitranges"): "limitranges:LimitRangeStrategy",
    ("", "namespaces"): "namespaces:NamespaceStrategy",
    ("", "nodes"): "nodes:NodeStrategy",
    ("", "persistentvolumeclaims"): "persistentvolumeclaims:ClaimStrategy",
    ("", "persistentvolumes"): "persistentvolumes:PersistentVolumeStrategy",
    ("", "resourcequotas"): "resourcequotas:ResourceQuotaStrategy",
    ("", "secrets"): "secrets:SecretStrategy",
    ("", "serviceaccounts"): "serviceaccounts:ServiceAccountStrategy",
    ("", "services"): "services:ServiceStrategy",
    ("coordination.k8s.io", "leasecandidates"): "leases:LeaseCandidateStrategy",
    ("coordination.k8s.io", "leases"): "leases:LeaseStrategy",
    ("discovery.k8s.io", "endpointslices"): "endpointslices:EndpointSliceStrategy",
    ("events.k8s.io", "events"): "events:EventsEventStrategy",
    (_NETWORK, "ingressclasses"): "networking:IngressClassStrategy",
    (_NETWORK, "ingresses"): "ingresses:IngressStrategy",
    (_NETWORK, "ipaddresses"): "networking:IPAddressStrategy",
    (_NETWORK, "networkpolicies"): "networking:NetworkPolicyStrategy",
    (_NETWORK, "servicecidrs"): "networking:ServiceCIDRStrategy",
    (_STORAGE, "csidrivers"): "storage:CSIDriverStrategy",
    (_STORAGE, "csinodes"): "storage:CSINodeStrategy",
    (_STORAGE, "csistoragecapacities"): "storage:CSIStorageCapacityStrategy",
    (_STORAGE, "storageclasses"): "storage:StorageClassStrategy",
    (_STORAGE, "volumeattachments"): "storage:VolumeAttachmentStrategy",
    (_STORAGE, "volumeattributesclasses"): "storage:VolumeAttributesClassStrategy",
}
