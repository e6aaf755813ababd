"""Talking to an API: in process or elsewhere, through one interface."""

from wherry.client.blocking import BlockingClient
from wherry.client.client import Client, Kind, Transport, from_status

__all__ = ["BlockingClient", "Client", "Kind", "Transport", "from_status"]
