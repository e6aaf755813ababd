"""Server-side tables: what `kubectl get` prints. One printer per kind, found here, imported when first used.

On the path of GET, LIST and WATCH with `Accept: application/json;as=Table`. Printers see objects of the storage version
(autoscaling/v2 for autoscalers, v1 for events), as upstream's see internal objects; follows
pkg/printers/internalversion. Columns of custom kinds come from their definition (`machinery/crd`), through the same
`TablePrinter` interface.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

from wherry.machinery.kinds import Obj
from wherry.machinery.tables.base import Cell, Column, RowTemplate, TablePrinter
from wherry.machinery.tables.envelope import (
    INCLUDE_METADATA,
    INCLUDE_NONE,
    INCLUDE_OBJECT,
    include_object,
    table_document,
    table_event,
    table_row,
)

__all__ = [
    "INCLUDE_METADATA",
    "INCLUDE_NONE",
    "INCLUDE_OBJECT",
    "Cell",
    "Column",
    "RowTemplate",
    "TablePrinter",
    "include_object",
    "table_document",
    "table_event",
    "table_for",
    "table_row",
]

_PRINTERS = {
    ("", "Pod"): "pods:pod",
    ("", "PodTemplate"): "workloads:pod_template",
    ("", "ReplicationController"): "workloads:replication_controller",
    ("apps", "ReplicaSet"): "workloads:replica_set",
    ("apps", "Deployment"): "workloads:deployment",
    ("apps", "StatefulSet"): "workloads:stateful_set",
    ("apps", "DaemonSet"): "workloads:daemon_set",
    ("apps", "ControllerRevision"): "workloads:controller_revision",
    ("batch", "Job"): "workloads:job",
    ("batch", "CronJob"): "workloads:cron_job",
    ("autoscaling", "HorizontalPodAutoscaler"): "workloads:horizontal_pod_autoscaler",
    ("autoscaling", "Scale"): "workloads:scale",
    ("policy", "PodDisruptionBudget"): "workloads:pod_disruption_budget",
    ("", "ConfigMap"): "core:config_map",
    ("", "Secret"): "core:secret",
    ("", "ServiceAccount"): "core:only_age",
    ("", "Namespace"): "core:namespace",
    ("", "Service"): "core:service",
    ("", "Endpoints"): "core:endpoints",
    ("", "Node"): "core:node",
    ("", "PersistentVolume"): "core:persistent_volume",
    ("", "PersistentVolumeClaim"): "core:persistent_volume_claim",
    ("", "Event"): "core:event",
    ("events.k8s.io", "Event"): "core:event",
    ("", "ResourceQuota"): "core:resource_quota",
    ("", "ComponentStatus"): "core:component_status",
    ("networking.k8s.io", "Ingress"): "policy:ingress",
    ("networking.k8s.io", "IngressClass"): "policy:ingress_class",
    ("networking.k8s.io", "NetworkPolicy"): "policy:network_policy",
    ("networking.k8s.io", "ServiceCIDR"): "policy:service_cidr",
    ("networking.k8s.io", "IPAddress"): "policy:ip_address",
    ("discovery.k8s.io", "EndpointSlice"): "policy:endpoint_slice",
    ("storage.k8s.io", "StorageClass"): "policy:storage_class",
    ("storage.k8s.io", "VolumeAttributesClass"): "policy:volume_attributes_class",
    ("storage.k8s.io", "VolumeAttachment"): "policy:volume_attachment",
    ("storage.k8s.io", "CSINode"): "policy:csi_node",
    ("storage.k8s.io", "CSIDriver"): "policy:csi_driver",
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"): "policy:webhooks",
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"): "policy:webhooks",
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"): "policy:validating_policy",
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"): "policy:policy_binding",
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"): "policy:mutating_policy",
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicyBinding"): "policy:policy_binding",
    ("rbac.authorization.k8s.io", "RoleBinding"): "policy:role_binding",
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): "policy:role_binding",
    ("certificates.k8s.io", "CertificateSigningRequest"): "policy:certificate_signing_request",
    ("certificates.k8s.io", "ClusterTrustBundle"): "policy:cluster_trust_bundle",
    ("certificates.k8s.io", "PodCertificateRequest"): "policy:pod_certificate_request",
    ("scheduling.k8s.io", "PriorityClass"): "policy:priority_class",
    ("scheduling.k8s.io", "Workload"): "core:only_age",
    ("scheduling.k8s.io", "PodGroup"): "policy:pod_group",
    ("node.k8s.io", "RuntimeClass"): "policy:runtime_class",
    ("coordination.k8s.io", "Lease"): "policy:lease",
    ("coordination.k8s.io", "LeaseCandidate"): "policy:lease_candidate",
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"): "policy:flow_schema",
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"): "policy:priority_level",
    ("resource.k8s.io", "DeviceClass"): "core:only_age",
    ("resource.k8s.io", "ResourceClaim"): "policy:resource_claim",
    ("resource.k8s.io", "ResourceClaimTemplate"): "core:only_age",
    ("resource.k8s.io", "ResourceSlice"): "policy:resource_slice",
    ("resource.k8s.io", "DeviceTaintRule"): "policy:device_taint_rule",
    ("resource.k8s.io", "ResourcePoolStatusRequest"): "policy:resource_pool_status_request",
    ("internal.apiserver.k8s.io", "StorageVersion"): "policy:storage_version",
    ("storagemigration.k8s.io", "StorageVersionMigration"): "policy:storage_version_migration",
    ("apiregistration.k8s.io", "APIService"): "policy:api_service",
}
_CONDITIONS = {("", "Pod"): "pods:conditions"}
_ORDERS = {("flowcontrol.apiserver.k8s.io", "FlowSchema"): "policy:flow_schema_order"}


def _load(where: str) -> Any:
    module, _, attribute = where.partition(":")
    return getattr(import_module(f"{__name__}.{module}"), attribute)


@cache
def _columns() -> tuple[dict[str, list[list[Any]]], list[str]]:
    """The generated column definitions: per kind [name, type, format, priority, number of its description]."""
    facts = orjson.loads((Path(__file__).parent / "columns.json").read_bytes())
    return facts["kinds"], facts["descriptions"]


class BuiltinPrinter:
    """The printer of one built-in kind: generated columns, a hand-written row function."""

    def __init__(self, key: tuple[str, str]):
        kinds, descriptions = _columns()
        self.columns: list[Column] = [
            {"name": n, "type": t, "format": f, "description": descriptions[d], "priority": p}
            for n, t, f, p, d in kinds["/".join(key)]
        ]
        self._row = _load(_PRINTERS[key])
        self._conditions = _load(_CONDITIONS[key]) if key in _CONDITIONS else None
        self.order = _load(_ORDERS[key]) if key in _ORDERS else None
        self.nil_rows = False

    def cells(self, obj: Obj, now: float) -> list[Cell]:
        return [cell(now) if callable(cell) else cell for cell in self._row(obj)]

    def conditions(self, obj: Obj) -> list[Obj] | None:
        return None if self._conditions is None else self._conditions(obj)

    def split(self, obj: Obj) -> RowTemplate:
        return RowTemplate(self._row(obj), self.conditions(obj))


class DefaultPrinter:
    """Name and creation time, for kinds without a printer of their own (rest.NewDefaultTableConvertor)."""

    def __init__(self) -> None:
        kinds, descriptions = _columns()
        self.columns: list[Column] = [
            {"name": n, "type": t, "format": f, "description": descriptions[d], "priority": p}
            for n, t, f, p, d in kinds["default"]
        ]
        self.order = None
        self.nil_rows = True

    def cells(self, obj: Obj, now: float) -> list[Cell]:
        metadata = obj["metadata"]
        return [metadata.get("name", ""), metadata.get("creationTimestamp") or "0001-01-01T00:00:00Z"]

    def conditions(self, obj: Obj) -> list[Obj] | None:
        return None

    def split(self, obj: Obj) -> RowTemplate:
        return RowTemplate(self.cells(obj, 0))


@cache
def table_for(group: str, version: str, kind: str) -> TablePrinter:
    """The printer of a built-in kind; the version does not matter, printers see the storage version."""
    key = (group, kind)
    return BuiltinPrinter(key) if key in _PRINTERS else DefaultPrinter()
