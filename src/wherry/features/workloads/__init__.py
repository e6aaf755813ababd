"""The controllers of apps, batch, autoscaling and policy (kube-controller-manager), off unless asked for.

Without nodes nothing ever becomes ready: `features/simulation` stands in for those.
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable


def _controllers(client: Client) -> Sequence[Runnable]:
    from wherry.features.workloads.everything import controllers

    return controllers(client)


_KINDS = (
    *("pods", "nodes", "services", "endpoints", "replicationcontrollers"),
    *("deployments.apps", "replicasets.apps", "statefulsets.apps", "daemonsets.apps"),
    *("jobs.batch", "cronjobs.batch", "horizontalpodautoscalers.autoscaling", "poddisruptionbudgets.policy"),
)
FEATURE = Feature(
    "workloads",
    "system:serviceaccount:kube-system:workload-controllers",
    _controllers,
    by_default=False,
    wakes_on=_KINDS,
)
