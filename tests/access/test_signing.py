"""Signing and verifying: what was signed comes back, what was changed does not, the key stays."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from wherry.access.authentication.jose import decode, encode, unverified
from wherry.access.signing import BadSignature, Signer

CLAIMS = {"iss": "https://here", "sub": "me", "exp": 12}


def test_what_was_signed_comes_back():
    signer = Signer()
    token = signer.sign(CLAIMS)
    assert unverified(token) == CLAIMS
    assert signer.verify(token) == CLAIMS
    assert signer.verify(token) == CLAIMS  # remembered


def test_a_changed_payload_is_refused():
    signer = Signer()
    head, _, signature = signer.sign(CLAIMS).split(".")
    forged = encode(b'{"iss":"https://here","sub":"root","exp":12}')
    with pytest.raises(BadSignature, match="cryptographic primitive"):
        signer.verify(f"{head}.{forged}.{signature}")


def test_a_longer_signature_is_refused():
    signer = Signer()
    with pytest.raises(BadSignature, match="cryptographic primitive"):
        signer.verify(signer.sign(CLAIMS) + "x")


def test_no_algorithm_is_no_signature():
    signer = Signer()
    _, payload, signature = signer.sign(CLAIMS).split(".")
    for alg in ("none", "HS256", "RS256"):
        head = encode(f'{{"alg":"{alg}"}}'.encode())
        with pytest.raises(BadSignature):
            signer.verify(f"{head}.{payload}.{signature}")
        with pytest.raises(BadSignature):
            signer.verify(f"{head}.{payload}.")


def test_another_key_is_named():
    with pytest.raises(BadSignature, match="no keys found"):
        Signer().verify(Signer().sign(CLAIMS))


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "a.b.c.d", "é.é.é", "e30.e30.+/"])
def test_what_is_no_token(text: str):
    assert Signer().verify(text) is None


def test_the_key_is_kept_for_its_owner_alone(tmp_path: Path):
    token = Signer(tmp_path).sign(CLAIMS)
    assert Signer(tmp_path).verify(token) == CLAIMS
    assert stat.S_IMODE((tmp_path / "sa.key").stat().st_mode) == 0o600


def test_the_public_key_verifies():
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    signer = Signer()
    head, payload, signature = signer.sign(CLAIMS).split(".")
    (jwk,) = signer.publics()
    x, y = (int.from_bytes(decode(jwk[key]), "big") for key in ("x", "y"))
    raw = decode(signature)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    key = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    key.verify(der, f"{head}.{payload}".encode(), ec.ECDSA(hashes.SHA256()))
