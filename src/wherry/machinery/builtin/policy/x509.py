"""Looking into certificates and signing requests: what is wrong with them, in Go's words where it has some.

Loads `cryptography`; imported only for kinds of certificates.k8s.io that carry such data.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, NamedTuple

_BLOCK = re.compile(
    rb"^-----BEGIN ([^\r\n]*?)-----[ \t]*\r?\n(.*?)^-----END \1-----[ \t]*\r?$", re.DOTALL | re.MULTILINE
)


class Block(NamedTuple):
    kind: str
    headers: bool
    body: bytes


def pem_blocks(text: bytes) -> list[Block]:
    """Every PEM block; text that is no block is skipped, as pem.Decode does."""
    out: list[Block] = []
    for match in _BLOCK.finditer(text):
        lines = [line.strip() for line in match[2].split(b"\n")]
        headers = any(b":" in line for line in lines)
        body = b"".join(line for line in lines if b":" not in line)
        try:
            out.append(Block(match[1].decode("utf-8", "replace"), headers, base64.b64decode(body, validate=True)))
        except binascii.Error:
            continue
    return out


def request_problem(text: bytes) -> str:
    """Why a certificate request is no good, or an empty string (ParseCSR and CheckSignature)."""
    blocks = pem_blocks(text)
    if not blocks or blocks[0].kind != "CERTIFICATE REQUEST":
        return "PEM block type must be CERTIFICATE REQUEST"
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        request = x509.load_der_x509_csr(blocks[0].body)
        if not request.is_signature_valid:
            return "x509: ECDSA verification failure" if _is_ec(request) else "crypto/rsa: verification error"
    except UnsupportedAlgorithm:
        return "x509: cannot verify signature: algorithm unimplemented"
    except ValueError:
        return "asn1: structure error: tags don't match"
    return ""


def organizations(text: bytes) -> list[str]:
    """The O of a certificate request's subject: the groups of the user. Raises ValueError for what is no request."""
    from cryptography.x509.oid import NameOID

    return _subject(text, NameOID.ORGANIZATION_NAME)


def common_name(text: bytes) -> str:
    """The CN of a certificate request's subject. Raises ValueError for what is no request."""
    from cryptography.x509.oid import NameOID

    found = _subject(text, NameOID.COMMON_NAME)
    return found[-1] if found else ""


def _subject(text: bytes, oid: Any) -> list[str]:
    from cryptography import x509

    blocks = pem_blocks(text)
    if not blocks or blocks[0].kind != "CERTIFICATE REQUEST":
        raise ValueError("PEM block type must be CERTIFICATE REQUEST")
    request = x509.load_der_x509_csr(blocks[0].body)
    return [str(a.value) for a in request.subject.get_attributes_for_oid(oid)]


def _is_ec(request: object) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec

    return isinstance(request.public_key(), ec.EllipticCurvePublicKey)  # type: ignore[attr-defined]


def certificate_problem(text: bytes) -> str:
    """Why an issued certificate is no good; nothing issued is fine."""
    if not text:
        return ""
    from cryptography import x509

    blocks = pem_blocks(text)
    for block in blocks:
        if block.kind != "CERTIFICATE":
            return f'only CERTIFICATE PEM blocks are allowed, found "{block.kind}"'
        if block.headers:
            return "no PEM block headers are permitted"
        if not block.body:
            return "found CERTIFICATE PEM block containing 0 certificates"
        try:
            x509.load_der_x509_certificate(block.body)
        except ValueError:
            return "x509: malformed certificate"
    return "" if blocks else "must contain at least one CERTIFICATE PEM block"


def bundle_problems(text: bytes) -> list[str]:
    """What is wrong with the trust anchors of a bundle."""
    from cryptography import x509

    out: list[str] = []
    where: dict[bytes, list[int]] = {}
    for i, block in enumerate(pem_blocks(text)):
        if block.kind != "CERTIFICATE":
            out.append(f"entry {i} has bad block type: {block.kind}")
        elif block.headers:
            out.append(f"entry {i} has PEM block headers")
        else:
            try:
                certificate = x509.load_der_x509_certificate(block.body)
            except ValueError:
                out.append(f"entry {i} does not parse as X.509")
                continue
            if not _is_ca(certificate):
                out.append(f"entry {i} does not have the CA bit set")
                continue
            where.setdefault(block.body, []).append(i)
    if out:
        return out
    if not where:
        out.append("at least one trust anchor must be provided")
    for indices in where.values():
        if len(indices) > 1:
            out.append(f"duplicate trust anchor (indices [{' '.join(map(str, indices))}])")
    return out


def _is_ca(certificate: object) -> bool:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.BasicConstraints)  # type: ignore[attr-defined]
    except (x509.ExtensionNotFound, ValueError):
        return False
    return bool(found.value.ca)
