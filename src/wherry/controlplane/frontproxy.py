"""Who we are to API servers beside this one: a certificate by which they know that we may say who is asking.

Its authority is one of its own, never that of client certificates, because whoever shows such a certificate may be
anyone. kube-apiserver takes both from files (--proxy-client-cert-file, --proxy-client-key-file,
--requestheader-client-ca-file); where none are given we make ours, when they are first needed.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from wherry.access.options import AccessOptions
from wherry.kit.pki import Pki

NAME = "front-proxy-client"


class FrontProxy:
    """`folder` None keeps the certificates in memory."""

    def __init__(self, folder: Path | None, options: AccessOptions):
        self._folder, self._options = folder, options

    @cached_property
    def _pki(self) -> Pki:
        return Pki(self._folder)

    @property
    def authority(self) -> str:
        """The authority, PEM, that other API servers have to trust."""
        return self._pki.authority.decode("ascii")

    def identity(self) -> bytes:
        """Certificate and key, PEM. Raises OSError for files that are not there."""
        certificate, key = self._options.proxy_client_cert_file, self._options.proxy_client_key_file
        if certificate is not None and key is not None:
            return certificate.read_bytes() + b"\n" + key.read_bytes()
        pair = self._pki.client(NAME, NAME)
        return pair.certificate + b"\n" + pair.key
