"""Talking to an API: in process or elsewhere, through one interface."""

from wherry.client.client import Client, Kind, Transport, from_status

__all__ = ["Client", "Kind", "Transport", "from_status"]
