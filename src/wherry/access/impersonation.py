"""Acting as someone else: the Impersonate-* headers, after authentication and before authorization.

Follows k8s.io/apiserver/pkg/endpoints/filters (impersonation). Every part of the wanted identity is a right of its own:
the user or service account, the uid, each group and each extra value.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from urllib.parse import unquote

from wherry.access.user import Attributes, User
from wherry.errors import BadRequest, go_quote

_AUTHN = "authentication.k8s.io"
_SERVICE_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATED, _UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_EXTRA = "impersonate-extra-"


def impersonate(
    user: User, headers: Iterable[tuple[str, str]], workspace: str, authorize: Callable[[Attributes], None]
) -> User:
    """Who the caller acts as; the caller itself when no header asks for it. Raises BadRequest, Forbidden."""
    asked = [(name, value) for name, value in headers if name.startswith("impersonate-")]
    return _become(user, asked, workspace, authorize) if asked else user


def _become(
    user: User, headers: list[tuple[str, str]], workspace: str, authorize: Callable[[Attributes], None]
) -> User:
    wanted = _wanted(headers)
    if not wanted.name:
        if wanted.uid or wanted.groups or wanted.extra:
            raise BadRequest(f"requested {_go_value(wanted)} without impersonating a user name")
        return user
    for group, resource, subresource, namespace, name in _rights(wanted):
        authorize(
            Attributes(user, "impersonate", "", True, group, "v1", resource, subresource, namespace, name, workspace)
        )
    return User(wanted.name, wanted.uid, _groups(wanted), wanted.extra)


def _wanted(headers: list[tuple[str, str]]) -> User:
    name, uid = "", ""
    groups: list[str] = []
    extra: dict[str, tuple[str, ...]] = {}
    for header, value in headers:
        if header == "impersonate-user":
            name = name or value
        elif header == "impersonate-uid":
            uid = uid or value
        elif header == "impersonate-group":
            groups.append(value)
        elif header.startswith(_EXTRA):
            key = header[len(_EXTRA) :]
            key = key if _BAD_ESCAPE.search(key) else unquote(key)
            extra[key] = (*extra.get(key, ()), value)
    return User(name, uid, tuple(groups), extra)


def _rights(wanted: User) -> Iterator[tuple[str, str, str, str, str]]:
    """(group, resource, subresource, namespace, name) of each right that the identity takes."""
    account = service_account(wanted.name)
    yield ("", "serviceaccounts", "", *account) if account else ("", "users", "", "", wanted.name)
    if wanted.uid:
        yield _AUTHN, "uids", "", "", wanted.uid
    for group in wanted.groups:
        yield "", "groups", "", "", group
    for key, values in wanted.extra.items():
        for value in values:
            yield _AUTHN, "userextras", key, "", value


def service_account(user: str) -> tuple[str, str] | None:
    """Namespace and name, if the user name is that of a service account."""
    if not user.startswith(_SERVICE_ACCOUNT):
        return None
    namespace, _, name = user[len(_SERVICE_ACCOUNT) :].partition(":")
    return (namespace, name) if _DNS_LABEL.fullmatch(namespace) and _DNS_NAME.fullmatch(name) else None


def _groups(wanted: User) -> tuple[str, ...]:
    groups = wanted.groups
    account = service_account(wanted.name)
    if account and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    if _AUTHENTICATED in groups or _UNAUTHENTICATED in groups:
        return groups
    return (*groups, _UNAUTHENTICATED if wanted.name == "system:anonymous" else _AUTHENTICATED)


def _go_value(user: User) -> str:
    groups = _go_strings(user.groups) if user.groups else "[]string(nil)"
    pairs = ", ".join(f"{go_quote(key)}:{_go_strings(values)}" for key, values in sorted(user.extra.items()))
    extra = f"map[string][]string{{{pairs}}}" if user.extra else "map[string][]string(nil)"
    return f"&user.DefaultInfo{{Name:{go_quote(user.name)}, UID:{go_quote(user.uid)}, Groups:{groups}, Extra:{extra}}}"


def _go_strings(values: tuple[str, ...]) -> str:
    return f"[]string{{{', '.join(map(go_quote, values))}}}"
