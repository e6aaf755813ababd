"""Every group version that this server serves has its APIService: the built-in ones are put in order at a start, those
of definitions come and go with them (kube-apiserver's autoregister and crd-autoregister controllers)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable


def _controllers(client: Client) -> Sequence[Runnable]:
    from wherry.features.apiservices.register_controller import RegisterController

    return [RegisterController(client)]


FEATURE = Feature(
    "apiservices",
    "system:apiserver",
    _controllers,
    in_server=True,
    wakes_on=("apiservices.apiregistration.k8s.io", "customresourcedefinitions.apiextensions.k8s.io"),
)
