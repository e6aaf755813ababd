"""The kubeconfig file of a control plane: a file of its own, replaced in one step, readable by its owner alone."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

from wherry.kit.pki import KeyPair, write_private

# Written by hand: a YAML library would cost more at start than everything else in this room.
_TEMPLATE = """\
apiVersion: v1
kind: Config
current-context: wherry
clusters:
- name: wherry
  cluster:
    server: {server}{name}
    certificate-authority-data: {authority}
contexts:
- name: wherry
  context:
    cluster: wherry
    user: admin
users:
- name: admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
    token: {token}
"""


def render(*, server: str, authority: bytes, client: KeyPair, token: str, name: str = "") -> str:
    """The document; `name` is what the server's certificate is for, if not its address.

    Nothing in it needs quoting: a URL, a name, base64 and a URL-safe token.
    """
    return _TEMPLATE.format(
        server=server,
        name=f"\n    tls-server-name: {name}" if name else "",
        authority=b64encode(authority).decode(),
        certificate=b64encode(client.certificate).decode(),
        key=b64encode(client.key).decode(),
        token=token,
    )


def write(path: Path, document: str) -> None:
    write_private(path, document.encode())
