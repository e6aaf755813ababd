"""ServiceAccount tokens: who is let in, and what takes a token's worth away."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from wherry.access.authentication.jose import unverified
from wherry.access.chain import Rejected
from wherry.access.tokens import ISSUER, AccountTokens, Bound
from wherry.access.user import User


def named(name: str, uid: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "ns", "uid": uid, **more}}


class World:
    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.account, self.pod = named("sa", "u1"), named("p", "u2")
        self.objects = {("serviceaccounts", "ns", "sa"): self.account, ("pods", "ns", "p"): self.pod}
        self.tokens = AccountTokens(lambda *key: self.objects.get(key), lambda: self.now)

    def issue(self, bound: Bound | None = None, seconds: int = 600, audiences: tuple[str, ...] = (ISSUER,)) -> str:
        return self.tokens.issue(self.account, audiences, seconds, bound or Bound())

    def ask(self, token: str, *audiences: str) -> User | None:
        known = self.tokens(token, audiences)
        return known.user if known is not None else None

    def why(self, token: str, *audiences: str) -> str:
        with pytest.raises(Rejected) as caught:
            self.ask(token, *audiences)
        return caught.value.why


@pytest.fixture
def world() -> World:
    return World()


def test_the_account_and_its_groups(world: World):
    user = world.ask(world.issue())
    assert user is not None
    assert (user.name, user.uid) == ("system:serviceaccount:ns:sa", "u1")
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated")
    (jti,) = user.extra["authentication.kubernetes.io/credential-id"]
    assert jti.startswith("JTI=")


def test_pod_and_node_are_told(world: World):
    user = world.ask(world.issue(Bound(pod=world.pod, node={"metadata": {"name": "n"}})))
    assert user is not None
    extra = {key.rpartition("/")[2]: value for key, value in user.extra.items()}
    extra.pop("credential-id")
    assert extra == {"pod-name": ("p",), "pod-uid": ("u2",), "node-name": ("n",)}


def test_other_credentials_are_for_others(world: World):
    assert world.ask("static") is None
    assert world.ask("a.b.c") is None


def test_expiry_has_a_minute_of_leeway(world: World):
    token = world.issue(seconds=600)
    world.now += 660
    assert world.ask(token) is not None
    world.now += 1
    assert world.why(token) == "service account token has expired"


def test_a_token_from_the_future(world: World):
    token = world.issue()
    world.now -= 61
    assert world.why(token) == "service account token is not valid yet"


def test_audiences(world: World):
    token = world.issue(audiences=("vault", "db"))
    assert world.why(token) == (
        'token audiences ["vault" "db"] is invalid for the target audiences '
        '["https://kubernetes.default.svc.cluster.local"]'
    )
    assert world.ask(token, "vault") is not None
    known = world.tokens(token, ("db", "vault", "x"))
    assert known is not None
    assert known.audiences == ("db", "vault")


def test_the_account_is_gone(world: World):
    token = world.issue()
    world.objects[("serviceaccounts", "ns", "sa")] = named("sa", "other")
    assert world.why(token) == "service account UID (other) does not match claim (u1)"
    del world.objects[("serviceaccounts", "ns", "sa")]
    assert world.why(token) == 'serviceaccounts "sa" not found'


def test_the_pod_is_gone(world: World):
    token = world.issue(Bound(pod=world.pod))
    world.pod["metadata"]["deletionTimestamp"] = "1970-01-12T13:45:41Z"  # 59 seconds before
    assert world.ask(token) is not None
    world.now += 2
    assert world.why(token) == "service account token has been invalidated"
    world.objects[("pods", "ns", "p")] = named("p", "u3")
    assert world.why(token) == "pod UID (u3) does not match service account pod ref claim (u2)"
    del world.objects[("pods", "ns", "p")]
    assert world.why(token) == "service account token has been invalidated"


def test_the_kubelets_tokens_last_a_year(world: World):
    bound, other = world.issue(Bound(pod=world.pod), 3607), world.issue(seconds=3607)
    world.now += 4000
    assert world.ask(bound) is not None
    assert world.why(other) == "service account token has expired"


# --- tokens of the old kind, in Secrets ------------------------------------------------------------------------------


def kept(world: World) -> tuple[str, dict[str, Any]]:
    """A token and the Secret that holds it."""
    secret = named("s", "u9")
    token = world.tokens.legacy(world.account, secret)
    secret["data"] = {"token": base64.b64encode(token.encode()).decode()}
    world.objects[("secrets", "ns", "s")] = secret
    return token, secret


def test_a_secrets_token_lives_as_long_as_the_secret(world: World):
    token, secret = kept(world)
    user = world.ask(token)
    new = world.ask(world.issue())
    assert new is not None
    assert user == User(new.name, new.uid, new.groups)
    world.now += 10 * 365 * 86400
    assert world.ask(token) is not None
    secret["data"]["token"] = base64.b64encode(b"another").decode()
    assert world.why(token) == "Token does not match server's copy"
    secret["metadata"]["deletionTimestamp"] = "2030-01-01T00:00:00Z"
    assert world.why(token) == "Token has been invalidated"
    del world.objects[("secrets", "ns", "s")]
    assert world.why(token) == "Token has been invalidated"


def test_a_secrets_token_and_its_account(world: World):
    token, secret = kept(world)
    secret["metadata"]["labels"] = {"kubernetes.io/legacy-token-invalid-since": "2030-01-01"}
    assert "has been marked invalid" in world.why(token)
    secret["metadata"]["labels"] = {}
    world.account["metadata"]["uid"] = "u5"
    assert world.why(token) == "ServiceAccount UID (u5) does not match claim (u1)"
    del world.objects[("serviceaccounts", "ns", "sa")]
    assert world.why(token) == 'serviceaccounts "sa" not found'


def test_a_secrets_token_is_for_the_api(world: World):
    token, _ = kept(world)
    assert world.ask(token, ISSUER) is not None
    assert "is invalid for the target audiences" in world.why(token, "vault")


@pytest.mark.parametrize("claim", ["sub", "secret.name", "service-account.name", "service-account.uid", "namespace"])
def test_a_secrets_token_that_says_too_little(world: World, claim: str):
    token, _ = kept(world)
    claims = unverified(token)
    assert claims is not None
    claims.pop(claim if claim == "sub" else f"kubernetes.io/serviceaccount/{claim}")
    assert "claim is missing" in world.why(world.tokens.signer.sign(claims))


def test_a_token_of_ours_that_names_another_account_than_it_is_for(world: World):
    claims = unverified(world.issue())
    assert claims is not None
    forged = world.tokens.signer.sign({**claims, "sub": "system:serviceaccount:ns:root"})
    assert "could not be validated" in world.why(forged)
    token, _ = kept(world)
    old = unverified(token)
    assert old is not None
    assert world.why(world.tokens.signer.sign({**old, "sub": "system:masters"})) == "sub claim is invalid"
