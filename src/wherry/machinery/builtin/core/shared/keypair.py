"""What crypto/tls.X509KeyPair would say of a certificate and its key; empty when they fit.

Only imported for a Secret of type kubernetes.io/tls, as `cryptography` is slow to load.
"""

from __future__ import annotations

import base64
import binascii
import re

_BLOCK = re.compile(
    rb"^-----BEGIN ([^\r\n]*?)-----[ \t]*\r?\n(.*?)^-----END \1-----[ \t]*\r?$", re.DOTALL | re.MULTILINE
)


def _blocks(text: bytes) -> list[tuple[str, bytes]]:
    """(type, DER) of every PEM block; blocks that do not decode are skipped, as pem.Decode does."""
    out: list[tuple[str, bytes]] = []
    for match in _BLOCK.finditer(text):
        lines = [line.strip() for line in match[2].split(b"\n")]
        body = b"".join(line for line in lines if line and b":" not in line)
        try:
            out.append((match[1].decode("utf-8", "replace"), base64.b64decode(body, validate=True)))
        except binascii.Error:
            continue
    return out


def _listed(kinds: list[str]) -> str:
    return "[" + " ".join(kinds) + "]"


def _certificate(text: bytes) -> tuple[bytes | None, str]:
    skipped: list[str] = []
    for kind, der in _blocks(text):
        if kind == "CERTIFICATE":
            return der, ""
        skipped.append(kind)
    if not skipped:
        return None, "tls: failed to find any PEM data in certificate input"
    if len(skipped) == 1 and skipped[0].endswith("PRIVATE KEY"):
        return None, (
            "tls: failed to find certificate PEM data in certificate input, but did find a private key; "
            "PEM inputs may have been switched"
        )
    return None, (
        'tls: failed to find "CERTIFICATE" PEM block in certificate input after skipping PEM blocks of the '
        f"following types: {_listed(skipped)}"
    )


def _key(text: bytes) -> tuple[bytes | None, str]:
    skipped: list[str] = []
    for kind, der in _blocks(text):
        if kind == "PRIVATE KEY" or kind.endswith(" PRIVATE KEY"):
            return der, ""
        skipped.append(kind)
    if not skipped:
        return None, "tls: failed to find any PEM data in key input"
    if len(skipped) == 1 and skipped[0] == "CERTIFICATE":
        return None, "tls: found a certificate rather than a key in the PEM for the private key"
    return None, (
        'tls: failed to find PEM block with type ending in "PRIVATE KEY" in key input after skipping PEM blocks of the '
        f"following types: {_listed(skipped)}"
    )


def problem(certificate: bytes, key: bytes) -> str:
    cert_der, text = _certificate(certificate)
    if cert_der is None:
        return text
    key_der, text = _key(key)
    if key_der is None:
        return text
    return _match(cert_der, key_der)


def _match(cert_der: bytes, key_der: bytes) -> str:
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization

    try:
        public = x509.load_der_x509_certificate(cert_der).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return "x509: malformed certificate"
    try:
        private = serialization.load_der_private_key(key_der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return "tls: failed to parse private key"
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    mine, theirs = private.public_key(), public
    if type(mine) is not type(theirs):
        return "tls: private key type does not match public key type"
    if mine.public_bytes(*form) != theirs.public_bytes(*form):
        return "tls: private key does not match public key"
    return ""
