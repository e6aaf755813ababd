"""FlowSchemas say whether the priority level that they lead to is there (kube-apiserver's APF controller)."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable
from wherry.features.flowcontrol.dangling_controller import DanglingController


def _controllers(client: Client) -> Sequence[Runnable]:
    return [DanglingController(client)]


FEATURE = Feature(
    "flowcontrol",
    "system:apiserver",
    _controllers,
    in_server=True,
    wakes_on=("flowschemas.flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations.flowcontrol.apiserver.k8s.io"),
)
