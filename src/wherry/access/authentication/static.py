"""Static bearer tokens: the administrator's, and those of a file as kube-apiserver's --token-auth-file has it.

CSV records `token,user,uid,"group1,group2"`; the groups are optional, further columns are ignored
(k8s.io/apiserver/pkg/authentication/token/tokenfile).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from wherry.access.authentication.audiences import Agnostic
from wherry.access.chain import authenticated
from wherry.access.user import Known, User
from wherry.errors import ConfigurationError


class TokenFileError(ConfigurationError):
    """A token file that cannot be read: says which line and why."""


class StaticTokens:
    """Tokens that are known by heart. They are found by digest, so that the time it takes tells nothing of them."""

    def __init__(self, tokens: Mapping[str, User], agnostic: Agnostic):
        self._users = {_digest(token): authenticated(user) for token, user in tokens.items()}
        self._agnostic = agnostic

    def __call__(self, token: str, audiences: tuple[str, ...]) -> Known | None:
        user = self._users.get(_digest(token))
        return self._agnostic(user, audiences) if user is not None else None


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


def read_tokens(path: Path) -> dict[str, User]:
    """token -> user. Blank lines and lines that start with `#` are passed over."""
    import csv

    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TokenFileError(f"the token file {path} cannot be read: {error}") from None
    found: dict[str, User] = {}
    records = csv.reader(text.splitlines(keepends=True), skipinitialspace=True, strict=True)
    try:
        for fields in records:
            if not fields or fields[0].startswith("#"):
                continue
            user = _user(path, records.line_num, [field.strip() for field in fields])
            found[fields[0].strip()] = user
    except csv.Error as error:
        raise TokenFileError(f"{path}, line {records.line_num}: {error}") from None
    return found


def _user(path: Path, number: int, fields: list[str]) -> User:
    if len(fields) < 3:
        raise TokenFileError(f'{path}, line {number}: write token,user,uid[,"group1,group2"]')
    token, name, uid, *rest = fields
    if not token or not name:
        raise TokenFileError(f"{path}, line {number}: the token and the user must not be empty")
    groups = [group.strip() for group in (rest[0] if rest else "").split(",") if group.strip()]
    return authenticated(User(name, uid, tuple(groups)))
