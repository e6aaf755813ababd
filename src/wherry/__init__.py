"""Wherry: a Kubernetes-style control plane in one Python process."""

__version__ = "0.1.0"
