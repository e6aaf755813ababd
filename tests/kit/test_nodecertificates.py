"""Requests of kubelets: what they may ask for, and the certificates that come of it."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wherry.kit.csr import Facts, facts
from wherry.kit.nodecertificates import client_problem, serving_problem
from wherry.kit.pki import Pki

NODE = Facts("system:node:n1", ("system:nodes",))
CLIENT, SERVING = ("digital signature", "client auth"), ("digital signature", "key encipherment", "server auth")


def request(*names: Any) -> bytes:
    parts = [(NameOID.ORGANIZATION_NAME, "system:nodes"), (NameOID.COMMON_NAME, "system:node:n1")]
    subject = x509.Name([x509.NameAttribute(*part) for part in parts])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("asked", "usages", "why"),
    [
        (NODE, CLIENT, ""),
        (NODE, (*CLIENT, "key encipherment"), ""),
        (NODE._replace(organizations=("system:nodes", "system:masters")), CLIENT, "organization is not system:nodes"),
        (NODE._replace(organizations=()), CLIENT, "organization is not system:nodes"),
        (NODE._replace(name="root"), CLIENT, "common name does not begin with system:node:"),
        (NODE._replace(dns=("a",)), CLIENT, "DNS subjectAltNames are not allowed"),
        (NODE._replace(addresses=("1.2.3.4",)), CLIENT, "IP subjectAltNames are not allowed"),
        (NODE._replace(emails=("a@b",)), CLIENT, "Email subjectAltNames are not allowed"),
        (NODE._replace(uris=("a:b",)), CLIENT, "URI subjectAltNames are not allowed"),
        (NODE, ("client auth",), "usages did not match [client auth digital signature key encipherment]"),
        (NODE, (*CLIENT, "server auth"), "usages did not match"),
    ],
)
def test_client_certificates(asked: Facts, usages: tuple[str, ...], why: str) -> None:
    problem = client_problem(asked, usages)
    assert why in problem
    assert bool(problem) is bool(why)


@pytest.mark.parametrize(
    ("asked", "usages", "why"),
    [
        (NODE._replace(dns=("n1",)), SERVING, ""),
        (NODE._replace(addresses=("10.0.0.1",)), ("digital signature", "server auth"), ""),
        (NODE, SERVING, "DNS or IP subjectAltName is required"),
        (NODE._replace(dns=("n1",), uris=("a:b",)), SERVING, "URI subjectAltNames are not allowed"),
        (NODE._replace(dns=("n1",)), CLIENT, "usages did not match"),
        (NODE._replace(dns=("n1",), name="n1"), SERVING, "does not begin with system:node:"),
    ],
)
def test_serving_certificates(asked: Facts, usages: tuple[str, ...], why: str) -> None:
    problem = serving_problem(asked, usages)
    assert why in problem
    assert bool(problem) is bool(why)


def test_a_request_is_read_as_it_is_written() -> None:
    names = (x509.DNSName("n1"), x509.IPAddress(ipaddress.ip_address("10.0.0.1")), x509.RFC822Name("a@b"))
    assert facts(request(*names)) == Facts(*NODE[:2], ("n1",), ("10.0.0.1",), ("a@b",))
    with pytest.raises(ValueError):
        facts(b"nothing")


def test_the_certificate_has_the_names_and_the_purpose() -> None:
    pem = Pki(None).sign_request(request(x509.DNSName("n1")), SERVING, 3600)
    found = x509.load_pem_x509_certificate(pem).extensions
    assert found.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName) == ["n1"]
    assert list(found.get_extension_for_class(x509.ExtendedKeyUsage).value) == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert found.get_extension_for_class(x509.KeyUsage).value.key_encipherment
