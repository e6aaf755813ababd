"""Acting as someone else: the Impersonate-* headers, after authentication and before authorization.

Follows k8s.io/apiserver/pkg/endpoints/filters/impersonation. Every part of the wanted identity is a right of its own:
the user or service account, the uid, each group and each extra value. Constrained impersonation comes first: its modes
(`impersonate:user-info` and so on) also ask for the right to do the request at hand in someone else's name. The old
verb `impersonate`, which is good for everything, is the last mode.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from urllib.parse import unquote

from wherry.access.chain import MASTERS, Undecided, refuse
from wherry.access.user import Attributes, User
from wherry.errors import BadRequest, Forbidden, go_quote

_AUTHN = "authentication.k8s.io"
_SERVICE_ACCOUNT = "system:serviceaccount:"
_AUTHENTICATED, _UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
_BAD_ESCAPE = re.compile("%(?![0-9A-Fa-f]{2})")
_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_NAME = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_EXTRA = "impersonate-extra-"
_NODE, _NODES, _NODE_NAME = "system:node:", "system:nodes", "authentication.kubernetes.io/node-name"
_LEGACY = ""  # the mode without a name
_REMEMBERED = 10_000  # callers, the latest ones
_MANY = 4  # so many groups or values: ask once for all of them before asking for each
# An extra key as the constrained modes want it: domain, slash, path.
_EXTRA_KEY = re.compile(rf"{_DNS_NAME.pattern}/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+")

Authorize = Callable[[Attributes], None]
Right = tuple[str, str, str, str, str]  # group, resource, subresource, namespace, name


class Impersonation:
    """Decides who a caller acts as. It remembers by which mode each caller last came through: that one is tried first,
    so that whoever uses the old verb pays no more for it than before."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], str] = {}

    def __call__(self, headers: Iterable[tuple[str, str]], request: Attributes, authorize: Authorize) -> User:
        """The caller itself when no header asks for anyone else.

        Raises BadRequest, and Forbidden in the words of the first mode that was tried."""
        asked = [(name, value) for name, value in headers if name.startswith("impersonate-")]
        return self._become(asked, request, authorize) if asked else request.user

    def _become(self, headers: list[tuple[str, str]], request: Attributes, authorize: Authorize) -> User:
        wanted = _wanted(headers)
        if not wanted.name:
            if wanted.uid or wanted.groups or wanted.extra:
                raise BadRequest(f"requested {_go_value(wanted)} without impersonating a user name")
            return request.user
        key = (request.workspace, request.user.name)
        last = self._last.get(key)
        first: Forbidden | None = None
        for mode in sorted(_modes(wanted, request.user), key=lambda mode: mode != last):
            try:
                _check(mode, wanted, request, authorize)
            except Forbidden as refused:
                first = first or refused
                continue
            except Undecided as failed:
                first = first or Forbidden(str(failed), details={})
                continue
            self._remember(key, mode)
            return User(wanted.name, wanted.uid, _groups(wanted, mode), wanted.extra)
        assert first is not None
        raise first

    def _remember(self, key: tuple[str, str], mode: str) -> None:
        self._last.pop(key, None)
        while len(self._last) >= _REMEMBERED:
            del self._last[next(iter(self._last))]
        self._last[key] = mode


def _modes(wanted: User, caller: User) -> Iterator[str]:
    """The modes that fit, most constrained first."""
    bare = not (wanted.uid or wanted.groups or wanted.extra)
    node, account = _node(wanted.name), service_account(wanted.name)
    if bare and node:
        if service_account(caller.name) and caller.extra.get(_NODE_NAME) == (node,):
            yield "associated-node"
        yield "arbitrary-node"
    if bare and account:
        yield "serviceaccount"
    if not node and not account:
        yield "user-info"
    yield _LEGACY


def _check(mode: str, wanted: User, request: Attributes, authorize: Authorize) -> None:
    """Raises Forbidden."""
    verb = f"impersonate:{mode}" if mode else "impersonate"

    def ask(group: str, resource: str, subresource: str = "", namespace: str = "", name: str = "") -> Attributes:
        version, workspace = "v1", request.workspace
        return Attributes(
            request.user, verb, "", True, group, version, resource, subresource, namespace, name, workspace
        )

    if not mode:
        for right in _rights(wanted):
            authorize(ask(*right))
        return
    authorize(replace(request, verb=f"impersonate-on:{mode}:{request.verb}"))
    authorize(ask(*_who(wanted.name, mode)))
    if wanted.uid:
        authorize(ask(_AUTHN, "uids", name=wanted.uid))
    _check_groups(wanted, ask, authorize)
    _check_extra(wanted, ask, authorize)


