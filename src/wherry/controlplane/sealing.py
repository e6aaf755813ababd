"""Encryption at rest: what an EncryptionConfiguration says, and the storage's `Sealer` that comes of it
(k8s.io/apiserver/pkg/server/options/encryptionconfig, storage/value).

Values are sealed by the writer thread of the storage and opened when it is read back; in memory they are plain. The
bytes on disk are those of upstream: `k8s:enc:<provider>:v1:<key>:` and what the provider makes of the value.
`cryptography` comes in with the first key that needs it.
"""

from __future__ import annotations

import base64
import binascii
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wherry.errors import ConfigurationError, FieldError, invalid, required
from wherry.storage.api import StorageError

log = logging.getLogger("wherry")

API_VERSION = "apiserver.config.k8s.io/v1"
_PROVIDERS = ("aesgcm", "aescbc", "secretbox", "identity", "kms")
_AES_SIZES, _BOX_SIZES = (16, 24, 32), (32,)
_UNSERVED = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")

Place = tuple[str, str]  # group, resource; "*" for any


class EncryptionError(ConfigurationError):
    """An encryption configuration that cannot be used; says why."""


class Unfit(Exception):
    """A value that this key does not open."""


@dataclass(frozen=True, slots=True)
class Provider:
    """One key of one provider. `context` (the storage key) is bound into what aesgcm writes."""

    kind: str
    key: str
    secret: bytes

    @property
    def form(self) -> bytes:
        """What its values begin with."""
        return b"" if self.kind == "identity" else f"k8s:enc:{self.kind}:v1:{self.key}:".encode()

    def seal(self, value: bytes, context: bytes) -> bytes:
        return self.form + _SEAL[self.kind](self.secret, value, context)

    def unseal(self, stored: bytes, context: bytes) -> bytes:
        """Raises Unfit."""
        return _UNSEAL[self.kind](self.secret, stored[len(self.form) :], context)


# --- the ciphers ------------------------------------------------------------------------------------------------------


def _seal_gcm(secret: bytes, value: bytes, context: bytes) -> bytes:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = os.urandom(12)
    return nonce + AESGCM(secret).encrypt(nonce, value, context)


