"""The one door, as an ordered list: authenticate, impersonate, authorize; admission hangs on the write itself.

HTTP and in-process callers pass the same chain (law 5). For now there is one identity that may do everything, the
administrator, known by a client certificate of the control plane's own authority or by its token; everyone else is
anonymous and may only ask for health and version.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import dataclass, field

from wherry.access.user import Attributes, User
from wherry.errors import Forbidden, Unauthorized, qualified, resource_details

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
ADMIN = User("kubernetes-admin", groups=(MASTERS, AUTHENTICATED))
# Paths that anyone may read, as the default binding of system:public-info-viewer has it.
PUBLIC = frozenset(("/healthz", "/livez", "/readyz", "/version", "/version/"))


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: the Authorization header, the verified certificate's (CN, O...), impersonation headers."""

    authorization: str = ""
    certificate: tuple[str, tuple[str, ...]] | None = None


Authenticator = Callable[[Credentials], User | None]
Authorizer = Callable[[Attributes], bool]


def certificates(shown: Credentials) -> User | None:
    """CN is the user, each O a group (authenticator/request/x509.CommonNameUserConversion)."""
    if shown.certificate is None or not shown.certificate[0]:
        return None
    name, groups = shown.certificate
    return User(name, groups=(*groups, AUTHENTICATED))


class Tokens:
    """Static bearer tokens. An unknown token is an error, not an absence: it must not fall through to anonymous."""

    def __init__(self, tokens: dict[str, User]):
        self._tokens = tokens

    def __call__(self, shown: Credentials) -> User | None:
        scheme, _, token = shown.authorization.partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            return None
        for known, user in self._tokens.items():
            if hmac.compare_digest(known.encode(), token.encode("utf-8", "surrogateescape")):
                return user
        raise Unauthorized


def masters(asked: Attributes) -> bool:
    """Members of system:masters may do everything."""
    return MASTERS in asked.user.groups


def public(asked: Attributes) -> bool:
    """Health and version, for everyone."""
    return not asked.resource_request and asked.verb == "get" and asked.path in PUBLIC


@dataclass(slots=True)
class Chain:
    """Authenticators are asked until one knows the caller, authorizers until one allows."""

    authenticators: list[Authenticator]
    authorizers: list[Authorizer] = field(default_factory=lambda: [masters, public])

    def authenticate(self, shown: Credentials) -> User:
        """Raises Unauthorized for credentials that nobody accepts."""
        for authenticator in self.authenticators:
            user = authenticator(shown)
            if user is not None:
                return user
        return ANONYMOUS

    def authorize(self, asked: Attributes) -> None:
        """Raises Forbidden in the words of the real server (responsewriters.Forbidden)."""
        for authorizer in self.authorizers:
            if authorizer(asked):
                return
        raise refuse(asked)

    def decide(self, asked: Attributes) -> dict[str, object]:
        """The status of an access review."""
        allowed = any(authorizer(asked) for authorizer in self.authorizers)
        return {"allowed": allowed}

    def rules(self, user: User, namespace: str, workspace: str) -> dict[str, object]:
        """The status of a rules review."""
        everything = MASTERS in user.groups
        resources = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}] if everything else []
        paths = [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if everything else []
        return {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}


def refuse(asked: Attributes) -> Forbidden:
    """403 with the sentence that clients and people look for."""
    user = f'User "{asked.user.name}" cannot'
    if not asked.resource_request:
        return Forbidden(f'forbidden: {user} {asked.verb} path "{asked.path}"', details={})
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    what = qualified(asked.group, asked.resource) + (f' "{asked.name}"' if asked.name else "")
    text = f'{what} is forbidden: {user} {asked.verb} resource "{resource}" in API group "{asked.group}"{where}'
    return Forbidden(text, details=resource_details(asked.group, asked.resource, asked.name))
