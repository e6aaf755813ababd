"""Tokens of other issuers: discovery, keys and their rotation, claims, and everything that makes a token worthless."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.access.outside import Clock, Outside

from wherry.access.authentication import jose
from wherry.access.authentication.audiences import Agnostic
from wherry.access.authentication.config import checked
from wherry.access.authentication.oidc import Issuer
from wherry.access.chain import Rejected
from wherry.access.pending import settled
from wherry.access.user import User
from wherry.access.webhooks import WebhookError

URL = "https://login.example"
KEYS = f"{URL}/keys"
RSA, OTHER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
ELLIPTIC = ec.generate_private_key(ec.SECP256R1())


def published(**keys: Any) -> dict[str, Any]:
    return {"keys": [jose.to_jwk(jose.Key(key.public_key(), name)) for name, key in keys.items()]}


class World:
    """One issuer and those who believe it."""

    def __init__(self, mappings: dict[str, Any] | None = None, **more: Any):
        self.clock = Clock()
        self.outside = Outside()
        self.outside.answers[f"{URL}/.well-known/openid-configuration"] = {"issuer": URL, "jwks_uri": KEYS}
        self.outside.answers[KEYS] = published(one=RSA)
        given = {
            "issuer": {"url": URL, "audiences": ["me"], **more.pop("issuer", {})},
            "claimMappings": mappings or {"username": {"claim": "sub", "prefix": "o:"}},
            **more,
        }
        (settings,) = checked({"jwt": [given]}).issuers
        algorithms = ("RS256", "ES256")
        self.issuer = Issuer(settings, self.outside, self.clock, Agnostic(("api",)), algorithms)

    def token(self, private: Any = RSA, algorithm: str = "RS256", kid: str = "one", **claims: Any) -> str:
        said = {"iss": URL, "aud": "me", "sub": "jane", "exp": int(self.clock.now) + 60, **claims}
        return jose.sign(private, algorithm, kid, {key: value for key, value in said.items() if value is not None})

    async def ask(self, token: str, *audiences: str) -> User | None:
        known = await settled(lambda: self.issuer(token, audiences))
        return known.user if known is not None else None

    async def why(self, token: str) -> str:
        with pytest.raises(Rejected) as caught:
            await self.ask(token)
        return caught.value.why

    @property
    def fetches(self) -> int:
        return sum(url == KEYS for url, _ in self.outside.asked)


def run(world: World, work: Callable[[World], Awaitable[None]]) -> None:
    async def whole() -> None:
        world.issuer.start()
        await world.issuer.found()
        try:
            await work(world)
        finally:
            await world.issuer.stop()

    asyncio.run(whole())


def test_a_token_makes_a_user() -> None:
    async def work(world: World) -> None:
        user = await world.ask(world.token(jti="j"))
        extra = {"authentication.kubernetes.io/credential-id": ("JTI=j",)}
        assert user == User("o:jane", "", ("system:authenticated",), extra)
        await world.ask(world.token(jti="k"))
        assert world.fetches == 1  # keys are kept

    run(World(), work)


def test_tokens_of_others_are_for_others() -> None:
    async def work(world: World) -> None:
        for token in ("static", "a.b.c", world.token(iss="https://elsewhere"), world.token(iss=None), ""):
            assert await world.ask(token) is None
        assert await world.ask(world.token(), "vault") is None
        assert world.fetches <= 1

    run(World(), work)


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "you"}, 'expected audience "me" got ["you"]'),
        ({"aud": None}, 'expected audience "me" got []'),
        ({"aud": [1, "you"]}, "expected audience"),
        ({"exp": 999_999}, "oidc: token is expired (Token Expiry: 1970-01-12 13:46:39 +0000 UTC)"),
        ({"exp": None}, "token is expired"),
        ({"exp": "tomorrow"}, "token is expired"),
        ({"nbf": 1_000_400}, "before the nbf (not before) time: 1970-01-12 13:53:20 +0000 UTC"),
        ({"sub": None}, 'oidc: parse username claims "sub": claim not present'),
        ({"sub": 7}, "cannot unmarshal number into Go value of type string"),
    ],
)
def test_claims_that_make_a_token_worthless(claims: dict[str, Any], why: str) -> None:
    async def work(world: World) -> None:
        assert why in await world.why(world.token(**claims))

    run(World(), work)


def test_a_clock_that_is_a_little_off_is_forgiven() -> None:
    async def work(world: World) -> None:
        assert await world.ask(world.token(nbf=1_000_200)) is not None

    run(World(), work)


def test_signatures_that_are_none() -> None:
    async def work(world: World) -> None:
        head, payload, signature = world.token().split(".")
        unsigned = jose.encode(b'{"alg":"none"}')
        unsupported = 'signed with unsupported algorithm, expected ["RS256" "ES256"] got'
        assert f'{unsupported} "none"' in await world.why(f"{unsigned}.{payload}.")
        shared = jose.encode(b'{"alg":"HS256"}')
        assert f'{unsupported} "HS256"' in await world.why(f"{shared}.{payload}.{signature}")
        assert f'{unsupported} "PS256"' in await world.why(world.token(algorithm="PS256"))
        assert "failed to verify id token signature" in await world.why(world.token(OTHER))
        forged = jose.encode(b'{"iss":"https://login.example","sub":"root","aud":"me","exp":9999999999}')
        assert "failed to verify id token signature" in await world.why(f"{head}.{forged}.{signature}")
        assert "malformed jwt" in await world.why(f"!.{payload}.{signature}")

    run(World(), work)


def test_keys_rotate() -> None:
    async def work(world: World) -> None:
        assert await world.ask(world.token(jti="a")) is not None
        world.outside.answers[KEYS] = published(one=RSA, two=OTHER)
        world.clock.now += 5
        assert await world.ask(world.token(OTHER, kid="two")) is not None
        assert await world.ask(world.token(jti="b")) is not None
        world.outside.answers[KEYS] = published(two=OTHER, three=ELLIPTIC)
        world.clock.now += 5
        assert await world.ask(world.token(ELLIPTIC, "ES256", "three")) is not None
        assert "failed to verify" in await world.why(world.token(jti="c"))  # the first key has gone

    run(World(), work)


def test_strangers_do_not_flood_the_issuer() -> None:
    async def work(world: World) -> None:
        for number in range(20):
            await world.why(world.token(OTHER, kid=f"k{number}"))
        assert world.fetches == 1
        await asyncio.gather(*(world.why(world.token(OTHER, kid=f"k{number}")) for number in range(5)))
        assert world.fetches == 1

    run(World(), work)


def test_keys_that_do_not_come_say_why() -> None:
    async def work(world: World) -> None:
        world.outside.answers[KEYS] = WebhookError(f'Get "{KEYS}": EOF')
        assert f'fetching keys oidc: get keys failed Get "{KEYS}": EOF' in await world.why(world.token())
        world.clock.now += 5
        world.outside.answers[KEYS] = {"keys": "none"}
        assert "failed to decode keys" in await world.why(world.token())
        world.clock.now += 5
        world.outside.answers[KEYS] = (500, "broken")
        assert "500: broken" in await world.why(world.token())

    run(World(), work)


def test_an_issuer_that_is_another_is_not_believed() -> None:
    async def work() -> None:
        world = World()
        world.outside.answers[f"{URL}/.well-known/openid-configuration"] = {"issuer": "https://evil", "jwks_uri": KEYS}
        world.issuer.start()
        await asyncio.sleep(0)
        assert await world.why(world.token()) == "oidc: authenticator not initialized"
        assert "issuer did not match the issuer returned by provider" in world.issuer.problem
        await world.issuer.stop()

    asyncio.run(work())


def test_discovery_elsewhere_must_still_be_the_issuers() -> None:
    async def work(world: World) -> None:
        assert await world.ask(world.token()) is not None
        assert world.outside.asked[0][0] == "https://inside.example/discovery"

    world = World(issuer={"discoveryURL": "https://inside.example/discovery"})
    world.outside.answers["https://inside.example/discovery"] = {"issuer": URL, "jwks_uri": KEYS}
    run(world, work)


# --- mappings --------------------------------------------------------------------------------------------------------
MAPPED = {
    "username": {"expression": "claims.profile.name + '@' + claims.tenant__dot__id"},
    "groups": {"expression": "claims.roles.map(r, 'r:' + r)"},
    "uid": {"expression": "claims.sub"},
    "extra": [
        {"key": "example.com/level", "valueExpression": "claims.level > 2 ? 'high' : ''"},
        {"key": "example.com/none", "valueExpression": "has(claims.nothing) ? claims.nothing : null"},
    ],
}
CLAIMS = {"profile": {"name": "jane"}, "tenant.id": "t1", "roles": ["a", "b"], "level": 3}


def test_expressions_map_claims() -> None:
    async def work(world: World) -> None:
        user = await world.ask(world.token(**CLAIMS))
        groups = ("r:a", "r:b", "system:authenticated")
        assert user == User("jane@t1", "jane", groups, {"example.com/level": ("high",)})

    run(World(MAPPED), work)


@pytest.mark.parametrize(
    ("mappings", "claims", "why"),
    [
        ({"username": {"expression": "claims.n"}}, {}, "expression 'claims.n' resulted in error: no such key: n"),
        ({"username": {"expression": "claims.n"}}, {"n": 1}, "username claim expression must return a string"),
        ({"username": {"expression": "claims.n"}}, {"n": ""}, "empty username via CEL expression is not allowed"),
        ({**MAPPED, "groups": {"expression": "claims.level"}}, CLAIMS, "must return a string or a list of strings"),
        ({**MAPPED, "uid": {"expression": "claims.level"}}, CLAIMS, "uid claim expression must return a string"),
        (
            {"username": {"claim": "email", "prefix": ""}},
            {"email": "a@b", "email_verified": False},
            "email not verified",
        ),
        ({"username": {"claim": "email", "prefix": ""}}, {"email": "a@b", "email_verified": "no"}, "of type bool"),
    ],
)
def test_mappings_that_fail(mappings: dict[str, Any], claims: dict[str, Any], why: str) -> None:
    async def work(world: World) -> None:
        assert why in await world.why(world.token(**claims))

    run(World(mappings), work)


def test_groups_may_be_one_text() -> None:
    async def work(world: World) -> None:
        for value, wanted in (("a", ("g:a",)), (["a", "b"], ("g:a", "g:b")), (None, ()), ([], ())):
            user = await world.ask(world.token(roles=value, jti=str(value)))
            assert user is not None
            assert user.groups == (*wanted, "system:authenticated")
        assert "parse groups claim" in await world.why(world.token(roles=[1]))

    username = {"claim": "sub", "prefix": ""}
    run(World({"username": username, "groups": {"claim": "roles", "prefix": "g:"}}), work)


def test_rules_must_hold() -> None:
    async def work(world: World) -> None:
        assert await world.ask(world.token(hd="ours", age=20)) is not None
        assert "required claim hd not present in ID token" in await world.why(world.token(age=20))
        assert "value does not match. Got = theirs, want = ours" in await world.why(world.token(hd="theirs", age=20))
        assert "validation expression 'claims.age >= 18' failed: too young" in await world.why(
            world.token(hd="ours", age=9)
        )
        why = await world.why(world.token(hd="ours", age=20, sub="system:admin"))
        assert why.startswith("oidc: error evaluating user info validation rule: validation expression")

    rules = [{"claim": "hd", "requiredValue": "ours"}, {"expression": "claims.age >= 18", "message": "too young"}]
    users = [{"expression": "!user.username.startsWith('system:')", "message": "reserved"}]
    username = {"claim": "sub", "prefix": ""}
    run(World({"username": username}, claimValidationRules=rules, userValidationRules=users), work)


def test_who_comes_while_the_issuer_is_being_found_waits() -> None:
    async def work() -> None:
        world = World()
        world.issuer.start()
        assert await world.ask(world.token()) is not None
        await world.issuer.stop()

    asyncio.run(work())


# --- distributed claims ----------------------------------------------------------------------------------------------
AWAY, ELSEWHERE = "https://groups.example", "https://groups.example/of/jane"
GROUPS = {"username": {"claim": "sub", "prefix": ""}, "groups": {"claim": "groups", "prefix": ""}}
NAMED = {"_claim_names": {"groups": "src"}, "_claim_sources": {"src": {"endpoint": ELSEWHERE, "access_token": "a"}}}


def elsewhere(**claims: Any) -> World:
    """An issuer whose tokens leave the groups to another one."""
    world = World(GROUPS)
    world.outside.answers[f"{AWAY}/.well-known/openid-configuration"] = {"issuer": AWAY, "jwks_uri": f"{AWAY}/keys"}
    world.outside.answers[f"{AWAY}/keys"] = published(two=OTHER)
    said = {"iss": AWAY, "groups": ["away"], **claims}
    world.outside.answers[ELSEWHERE] = (200, world.token(OTHER, kid="two", **said))
    return world


def test_groups_may_be_elsewhere() -> None:
    async def work(world: World) -> None:
        user = await world.ask(world.token(**NAMED))
        assert user is not None
        assert user.groups == ("away", "system:authenticated")
        here = await world.ask(world.token(groups=["here"], **NAMED))
        assert here is not None
        assert here.groups == ("here", "system:authenticated")

    run(elsewhere(), work)


@pytest.mark.parametrize(
    ("there", "here", "why"),
    [
        ({"aud": "you"}, {}, 'claims: verify distributed claim token: oidc: expected audience "me" got ["you"]'),
        ({"exp": 5}, {}, "claims: verify distributed claim token: oidc: token is expired"),
        ({"groups": None}, {}, "did not contain claim: groups"),
        ({"iss": URL}, {}, "failed to verify id token signature"),
        ({"iss": "https://nobody"}, {}, 'verifier not initialized for issuer: "https://nobody"'),
        ({}, {"_claim_sources": None}, "oidc: verify token: oidc: source does not exist"),
        ({}, {"_claim_sources": {}}, "oidc: verify token: oidc: source does not exist"),
        ({}, {"_claim_names": {"groups": ""}}, "oidc: verify token: oidc: failed to obtain source from claim name"),
        ({}, {"_claim_names": "groups"}, "oidc: verify token: oidc: failed to unmarshal claims"),
        ({}, {"_claim_sources": {"src": {"endpoint": "https://nowhere"}}}, "while getting distributed claim"),
        ({}, {"_claim_sources": {"src": {"endpoint": "http://plain"}}}, "unsupported protocol scheme"),
    ],
)
def test_groups_elsewhere_that_are_not_good(there: dict[str, Any], here: dict[str, Any], why: str) -> None:
    async def work(world: World) -> None:
        assert why in await world.why(world.token(**{**NAMED, **here}))

    run(elsewhere(**there), work)


def test_a_source_without_a_place_is_no_source() -> None:
    async def work(world: World) -> None:
        claims = {**NAMED, "_claim_sources": {"src": {"JWT": "x"}}}
        user = await world.ask(world.token(**claims))
        assert user is not None
        assert user.groups == ("system:authenticated",)

    run(elsewhere(), work)


def test_escaped_names_reach_every_depth() -> None:
    async def work(world: World) -> None:
        deep = {"bar": {"username.io": "snorlax", "link": [{"uid.io": "143"}], "x-y/z": {"company.io": "fun"}}}
        user = await world.ask(
            world.token(foo=deep, data=[{"groups.io": "gen1"}], **{"kubernetes.io": {"level": 2, "node": {}}})
        )
        assert user is not None
        assert (user.name, user.uid, user.groups[:1]) == ("snorlax", "143", ("gen1",))
        assert user.extra == {"example.com/level": ("2",)}

    mappings = {
        "username": {"expression": "claims.foo.bar.username__dot__io"},
        "uid": {"expression": "claims.foo.bar.link[0].uid__dot__io"},
        "groups": {"expression": "claims.data[0].groups__dot__io"},
        "extra": [
            {"key": "example.com/level", "valueExpression": "string(int(claims.kubernetes__dot__io.level))"},
        ],
    }
    rules = [
        {"expression": "has(claims.foo.bar.link[0].uid__dot__io) && !has(claims.foo.bar.other__dot__io)"},
        {"expression": "claims.foo.bar.x__dash__y__slash__z.company__dot__io == 'fun'"},
        {"expression": "claims['kubernetes.io']['level'] == 2"},
        {"expression": "claims[?'kubernetes.io']['node']['ip'].orValue(true)"},
        {"expression": "claims.foo.bar.size() == 3"},
    ]
    users = [
        {"expression": "user.extra.example__dot__com__slash__level[0] == '2'"},
        {"expression": "user.extra['example.com/level'] == ['2'] && user.groups.size() == 1"},
    ]
    run(World(mappings, claimValidationRules=rules, userValidationRules=users), work)


def test_credentials_can_be_revoked_by_a_rule() -> None:
    async def work(world: World) -> None:
        assert await world.ask(world.token(jti="good")) is not None
        assert "credential is revoked" in await world.why(world.token(jti="stolen"))
        assert await world.ask(world.token()) is not None

    source = "!(user.extra[?'authentication.kubernetes.io/credential-id'][0].orValue('') in ['JTI=stolen'])"
    username = {"claim": "sub", "prefix": ""}
    run(
        World({"username": username}, userValidationRules=[{"expression": source, "message": "credential is revoked"}]),
        work,
    )


def test_audiences_may_be_checked_to_the_letter() -> None:
    async def work(world: World) -> None:
        assert await world.ask(world.token(aud=["b", "me"])) is not None
        assert "must exactly contain" in await world.why(world.token(aud=["me", "b", "c"]))

    rule = {"expression": "sets.equivalent(claims.aud, ['me', 'b'])", "message": "must exactly contain [me, b]"}
    username = {"claim": "sub", "prefix": ""}
    run(World({"username": username}, claimValidationRules=[rule]), work)
