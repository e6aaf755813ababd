"""Every namespace has a service account `default`, without which no pod is admitted
(kube-controller-manager's serviceaccount controller)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client, Kind
from wherry.errors import AlreadyExists, Forbidden, NotFound
from wherry.feature import Feature, Runnable
from wherry.runtime import Controller

NAMESPACES = Kind("", "v1", "namespaces", namespaced=False)
ACCOUNTS = Kind("", "v1", "serviceaccounts")


def _controllers(client: Client) -> Sequence[Runnable]:
    async def reconcile(key: tuple[str, str]) -> None:
        namespace = controller.informer.objects.get(key)
        if namespace is None or "deletionTimestamp" in namespace["metadata"]:
            return
        account = {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": "default"}}
        try:
            await client.create(ACCOUNTS, account, key[1])
        except (AlreadyExists, NotFound, Forbidden):
            return  # there already, or the namespace went meanwhile

    controller = Controller("serviceaccounts", client, NAMESPACES, reconcile)
    return [controller]


FEATURE = Feature("serviceaccounts", "system:serviceaccount:kube-system:service-account-controller", _controllers)
