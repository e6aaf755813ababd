"""Which requests of kubelets are approved without anyone."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wherry.features.nodecertificates import SIGNER, open_request, rights

USAGES = ["digital signature", "client auth"]


def spec(name: str = "system:node:n1", organization: str = "system:nodes", **more: Any) -> dict[str, Any]:
    parts = [(NameOID.ORGANIZATION_NAME, organization), (NameOID.COMMON_NAME, name)]
    subject = x509.Name([x509.NameAttribute(*part) for part in parts])
    signed = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = signed.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    return {"signerName": SIGNER, "usages": USAGES, "request": base64.b64encode(pem).decode(), **more}


def test_only_open_requests_of_this_signer() -> None:
    assert open_request({"spec": {"signerName": SIGNER}})
    assert not open_request({"spec": {"signerName": "kubernetes.io/kube-apiserver-client"}})
    for kind in ("Approved", "Denied"):
        assert not open_request({"spec": {"signerName": SIGNER}, "status": {"conditions": [{"type": kind}]}})
    assert not open_request({"spec": {"signerName": SIGNER}, "status": {"certificate": "eA=="}})


def test_the_right_that_it_takes() -> None:
    assert rights(spec(username="system:bootstrap:abcdef")) == ["nodeclient"]
    assert rights(spec(username="system:node:n1")) == ["selfnodeclient", "nodeclient"]


@pytest.mark.parametrize(
    "asked",
    [
        spec("root"),
        spec(organization="system:masters"),
        {**spec(), "usages": ["client auth"]},
        {**spec(), "request": "eA=="},
    ],
)
def test_what_is_no_kubelets(asked: dict[str, Any]) -> None:
    assert rights(asked) == []
