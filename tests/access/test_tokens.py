"""ServiceAccount tokens: who is let in, and what takes a token's worth away."""

from __future__ import annotations

from typing import Any

import pytest

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
