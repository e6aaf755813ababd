"""Every namespace has a service account `default`, without which no pod is admitted
(kube-controller-manager's serviceaccount controller)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable
from wherry.features.serviceaccounts.accounts_controller import AccountsController


def _controllers(client: Client) -> Sequence[Runnable]:
    return [AccountsController(client)]


FEATURE = Feature(
    "serviceaccounts",
    "system:serviceaccount:kube-system:service-account-controller",
    _controllers,
    wakes_on=("namespaces", "serviceaccounts"),
)
