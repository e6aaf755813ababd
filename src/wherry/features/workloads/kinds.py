"""The kinds that the workload controllers read and write."""

from __future__ import annotations

from wherry.client import Kind

PODS = Kind("", "v1", "pods")
NODES = Kind("", "v1", "nodes", namespaced=False)
LEASES = Kind("coordination.k8s.io", "v1", "leases")
SERVICES = Kind("", "v1", "services")
ENDPOINTS = Kind("", "v1", "endpoints")
CLAIMS = Kind("", "v1", "persistentvolumeclaims")
REPLICATION_CONTROLLERS = Kind("", "v1", "replicationcontrollers")
DEPLOYMENTS = Kind("apps", "v1", "deployments")
REPLICA_SETS = Kind("apps", "v1", "replicasets")
STATEFUL_SETS = Kind("apps", "v1", "statefulsets")
DAEMON_SETS = Kind("apps", "v1", "daemonsets")
REVISIONS = Kind("apps", "v1", "controllerrevisions")
JOBS = Kind("batch", "v1", "jobs")
CRON_JOBS = Kind("batch", "v1", "cronjobs")
AUTOSCALERS = Kind("autoscaling", "v2", "horizontalpodautoscalers")
BUDGETS = Kind("policy", "v1", "poddisruptionbudgets")
SLICES = Kind("discovery.k8s.io", "v1", "endpointslices")
