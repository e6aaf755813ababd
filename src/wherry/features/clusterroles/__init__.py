"""Aggregated ClusterRoles (`admin`, `edit`, `view` and users' own) are filled from the roles that they select
(kube-controller-manager's clusterroleaggregation controller)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable
from wherry.features.clusterroles.aggregation_controller import AggregationController


def _controllers(client: Client) -> Sequence[Runnable]:
    return [AggregationController(client)]


FEATURE = Feature(
    "clusterroles",
    "system:serviceaccount:kube-system:clusterrole-aggregation-controller",
    _controllers,
    wakes_on=("clusterroles.rbac.authorization.k8s.io",),
)
