"""All parts of the simulation over one set of collections."""

from __future__ import annotations

from collections.abc import Sequence

from wherry.client import Client
from wherry.feature import Runnable
from wherry.features.simulation.kubelet_controller import Kubelet
from wherry.features.simulation.lifecycle_controller import NodeLifecycle
from wherry.features.simulation.node_controller import NodeController
from wherry.features.simulation.scheduler_controller import NAME, Scheduler
from wherry.kit.clock import Clock, here
from wherry.runtime.events import Events
from wherry.runtime.shared import Shared
from wherry.runtime.writes import Writer


def controllers(client: Client, clock: Clock | None = None) -> Sequence[Runnable]:
    """Handlers are set up by all before the collections start, so that nobody misses anything."""
    clock, shared = clock or here(), Shared(client)
    scheduling, kubelet = Events(client, NAME), Events(client, "simulated-kubelet")
    writer = Writer(shared, kubelet)
    return [
        shared,
        NodeController(shared, writer, clock),
        Scheduler(shared, writer, scheduling, clock),
        NodeLifecycle(shared, writer, Events(client, "node-controller"), clock),
        Kubelet(shared, writer, kubelet, clock),
    ]
