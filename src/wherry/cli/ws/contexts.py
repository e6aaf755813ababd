"""The kubeconfig as `kubectl ws` keeps it: the context `workspace.kcp.io/current`, and the one before it."""

from __future__ import annotations

import copy
import os
from pathlib import Path
from typing import Any

from wherry.cli.arguments import DATA
from wherry.errors import ConfigurationError
from wherry.kit.pki import write_private

CURRENT, PREVIOUS = "workspace.kcp.io/current", "workspace.kcp.io/previous"
_LOOPBACK_NAME = "localhost"

Entry = dict[str, Any]


def find(asked: Path | None) -> Path:
    """The file that kubectl would write to, or else the control plane's in this folder. Raises ConfigurationError."""
    given = [Path(each) for each in os.environ.get("KUBECONFIG", "").split(os.pathsep) if each]
    if asked is not None:
        given = [asked]
    found = next((path for path in given or [DATA / "kubeconfig", Path.home() / ".kube/config"] if path.exists()), None)
    if found is None:
        where = f"there is no {given[0]}" if given else "there is no kubeconfig"
        raise ConfigurationError(f"{where}; start a control plane with: wherry up")
    return found.resolve()


class Contexts:
    """A kubeconfig file that is read, changed and written back."""

    def __init__(self, path: Path):
        from wherry.access.remote import load_kubeconfig

        self.path = path
        self._config = load_kubeconfig(path)

    # --- reading -----------------------------------------------------------------------------------------------------
    @property
    def name(self) -> str:
        return str(self._config.get("current-context") or "")

    @property
    def server(self) -> str:
        """The server of the current context."""
        return str(self._cluster(self._context(self.name)).get("server") or "")

    def server_of(self, context: str) -> str:
        """The server of any context. Raises ConfigurationError."""
        return str(self._cluster(self._context(context)).get("server") or "")

    def _entries(self, where: str) -> list[Entry]:
        found = self._config.get(where)
        if not isinstance(found, list):
            found = self._config[where] = []
        return found

    def _entry(self, where: str, what: str, name: str) -> Entry | None:
        found = next((each for each in self._entries(where) if each.get("name") == name), None)
        return dict(found.get(what) or {}) if found is not None else None

    def _context(self, name: str) -> Entry:
        found = self._entry("contexts", "context", name)
        if found is None:
            raise ConfigurationError(f"context {name!r} not found in {self.path}")
        return found

    def _cluster(self, context: Entry) -> Entry:
        name = str(context.get("cluster") or "")
        found = self._entry("clusters", "cluster", name)
        if found is None:
            raise ConfigurationError(f"cluster {name!r} not found in {self.path}")
        return found

    # --- writing -----------------------------------------------------------------------------------------------------
    def go(self, server: str) -> None:
        """Make a server the current one, and what was current the previous one."""
        context = self._context(self.name)
        cluster = self._cluster(context)
        self._remember(context, cluster)
        self._set("clusters", "cluster", CURRENT, moved(cluster, server))
        self._set("contexts", "context", CURRENT, {**context, "cluster": CURRENT})
        self._config["current-context"] = CURRENT
        self._save()

    def back(self) -> None:
        """Exchange the current context for the previous one."""
        before = self._entry("contexts", "context", PREVIOUS)
        if before is None:
            raise ConfigurationError("no previous workspace found in kubeconfig")
        there = self._cluster(before)
        context = self._context(self.name)
        self._remember(context, self._cluster(context))
        if before.get("cluster") == PREVIOUS:
            before["cluster"] = CURRENT
            self._set("clusters", "cluster", CURRENT, there)
        self._set("contexts", "context", CURRENT, before)
        self._config["current-context"] = CURRENT
        self._save()

    def add(self, name: str, server: str, *, overwrite: bool, enter: bool) -> str:
        """A context of its own for a server; says what was done."""
        existed = self._entry("contexts", "context", name) is not None
        if existed and not overwrite:
            raise ConfigurationError(f"context {name!r} already exists in kubeconfig, use --overwrite to update it")
        context = self._context(self.name)
        self._set("clusters", "cluster", name, moved(self._cluster(context), server))
        self._set("contexts", "context", name, {**context, "cluster": name})
        switched = enter and self.name != name
        if enter:
            self._config["current-context"] = name
        self._save()
        return f'{"Updated" if existed else "Created"} context "{name}"{" and switched to it" if switched else ""}.'

    def _remember(self, context: Entry, cluster: Entry) -> None:
        if context.get("cluster") == CURRENT:  # about to be another's
            context = {**context, "cluster": PREVIOUS}
            self._set("clusters", "cluster", PREVIOUS, cluster)
        self._set("contexts", "context", PREVIOUS, context)

    def _set(self, where: str, what: str, name: str, value: Entry) -> None:
        entries = self._entries(where)
        self._config[where] = [each for each in entries if each.get("name") != name]
        self._config[where].append({"name": name, what: copy.deepcopy(value)})

    def _save(self) -> None:
        import yaml

        write_private(self.path, yaml.safe_dump(self._config, sort_keys=False).encode())


def moved(cluster: Entry, server: str) -> Entry:
    """A cluster's entry for another workspace on the same server."""
    entry = {**cluster, "server": server}
    if ".localhost" in server:  # no wildcard in a certificate covers more than one label
        entry["tls-server-name"] = _LOOPBACK_NAME
    return entry
