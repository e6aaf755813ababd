"""Namespaces that are deleted lose their content, then go (kube-controller-manager's namespace controller)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable
from wherry.features.namespaces.namespace_controller import NamespaceController


def _controllers(client: Client) -> Sequence[Runnable]:
    return [NamespaceController(client)]


FEATURE = Feature(
    "namespaces", "system:serviceaccount:kube-system:namespace-controller", _controllers, wakes_on=("namespaces",)
)
