"""Audiences: for whom credentials are good. Who asks for none means the API itself.

Credentials that know of no audience (certificates, static and bootstrap tokens, those of an identity provider) are good
for the API (k8s.io/apiserver/pkg/authentication/authenticator/audagnostic.go).
"""

from __future__ import annotations

from collections.abc import Sequence

from wherry.access.user import Known, User


def common(of_token: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Those that are in both, in the order in which they were asked for."""
    return [audience for audience in wanted if audience in of_token]


class Agnostic:
    """Users behind credentials without an audience."""

    def __init__(self, api: Sequence[str]):
        self._api = tuple(api)

    def __call__(self, user: User, wanted: tuple[str, ...]) -> Known | None:
        """None when someone else than the API was asked for."""
        if not wanted:
            return Known(user, self._api)
        shared = tuple(common(wanted, self._api))
        return Known(user, shared) if shared else None
