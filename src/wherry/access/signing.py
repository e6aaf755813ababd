"""The keys of ServiceAccount tokens: one signs, it and others verify.

The control plane's own key lies in the folder of certificates, or in memory; files of the user's take its place
(`signing_file`) or stand beside it (`key_files`), so that tokens outlive a rotation. All are read when the first token
is signed or verified, so that a start does not pay for `cryptography`, and again after `reload`. A key's id is the
digest of its public part, and texts of refusals are those of the JOSE library in kube-apiserver
(pkg/serviceaccount/jwt.go).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.kit.pki import write_private

if TYPE_CHECKING:
    from wherry.access.authentication.jose import Key, Private

FILE = "sa.key"
_REMEMBERED = 1024  # verified signatures
_BAD_SIGNATURE = "go-jose/go-jose: error in cryptographic primitive"


class BadSignature(Exception):
    """A token of the right form that none of these keys signed."""


class _Keys(NamedTuple):
    private: Private
    signing: Key
    all: tuple[Key, ...]  # the one that signs first


class Signer:
    """Signs with one key, verifies with several."""

    def __init__(self, folder: Path | None = None, *, signing_file: Path | None = None, key_files: Sequence[Path] = ()):
        self.folder = folder  # None: our own key lives as long as this object
        self._signing_file = signing_file
        self._key_files = tuple(key_files)
        self._own: Private | None = None
        self._keys: _Keys | None = None
        self._verified: dict[str, dict[str, Any]] = {}

    @property
    def files(self) -> tuple[Path, ...]:
        """What to look at for changes."""
        own = self._signing_file or (self.folder / FILE if self.folder is not None else None)
        return (*((own,) if own is not None else ()), *self._key_files)

    def reload(self) -> None:
        """Read the files again. Raises ValueError, OSError, and what is in force stays then."""
        if self._keys is not None:  # else the first token will read them
            self._keys = self._read_all()
        self._verified.clear()

    def sign(self, claims: dict[str, Any]) -> str:
        """A token that carries the claims."""
        from wherry.access.authentication import jose

        keys = self._loaded()
        return jose.sign(keys.private, keys.signing.algorithm, keys.signing.key_id, claims)

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
        from wherry.access.authentication import jose

        parts = jose.take_apart(token)
        if parts is None:
            return None
        wanted = parts.key_id
        keys = [key for key in self._loaded().all if not wanted or key.key_id == wanted]
        if not keys:
            raise BadSignature("invalid signature, no keys found")
        if not any(key.verifies(parts) for key in keys):
            raise BadSignature(_BAD_SIGNATURE)
        if len(self._verified) >= _REMEMBERED:
            self._verified.clear()
        self._verified[token] = parts.claims
        return parts.claims

    def publics(self) -> list[dict[str, str]]:
        """All public keys as JSON Web Keys (RFC 7517)."""
        from wherry.access.authentication import jose

        return [jose.to_jwk(key) for key in self._loaded().all]

    def _loaded(self) -> _Keys:
        if self._keys is None:
            self._keys = self._read_all()
        return self._keys

    def _read_all(self) -> _Keys:
        from wherry.access.authentication import jose

        private = self._private()
        signing = jose.own_key(private.public_key())
        others = [jose.own_key(public) for path in self._key_files for public in _publics(path)]
        distinct = {key.key_id: key for key in (signing, *others)}
        return _Keys(private, signing, tuple(distinct.values()))

    def _private(self) -> Private:
        from wherry.access.authentication import jose

        path = self._signing_file
        if path is None and self.folder is not None:
            path = self.folder / FILE
            if not path.exists():
                return self._make(path)
        if path is None:
            self._own = self._own or self._make(None)
            return self._own
        try:
            return jose.read_private(path.read_bytes())
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None

    def _make(self, path: Path | None) -> Private:
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import ec

        key = ec.generate_private_key(ec.SECP256R1())
        if path is not None:
            form = serialization.PrivateFormat.PKCS8
            write_private(path, key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return key


def _publics(path: Path) -> list[Any]:
    from wherry.access.authentication import jose

    try:
        return jose.read_publics(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
