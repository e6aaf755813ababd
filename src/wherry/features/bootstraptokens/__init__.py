"""Bootstrap tokens that are over go, and those that may sign do so on the cluster's public information
(kube-controller-manager's token-cleaner and bootstrap-signer controllers). Runs with --enable-bootstrap-token-auth."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable


def _controllers(client: Client) -> Sequence[Runnable]:
    from wherry.features.bootstraptokens.tokens_controller import controllers

    return controllers(client)


USER = "system:serviceaccount:kube-system:bootstrap-signer"
FEATURE = Feature("bootstraptokens", USER, _controllers, by_default=False)
