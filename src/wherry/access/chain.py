"""The one door, as an ordered list: authenticate, impersonate, authorize; admission hangs on the write itself.

HTTP and in-process callers pass the same chain (law 5). Members of system:masters may do everything, for everyone else
the roles and bindings count (access/rbac.py); who shows no credentials is anonymous.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from wherry.access.user import Attributes, Decision, User
from wherry.errors import Forbidden, Unauthorized, qualified, resource_details

MASTERS = "system:masters"
AUTHENTICATED = "system:authenticated"
ANONYMOUS = User("system:anonymous", groups=("system:unauthenticated",))
ADMIN = User("kubernetes-admin", groups=(MASTERS, AUTHENTICATED))
_RESOURCE_RULE = ("verbs", "apiGroups", "resources", "resourceNames")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request shows: the Authorization header, the verified certificate's (CN, O...), impersonation headers."""

    authorization: str = ""
    certificate: tuple[str, tuple[str, ...]] | None = None
    audiences: tuple[str, ...] = ()  # whom the caller must be known to; none: the API itself


Authenticator = Callable[[Credentials], User | None]
Authorizer = Callable[[Attributes], Decision]
Rules = Callable[[User, str, str], Iterable[dict[str, Any]]]
RoleErrors = Callable[[User, str, str], str]


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
        scheme, _, token = shown.authorization.strip().partition(" ")
        token = token.partition(" ")[0]  # a second blank means no token at all, words after the token are ignored
        if scheme.lower() != "bearer" or not token:
            return None
        for known, user in self._tokens.items():
            if hmac.compare_digest(known.encode(), token.encode("utf-8", "surrogateescape")):
                return user
        raise Unauthorized


def masters(asked: Attributes) -> Decision:
    """Members of system:masters may do everything."""
    return Decision(MASTERS in asked.user.groups)


@dataclass(slots=True)
class Chain:
    """Authenticators are asked until one knows the caller, authorizers until one allows."""

    authenticators: list[Authenticator]
    authorizers: list[Authorizer] = field(default_factory=lambda: [masters])
    role_rules: Rules | None = None  # what the roles give a user, for rules reviews
    role_errors: RoleErrors | None = None  # and what could not be found for it

    def authenticate(self, shown: Credentials) -> User:
        """Raises Unauthorized for credentials that nobody accepts."""
        for authenticator in self.authenticators:
            user = authenticator(shown)
            if user is not None:
                return user
        return ANONYMOUS

    def authorize(self, asked: Attributes) -> None:
        """Raises Forbidden in the words of the real server (responsewriters.Forbidden)."""
        allowed, reason = self.ask(asked)
        if not allowed:
            raise refuse(asked, reason)

    def ask(self, asked: Attributes) -> Decision:
        """What the authorizers say together (authorization/union)."""
        reasons = []
        for authorizer in self.authorizers:
            decision = authorizer(asked)
            if decision.allowed:
                return decision
            if decision.reason:
                reasons.append(decision.reason)
        return Decision(False, "\n".join(reasons))

    def decide(self, asked: Attributes) -> dict[str, object]:
        """The status of an access review."""
        allowed, reason = self.ask(asked)
        return {"allowed": allowed, "reason": reason} if reason else {"allowed": allowed}

    def rules(self, user: User, namespace: str, workspace: str) -> dict[str, object]:
        """The status of a rules review."""
        everything = MASTERS in user.groups
        resources: list[dict[str, Any]] = (
            [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}] if everything else []
        )
        paths: list[dict[str, Any]] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if everything else []
        for rule in self.role_rules(user, namespace, workspace) if self.role_rules else ():
            if rule.get("resources"):
                resources.append({key: rule[key] for key in _RESOURCE_RULE if rule.get(key)})
            if rule.get("nonResourceURLs"):
                paths.append({key: rule[key] for key in ("verbs", "nonResourceURLs")})
        status: dict[str, object] = {"resourceRules": resources, "nonResourceRules": paths, "incomplete": False}
        error = self.role_errors(user, namespace, workspace) if self.role_errors else ""
        return {**status, "evaluationError": error} if error else status


def refuse(asked: Attributes, reason: str = "") -> Forbidden:
    """403 with the sentence that clients and people look for."""
    user = f'User "{asked.user.name}" cannot'
    if not asked.resource_request:
        path = f'forbidden: {user} {asked.verb} path "{asked.path}"'
        return Forbidden(f"{path}: {reason}" if reason else path, details={})
    resource = f"{asked.resource}/{asked.subresource}" if asked.subresource else asked.resource
    where = f' in the namespace "{asked.namespace}"' if asked.namespace else " at the cluster scope"
    what = qualified(asked.group, asked.resource) + (f' "{asked.name}"' if asked.name else "")
    text = f'{what} is forbidden: {user} {asked.verb} resource "{resource}" in API group "{asked.group}"{where}'
    text = f"{text}: {reason}" if reason else text
    return Forbidden(text, details=resource_details(asked.group, asked.resource, asked.name))
