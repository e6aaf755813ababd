"""The one door, as an ordered list: authenticate, impersonate, authorize; admission hangs on the write itself.

HTTP and in-process callers pass the same chain (law 5). Authenticators stand in `access/authentication`, authorizers in
`access/authorization` and `access/rbac`. Members of system:masters may do everything; who shows no credentials is
anonymous. Order and outcome of authentication follow pkg/kubeapiserver/authenticator (Config.New).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from wherry.access.user import NO_OPINION, Attributes, Decision, Known, User
from wherry.errors import Forbidden, Unauthorized, qualified, resource_details

if TYPE_CHECKING:
    from wherry.kit.pki import Peer

MASTERS = "system:masters"
AUTHENTICATED, UNAUTHENTICATED = "system:authenticated", "system:unauthenticated"
ANONYMOUS = User("system:anonymous", groups=(UNAUTHENTICATED,))
ADMIN = User("kubernetes-admin", groups=(MASTERS, AUTHENTICATED))
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
_ALLOWED = Decision(True)
_RESOURCE_RULE = ("verbs", "apiGroups", "resources", "resourceNames")


class Rejected(Unauthorized):
    """Credentials that are not accepted. `whys` are for token reviews and the log; the caller hears Unauthorized."""

    def __init__(self, *whys: str):
        super().__init__()
        self.whys = whys

    @property
    def why(self) -> str:
        """All reasons, as Go shows several errors."""
        return _aggregate(self.whys)


class Undecided(Exception):
    """An authorizer failed and nobody else allowed the request: a fault of the server, not of the caller."""


class Credentials(NamedTuple):
    """What a request shows. `certificate` was verified against the authority of clients, `proxy` is the common name of
    one that was verified against the authority of authenticating proxies."""

    authorization: str = ""
    certificate: Peer | None = None
    audiences: tuple[str, ...] = ()  # whom the caller must be known to; none: the API itself
    proxy: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    path: str = ""
    problem: str = ""  # why the certificate that was shown is not good any more


# An authenticator says who it is, None for credentials that are not its business, and raises Rejected for bad ones.
Authenticator = Callable[[Credentials], Known | None]
TokenAuthenticator = Callable[[str, tuple[str, ...]], Known | None]  # of a token, good for one of the audiences
Authorizer = Callable[[Attributes], Decision]


class Rules(NamedTuple):
    """What a resolver of rules knows of a user in a namespace; `error` is what it does not."""

    rules: Iterable[dict[str, Any]] = ()
    error: str = ""
    incomplete: bool = False


RuleResolver = Callable[[User, str, str], Rules]


def authenticated(user: User) -> User:
    """The user as a member of those who are known (group.NewAuthenticatedGroupAdder)."""
    if user.name == ANONYMOUS.name or AUTHENTICATED in user.groups or UNAUTHENTICATED in user.groups:
        return user
    return User(user.name, user.uid, (*user.groups, AUTHENTICATED), user.extra)


def bearer_token(authorization: str) -> str:
    """The token of an Authorization header, empty if it has none."""
    scheme, _, token = authorization.strip().partition(" ")
    token = token.partition(" ")[0]  # a second blank means no token at all, words after the token are ignored
    return token if scheme.lower() == "bearer" else ""


class Bearer:
    """Whoever can say something about a bearer token, in order. A token that nobody knows is an error, not an absence:
    it must not fall through to anonymous."""

    def __init__(self, known: list[TokenAuthenticator]):
        self.known = known

    def __call__(self, shown: Credentials) -> Known | None:
        token = bearer_token(shown.authorization)
        if not token:
            return None
        whys = ["invalid bearer token"]
        for authenticator in self.known:
            try:
                found = authenticator(token, shown.audiences)
            except Rejected as rejected:
                whys += rejected.whys
                continue
            if found is not None:
                return found
        raise Rejected(*whys)


class Anonymous:
    """Who shows nothing: someone, unless that is switched off or only welcome on other paths."""

    def __init__(self, enabled: bool = True, paths: Iterable[str] = ()):
        self._enabled, self._paths = enabled, frozenset(paths)

    def __call__(self, shown: Credentials) -> Known | None:
        if not self._enabled or (self._paths and shown.path not in self._paths):
            return None
        return Known(ANONYMOUS, shown.audiences)


def masters(asked: Attributes) -> Decision:
    """Members of system:masters may do everything."""
    return _ALLOWED if MASTERS in asked.user.groups else NO_OPINION


@dataclass(slots=True)
class Chain:
    """Authenticators are asked until one knows the caller, authorizers until one has an opinion.

    The lists may be exchanged at any time (configuration is read again while the server runs)."""

    authenticators: list[Authenticator]
    authorizers: list[Authorizer] = field(default_factory=lambda: [masters])
    anonymous: Authenticator = field(default_factory=Anonymous)
    resolvers: list[RuleResolver] = field(default_factory=list)  # of rules, for rules reviews

    def authenticate(self, shown: Credentials) -> User:
        """Raises Unauthorized for credentials that nobody accepts, Pending when others have to be asked."""
        return self.identify(shown).user

    def identify(self, shown: Credentials) -> Known:
        """The user, and the audiences that the credentials are good for. Raises Rejected, Pending."""
        whys: tuple[str, ...] = ()
        for authenticator in self.authenticators:
            try:
                found = authenticator(shown)
            except Rejected as rejected:
                whys += rejected.whys
                continue
            if found is not None:
                return found
        nobody = None if whys else self.anonymous(shown)
        if nobody is None:
            raise Rejected(*whys)
        return nobody

    def authorize(self, asked: Attributes) -> None:
        """Raises Forbidden in the words of the real server (responsewriters.Forbidden), Undecided, Pending."""
        judge(asked, self.ask(asked))

    def ask(self, asked: Attributes) -> Decision:
        """What the authorizers say together (authorization/union). Raises Pending."""
        reasons, problems = [], []
        for authorizer in self.authorizers:
            decision = authorizer(asked)
            if decision.reason:
                reasons.append(decision.reason)
            if decision.error:
                problems.append(decision.error)
            if decision.allowed or decision.denied:
                return decision
        return Decision(False, "\n".join(reasons), error=_aggregate(problems))

    def decide(self, asked: Attributes) -> dict[str, object]:
        """The status of an access review. Raises Pending."""
        decision = self.ask(asked)
        status: dict[str, object] = {"allowed": decision.allowed}
        if decision.denied:
            status["denied"] = True
        if decision.reason:
            status["reason"] = decision.reason
        if decision.error:
            status["evaluationError"] = decision.error
        return status

    def rules(self, user: User, namespace: str, workspace: str) -> dict[str, object]:
        """The status of a rules review."""
        everything = MASTERS in user.groups
        resources: list[dict[str, Any]] = (
            [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}] if everything else []
        )
        paths: list[dict[str, Any]] = [{"verbs": ["*"], "nonResourceURLs": ["*"]}] if everything else []
        found = [resolver(user, namespace, workspace) for resolver in self.resolvers]
        for rule in _each(found):
            if rule.get("resources"):
                resources.append({key: rule[key] for key in _RESOURCE_RULE if rule.get(key)})
            if rule.get("nonResourceURLs"):
                paths.append({key: rule[key] for key in ("verbs", "nonResourceURLs")})
        incomplete = any(each.incomplete for each in found)
        status: dict[str, object] = {"resourceRules": resources, "nonResourceRules": paths, "incomplete": incomplete}
        error = _aggregate([each.error for each in found if each.error])
        return {**status, "evaluationError": error} if error else status


def _each(found: list[Rules]) -> Iterator[dict[str, Any]]:
    for each in found:
        yield from each.rules


def _aggregate(texts: Iterable[str]) -> str:
    different = list(dict.fromkeys(texts))
    return f"[{', '.join(different)}]" if len(different) > 1 else "".join(different)


def judge(asked: Attributes, decision: Decision) -> None:
    """Raises what a decision means for a request: Forbidden, or Undecided where an authorizer failed."""
    if decision.allowed:
        return
    if decision.error:
        raise Undecided(decision.error)
    raise refuse(asked, decision.reason)


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
