"""Wherry in the place of kube-apiserver: its flags, and by default as alone as it is without a kube-controller-manager.

The data lies in the folder that the stand-in for etcd holds, so that whoever stops the API server and starts it again
finds what was there.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from wherry.cli import access_flags, protection
from wherry.cli.envtest import etcd
from wherry.cli.envtest.flags import parser, unheard
from wherry.errors import ConfigurationError

if TYPE_CHECKING:
    from wherry.controlplane import ControlPlane

DATA = "wherry"  # below the data folder of etcd
PATIENCE = 10.0  # seconds for the stand-in to answer


class NoFolder(ConfigurationError):
    """What stands behind --etcd-servers is not ours."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; the exit code."""
    from wherry.cli.up import served

    given = parser().parse_args(arguments)
    without = unheard(given)
    if without:
        print(f"wherry: without effect here: {', '.join('--' + name for name in without)}", file=sys.stderr)
    controllers = given.wherry_controllers or given.wherry_simulate_nodes > 0

    def begin(plane: ControlPlane) -> None:
        asked = ("workloads",) if controllers else ()
        plane.start_features(asked, simulate_nodes=given.wherry_simulate_nodes, alone=not controllers)

    return served("warning", lambda: _plane(given, controllers=controllers), begin)


def _plane(given: argparse.Namespace, *, controllers: bool) -> ControlPlane:
    from wherry.controlplane import ControlPlane
    from wherry.controlplane.plane import make_handler

    access = access_flags.options_of(given)
    cert, key = given.cert_dir / "apiserver.crt", given.cert_dir / "apiserver.key"
    if access.tls_cert_file is None and cert.exists() and key.exists():
        access = replace(access, tls_cert_file=cert, tls_private_key_file=key)
    access.check()
    folder, sync = ask(given.etcd_servers.partition(",")[0])
    return ControlPlane(
        storage_url=f"sqlite:{Path(folder) / DATA}" + ("" if sync else "?fsync=off"),
        bind=given.bind_address,
        port=given.secure_port,
        access=access,
        limits=protection.limits(given),
        audit=protection.options(given),
        encryption=given.encryption_provider_config,
        reload_encryption=given.encryption_provider_config_automatic_reload,
        handler=partial(make_handler, collect=controllers),  # tests for envtest own objects by what does not exist
    )


def ask(url: str) -> tuple[str, bool]:
    """The folder that the stand-in for etcd holds, and whether writes are to be synced. Raises NoFolder."""
    told = b""
    try:
        with socket.create_connection(etcd.place(url), PATIENCE) as connection:
            connection.sendall(f"GET {etcd.PATH} HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n".encode())
            while piece := connection.recv(4096):
                told += piece
        found = json.loads(told.partition(b"\r\n\r\n")[2])
        return str(found["folder"]), bool(found["fsync"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        text = f"--etcd-servers {url!r} is not the stand-in that `wherry envtest assets` writes beside kube-apiserver"
        raise NoFolder(text) from error


if __name__ == "__main__":
    sys.exit(main())
