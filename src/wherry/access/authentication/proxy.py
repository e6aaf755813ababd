"""Authenticating proxies: whoever shows a proxy's certificate may name the user in headers.

Without such a certificate the headers mean nothing. Follows
k8s.io/apiserver/pkg/authentication/request/headerrequest (and its verifier in request/x509).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import unquote

from wherry.access.authentication.audiences import Agnostic
from wherry.access.chain import Credentials, Rejected, authenticated
from wherry.access.user import Known, User

_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")


class ProxyHeaders(NamedTuple):
    """Which headers a proxy may use, and which common names it may have (none named: any)."""

    names: tuple[str, ...] = ("X-Remote-User",)
    uids: tuple[str, ...] = ("X-Remote-Uid",)
    groups: tuple[str, ...] = ("X-Remote-Group",)
    extra_prefixes: tuple[str, ...] = ("X-Remote-Extra-",)
    allowed: tuple[str, ...] = ()


class Proxy:
    """An authenticator."""

    def __init__(self, headers: ProxyHeaders, agnostic: Agnostic):
        self._names, self._uids = _lower(headers.names), _lower(headers.uids)
        self._groups, self._prefixes = _lower(headers.groups), _lower(headers.extra_prefixes)
        self._allowed = headers.allowed
        self._agnostic = agnostic

    def __call__(self, shown: Credentials) -> Known | None:
        if shown.proxy is None:
            return None
        if self._allowed and shown.proxy not in self._allowed:
            raise Rejected(f"x509: subject with cn={shown.proxy} is not in the allowed list")
        name = _first(shown.headers, self._names)
        if not name:
            return None
        groups = tuple(value for key in self._groups for value in _all(shown.headers, key) if value)
        user = User(name, _first(shown.headers, self._uids), groups, self._extra(shown.headers))
        return self._agnostic(authenticated(user), shown.audiences)

    def _extra(self, headers: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
        extra: dict[str, tuple[str, ...]] = {}
        for prefix in self._prefixes:
            for name, value in headers:
                if name.startswith(prefix):
                    key = name[len(prefix) :]
                    key = key if _BAD_ESCAPE.search(key) else unquote(key)
                    extra[key] = (*extra.get(key, ()), _text(value))
        return extra


def _lower(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in names)


def _text(value: str) -> str:
    """A header's bytes are text in UTF-8 to a Go server, whatever HTTP says."""
    return value if value.isascii() else value.encode("latin-1", "replace").decode("utf-8", "replace")


def _all(headers: Sequence[tuple[str, str]], wanted: str) -> Iterator[str]:
    for name, value in headers:
        if name == wanted:
            yield _text(value)


def _first(headers: Sequence[tuple[str, str]], names: Sequence[str]) -> str:
    """The first value of the first header that has one, as Go's Header.Get gives it."""
    for name in names:
        value = next(_all(headers, name), "")
        if value:
            return value
    return ""
