"""Continue tokens: a snapshot and the place in it from which a list goes on (k8s.io/apiserver/pkg/storage/continue.go).

Their form is upstream's, so that tools which look inside find what they expect.
"""

from __future__ import annotations

import base64
import posixpath
from typing import Any

import orjson

from wherry.errors import BadRequest
from wherry.kit import gojson

VERSION = "meta.k8s.io/v1"
_INVALID = "continue key is not valid"
_ALPHABET = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def encode(revision: int, start: str) -> str:
    """The token of a page whose successor begins right after the key `start`, which is relative to the collection."""
    return _packed({"v": VERSION, "rv": revision, "start": start + "\0"})


def at_present(token: str) -> str:
    """The same place, but in whatever the present is when the token is used (a negative revision)."""
    raw = orjson.loads(_unpacked(token))
    raw["rv"] = -1
    return _packed(raw)


def decode(token: str) -> tuple[str, int]:
    """(key after which to go on, revision or 0 for the present). Raises BadRequest."""
    try:
        return _decode(token)
    except ValueError as bad:
        raise BadRequest(f"invalid continue token: {bad}") from None


def _decode(token: str) -> tuple[str, int]:
    try:
        version, revision, start = _fields(gojson.loads(_unpacked(token)))
    except ValueError as bad:
        raise ValueError(f"{_INVALID}: {bad}") from None
    if version != VERSION:
        raise ValueError(f"{_INVALID}: server does not recognize this encoded version {version}")
    if revision == 0:
        raise ValueError(f"{_INVALID}: incorrect encoded start resourceVersion (version {VERSION})")
    if not start:
        raise ValueError(f"{_INVALID}: encoded start key empty (version {VERSION})")
    key = start if start.startswith("/") else f"/{start}"
    if key.startswith("//") or posixpath.normpath(key) != key:  # nobody leaves the collection
        raise ValueError(f"{_INVALID}: {start}")
    return key[1:].removesuffix("\0"), max(revision, 0)


def _fields(raw: Any) -> tuple[str, int, str]:
    if raw is None:
        return "", 0, ""
    if not isinstance(raw, dict):
        kind = gojson.kind_name(raw)
        raise ValueError(f"json: cannot unmarshal {kind} into Go value of type storage.continueToken")
    found: list[Any] = []
    for name, go_type, zero in (("v", "string", ""), ("rv", "int64", 0), ("start", "string", "")):
        value: Any = raw.get(name)
        value = zero if value is None else value
        if value.__class__ is not zero.__class__:
            kind = gojson.kind_name(value)
            kind = f"number {gojson.number_text(value)}" if kind == "number" and go_type == "int64" else kind
            member = f"Go struct field continueToken.{name}"
            raise ValueError(f"json: cannot unmarshal {kind} into {member} of type {go_type}")
        found.append(value)
    return found[0], found[1], found[2]


def _packed(raw: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(raw)).rstrip(b"=").decode()


def _unpacked(token: str) -> bytes:
    """base64.RawURLEncoding of Go: no padding, line breaks are skipped. Raises ValueError with its text."""
    data = token.encode("utf-8", "surrogateescape")
    taken = 0
    for position, char in enumerate(data):
        if char in b"\r\n":
            continue
        if char not in _ALPHABET:
            raise ValueError(f"illegal base64 data at input byte {position}")
        taken += 1
    if taken % 4 == 1:
        raise ValueError(f"illegal base64 data at input byte {len(data) - 1}")
    clean = data.replace(b"\r", b"").replace(b"\n", b"")
    return base64.urlsafe_b64decode(clean + b"=" * (-len(clean) % 4))
