"""Claims, volumes and attribute classes that are deleted go once nothing uses them
(kube-controller-manager's pvc-protection, pv-protection and vac-protection controllers)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable
from wherry.features.storageprotection.protection_controller import controllers


def _controllers(client: Client) -> Sequence[Runnable]:
    return controllers(client)


FEATURE = Feature(
    "storageprotection",
    "system:serviceaccount:kube-system:pvc-protection-controller",
    _controllers,
    wakes_on=("persistentvolumeclaims", "persistentvolumes", "volumeattributesclasses.storage.k8s.io"),
)
