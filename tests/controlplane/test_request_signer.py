"""New users by certificate request: approved ones are signed, unfit ones fail, others stay as they are."""

from __future__ import annotations

import asyncio
import base64
import datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from wherry.access.chain import ADMIN
from wherry.client import Client, Kind
from wherry.controlplane.requests import SIGNER, RequestSigner, lifetime, unfit, wanted
from wherry.kit.pki import Pki
from wherry.server.build import build_handler
from wherry.server.local import LocalTransport
from wherry.storage import open_storage

KIND = Kind("certificates.k8s.io", "v1", "certificatesigningrequests", namespaced=False)
APPROVED = {"type": "Approved", "status": "True"}


def asked(group: str = "devs") -> bytes:
    parts = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group), x509.NameAttribute(NameOID.COMMON_NAME, "jane")]
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name(parts))
    signed = builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM)


def request(*conditions: dict[str, str], signer: str = SIGNER, **status: Any) -> dict[str, Any]:
    return {"spec": {"signerName": signer}, "status": {"conditions": list(conditions), **status}}


def test_which_requests_are_signed():
    assert wanted(request(APPROVED))
    assert not wanted(request())
    assert not wanted({"spec": {"signerName": SIGNER}})
    assert not wanted(request(APPROVED, signer="example.com/own"))
    assert not wanted(request(APPROVED, {"type": "Failed", "status": "True"}))
    assert not wanted(request(APPROVED, certificate="eA=="))


@pytest.mark.parametrize(
    ("usages", "why"),
    [
        (["client auth"], ""),
        (["digital signature", "key encipherment", "client auth"], ""),
        (["client auth", "server auth"], "invalid usage for client certificate: server auth"),
        (["digital signature"], "missing required usage for client certificate: client auth"),
    ],
)
def test_usages(usages: list[str], why: str):
    assert unfit(usages) == why


def test_lifetime():
    assert [lifetime(None), lifetime(1), lifetime(3600), lifetime(10**9)] == [31536000, 600, 3600, 31536000]


def test_a_signed_request_says_what_was_asked_for():
    pki = Pki(None)
    found = x509.load_pem_x509_certificate(pki.sign_request(asked(), ["client auth", "digital signature"], 3600))
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(pki.authority))
    assert found.subject.rfc4514_string() == "CN=jane,O=devs"
    assert found.not_valid_after_utc - found.not_valid_before_utc == datetime.timedelta(seconds=3900)
    usage = found.extensions.get_extension_for_class(x509.KeyUsage).value
    assert usage.digital_signature
    assert not usage.key_encipherment
    assert not usage.key_cert_sign
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_nobody_becomes_a_master_this_way():
    with pytest.raises(PermissionError):
        Pki(None).sign_request(asked("system:masters"), ["client auth"], 3600, ("system:masters",))


async def _settled(client: Client, name: str) -> dict[str, Any]:
    """The status of a request once it was signed or failed, as a watch tells it."""
    async with asyncio.timeout(10):
        async for _, obj in client.watch(KIND, fieldSelector=f"metadata.name={name}"):
            status: dict[str, Any] = obj.get("status") or {}
            if status.get("certificate") or len(status.get("conditions") or ()) > 1:
                return status
    raise AssertionError("the watch ended")


async def _sign_two() -> tuple[dict[str, Any], dict[str, Any]]:
    storage = open_storage("memory:")
    handler = await build_handler(storage)
    client = Client(LocalTransport(handler, ADMIN, "test"))
    signer = RequestSigner(client, Pki(None))
    signer.start()
    found = []
    for name, usages in (("fit", ["client auth"]), ("unfit", ["server auth"])):
        spec = {"signerName": SIGNER, "usages": usages, "request": base64.b64encode(asked()).decode()}
        obj = {"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "spec": spec}
        await client.create(KIND, {**obj, "metadata": {"name": name}})
        await client.patch(KIND, name, {"status": {"conditions": [APPROVED | {"reason": "r"}]}}, subresource="approval")
        found.append(await _settled(client, name))
    await signer.stop()
    await handler.close()
    await storage.close()
    return found[0], found[1]


def test_approval_makes_a_certificate_or_a_failure():
    fit, unfit_one = asyncio.run(_sign_two())
    certificate = x509.load_pem_x509_certificate(base64.b64decode(fit["certificate"]))
    assert certificate.subject.rfc4514_string() == "CN=jane,O=devs"
    assert "certificate" not in unfit_one
    failed = unfit_one["conditions"][-1]
    assert (failed["type"], failed["reason"]) == ("Failed", "SignerValidationFailure")
