"""The composition root: `ControlPlane` with its `start` and `stop`, and the data folder."""

from wherry.controlplane.plane import ControlPlane

__all__ = ["ControlPlane"]
