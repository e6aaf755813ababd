"""JSON Web Tokens signed with ES256 (RFC 7515, 7518, 7519), as ServiceAccount tokens are made of them.

The key lies in the folder of certificates, or in memory; it is read or made when the first token is signed or
verified, so that a start does not pay for `cryptography`. The key's id is the digest of its public part, and texts of
refusals are those that the JOSE library of kube-apiserver gives (pkg/serviceaccount/jwt.go).
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from wherry.kit.pki import write_private

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

FILE = "sa.key"
_PART = 32  # bytes of each half of a P-256 signature, and of each coordinate
_REMEMBERED = 1024  # verified signatures
_BAD_SIGNATURE = "go-jose/go-jose: error in cryptographic primitive"


class BadSignature(Exception):
    """A token of the right form that this key did not sign."""


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode(text: str) -> bytes:
    """The reverse of `encode`. Raises ValueError."""
    plain = text.replace("-", "+").replace("_", "/") if "+" not in text and "/" not in text else "!"
    return base64.b64decode(plain + "=" * (-len(text) % 4), validate=True)


def _document(part: str) -> dict[str, Any] | None:
    try:
        value = orjson.loads(decode(part))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def unverified(token: str) -> dict[str, Any] | None:
    """The claims of what looks like a token, whoever signed it; None for anything else."""
    parts = token.split(".")
    return _document(parts[1]) if len(parts) == 3 else None


class Signer:
    """One ES256 key that signs and verifies."""

    def __init__(self, folder: Path | None = None):
        self.folder = folder  # None: the key lives as long as this object
        self._key: EllipticCurvePrivateKey | None = None
        self._id = ""
        self._verified: dict[str, dict[str, Any]] = {}

    def sign(self, claims: dict[str, Any]) -> str:
        """A token that carries the claims."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

        key = self._loaded()
        signed = f"{encode(orjson.dumps({'alg': 'ES256', 'kid': self._id}))}.{encode(orjson.dumps(claims))}"
        r, s = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{encode(r.to_bytes(_PART, 'big') + s.to_bytes(_PART, 'big'))}"

    def known(self, token: str) -> dict[str, Any] | None:
        """The claims of a token that was verified a while ago."""
        return self._verified.get(token)

    def verify(self, token: str) -> dict[str, Any] | None:
        """The claims; None for what is no token at all. Raises BadSignature.

        Who shows a token shows it with every request: what was verified once is known, its time and the objects that
        it is bound to are for the caller to look at each time.
        """
        known = self._verified.get(token)
        if known is not None:
            return known
        parts = token.split(".")
        if len(parts) != 3:
            return None
        header, claims = _document(parts[0]), _document(parts[1])
        try:
            signature = decode(parts[2])
        except ValueError:
            return None
        if header is None or claims is None:
            return None
        self._check(header, f"{parts[0]}.{parts[1]}".encode(), signature)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = claims
        return claims

    def _check(self, header: dict[str, Any], signed: bytes, signature: bytes) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

        key = self._loaded()
        if header.get("kid") and header["kid"] != self._id:
            raise BadSignature("invalid signature, no keys found")
        if header.get("alg") != "ES256" or "crit" in header or len(signature) != 2 * _PART:
            raise BadSignature(_BAD_SIGNATURE)
        r, s = int.from_bytes(signature[:_PART], "big"), int.from_bytes(signature[_PART:], "big")
        try:
            key.public_key().verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            raise BadSignature(_BAD_SIGNATURE) from None

    def public(self) -> dict[str, str]:
        """The public key as a JSON Web Key (RFC 7517)."""
        numbers = self._loaded().public_key().public_numbers()
        x, y = (encode(n.to_bytes(_PART, "big")) for n in (numbers.x, numbers.y))
        return {"use": "sig", "kty": "EC", "kid": self._id, "crv": "P-256", "alg": "ES256", "x": x, "y": y}

    def _loaded(self) -> EllipticCurvePrivateKey:
        if self._key is not None:
            return self._key
        from cryptography.hazmat.primitives import serialization

        self._key = key = self._read() or self._make()
        der = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self._id = encode(hashlib.sha256(der).digest())
        return key

    def _read(self) -> EllipticCurvePrivateKey | None:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        if self.folder is None:
            return None
        try:
            key = serialization.load_pem_private_key((self.folder / FILE).read_bytes(), None)
        except FileNotFoundError:
            return None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
            raise ValueError(f"{self.folder / FILE} holds no P-256 key: remove it, and a new one is made")
        return key

    def _make(self) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        if self.folder is not None:
            form = serialization.PrivateFormat.PKCS8
            pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
            write_private(self.folder / FILE, pem)
        return key
