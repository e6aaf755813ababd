"""url(): net/url.Parse as CEL rules see it, with Go's error texts."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from wherry.errors import go_quote
from wherry.machinery.cel import types as t
from wherry.machinery.cel.errors import CelError
from wherry.machinery.cel.registry import Library
from wherry.machinery.cel.values import Named

URLS = Library("kubernetes.urls")
URL_TYPE = t.struct("kubernetes.URL")
_HOST_OK = re.compile(r"[A-Za-z0-9\-_.~!$&'()*+,;=:\[\]<>\"%\x80-\U0010ffff]*\Z")
_PATH_KEEP = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~$&+,/:;=@")
_PATH_VALID = _PATH_KEEP | frozenset("!'()*[]%")


class UrlError(ValueError):
    pass


class Url(Named):
    __slots__ = ("host", "opaque", "path", "query", "scheme", "text")
    cel_type: ClassVar[t.Type] = URL_TYPE

    def __init__(self, text: str, scheme: str, opaque: str, host: str, path: str, query: str):
        self.text, self.scheme, self.opaque, self.host, self.path, self.query = text, scheme, opaque, host, path, query

    def key(self) -> Any:
        return self.text

    def hostname(self) -> str:
        return self._split()[0]

    def port(self) -> str:
        return self._split()[1]

    def _split(self) -> tuple[str, str]:
        host, colon, port = self.host.rpartition(":")
        if not colon or not (port == "" or port.isdigit()):
            host, port = self.host, ""
        if host.startswith("[") and host.endswith("]"):
            host = host[1:-1]
        return host, port

    def escaped_path(self) -> str:
        if _valid_encoding(self.path):
            return self.path
        plain = _unescape(self.path)
        if plain == "*":
            return "*"
        return "".join(
            chr(b) if chr(b) in _PATH_KEEP else f"%{b:02X}" for b in plain.encode("utf-8", "surrogateescape")
        )


def _valid_encoding(path: str) -> bool:
    return all(c in _PATH_VALID for c in path)


def _unescape(text: str) -> str:
    if "%" not in text:
        return text
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda m: bytes([int(m[1], 16)]), text.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "surrogateescape")


def parse_request_uri(text: str) -> Url:
    return _wrapped(text, True)


def parse_url(text: str) -> Url:
    main, _, fragment = text.partition("#")
    url = _wrapped(main, False, text)
    bad = _bad_escape(fragment)
    if bad:
        raise UrlError(f"parse {go_quote(text)}: {bad}")
    url.text = text
    return url


def _wrapped(text: str, request: bool, shown: str | None = None) -> Url:
    try:
        return _parse(text, request)
    except UrlError as error:
        raise UrlError(f"parse {go_quote(text if shown is None else shown)}: {error}") from None


def _bad_escape(text: str) -> str:
    found = re.search(r"%(?![0-9A-Fa-f]{2}).{0,2}", text, re.DOTALL)
    return f"invalid URL escape {go_quote(found[0])}" if found else ""


def _scheme(text: str) -> tuple[str, str]:
    for i, char in enumerate(text):
        if char.isascii() and char.isalpha():
            continue
        if char.isascii() and (char.isdigit() or char in "+-."):
            if i == 0:
                return "", text
            continue
        if char == ":":
            if i == 0:
                raise UrlError("missing protocol scheme")
            return text[:i].lower(), text[i + 1 :]
        return "", text
    return "", text


def _parse(text: str, request: bool) -> Url:
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise UrlError("net/url: invalid control character in URL")
    if not text and request:
        raise UrlError("empty url")
    if text == "*":
        return Url(text, "", "", "", "*", "")
    scheme, rest = _scheme(text)
    rest, _, query = rest.partition("?")
    if not rest.startswith("/"):
        if scheme:
            return Url(text, scheme, rest, "", "", query)
        if request:
            raise UrlError("invalid URI for request")
        if ":" in rest.partition("/")[0]:
            raise UrlError("first path segment in URL cannot contain colon")
    host = ""
    if (scheme or (not request and not rest.startswith("///"))) and rest.startswith("//"):
        authority, slash, tail = rest[2:].partition("/")
        host = _authority(authority)
        rest = slash + tail
    bad = _bad_escape(rest)
    if bad:
        raise UrlError(bad)
    return Url(text, scheme, "", host, rest, query)


def _authority(authority: str) -> str:
    user, at, host = authority.rpartition("@")
    host = _host(host)
    if at:
        if not re.fullmatch(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*", user):
            raise UrlError("net/url: invalid userinfo")
        if bad := _bad_escape(user):
            raise UrlError(bad)
    return host


def _host(host: str) -> str:
    if host.startswith("["):
        close = host.rfind("]")
        if close < 0:
            raise UrlError("missing ']' in host")
        port = host[close + 1 :]
    else:
        _, colon, tail = host.rpartition(":")
        port = colon + tail if colon else ""
    if port and not (port[0] == ":" and (port[1:] == "" or (port[1:].isascii() and port[1:].isdigit()))):
        raise UrlError(f"invalid port {go_quote(port)} after host")
    if bad := _bad_escape(host):
        raise UrlError(bad)
    for char in host:
        if char == " " or not _HOST_OK.match(char):
            raise UrlError(f"invalid character {go_quote(char)} in host name")
    return _unescape(host)


@URLS.fn("url", "string_to_url", [t.STRING], URL_TYPE)
def _url(text: str) -> Url:
    try:
        parse_request_uri(text)
        return parse_url(text)
    except UrlError as error:
        raise CelError(f"URL parse error during conversion from string: {error}") from None


@URLS.fn("isURL", "is_url_string", [t.STRING], t.BOOL)
def _is_url(text: str) -> bool:
    try:
        parse_request_uri(text)
    except UrlError:
        return False
    return True


URLS.type(URL_TYPE)
URLS.add("getScheme", "url_get_scheme", [URL_TYPE], t.STRING, lambda u: u.scheme, member=True)
URLS.add("getHost", "url_get_host", [URL_TYPE], t.STRING, lambda u: u.host, member=True)
URLS.add("getHostname", "url_get_hostname", [URL_TYPE], t.STRING, lambda u: u.hostname(), member=True)
URLS.add("getPort", "url_get_port", [URL_TYPE], t.STRING, lambda u: u.port(), member=True)
URLS.add("getEscapedPath", "url_get_escaped_path", [URL_TYPE], t.STRING, lambda u: u.escaped_path(), member=True)


@URLS.member("getQuery", "url_get_query", [URL_TYPE], t.map_of(t.STRING, t.list_of(t.STRING)))
def _query(url: Url) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for pair in url.query.split("&"):
        if not pair or ";" in pair:
            continue
        name, _, value = pair.partition("=")
        if _bad_escape(name) or _bad_escape(value):
            continue
        out.setdefault(_unescape(name.replace("+", " ")), []).append(_unescape(value.replace("+", " ")))
    return out
