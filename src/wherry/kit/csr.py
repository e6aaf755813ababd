"""Certificate requests (PKCS #10): what they ask for, and the certificate that gives it.

Follows k8s.io/kubernetes/pkg/controller/certificates/authority: a certificate says what its request said, plus the
usages that were approved.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

_BITS = {
    "signing": "digital_signature",
    "digital signature": "digital_signature",
    "content commitment": "content_commitment",
    "key encipherment": "key_encipherment",
    "data encipherment": "data_encipherment",
    "key agreement": "key_agreement",
    "cert sign": "key_cert_sign",
    "crl sign": "crl_sign",
}
_PURPOSES = {
    "any": ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE,
    "server auth": ExtendedKeyUsageOID.SERVER_AUTH,
    "client auth": ExtendedKeyUsageOID.CLIENT_AUTH,
    "code signing": ExtendedKeyUsageOID.CODE_SIGNING,
    "email protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "s/mime": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "timestamping": ExtendedKeyUsageOID.TIME_STAMPING,
    "ocsp signing": ExtendedKeyUsageOID.OCSP_SIGNING,
    "ipsec end system": ObjectIdentifier("1.3.6.1.5.5.7.3.5"),
    "ipsec tunnel": ObjectIdentifier("1.3.6.1.5.5.7.3.6"),
    "ipsec user": ObjectIdentifier("1.3.6.1.5.5.7.3.7"),
    "microsoft sgc": ObjectIdentifier("1.3.6.1.4.1.311.10.3.3"),
    "netscape sgc": ObjectIdentifier("2.16.840.1.113730.4.1"),
}


class Facts(NamedTuple):
    """Whom a request names."""

    name: str
    organizations: tuple[str, ...]
    dns: tuple[str, ...] = ()
    addresses: tuple[str, ...] = ()
    emails: tuple[str, ...] = ()
    uris: tuple[str, ...] = ()


def facts(pem: bytes) -> Facts:
    """Raises ValueError for what is no request, or carries a signature that is not its own."""
    asked = x509.load_pem_x509_csr(pem)
    if not asked.is_signature_valid:
        raise ValueError("the request is not signed by its own key")
    subject = asked.subject
    names = [str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
    organizations = tuple(str(part.value) for part in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME))
    found = _alternative(asked)
    if found is None:
        return Facts(names[-1] if names else "", organizations)
    return Facts(
        names[-1] if names else "",
        organizations,
        tuple(found.get_values_for_type(x509.DNSName)),
        tuple(map(str, found.get_values_for_type(x509.IPAddress))),
        tuple(found.get_values_for_type(x509.RFC822Name)),
        tuple(found.get_values_for_type(x509.UniformResourceIdentifier)),
    )


def _alternative(asked: x509.CertificateSigningRequest) -> x509.SubjectAlternativeName | None:
    try:
        return asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def sign(pem: bytes, authority: bytes, key_pem: bytes, usages: Sequence[str], seconds: int, backdate: int) -> bytes:
    """A certificate, PEM, for a request, by an authority's certificate and key. Raises ValueError."""
    issuer = x509.load_pem_x509_certificate(authority)
    key = serialization.load_pem_private_key(key_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    asked = x509.load_pem_x509_csr(pem)
    now = datetime.datetime.fromtimestamp(int(time.time()), datetime.UTC)
    end = min(now + datetime.timedelta(seconds=seconds), issuer.not_valid_after_utc)
    builder = x509.CertificateBuilder().subject_name(asked.subject).public_key(asked.public_key())
    builder = builder.issuer_name(issuer.subject).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(seconds=backdate)).not_valid_after(end)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    bits = {_BITS[usage] for usage in usages if usage in _BITS}
    if bits:
        builder = builder.add_extension(_key_usage(bits), critical=True)
    purposes = dict.fromkeys(_PURPOSES[usage] for usage in usages if usage in _PURPOSES)
    if purposes:
        builder = builder.add_extension(x509.ExtendedKeyUsage(list(purposes)), critical=False)
    names = _alternative(asked)
    if names is not None:
        builder = builder.add_extension(names, critical=not list(asked.subject))
    identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    builder = builder.add_extension(identifier, critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _key_usage(bits: set[str]) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature="digital_signature" in bits,
        content_commitment="content_commitment" in bits,
        key_encipherment="key_encipherment" in bits,
        data_encipherment="data_encipherment" in bits,
        key_agreement="key_agreement" in bits,
        key_cert_sign="key_cert_sign" in bits,
        crl_sign="crl_sign" in bits,
        encipher_only=False,
        decipher_only=False,
    )
