"""Who asks and what for: the two values that travel along the access chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from wherry.access.authorization.selectors import Selectors


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated caller (k8s.io/apiserver/pkg/authentication/user.Info)."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


class Known(NamedTuple):
    """A user, and for whom the credentials that were shown are good (none: for the API itself)."""

    user: User
    audiences: tuple[str, ...] = ()


class Decision(NamedTuple):
    """What an authorizer says. Neither allowed nor denied: it has no opinion, and the next one is asked. Every answer
    may carry a reason; `error` says what kept the authorizer from a better one."""

    allowed: bool
    reason: str = ""
    denied: bool = False
    error: str = ""


NO_OPINION = Decision(False)


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an authorizer is asked (k8s.io/apiserver/pkg/authorization/authorizer.Attributes).

    `verb` is the API verb (get, list, watch, create, update, patch, delete, deletecollection) for resources and the
    lower-case HTTP method for other paths. `selectors` narrow a list, watch or deletecollection.
    """

    user: User
    verb: str
    path: str = ""
    resource_request: bool = False
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    workspace: str = "root"
    selectors: Selectors | None = None
