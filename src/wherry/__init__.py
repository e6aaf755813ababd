"""Wherry: a Kubernetes-style control plane in one Python process.

from wherry import ControlPlane

with ControlPlane() as cp:
    print(cp.client().request("GET", "/version")["gitVersion"])
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wherry.kit.version import VERSION

if TYPE_CHECKING:
    from wherry.controlplane import ControlPlane as ControlPlane

__version__ = VERSION


def __getattr__(name: str) -> object:
    if name == "ControlPlane":  # imported when asked for: `wherry --version` needs none of it
        from wherry.controlplane import ControlPlane

        return ControlPlane
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