def _check_groups(wanted: User, ask: Callable[..., Attributes], authorize: Authorize) -> None:
    if "" in wanted.groups:
        raise refuse(ask(_AUTHN, "groups"), "impersonating the empty string group is not allowed")
    if MASTERS in wanted.groups:
        text = f"impersonating the {MASTERS} group is not allowed"
        raise refuse(ask(_AUTHN, "groups", name=MASTERS), text)
    if len(wanted.groups) >= _MANY and _allowed(ask(_AUTHN, "groups", name="*"), authorize):
        return
    for group in wanted.groups:
        authorize(ask(_AUTHN, "groups", name=group))


def _check_extra(wanted: User, ask: Callable[..., Attributes], authorize: Authorize) -> None:
    for key, values in wanted.extra.items():
        why = _extra_problem(key, values)
        if why:
            raise refuse(ask(_AUTHN, "userextras"), f"impersonating {why} in extra is not allowed")
    many = len(wanted.extra) >= _MANY or sum(map(len, wanted.extra.values())) >= _MANY
    if many and _allowed(ask(_AUTHN, "userextras", "*", name="*"), authorize):
        return
    for key, values in wanted.extra.items():
        for value in values:
            authorize(ask(_AUTHN, "userextras", key, name=value))


def _extra_problem(key: str, values: tuple[str, ...]) -> str:
    if not key:
        return "the empty string key"
    if not _EXTRA_KEY.fullmatch(key):
        return "an invalid key"
    return "the empty string value" if "" in values else ""


def _allowed(asked: Attributes, authorize: Authorize) -> bool:
    try:
        authorize(asked)
    except (Forbidden, Undecided):
        return False
    return True


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


def _rights(wanted: User) -> Iterator[Right]:
    """Each right that the identity takes under the old verb."""
    account = service_account(wanted.name)
    yield ("", "serviceaccounts", "", *account) if account else ("", "users", "", "", wanted.name)
    if wanted.uid:
        yield _AUTHN, "uids", "", "", wanted.uid
    for each in wanted.groups:
        yield "", "groups", "", "", each
    for key, values in wanted.extra.items():
        for value in values:
            yield _AUTHN, "userextras", key, "", value


def _who(name: str, mode: str) -> Right:
    """The right to the name itself in a constrained mode."""
    node, account = _node(name), service_account(name)
    if node:
        return _AUTHN, "nodes", "", "", "*" if mode == "associated-node" else node
    return (_AUTHN, "serviceaccounts", "", *account) if account else (_AUTHN, "users", "", "", name)


def _node(user: str) -> str:
    """The node's name, if the user name is that of a node."""
    name = user.removeprefix(_NODE)
    return name if name != user and _DNS_NAME.fullmatch(name) else ""


def service_account(user: str) -> tuple[str, str] | None:
    """Namespace and name, if the user name is that of a service account."""
    if not user.startswith(_SERVICE_ACCOUNT):
        return None
    namespace, _, name = user[len(_SERVICE_ACCOUNT) :].partition(":")
    return (namespace, name) if _DNS_LABEL.fullmatch(namespace) and _DNS_NAME.fullmatch(name) else None


def _groups(wanted: User, mode: str) -> tuple[str, ...]:
    groups = wanted.groups
    account = service_account(wanted.name)
    if account and not groups:
        groups = ("system:serviceaccounts", f"system:serviceaccounts:{account[0]}")
    elif mode.endswith("-node"):
        groups = (_NODES,)
    if wanted.name == "system:anonymous":
        return groups if _UNAUTHENTICATED in groups else (*groups, _UNAUTHENTICATED)
    if _AUTHENTICATED in groups or _UNAUTHENTICATED in groups:
        return groups
    return (*groups, _AUTHENTICATED)


def _go_value(user: User) -> str:
    groups = _go_strings(user.groups) if user.groups else "[]string(nil)"
    pairs = ", ".join(f"{go_quote(key)}:{_go_strings(values)}" for key, values in sorted(user.extra.items()))
    extra = f"map[string][]string{{{pairs}}}" if user.extra else "map[string][]string(nil)"
    return f"&user.DefaultInfo{{Name:{go_quote(user.name)}, UID:{go_quote(user.uid)}, Groups:{groups}, Extra:{extra}}}"


def _go_strings(values: tuple[str, ...]) -> str:
    return f"[]string{{{', '.join(map(go_quote, values))}}}"
