"""Signatures of JSON Web Tokens and their keys (RFC 7515, 7517, 7518): RSA, RSA-PSS and ECDSA, and nothing else.

A key only ever verifies what its own kind signs: a public key is no password (HS256), and `none` is no signature.
Everything that costs an import of `cryptography` happens inside functions.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

    Private = EllipticCurvePrivateKey | RSAPrivateKey
    Public = EllipticCurvePublicKey | RSAPublicKey

ALGORITHMS = ("ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "RS256", "RS384", "RS512")
# curve -> (algorithm, the curve's name in a JWK, bytes of a coordinate)
_CURVES = {
    "secp256r1": ("ES256", "P-256", 32),
    "secp384r1": ("ES384", "P-384", 48),
    "secp521r1": ("ES512", "P-521", 66),
}
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----.+?-----END \1-----", re.DOTALL)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The reverse of `encode`. Raises ValueError."""
    plain = text.replace("-", "+").replace("_", "/") if "+" not in text and "/" not in text else "!"
    return base64.b64decode(plain + "=" * (-len(text) % 4), validate=True)


def document(part: str) -> dict[str, Any] | None:
    """The JSON object in a part of a token."""
    try:
        value = orjson.loads(decode(part))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def unverified(token: str) -> dict[str, Any] | None:
    """The claims of what looks like a token, whoever signed it; None for anything else."""
    parts = token.split(".")
    return document(parts[1]) if len(parts) == 3 else None


@dataclass(frozen=True, slots=True)
class Token:
    """A token taken apart, not yet verified."""

    header: dict[str, Any]
    claims: dict[str, Any]
    signed: bytes
    signature: bytes

    @property
    def algorithm(self) -> str:
        value = self.header.get("alg")
        return value if isinstance(value, str) else ""

    @property
    def key_id(self) -> str:
        value = self.header.get("kid")
        return value if isinstance(value, str) else ""