def _unseal_gcm(secret: bytes, stored: bytes, context: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(secret).decrypt(stored[:12], stored[12:], context)
    except (InvalidTag, ValueError):
        raise Unfit from None


def _cbc(secret: bytes, vector: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    return Cipher(algorithms.AES(secret), modes.CBC(vector))


def _seal_cbc(secret: bytes, value: bytes, _: bytes) -> bytes:
    vector, short = os.urandom(16), 16 - len(value) % 16
    writer = _cbc(secret, vector).encryptor()
    sealed: bytes = writer.update(value + bytes((short,)) * short) + writer.finalize()
    return vector + sealed


def _unseal_cbc(secret: bytes, stored: bytes, _: bytes) -> bytes:
    if len(stored) < 32 or len(stored) % 16:
        raise Unfit
    reader = _cbc(secret, stored[:16]).decryptor()
    padded: bytes = reader.update(stored[16:]) + reader.finalize()
    short = padded[-1]
    # There is no tag. What we store are JSON objects: that, and the padding, is all there is to tell a wrong key by.
    if not 1 <= short <= 16 or padded[-short:] != bytes((short,)) * short or padded[:1] != b"{":
        raise Unfit
    return padded[:-short]


def _seal_box(secret: bytes, value: bytes, _: bytes) -> bytes:
    from wherry.kit.secretbox import NONCE, seal

    nonce = os.urandom(NONCE)
    return nonce + seal(value, nonce, secret)


def _unseal_box(secret: bytes, stored: bytes, _: bytes) -> bytes:
    from wherry.kit.secretbox import NONCE, BadBox, unseal

    try:
        return unseal(stored[NONCE:], stored[:NONCE], secret)
    except BadBox:
        raise Unfit from None


def _plain(_: bytes, value: bytes, __: bytes) -> bytes:
    return value


_Cipher = Callable[[bytes, bytes, bytes], bytes]
_SEAL: dict[str, _Cipher] = {"aesgcm": _seal_gcm, "aescbc": _seal_cbc, "secretbox": _seal_box, "identity": _plain}
_UNSEAL: dict[str, _Cipher] = {
    "aesgcm": _unseal_gcm, "aescbc": _unseal_cbc, "secretbox": _unseal_box, "identity": _plain,
}  # fmt: skip


# --- the sealer -------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Sealing:
    """A `storage.api.Sealer`: which provider writes what, and who may open it.

    The first provider of a resource writes, all of them read. `reload` exchanges the rules while the server runs; a
    write that is under way is sealed by the old or the new ones, never by a mixture."""

    rules: dict[Place, list[Provider]]
    source: str  # the file that the rules come from
    _known: dict[Place, list[Provider]] = field(default_factory=dict)

    def reload(self) -> None:
        """The file has changed. Raises EncryptionError, and what held before goes on."""
        other = load(Path(self.source))
        self.rules, self._known = other.rules, other._known
        log.warning("the encryption configuration %s was read again", self.source)

    def _providers(self, key: str) -> list[Provider]:
        _, _, group, resource, _ = key.split("/", 4)
        place = ("" if group == "core" else group, resource)
        known = self._known
        found = known.get(place)
        if found is None:
            for wanted in (place, (place[0], "*"), ("*", "*")):
                found = self.rules.get(wanted)
                if found is not None:
                    break
            known[place] = found = found or []
        return found

    def form(self, key: str) -> bytes:
        """What values of this key begin with as they are written now; empty for plain ones."""
        providers = self._providers(key)
        return providers[0].form if providers else b""

    def seal(self, key: str, value: bytes) -> tuple[bytes, bytes]:
        """(form, what is stored)."""
        providers = self._providers(key)
        if not providers or providers[0].kind == "identity":
            return b"", value
        return providers[0].form, providers[0].seal(value, key.encode())

    def unseal(self, key: str, stored: bytes) -> tuple[bytes, bytes]:
        """(form, the value) of something sealed. Raises StorageError that names the key."""
        own = self._providers(key)
        tried = ""
        others = (provider for rule in self.rules.values() for provider in rule)  # the rule may have gone, not the key
        for provider in (*own, *others):
            if provider.kind == "identity" or not stored.startswith(provider.form):
                continue
            try:
                return provider.form, provider.unseal(stored, key.encode())
            except Unfit:
                tried = provider.key
        kind, name = named(stored)
        if tried:
            text = f"the key {tried!r} in {self.source} is not the one that it was written with"
        else:
            text = f"{self.source} has no key {name!r} for {kind}; add it behind the others, until all is written anew"
        raise StorageError(f"{key} is encrypted with {kind}, key {name!r}, and cannot be read: {text}")

    def plain_allowed(self, key: str) -> bool:
        """Whether a value of this key may stand on disk as it is."""
        providers = self._providers(key)
        return not providers or any(provider.kind == "identity" for provider in providers)


def named(stored: bytes) -> tuple[str, str]:
    """(provider, key) by which a value was sealed."""
    parts = stored[:400].split(b":", 5)
    if len(parts) < 6:
        return "an unknown provider", ""
    return parts[2].decode("ascii", "replace"), parts[4].decode("utf-8", "replace")


# --- the configuration ------------------------------------------------------------------------------------------------


def load(path: Path) -> Sealing:
    """Raises EncryptionError. No text shows a secret."""
    import yaml

    try:
        doc = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise EncryptionError(f"the encryption configuration {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)  # its text quotes the file, which holds keys
        line = f", line {mark.line + 1}" if mark is not None else ""
        raise EncryptionError(f"the encryption configuration {path} is no YAML{line}") from None
    try:
        return Sealing(parse(doc), str(path))
    except EncryptionError as error:
        raise EncryptionError(f"the encryption configuration {path} cannot be used: {error}") from None


def parse(doc: Any) -> dict[Place, list[Provider]]:
    """The rules of a document. Raises EncryptionError."""
    if (
        not isinstance(doc, dict)
        or doc.get("kind") != "EncryptionConfiguration"
        or doc.get("apiVersion") != API_VERSION
    ):
        raise EncryptionError(f"it has apiVersion: {API_VERSION} and kind: EncryptionConfiguration")
    entries = doc.get("resources")
    if not isinstance(entries, list) or not entries:
        raise EncryptionError(str(required("resources", "at least one resources is required")))
    found = [problem for index, entry in enumerate(entries) for problem in _problems(entry, f"resources[{index}]")]
    if found:
        texts = [str(problem) for problem in found]
        raise EncryptionError(texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]")
    rules: dict[Place, list[Provider]] = {}
    for entry in entries:
        providers = [provider for raw in entry["providers"] for provider in _made(raw)]
        for text in entry["resources"]:
            place = _place(text)
            for mask in ((place[0], "*"), ("*", "*")):
                if mask in rules:
                    raise EncryptionError(f'resource "{_shown(place)}" is masked by earlier rule "{_shown(mask)}"')
            rules.setdefault(place, []).extend(providers)
    return rules


def _place(text: str) -> Place:
    """`secrets`, `deployments.apps`, `*.apps`, `*.` (all of the core group), `*.*`."""
    resource, _, group = text.partition(".")
    return group, resource


def _shown(place: Place) -> str:
    return f"{place[1]}.{place[0]}" if place[0] or place[1] == "*" else place[1]


def _made(raw: dict[str, Any]) -> Iterator[Provider]:
    ((kind, spec),) = raw.items()
    if kind == "identity":
        yield Provider("identity", "", b"")
        return
    for key in spec["keys"]:
        yield Provider(kind, key["name"], base64.b64decode(key["secret"]))


def _problems(entry: Any, where: str) -> Iterator[FieldError]:
    """apis/apiserver/validation."""
    if not isinstance(entry, dict):
        yield invalid(where, entry, "must be an object")
        return
    resources, providers = entry.get("resources") or [], entry.get("providers") or []
    if not isinstance(resources, list) or not isinstance(providers, list):
        yield invalid(where, "", "resources and providers must be lists")
        return
    if not resources:
        yield required(f"{where}.resources", f"at least one {where}.resources is required")
    yield from _overlaps(resources, f"{where}.resources")
    for index, text in enumerate(resources):
        why = _bad_resource(text)
        if why:
            yield invalid(f"{where}.resources[{index}]", text, why)
    if not providers:
        yield required(f"{where}.providers", f"at least one {where}.providers is required")
    for index, raw in enumerate(providers):
        yield from _provider_problems(raw, f"{where}.providers[{index}]")


def _overlaps(resources: list[Any], where: str) -> Iterator[FieldError]:
    places = [_place(str(text)) for text in resources]
    if len(set(places)) != len(places):
        yield invalid(where, resources, "the same resource cannot be specified multiple times")
    different = set(places)
    groups = [group for group, resource in different if resource == "*"]
    if len(different) > 1 and ("*" in groups or any(place[0] in groups and place[1] != "*" for place in different)):
        text = (
            "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they "
            "will be masked"
        )
        yield invalid(where, resources, text)


def _bad_resource(text: Any) -> str:
    if not isinstance(text, str) or text != text.lower():
        return "resource name should not contain capital letters"
    if text == "*":
        return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
    if text in _UNSERVED:
        return "resources which do not have REST API/s cannot be encrypted"
    group, resource = _place(text)
    if group == "events.k8s.io":
        return (
            "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the "
            "config file"
        )
    if group == "extensions":
        return "'extensions' group has been removed and cannot be used for encryption"
    if group == "*" and resource != "*":
        return "encrypting the same resource across groups is not supported"
    return ""


def _provider_problems(raw: Any, where: str) -> Iterator[FieldError]:
    given = [kind for kind in _PROVIDERS if isinstance(raw, dict) and kind in raw]
    if not given or len(raw) != len(given):
        expected = "KMS, AESGCM, AESCBC, Secretbox, Identity"
        yield invalid(where, "", f"provider does not contain any of the expected providers: {expected}")
    elif len(given) > 1:
        text = "more than one provider specified in a single element, should split into different list elements"
        yield invalid(where, "", text)
    elif given[0] == "kms":
        yield invalid(f"{where}.kms", "", "key management services are not offered here; use a key of your own")
    elif given[0] != "identity":
        keys = (raw[given[0]] or {}).get("keys")
        yield from _key_problems(
            keys, f"{where}.{given[0]}.keys", _BOX_SIZES if given[0] == "secretbox" else _AES_SIZES
        )


def _key_problems(keys: Any, where: str, sizes: tuple[int, ...]) -> Iterator[FieldError]:
    if not isinstance(keys, list) or not keys:
        yield required(where, "at least one keys is required")
        return
    for index, key in enumerate(keys):
        at = f"{where}[{index}]"
        if not isinstance(key, dict) or not key.get("name"):
            yield required(f"{at}.name", "name is a mandatory field for a key")
        if not isinstance(key, dict) or not key.get("secret"):
            yield required(f"{at}.secret", "secret is a mandatory field for a key")
            continue
        try:
            size = len(base64.b64decode(str(key["secret"]), validate=True))
        except (binascii.Error, ValueError):
            yield invalid(f"{at}.secret", "REDACTED", "secrets must be base64 encoded")
            continue
        if size not in sizes:
            expected = " ".join(map(str, sizes))
            text = f"secret is not of the expected length, got {size}, expected one of [{expected}]"
            yield invalid(f"{at}.secret", "REDACTED", text)
