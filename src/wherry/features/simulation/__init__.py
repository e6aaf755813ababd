"""Nodes that run nothing: pods are placed and go through their life by declared rules, and say that it is pretended.

Off unless asked for (`wherry up --simulate-nodes N`).
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Feature, Runnable
from wherry.features.simulation.kinds import BEHAVIOUR_CRD, GROUP, POOL_CRD, VERSION


def simulated_nodes(count: int, name: str = "simulated") -> dict[str, object]:
    """A SimulatedNode object that stands for so many nodes."""
    return {
        "apiVersion": f"{GROUP}/{VERSION}",
        "kind": "SimulatedNode",
        "metadata": {"name": name},
        "spec": {"count": count},
    }


def _controllers(client: Client) -> Sequence[Runnable]:
    from wherry.features.simulation.everything import controllers

    return controllers(client)


FEATURE = Feature(
    "simulation",
    "system:serviceaccount:kube-system:simulation",
    _controllers,
    manifests=(POOL_CRD, BEHAVIOUR_CRD),
    by_default=False,
)