def take_apart(token: str) -> Token | None:
    """None for what is no token."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    header, claims = document(parts[0]), document(parts[1])
    try:
        signature = decode(parts[2])
    except ValueError:
        return None
    if header is None or claims is None:
        return None
    return Token(header, claims, f"{parts[0]}.{parts[1]}".encode(), signature)


@dataclass(frozen=True, slots=True)
class Key:
    """A public key. `algorithm` is the only one that it may be used with; empty: any of its kind."""

    public: Public
    key_id: str
    algorithm: str = ""

    def verifies(self, token: Token) -> bool:
        """Whether this key signed the token."""
        algorithm = token.algorithm
        if algorithm not in ALGORITHMS or "crit" in token.header or self.algorithm not in ("", algorithm):
            return False
        if algorithm.startswith("ES"):
            return _verify_ec(self.public, algorithm, token.signed, token.signature)
        return _verify_rsa(self.public, algorithm, token.signed, token.signature)


def _hash(algorithm: str) -> HashAlgorithm:
    from cryptography.hazmat.primitives import hashes

    known: dict[str, HashAlgorithm] = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
    return known[algorithm[2:]]


def _verify_ec(public: Public, algorithm: str, signed: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    if not isinstance(public, ec.EllipticCurvePublicKey):
        return False
    own, _, size = _CURVES.get(public.curve.name, ("", "", 0))
    if own != algorithm or len(signature) != 2 * size:
        return False
    r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
    try:
        public.verify(encode_dss_signature(r, s), signed, ec.ECDSA(_hash(algorithm)))
    except InvalidSignature:
        return False
    return True


def _verify_rsa(public: Public, algorithm: str, signed: bytes, signature: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    if not isinstance(public, rsa.RSAPublicKey):
        return False
    hashed = _hash(algorithm)
    try:
        if algorithm.startswith("PS"):
            pss = padding.PSS(padding.MGF1(hashed), padding.PSS.AUTO)
            public.verify(signature, signed, pss, hashed)
        else:
            public.verify(signature, signed, padding.PKCS1v15(), hashed)
    except InvalidSignature:
        return False
    return True


def sign(private: Private, algorithm: str, key_id: str, claims: dict[str, Any]) -> str:
    """A token that carries the claims, by an algorithm that fits the key (`algorithm_of`, or PS256 and so on)."""
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    head = orjson.dumps({"alg": algorithm, "kid": key_id} if key_id else {"alg": algorithm})
    signed = f"{encode(head)}.{encode(orjson.dumps(claims))}"
    hashed = _hash(algorithm)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(signed.encode(), ec.ECDSA(hashed)))
        size = _CURVES[private.curve.name][2]
        signature = r.to_bytes(size, "big") + s.to_bytes(size, "big")
    elif algorithm.startswith("PS"):
        pss = padding.PSS(padding.MGF1(hashed), padding.PSS.DIGEST_LENGTH)
        signature = private.sign(signed.encode(), pss, hashed)
    else:
        signature = private.sign(signed.encode(), padding.PKCS1v15(), hashed)
    return f"{signed}.{encode(signature)}"


def algorithm_of(public: Public) -> str:
    """The algorithm that upstream signs with for a kind of key. Raises ValueError for curves that JWTs do not have."""
    from cryptography.hazmat.primitives.asymmetric import rsa

    if isinstance(public, rsa.RSAPublicKey):
        return "RS256"
    known = _CURVES.get(public.curve.name)
    if known is None:
        raise ValueError("unknown private key curve, must be 256, 384, or 521")
    return known[0]


def key_id_of(public: Public) -> str:
    """The digest of the key (pkg/serviceaccount.keyIDFromPublicKey)."""
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return encode(hashlib.sha256(public.public_bytes(serialization.Encoding.DER, form)).digest())


def own_key(public: Public) -> Key:
    """A key under its own digest, for the one algorithm that upstream uses it with."""
    return Key(public, key_id_of(public), algorithm_of(public))


# --- JSON Web Keys ---------------------------------------------------------------------------------------------------
def to_jwk(key: Key) -> dict[str, str]:
    from cryptography.hazmat.primitives.asymmetric import rsa

    public, algorithm = key.public, key.algorithm or algorithm_of(key.public)
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        n, e = (encode(v.to_bytes((v.bit_length() + 7) // 8, "big")) for v in (numbers.n, numbers.e))
        return {"use": "sig", "kty": "RSA", "kid": key.key_id, "alg": algorithm, "n": n, "e": e}
    _, curve, size = _CURVES[public.curve.name]
    point = public.public_numbers()
    x, y = (encode(v.to_bytes(size, "big")) for v in (point.x, point.y))
    return {"use": "sig", "kty": "EC", "kid": key.key_id, "crv": curve, "alg": algorithm, "x": x, "y": y}


def from_jwk(jwk: dict[str, Any]) -> Key | None:
    """None for keys of kinds that are not used here, and for those that are not for signatures.

    Raises ValueError for a key of ours that is broken."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if jwk.get("use") not in (None, "", "sig"):
        return None
    key_id, algorithm = str(jwk.get("kid") or ""), str(jwk.get("alg") or "")

    def number(name: str) -> int:
        value = jwk.get(name)
        if not isinstance(value, str):
            raise ValueError(f"go-jose/go-jose: invalid JWK, missing {name}")
        return int.from_bytes(decode(value), "big")

    if jwk.get("kty") == "RSA":
        return Key(rsa.RSAPublicNumbers(number("e"), number("n")).public_key(), key_id, algorithm)
    if jwk.get("kty") == "EC":
        curves: dict[str, type[ec.EllipticCurve]] = {
            "P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1,
        }  # fmt: skip
        curve = curves.get(str(jwk.get("crv")))
        if curve is None:
            raise ValueError(f"go-jose/go-jose: unsupported elliptic curve '{jwk.get('crv')}'")
        return Key(ec.EllipticCurvePublicNumbers(number("x"), number("y"), curve()).public_key(), key_id, algorithm)
    return None


# --- PEM -------------------------------------------------------------------------------------------------------------
def read_private(pem: bytes) -> Private:
    """Raises ValueError."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"data does not contain a valid RSA or ECDSA private key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("data does not contain a valid RSA or ECDSA private key")
    return key


def read_publics(pem: bytes) -> list[Public]:
    """All keys in a file: public ones, private ones, and those of certificates. Raises ValueError if there are none."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    found: list[Public] = []
    for block in _PEM.finditer(pem):
        kind, text = block[1].decode("ascii"), block[0] + b"\n"
        public: Any = None
        if kind == "CERTIFICATE":
            public = x509.load_pem_x509_certificate(text).public_key()
        elif kind.endswith("PUBLIC KEY"):
            public = serialization.load_pem_public_key(text)
        elif kind.endswith("PRIVATE KEY"):
            public = serialization.load_pem_private_key(text, None).public_key()
        if isinstance(public, ec.EllipticCurvePublicKey | rsa.RSAPublicKey):
            found.append(public)
    if not found:
        raise ValueError("data does not contain any valid RSA or ECDSA public keys")
    return found
