"""Start, stop, and what lies in the data folder afterwards."""

from __future__ import annotations

import asyncio
import os
import ssl
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from wherry.access.authentication.static import TokenFileError, read_tokens
from wherry.access.options import AccessOptions
from wherry.access.user import User
from wherry.controlplane import ControlPlane
from wherry.server.http import Handler, Request, Response
from wherry.server.serve import ListenError, listen
from wherry.storage.api import DataFolderInUse, NewerFormat, Storage, StorageError


async def small(storage: Storage, token: str, options: AccessOptions, keys: Path | None) -> Handler:
    """A handler that needs nothing: these tests are about what stands around it."""

    async def handler(request: Request) -> Response:
        return Response(200, [], repr(request.peer and tuple(request.peer[:2])).encode())

    return handler


def plane(**given: Any) -> ControlPlane:
    return ControlPlane(handler=small, **given)


def test_the_kubeconfig_reaches_the_api(tmp_path: Path) -> None:
    async def work() -> None:
        cp = plane(data_dir=tmp_path / "data")
        await cp.serve()
        try:
            config = yaml.safe_load((tmp_path / "data/kubeconfig").read_text())
            assert config["clusters"][0]["cluster"]["server"] == cp.url
            user, cluster = config["users"][0]["user"], config["clusters"][0]["cluster"]
            assert user["token"] == cp.token == (tmp_path / "data/token").read_text().strip()
            answered = await get(tmp_path, cluster, user, int(cp.url.rpartition(":")[2]))
            assert answered.endswith(b"('kubernetes-admin', ('system:masters',))")
        finally:
            await cp.stop()

    asyncio.run(work())


async def get(folder: Path, cluster: dict[str, str], user: dict[str, str], port: int) -> bytes:
    from base64 import b64decode

    context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    pem = folder / "client.pem"
    pem.write_bytes(b64decode(user["client-certificate-data"]) + b64decode(user["client-key-data"]))
    context.load_cert_chain(pem)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
    answered = await reader.read()
    writer.close()
    return answered


def test_a_second_start_finds_the_same_token_and_certificates(tmp_path: Path) -> None:
    async def work() -> list[str]:
        seen = []
        for _ in range(2):
            cp = plane(data_dir=tmp_path)
            await cp.serve()
            seen.append(cp.kubeconfig.replace(cp.url, ""))
            await cp.stop()
        return seen

    first, second = asyncio.run(work())
    assert first == second


@pytest.mark.skipif(os.name == "nt", reason="Windows has no file modes")
def test_nothing_in_the_data_folder_is_for_others(tmp_path: Path) -> None:
    async def work() -> None:
        cp = plane(data_dir=tmp_path / "data")
        await cp.serve()
        await cp.stop()

    asyncio.run(work())
    files = sorted((tmp_path / "data").rglob("*"))
    assert {"format", "token", "kubeconfig", "pki", "db"} <= {file.name for file in files}
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    for file in files:
        assert not stat.S_IMODE(file.stat().st_mode) & 0o077 or file.parent.name == "db", file


def test_in_memory_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))

    async def work() -> None:
        cp = plane()
        await cp.serve()
        assert cp.url in cp.kubeconfig
        await cp.stop()
        await cp.stop()  # stopping twice is fine

    asyncio.run(work())
    assert list(tmp_path.iterdir()) == []


def test_a_stopped_control_plane_starts_again(tmp_path: Path) -> None:
    async def work() -> None:
        cp = plane(data_dir=tmp_path)
        for _ in range(2):
            await cp.serve()
            await cp.stop()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("prepare", "error", "said"),
    [
        (lambda d: (d.mkdir(), (d / "format").write_text("99\n")), NewerFormat, "newer"),
        (lambda d: (d.mkdir(), (d / "format").write_text("hello")), StorageError, "does not hold a version"),
        (lambda d: d.write_text("a file"), StorageError, "not a folder"),
        (lambda d: (d.mkdir(), (d / "db").write_text("a file")), StorageError, "is a file"),
    ],
)
def test_a_data_folder_that_will_not_do_is_said_plainly(
    tmp_path: Path, prepare: Any, error: type[StorageError], said: str
) -> None:
    folder = tmp_path / "data"
    prepare(folder)
    with pytest.raises(error, match=said):
        asyncio.run(plane(data_dir=folder).serve())


def test_a_folder_in_use_and_a_taken_port_leave_nothing_open(tmp_path: Path) -> None:
    async def work() -> None:
        first = plane(data_dir=tmp_path)
        await first.serve()
        port = int(first.url.rpartition(":")[2])
        with pytest.raises(DataFolderInUse):
            await plane(data_dir=tmp_path).serve()
        with pytest.raises(ListenError):
            await plane(port=port).serve()
        await first.stop()
        listen("127.0.0.1", port).close()

    asyncio.run(work())


def test_a_handler_that_fails_lets_the_folder_go(tmp_path: Path) -> None:
    async def broken(storage: Storage, token: str, options: AccessOptions, keys: Path | None) -> Handler:
        raise RuntimeError("no handler")

    async def work() -> None:
        with pytest.raises(RuntimeError, match="no handler"):
            await ControlPlane(data_dir=tmp_path, handler=broken).serve()
        cp = plane(data_dir=tmp_path)
        await cp.serve()
        await cp.stop()

    asyncio.run(work())


@pytest.mark.parametrize(("bind", "host"), [("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "127.0.0.1")])
def test_the_url_is_one_that_this_machine_can_use(bind: str, host: str) -> None:
    async def work() -> str:
        cp = plane(bind=bind)
        await cp.serve()
        url = cp.url
        await cp.stop()
        return url

    assert asyncio.run(work()).startswith(f"https://{host}:")


def test_token_files_are_read_as_upstream_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text('# comment\nt1,jane,7,"dev, ops"\n\nt2, joe,\n')
    found = read_tokens(file)
    assert found["t1"] == User("jane", "7", ("dev", "ops", "system:authenticated"))
    assert found["t2"] == User("joe", "", ("system:authenticated",))


@pytest.mark.parametrize("line", ["t1,jane", ",jane,7", "t1,,7"])
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "tokens.csv"
    file.write_text(f"ok,joe,1\n{line}\n")
    with pytest.raises(TokenFileError, match="line 2"):
        read_tokens(file)
    with pytest.raises(TokenFileError, match="cannot be read"):
        read_tokens(tmp_path / "absent")
