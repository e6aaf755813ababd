"""Whatever is shown as a token is a user's, is refused with a reason, or is for others; nothing else ever happens."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.access.authentication.test_oidc import GROUPS, MAPPED, RSA, World, run
from tests.access.outside import Clock

from wherry.access.authentication import jose
from wherry.access.authentication.audiences import Agnostic
from wherry.access.authentication.bootstrap import BootstrapTokens
from wherry.access.authentication.static import StaticTokens
from wherry.access.chain import ANONYMOUS, Bearer, Chain, Credentials, Rejected
from wherry.access.tokens import ISSUER, AccountTokens, Bound
from wherry.access.user import Known, User

ACCOUNT = {"metadata": {"name": "sa", "namespace": "ns", "uid": "u"}}
AGNOSTIC = Agnostic(("api",))
ACCOUNTS = AccountTokens(lambda *key: ACCOUNT if key == ("serviceaccounts", "ns", "sa") else None, Clock())
CHAIN = Chain(
    [
        Bearer(
            [
                StaticTokens({"static": User("alice")}, AGNOSTIC),
                ACCOUNTS,
                BootstrapTokens(lambda *key: None, Clock(), AGNOSTIC),
            ]
        )
    ]
)
TOKEN = ACCOUNTS.issue(ACCOUNT, (ISSUER,), 600, Bound())
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8) | st.sampled_from(["me", "jane", "https://login.example", 2_000_000, -1e300, 1e300]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
NAMES = st.sampled_from(
    ["iss", "aud", "exp", "nbf", "sub", "groups", "roles", "level", "profile", "jti", "_claim_names", "_claim_sources"]
)


def show(header: str) -> Known | None:
    """Who it is, None for whom nobody lets in."""
    try:
        return CHAIN.identify(Credentials(header))
    except Rejected:
        return None


@given(st.text(max_size=60) | st.text("Bearer \t.aAeyJ0=-_\x00é", max_size=60))
def test_any_header(header: str) -> None:
    known = show(header)
    assert known is None or known.user is ANONYMOUS or header.split() in (["Bearer", "static"],)


@given(st.text(max_size=40) | st.lists(st.text(max_size=12), max_size=5).map(".".join))
def test_any_token(token: str) -> None:
    known = show(f"Bearer {token}")
    assert known is None or known.user is ANONYMOUS or token == "static"


@given(st.integers(0, len(TOKEN) - 1), st.text("abcABC019-_.=", min_size=1, max_size=2))
def test_a_changed_token_is_refused(at: int, put: str) -> None:
    changed = TOKEN[:at] + put + TOKEN[at + 1 :]
    same = all(_decoded(a) == _decoded(b) for a, b in zip(changed.split("."), TOKEN.split("."), strict=False))
    if same and changed.count(".") == 2:
        return  # the last letter has bits that carry nothing
    assert show(f"Bearer {changed}") is None


def _decoded(part: str) -> bytes | str:
    try:
        return jose.decode(part)
    except ValueError:
        return part


def _try(world: World, claims: dict[str, Any]) -> None:
    async def work(world: World) -> None:
        said: dict[str, Any] = {"iss": "https://login.example", "aud": "me", "sub": "jane", "exp": 2_000_000, **claims}
        try:
            known = await world.ask(jose.sign(RSA, "RS256", "one", said))
        except Rejected:
            return
        assert known is None or isinstance(known.name, str)  # upstream lets a claim name nobody, too

    run(world, work)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.dictionaries(NAMES, JSON, max_size=5), st.sampled_from([GROUPS, MAPPED]))
def test_any_claims(claims: dict[str, Any], mappings: dict[str, Any]) -> None:
    """Signed by the issuer itself, so nothing is stopped by the signature."""
    _try(World(mappings), claims)


def test_moments_that_no_calendar_has() -> None:
    for claims in ({"exp": -1e300}, {"nbf": 1e300}, {"exp": -(2**62)}, {"nbf": 2**62}):
        _try(World(), claims)
