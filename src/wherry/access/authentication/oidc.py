"""JSON Web Tokens of other issuers: OpenID Connect, with its discovery and its keys.

Follows k8s.io/apiserver/plugin/pkg/authenticator/token/oidc and the client that it uses. An issuer is looked for until
it answers; its keys are fetched when a token comes that none of the known ones has signed, so a rotation needs nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from time import gmtime, strftime
from typing import Any
from urllib.parse import urlsplit

from wherry.access.authentication import jose
from wherry.access.authentication.audiences import Agnostic
from wherry.access.authentication.claims import identity
from wherry.access.authentication.config import JwtAuthenticator
from wherry.access.authentication.distributed import DistributedClaims
from wherry.access.chain import Rejected
from wherry.access.pending import Pending
from wherry.access.user import Known, User
from wherry.access.webhooks import Target, WebhookCaller, WebhookError
from wherry.errors import go_quote
from wherry.kit.answers import Answers

log = logging.getLogger("wherry.access")

Obj = dict[str, Any]
WELL_KNOWN = "/.well-known/openid-configuration"
FETCH_SECONDS, RETRY_SECONDS = 30.0, 10.0
_PATIENCE = 1.0  # keys this young are not fetched again: a stranger's tokens must not flood the issuer
_NOT_BEFORE_LEEWAY = 300.0
_OTHERS = 16  # issuers of distributed claims; upstream has no bound
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799  # of the years 1 and 9999
_KEPT_SECONDS = 10.0  # as upstream's cache of tokens


class Issuer:
    """One issuer: a `chain.TokenAuthenticator`, once `start` has found it."""

    def __init__(
        self,
        settings: JwtAuthenticator,
        caller: Callable[[], WebhookCaller],
        clock: Callable[[], float],
        agnostic: Agnostic,
        algorithms: Sequence[str] = ("RS256",),
    ):
        self.settings = settings
        self._caller, self._clock, self._agnostic = caller, clock, agnostic
        self._algorithms = tuple(algorithms)
        self._authority = settings.authority.encode()
        self._keys_url = ""
        self._keys: list[jose.Key] = []
        self._fetched = float("-inf")
        self._fetch_error = ""
        self._fetching: asyncio.Task[None] | None = None
        self._finding: asyncio.Task[None] | None = None
        self._trying: asyncio.Event | None = None  # set when an attempt to find the issuer has ended
        self._users: Answers[bytes, User] = Answers(clock)
        self._others: dict[str, Issuer] = {}  # those that sign distributed claims
        claim = settings.groups.claim
        self._distributed = DistributedClaims(claim, self._get, self._other, clock) if claim else None
        self.problem = f'oidc: authenticator for issuer "{settings.url}" is not initialized'

    # --- finding the issuer -----------------------------------------------------------------------------------------
    def start(self) -> None:
        self._trying = asyncio.Event()
        self._finding = asyncio.get_running_loop().create_task(self._find())

    def retire(self) -> None:
        """Others have taken its place; whoever still waits for an answer gets it."""
        if self._finding is not None:
            self._finding.cancel()

    async def stop(self) -> None:
        for task in (self._finding, self._fetching):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task
        for other in self._others.values():
            await other.stop()

    def _other(self, url: str) -> Issuer:
        """The issuer of a distributed claim, looked for when the first one comes."""
        if url == self.settings.url:
            return self
        other = self._others.get(url)
        if other is None:
            if len(self._others) >= _OTHERS:
                raise Rejected("too many issuers of distributed claims")
            settings = JwtAuthenticator(url, self.settings.audiences, authority=self.settings.authority)
            other = self._others[url] = Issuer(settings, self._caller, self._clock, self._agnostic, self._algorithms)
            other.start()
        return other

    async def found(self) -> None:
        """Wait until the issuer has answered."""
        if self._finding is not None:
            await asyncio.shield(self._finding)

    async def _find(self) -> None:
        while True:
            self._trying = self._trying or asyncio.Event()
            try:
                await self._discover()
                return
            except (WebhookError, ValueError) as error:
                self.problem = str(error)
                log.error("oidc authenticator: initializing plugin: %s", error)
            finally:
                self._trying.set()
                self._trying = None
            await asyncio.sleep(RETRY_SECONDS)

    async def _tried(self) -> None:
        """Wait until the attempt that is under way has ended."""
        if self._trying is not None:
            await self._trying.wait()

    async def _discover(self) -> None:
        settings = self.settings
        url = settings.discovery_url or settings.url.removesuffix("/") + WELL_KNOWN
        document = await self._get(url)
        try:
            said = json.loads(document)
        except ValueError as error:
            raise ValueError(f"oidc: failed to decode provider discovery object: {error}") from None
        issuer = said.get("issuer") if isinstance(said, dict) else None
        if issuer != settings.url:
            wanted, got = go_quote(settings.url), go_quote(str(issuer or ""))
            text = "issuer did not match the issuer returned by provider"
            raise ValueError(f"oidc: {text}, expected {wanted} got {got}")
        if not isinstance(said.get("jwks_uri"), str) or not said["jwks_uri"]:
            raise ValueError("provider did not return JWKS URL")
        self._keys_url, self.problem = said["jwks_uri"], ""

    async def _get(self, url: str, headers: str = "") -> bytes:
        parts = urlsplit(url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError(f"Get {go_quote(url)}: unsupported protocol scheme {go_quote(parts.scheme)}")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        target = Target(
            url, parts.hostname, parts.port or 443, path, parts.hostname, self._authority, method="GET", headers=headers
        )
        status, _, body = await self._caller().exchange(target, seconds=FETCH_SECONDS)
        if status != 200:
            raise ValueError(f"{status}: {body[:2048].decode('utf-8', 'replace')}")
        return body

    # --- keys -------------------------------------------------------------------------------------------------------
    async def _refresh(self) -> None:
        """Fetch the keys; several who wait share one fetch."""
        if self._fetching is None or self._fetching.done():
            self._fetching = asyncio.get_running_loop().create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            document = json.loads(await self._get(self._keys_url))
            found = [jose.from_jwk(each) for each in document["keys"]]
            self._keys, self._fetch_error = [key for key in found if key is not None], ""
        except WebhookError as error:
            self._fetch_error = f"oidc: get keys failed {error}"
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            self._fetch_error = f"oidc: failed to decode keys: {error}"
        self._fetched = self._clock()

    # --- tokens -----------------------------------------------------------------------------------------------------
    def __call__(self, token: str, audiences: tuple[str, ...]) -> Known | None:
        said = jose.unverified(token)
        if said is None or _issuer_of(said) != self.settings.url:
            return None
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        known = self._users.get(digest)
        if known is None:
            user = self._verified(token)
            self._users.put(digest, user, min(_KEPT_SECONDS, said["exp"] - self._clock()))
            return self._agnostic(user, audiences)
        return self._agnostic(known.value, audiences)

    def _verified(self, token: str) -> User:
        if not self._keys_url and self._trying is None:
            raise Rejected("oidc: authenticator not initialized")
        try:
            claims = self.checked(token)
        except Rejected as rejected:
            raise Rejected(f"oidc: verify token: {rejected.why}") from None
        if self._distributed is not None:
            claims = self._distributed.expand(claims)
        try:
            return identity(self.settings, claims)
        except ValueError as error:
            raise Rejected(f"oidc: {error}") from None

    def checked(self, token: str) -> Obj:
        """The claims of a token that this issuer has signed, for one of the audiences and now. Raises Rejected,
        Pending."""
        if not self._keys_url:
            if self._trying is not None:
                raise Pending(self._tried)
            raise Rejected(f"verifier not initialized for issuer: {go_quote(self.settings.url)}")
        parts = jose.take_apart(token)
        if parts is None:
            raise Rejected("oidc: malformed jwt")
        if parts.algorithm not in self._algorithms:
            shown = f"[{' '.join(map(go_quote, self._algorithms))}]"
            text = f"unsupported algorithm, expected {shown} got {go_quote(parts.algorithm)}"
            raise Rejected(f"oidc: id token signed with {text}")
        self._check_signature(parts)
        self._check_claims(parts.claims)
        return parts.claims

    def _check_signature(self, parts: jose.Token) -> None:
        wanted = parts.key_id
        if any(key.verifies(parts) for key in self._keys if not wanted or key.key_id == wanted):
            return
        if self._fetched + _PATIENCE < self._clock():
            raise Pending(self._refresh)
        why = f"fetching keys {self._fetch_error}" if self._fetch_error else "failed to verify id token signature"
        raise Rejected(f"failed to verify signature: {why}")

    def _check_claims(self, claims: Obj) -> None:
        now, told = self._clock(), claims.get("aud") or []
        audiences = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        if not set(self.settings.audiences) & {a for a in audiences if type(a) is str}:
            shown = f"[{' '.join(go_quote(str(a)) for a in audiences)}]"
            wanted = self.settings.audiences
            expected = go_quote(wanted[0]) if len(wanted) == 1 else f"in [{' '.join(map(go_quote, sorted(wanted)))}]"
            raise Rejected(f"oidc: expected audience {expected} got {shown}")
        _check_sources(claims)
        until: Any = claims.get("exp")
        start: Any = claims.get("nbf")
        if type(until) not in (int, float) or until < now:
            shown = _go_time(until if type(until) in (int, float) else 0)
            raise Rejected(f"oidc: token is expired (Token Expiry: {shown})")
        if start is None:
            return
        if type(start) not in (int, float) or now + _NOT_BEFORE_LEEWAY < start:
            shown = _go_time(start if type(start) in (int, float) else 0)
            text = f"current time {_go_time(now)} before the nbf (not before) time: {shown}"
            raise Rejected(f"oidc: {text}")


def _check_sources(claims: Obj) -> None:
    """Claims that a token keeps elsewhere must say where (go-oidc looks before anyone asks for them)."""
    names, sources = claims.get("_claim_names"), claims.get("_claim_sources")
    if names is None:
        return
    texts = isinstance(names, dict) and all(isinstance(source, str) for source in names.values())
    if not texts or not (sources is None or isinstance(sources, dict)):
        raise Rejected("oidc: failed to unmarshal claims: json: cannot unmarshal into Go struct field idToken")
    for source in names.values():
        if not source:
            raise Rejected("oidc: failed to obtain source from claim name")
        if source not in (sources or {}):
            raise Rejected("oidc: source does not exist")


def _issuer_of(claims: Obj) -> str:
    issuer = claims.get("iss")
    if issuer == "accounts.google.com":  # as Google's older tokens say it
        return "https://accounts.google.com"
    return issuer if isinstance(issuer, str) else ""


def _go_time(seconds: float) -> str:
    bounded = min(max(seconds, _FIRST_SECOND), _LAST_SECOND)  # a token may say what no calendar has
    return strftime("%Y-%m-%d %H:%M:%S +0000 UTC", gmtime(bounded))
