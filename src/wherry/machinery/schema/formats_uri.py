"""The format `uri`, which definitions use too (Go's net/url.ParseRequestURI)."""

from __future__ import annotations

import re

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_USER = re.compile(r"[A-Za-z0-9._:~!$&'()*+,;=%@-]*\Z")
_HOST_BYTES = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff-]*\Z")


def is_uri(text: str) -> bool:
    """net/url.ParseRequestURI: an absolute URI or an absolute path."""
    if not text or any(c < " " or c == "\x7f" for c in text):
        return False
    if text == "*":
        return True
    rest = text
    match = _SCHEME.match(text)
    if match:
        rest = text[match.end() :]
    elif text.startswith(":"):
        return False
    rest = rest.partition("?")[0]
    if not rest.startswith("/"):
        return match is not None
    if match and rest.startswith("//"):
        authority, slash, path = rest[2:].partition("/")
        if not _authority_ok(authority):
            return False
        rest = slash + path
    return _BAD_ESCAPE.search(rest) is None


def _authority_ok(authority: str) -> bool:
    user, at, host = authority.rpartition("@")
    if at and (_USER.match(user) is None or _BAD_ESCAPE.search(user)):
        return False
    if host.startswith("["):
        literal, bracket, port = host.rpartition("]")
        if not bracket:
            return False
        address, zone, _ = literal[1:].partition("%25")
        if "%" in address and not zone:
            return False
    else:
        _name, colon, digits = host.rpartition(":")
        port = colon + digits if colon else ""
        if re.search(r"%(?![89A-Fa-f][0-9A-Fa-f])", host):
            return False  # only non-ASCII bytes may be escaped in a host name
    if port and re.match(r":[0-9]*\Z", port) is None:
        return False
    return _HOST_BYTES.match(host) is not None
