"""Who asks and what for: the two values that travel along the access chain."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class User:
    """An authenticated caller (k8s.io/apiserver/pkg/authentication/user.Info)."""

    name: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = field(default_factory=dict, hash=False)


class Decision(NamedTuple):
    """What an authorizer says; a refusal only means that it has no opinion, and may carry a reason too."""

    allowed: bool
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What an authorizer is asked (k8s.io/apiserver/pkg/authorization/authorizer.Attributes).

    `verb` is the API verb (get, list, watch, create, update, patch, delete, deletecollection) for resources and the
    lower-case HTTP method for other paths.
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
