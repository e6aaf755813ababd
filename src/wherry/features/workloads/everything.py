"""All controllers of this feature over one set of collections."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Runnable
from wherry.features.workloads.autoscaler_controller import AutoscalerController
from wherry.features.workloads.budget_controller import BudgetController
from wherry.features.workloads.cronjob_controller import CronJobController
from wherry.features.workloads.daemonset_controller import DaemonSetController
from wherry.features.workloads.deployment_controller import DeploymentController
from wherry.features.workloads.endpoints_controller import EndpointsController
from wherry.features.workloads.job_controller import JobController
from wherry.features.workloads.metrics import MetricsSource
from wherry.features.workloads.nodehealth_controller import NodeHealthController
from wherry.features.workloads.replicaset_controller import ReplicaSetController, ReplicationControllerController
from wherry.features.workloads.statefulset_controller import StatefulSetController
from wherry.features.workloads.wiring import Room, WorkloadController
from wherry.kit.clock import Clock

CONTROLLERS: tuple[type[WorkloadController], ...] = (
    ReplicaSetController,
    ReplicationControllerController,
    DeploymentController,
    JobController,
    StatefulSetController,
    DaemonSetController,
    CronJobController,
    BudgetController,
    EndpointsController,
    NodeHealthController,
)


def controllers(client: Client, clock: Clock | None = None, metrics: MetricsSource | None = None) -> Sequence[Runnable]:
    """Handlers are set up by all before the collections start, so that nobody misses anything."""
    room = Room(client, clock)
    made = [*(make(room) for make in CONTROLLERS), AutoscalerController(room, metrics)]
    return [room.shared, *made]
