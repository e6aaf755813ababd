"""What extending API servers read about whom to believe."""

from __future__ import annotations

import asyncio
from pathlib import Path

from wherry.access.chain import ADMIN
from wherry.access.options import AccessOptions
from wherry.client import Client, Kind
from wherry.controlplane.trust import NAME, NAMESPACE, contents, publish
from wherry.kit.pki import Pki
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

MAPS = Kind("", "v1", "configmaps")


def test_what_is_published(tmp_path: Path) -> None:
    (tmp_path / "clients").write_bytes(Pki(None).authority)
    (tmp_path / "proxies").write_text("PROXIES")
    ours = contents(AccessOptions(), b"OURS", lambda: "FRONT")
    assert (ours["client-ca-file"], ours["requestheader-client-ca-file"]) == ("OURS", "FRONT")
    assert ours["requestheader-allowed-names"] == '["front-proxy-client"]'
    options = AccessOptions(
        client_ca_file=tmp_path / "clients",
        requestheader_client_ca_file=tmp_path / "proxies",
        requestheader_allowed_names=("a", "b"),
    )
    data = contents(options, b"OURS\n", lambda: "FRONT")
    assert data["client-ca-file"] == "OURS\n" + (tmp_path / "clients").read_text()
    assert data["requestheader-client-ca-file"] == "PROXIES"
    assert data["requestheader-allowed-names"] == '["a","b"]'
    assert data["requestheader-username-headers"] == '["X-Remote-User"]'
    assert data["requestheader-extra-headers-prefix"] == '["X-Remote-Extra-"]'


def test_it_is_kept_up_to_date() -> None:
    async def work() -> None:
        storage = open_storage("memory:")
        handler = await build_handler(storage)
        client = Client(LocalTransport(handler, ADMIN))
        for data in ({"client-ca-file": "1", "requestheader-client-ca-file": "x"}, {"client-ca-file": "2"}):
            await publish(client, data)
            assert (await client.get(MAPS, NAME, NAMESPACE))["data"] == data
        before = (await client.get(MAPS, NAME, NAMESPACE))["metadata"]["resourceVersion"]
        await publish(client, {"client-ca-file": "2"})
        assert (await client.get(MAPS, NAME, NAMESPACE))["metadata"]["resourceVersion"] == before
        await handler.close()
        await storage.close()

    asyncio.run(work())
