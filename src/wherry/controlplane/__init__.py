"""The composition root: `ControlPlane`, its life, its way to the network, and the data folder."""

from wherry.controlplane.plane import ControlPlane

__all__ = ["ControlPlane"]
