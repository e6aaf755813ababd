"""The kubeconfig file of a control plane: a file of its own, replaced in one step, readable by its owner alone."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from wherry.kit.pki import KeyPair, write_private

_WORKSPACES = b"workspace.kcp.io/"
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


def write(path: Path, document: str, *, keep: bool = False) -> None:
    """Replace the file. With `keep`, contexts that `wherry ws` made in the one that is there lead on to where they led,
    and the current one stays current."""
    if keep and path.exists() and _WORKSPACES in (before := path.read_bytes()):
        document = _merged(before, document)
    write_private(path, document.encode())


def _merged(before: bytes, document: str) -> str:
    import yaml

    try:
        old, new = yaml.safe_load(before), yaml.safe_load(document)
        ours = urlsplit(_named(old, "clusters", "wherry")["cluster"]["server"])
        cluster = _named(new, "clusters", "wherry")["cluster"]
        for where in ("clusters", "contexts", "users"):
            known = {each["name"] for each in new[where]}
            new[where] += [each for each in old[where] if each["name"] not in known]
        for entry in (each["cluster"] for each in new["clusters"]):
            there = urlsplit(entry["server"])
            if there.port == ours.port and (there.hostname == ours.hostname or ".localhost" in there.netloc):
                host = urlsplit(cluster["server"]).netloc
                if ".localhost" in there.netloc:
                    host = f"{there.hostname}:{urlsplit(cluster['server']).port}"
                entry["server"] = there._replace(netloc=host).geturl()
                entry["certificate-authority-data"] = cluster["certificate-authority-data"]
        new["current-context"] = old["current-context"]
        return str(yaml.safe_dump(new, sort_keys=False))
    except (yaml.YAMLError, AttributeError, StopIteration, KeyError, TypeError, ValueError):
        return document  # what stood there was none of ours


def _named(config: Any, where: str, name: str) -> Any:
    return next(each for each in config[where] if each["name"] == name)
