"""Where an autoscaler learns what pods use. Nothing runs on simulated nodes, so the figures are what somebody declared.

`kubectl annotate pod NAME metrics.wherry.dev/cpu=250m` gives a pod a usage; a test may hand over another source.
"""

from __future__ import annotations

from typing import Protocol

from wherry.features.workloads.common import Obj
from wherry.machinery.placement import amount

PREFIX = "metrics.wherry.dev/"


class MetricsSource(Protocol):
    def usage(self, pod: Obj, resource: str) -> int | None:
        """What a pod uses: CPU in thousandths, everything else in units; None where that is not known."""


class Annotations:
    """The usage that a pod's annotations declare."""

    def usage(self, pod: Obj, resource: str) -> int | None:
        text = (pod["metadata"].get("annotations") or {}).get(PREFIX + resource)
        try:
            return amount(resource, text) if text else None
        except ValueError:
            return None


def declared(pod: Obj | None) -> dict[str, str]:
    """The usage annotations of a pod."""
    annotations = (pod or {"metadata": {}})["metadata"].get("annotations") or {}
    return {key: value for key, value in annotations.items() if key.startswith(PREFIX)}
