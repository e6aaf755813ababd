"""net/url.Parse as far as the validation of webhook URLs shows it: parts and error texts."""

from __future__ import annotations

import re

from wherry.errors import go_quote

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
Parts = tuple[str, str, str, "str | None", str, str]


def _failed(url: str, why: str) -> Parts:
    return f"parse {go_quote(url)}: {why}", "", "", None, "", ""


def parse(url: str) -> Parts:
    """(error, scheme, host, user, query, fragment)."""
    rest, _, fragment = url.partition("#")
    if any(c < " " or c == "\x7f" for c in url):
        return _failed(url, "net/url: invalid control character in URL")
    scheme = ""
    match = _SCHEME.match(rest)
    if match:
        scheme, rest = match[1].lower(), rest[match.end() :]
    elif rest.startswith(":"):
        return _failed(url, "missing protocol scheme")
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return "", scheme, "", None, query, fragment
        if ":" in rest.partition("/")[0]:
            return _failed(url, "first path segment in URL cannot contain colon")
    host, user, path = "", None, rest
    if rest.startswith("//") and (scheme or not rest.startswith("///")):
        authority, slash, tail = rest[2:].partition("/")
        path = slash + tail
        userinfo, at, host = authority.rpartition("@")
        user = userinfo if at else None
        wrong = _host_problem(host)
        if wrong:
            return _failed(url, wrong)
    bad = _ESCAPE.search(path)
    if bad:
        return _failed(url, f"invalid URL escape {go_quote(path[bad.start() : bad.start() + 3])}")
    return "", scheme, host, user, query, fragment


def _host_problem(host: str) -> str:
    name, colon, port = host.rpartition(":")
    if host.startswith("["):
        end = host.rfind("]")
        if end < 0:
            return "missing ']' in host"
        colon, port = host[end + 1 : end + 2], host[end + 2 :]
        if host[end + 1 :] and (colon != ":" or not re.fullmatch(r"[0-9]*", port)):
            return f"invalid port {go_quote(host[end + 1 :])} after host"
        return ""
    if colon and not re.fullmatch(r"[0-9]*", port):
        return f"invalid port {go_quote(':' + port)} after host"
    escape = re.search(r"%(?![89A-Fa-f][0-9A-Fa-f])", host)  # only bytes beyond ASCII may be escaped in a host
    if escape:
        return f"invalid URL escape {go_quote(host[escape.start() : escape.start() + 3])}"
    for char in name if colon else host:
        if char < "\x80" and not re.match(r"[A-Za-z0-9._~!$&'()*+,;=:\[\]<>\"%-]", char):
            return f"invalid character {go_quote(char)} in host name"
    return ""
