"""What the commands that walk and copy workspaces have in common: the kubeconfig, a client, what they say."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from typing import Any
from urllib.parse import urlsplit

from wherry.cli.ws.contexts import Contexts, find
from wherry.cli.ws.place import BadPath, Place, place_of
from wherry.cli.ws.wire import Wire
from wherry.client import Client, Kind
from wherry.client.client import from_status
from wherry.errors import ConfigurationError, StatusError

WORKSPACES = Kind("tenancy.kcp.io", "v1alpha1", "workspaces", namespaced=False)
POLL, PATIENCE = 0.2, 60.0  # seconds between looks, and of all of them

Obj = dict[str, Any]


class Refused(Exception):
    """What cannot be done, and why."""


class Session:
    """One run of a command: the kubeconfig, where it leads, and what is said."""

    def __init__(self, options: argparse.Namespace):
        self.options = options
        self.contexts = Contexts(find(options.kubeconfig))
        self.place: Place = place_of(self.contexts.server)
        self._wire = Wire(self.contexts.path, urlsplit(self.place.base).path)

        self._wires = [self._wire]

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        for wire in self._wires:
            wire.close()

    def at(self, path: str) -> Client:
        return Client(self._wire, workspace=path, field_manager="wherry-ws")

    def another(self, path: str) -> Client:
        """A client with a connection of its own, for another thread."""
        wire = Wire(self.contexts.path, urlsplit(self.place.base).path)
        self._wires.append(wire)
        return Client(wire, workspace=path, field_manager="wherry-ws")

    def of_context(self, name: str) -> Client:
        """A client of what another context of the kubeconfig leads to. Raises ConfigurationError."""
        server = self.contexts.server_of(name)
        wire = Wire(self.contexts.path, urlsplit(server).path.rstrip("/"), name)
        self._wires.append(wire)
        return Client(wire)

    async def read(self, path: str, query: str) -> bytes:
        """What is no kind. Raises StatusError."""
        status, answer = await self._wire.call("GET", path, query, "", b"")
        if status >= 300:
            raise from_status(status, json.loads(answer))
        return answer

    def url(self, path: str) -> str:
        by_host = getattr(self.options, "by_host", False)
        return self.place.host_url(path) if by_host else self.place.url(path)

    def say(self, text: str, obj: Any) -> None:
        """One of both, as `-o` asks."""
        print(json.dumps(obj, indent=2) if self.options.output == "json" else text)

    def show(self, path: str, workspace: Obj | None) -> None:
        """Where one is now."""
        kind = f" (type {type_of(workspace)})" if workspace is not None else ""
        text = path if getattr(self.options, "short", False) else f"Current workspace is '{path}'{kind}."
        self.say(text, {"path": path, "server": self.contexts.server, "context": self.contexts.name})


def carry_out(options: argparse.Namespace, work: Callable[[Session], Coroutine[Any, Any, None]]) -> int:
    """Run a command's work; the exit code."""
    try:
        with Session(options) as session:
            asyncio.run(work(session))
    except (Refused, BadPath, ConfigurationError, StatusError, OSError) as error:
        print(f"wherry: {error}", file=sys.stderr)
        return 1
    return 0


async def ready(client: Client, workspace: Obj) -> Obj:
    """Wait for those who prepare a workspace. Raises Refused when they take too long."""
    left, name = PATIENCE, workspace["metadata"]["name"]
    while phase(workspace := await client.get(WORKSPACES, name)) != "Ready":
        if left <= 0:
            raise Refused(f'workspace "{name}" is not ready: {unmet(workspace)}')
        left -= POLL
        await asyncio.sleep(POLL)
    return workspace


def unmet(workspace: Obj) -> str:
    conditions = (workspace.get("status") or {}).get("conditions") or ()
    return "; ".join(each.get("message", "") for each in conditions if each["status"] != "True") or "nobody says why"


def phase(workspace: Obj) -> str:
    return str((workspace.get("status") or {}).get("phase") or "Scheduling")


def type_of(workspace: Obj) -> str:
    found = (workspace.get("spec") or {}).get("type") or {}
    return ":".join(filter(None, (found.get("path"), found.get("name"))))
