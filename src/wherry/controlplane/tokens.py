"""The token file: static bearer tokens for users, as kube-apiserver's --token-auth-file has it.

CSV lines `token,user,uid,"group1,group2"`; the groups are optional
(k8s.io/apiserver/pkg/authentication/token/tokenfile).
"""

from __future__ import annotations

from pathlib import Path

from wherry.access.chain import AUTHENTICATED
from wherry.access.user import User


class TokenFileError(Exception):
    """A token file that cannot be read: says which line and why."""


def read_tokens(path: Path) -> dict[str, User]:
    """token -> user. Blank lines and lines that start with `#` are passed over."""
    import csv

    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TokenFileError(f"the token file {path} cannot be read: {error}") from None
    found: dict[str, User] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        fields = [field.strip() for field in next(csv.reader([line], skipinitialspace=True))]
        if len(fields) < 3:
            raise TokenFileError(f'{path}, line {number}: write token,user,uid[,"group1,group2"]')
        token, name, uid, *rest = fields
        if not token or not name:
            raise TokenFileError(f"{path}, line {number}: the token and the user must not be empty")
        groups = [group.strip() for group in (rest[0] if rest else "").split(",") if group.strip()]
        found[token] = User(name, uid, (*groups, AUTHENTICATED))
    return found
