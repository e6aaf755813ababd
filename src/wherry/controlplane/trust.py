"""What others must know to believe this control plane's callers: the ConfigMap `extension-apiserver-authentication`.

API servers that extend this one read it to verify client certificates and the headers of whoever forwards requests to
them (pkg/controlplane/controller/clusterauthenticationtrust). It is published at the start and when an authority
changes.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from wherry.access.options import AccessOptions
from wherry.client import Client, Kind
from wherry.controlplane import frontproxy
from wherry.errors import AlreadyExists, NotFound
from wherry.kit.aio import Background

NAMESPACE, NAME = "kube-system", "extension-apiserver-authentication"
_MAPS = Kind("", "v1", "configmaps")


def contents(options: AccessOptions, authority: bytes, own: Callable[[], str]) -> dict[str, str]:
    """The ConfigMap's data; `own` gives the authority of our own front proxy certificate, for when the options name no
    other. Raises OSError for files that are not there."""
    names = options.requestheader_allowed_names
    if options.requestheader_client_ca_file is not None:
        proxies = _read(options.requestheader_client_ca_file)
    else:
        proxies, names = own(), (frontproxy.NAME,)
    data = {
        "client-ca-file": authority.decode("ascii") + _read(options.client_ca_file),
        "requestheader-client-ca-file": proxies,
    }
    for key, values in (
        ("allowed-names", names),
        ("extra-headers-prefix", options.requestheader_extra_headers_prefix),
        ("group-headers", options.requestheader_group_headers),
        ("uid-headers", options.requestheader_uid_headers),
        ("username-headers", options.requestheader_username_headers),
    ):
        data[f"requestheader-{key}"] = json.dumps(list(values), separators=(",", ":"))
    return data


def _read(path: Path | None) -> str:
    return path.read_text("ascii") if path is not None else ""


async def publish(client: Client, data: dict[str, str]) -> None:
    """Create the ConfigMap, or bring it up to date. Raises StatusError."""
    try:
        live = await client.get(_MAPS, NAME, NAMESPACE)
    except NotFound:
        document = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": NAME}, "data": data}
        try:
            await client.create(_MAPS, document, NAMESPACE)
        except AlreadyExists:
            pass  # someone was faster, and knows as much as we do
        return
    if live.get("data") != data:
        gone = {key: None for key in live.get("data") or {} if key not in data}
        await client.patch(_MAPS, NAME, {"data": {**data, **gone}}, NAMESPACE)


class Trust:
    """Publishes, and again when `changed` is called. Runs between `start` and `stop`."""

    def __init__(self, client: Client, options: AccessOptions, authority: bytes, own: Callable[[], str]):
        self._client, self._options, self._authority, self._own = client, options, authority, own
        self._tasks = Background("trust")

    def start(self) -> None:
        self.changed()

    async def stop(self) -> None:
        await self._tasks.stop()

    def changed(self) -> None:
        """An authority may be another. Raises OSError for a file that is not there."""
        self._tasks.start(publish(self._client, contents(self._options, self._authority, self._own)))
