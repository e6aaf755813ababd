"""Distributed claims: groups that do not stand in a token but at another place, which the token names.

Follows the claim resolver of k8s.io/apiserver/plugin/pkg/authenticator/token/oidc (OpenID Connect Core 1.0, 5.6.2): the
place answers with a token of its own, which its own issuer must have signed for one of our audiences.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from wherry.access.authentication import jose
from wherry.access.chain import Rejected
from wherry.access.pending import Pending
from wherry.access.webhooks import WebhookError
from wherry.kit.answers import Answers

Obj = dict[str, Any]
Place = tuple[str, str]  # URL, access token
_HELD_SECONDS = 1.0  # only the question that waits for it needs it


class Verifier(Protocol):
    """An issuer, as far as this needs it."""

    def checked(self, token: str) -> Obj: ...


class DistributedClaims:
    """Brings one claim from wherever it is. `get` fetches (url, headers), `verifier` finds the issuer of a token."""

    def __init__(
        self,
        claim: str,
        get: Callable[[str, str], Awaitable[bytes]],
        verifier: Callable[[str], Verifier],
        clock: Callable[[], float],
    ):
        self._claim, self._get, self._verifier = claim, get, verifier
        self._answers: Answers[Place, bytes | Rejected] = Answers(clock)

    def expand(self, claims: Obj) -> Obj:
        """The claims with what was elsewhere. Raises Rejected, Pending."""
        if self._claim in claims or "_claim_names" not in claims:
            return claims
        place = self._place(claims)
        if place is None:
            return claims
        found = self._answers.get(place)
        if found is None:
            raise Pending(lambda: self._bring(place))
        if isinstance(found.value, Rejected):
            raise found.value
        token = found.value.decode("ascii", "replace")
        said = jose.unverified(token)
        if said is None:
            raise _failed(f"getting untrusted issuer from endpoint {place[0]} failed for claim {_quoted(self._claim)}")
        issuer = str(said.get("iss") or "")
        try:
            told = self._verifier(issuer).checked(token)
        except Rejected as rejected:
            raise _failed(f"verify distributed claim token: {rejected.why}") from None
        if self._claim not in told:
            text = (
                f"jwt returned by distributed claim endpoint {_quoted(place[0])} did not contain claim: {self._claim}"
            )
            raise _failed(text)
        return {**claims, self._claim: told[self._claim]}

    def _place(self, claims: Obj) -> Place | None:
        names, sources = claims["_claim_names"], claims.get("_claim_sources")
        if not isinstance(names, dict):
            raise _failed("oidc: error parsing distributed claim names")
        if sources is None:
            raise _failed("oidc: no claim sources")
        if not isinstance(sources, dict):
            raise _failed("oidc: could not parse claim sources")
        source = names.get(self._claim)
        if source is None:
            return None
        endpoint = sources.get(source)
        if not isinstance(endpoint, dict):
            raise _failed(f"id token _claim_names contained a source {source} missing in _claims_sources")
        url = endpoint.get("endpoint")
        return (str(url), str(endpoint.get("access_token") or "")) if url else None

    async def _bring(self, place: Place) -> None:
        async def fetch() -> tuple[bytes | Rejected, float]:
            url, token = place
            try:
                if token and not (token.isascii() and token.isprintable()):
                    raise ValueError("the access token cannot be a header")
                return await self._get(url, f"Authorization: Bearer {token}\r\n" if token else ""), _HELD_SECONDS
            except (WebhookError, ValueError) as error:
                return _failed(f"while getting distributed claim {_quoted(self._claim)}: {error}"), _HELD_SECONDS

        await self._answers.bring(place, fetch)


def _failed(why: str) -> Rejected:
    return Rejected(f"oidc: could not expand distributed claims: {why}")


def _quoted(text: str) -> str:
    return f'"{text}"'
