"""ResourceQuotas show what is used: their status is reckoned when they change and when something counted goes
(kube-controller-manager's resourcequota controller). Admission charges what is made."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable


def _controllers(client: Client) -> Sequence[Runnable]:
    from wherry.features.quotas.quota_controller import QuotaController

    return [QuotaController(client)]


FEATURE = Feature(
    "quotas",
    "system:serviceaccount:kube-system:resourcequota-controller",
    _controllers,
    wakes_on=("resourcequotas",),
    wakes_while=("resourcequotas",),
)
