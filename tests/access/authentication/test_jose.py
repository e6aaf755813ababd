"""Signatures of tokens: every algorithm signs and verifies, and none of them is mistaken for another."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from wherry.access.authentication.jose import (
    ALGORITHMS,
    Key,
    encode,
    from_jwk,
    key_id_of,
    own_key,
    read_private,
    read_publics,
    sign,
    take_apart,
    to_jwk,
)

CLAIMS = {"iss": "https://here", "sub": "me"}
RSA = rsa.generate_private_key(65537, 2048)
EC = {"256": ec.SECP256R1(), "384": ec.SECP384R1(), "512": ec.SECP521R1()}
KEYS: dict[str, Any] = {a: ec.generate_private_key(EC[a[2:]]) if a.startswith("ES") else RSA for a in ALGORITHMS}


def verifies(key: Key, token: str) -> bool:
    parts = take_apart(token)
    assert parts is not None
    return key.verifies(parts)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_what_is_signed_verifies_by_the_published_key(algorithm: str) -> None:
    private = KEYS[algorithm]
    token = sign(private, algorithm, "k", CLAIMS)
    published = from_jwk(json.loads(json.dumps(to_jwk(Key(private.public_key(), "k", algorithm)))))
    assert published is not None
    assert published.key_id == "k"
    assert verifies(published, token)
    assert not verifies(published, token[:-8] + ("A" * 8 if token[-8:] != "A" * 8 else "B" * 8))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_is_good_for_its_own_algorithm_only(algorithm: str) -> None:
    token = sign(KEYS[algorithm], algorithm, "", CLAIMS)
    for other in ALGORITHMS:
        if other != algorithm:
            assert not verifies(Key(KEYS[other].public_key(), "", other), token)


def test_a_public_key_is_no_password() -> None:
    """HS256 over the published key, the oldest trick there is; and no signature at all."""
    pem = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    for head, secret in ((b'{"alg":"HS256"}', pem), (b'{"alg":"none"}', b""), (b'{"alg":"None"}', b""), (b"{}", b"")):
        signed = f"{encode(head)}.{encode(json.dumps(CLAIMS).encode())}"
        signature = encode(hmac.digest(secret, signed.encode(), hashlib.sha256)) if secret else ""
        assert not verifies(Key(RSA.public_key(), ""), f"{signed}.{signature}")


def test_an_algorithm_in_other_letters_or_types_is_none() -> None:
    head, payload, signature = sign(RSA, "RS256", "", CLAIMS).split(".")
    for alg in ('"rs256"', '["RS256"]', "7", "null"):
        forged = encode(f'{{"alg":{alg}}}'.encode())
        assert not verifies(Key(RSA.public_key(), ""), f"{forged}.{payload}.{signature}")
    assert head


def test_what_must_be_understood_and_is_not_is_refused() -> None:
    """`crit` names extensions that a verifier has to know (RFC 7515, 4.1.11)."""
    payload = encode(json.dumps(CLAIMS).encode())
    head = encode(b'{"alg":"ES256","crit":["b64"],"b64":false}')
    assert not verifies(own_key(KEYS["ES256"].public_key()), f"{head}.{payload}.{encode(bytes(64))}")


def test_keys_for_encryption_and_of_other_kinds_are_passed_over() -> None:
    jwk = to_jwk(own_key(RSA.public_key()))
    assert from_jwk({**jwk, "use": "enc"}) is None
    assert from_jwk({"kty": "oct", "k": "c2VjcmV0"}) is None
    assert from_jwk({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}) is None


@pytest.mark.parametrize(
    "change", [{"n": None}, {"n": 7}, {"kty": "EC"}, {"kty": "EC", "crv": "P-1", "x": "", "y": ""}]
)
def test_a_broken_key_says_so(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        from_jwk({**to_jwk(own_key(RSA.public_key())), **change})


def test_keys_are_read_from_whatever_pem_holds_them() -> None:
    private = KEYS["ES384"].private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.PKCS1)
    found = read_publics(b"# two keys\n" + private + b"\n" + public)
    assert [key_id_of(key) for key in found] == [key_id_of(KEYS["ES384"].public_key()), key_id_of(RSA.public_key())]
    assert key_id_of(read_private(private).public_key()) == key_id_of(found[0])
    with pytest.raises(ValueError, match="does not contain any valid RSA or ECDSA public keys"):
        read_publics(b"nothing")
    with pytest.raises(ValueError, match="does not contain a valid RSA or ECDSA private key"):
        read_private(public)
