"""Tokens that a webhook knows: who it says it is, what is kept, and what a failure means."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.access.outside import Clock, Outside

from wherry.access.authentication.webhook import TokenWebhook
from wherry.access.chain import Bearer, Chain, Credentials, Rejected
from wherry.access.pending import settled
from wherry.access.remote import Remote
from wherry.access.user import Known, User
from wherry.access.webhooks import Target, WebhookError

URL = "https://reviews.example/t"
TARGET = Target(URL, "reviews.example", 443, "/t", "reviews.example", b"")
JANE = {"username": "jane", "uid": "7", "groups": ["dev"], "extra": {"a": ["b"]}}


def review(**status: Any) -> dict[str, Any]:
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


class World:
    def __init__(self, answer: Any, version: str = "v1"):
        self.clock, self.outside = Clock(), Outside()
        self.outside.answers[URL] = answer
        remote = Remote(TARGET, self.outside, first_pause=0)
        self.webhook = TokenWebhook(remote, ("api",), self.clock, version=version, kept_seconds=60)

    def ask(self, token: str = "t", *audiences: str) -> Known | None:
        async def work() -> Known | None:
            return await settled(lambda: self.webhook(token, audiences))

        return asyncio.run(work())


def test_the_webhook_names_the_user() -> None:
    world = World(review(authenticated=True, user=JANE), "v1beta1")
    assert world.ask() == Known(User("jane", "7", ("dev", "system:authenticated"), {"a": ("b",)}), ("api",))
    ((_, sent),) = world.outside.asked
    assert sent == {
        "apiVersion": "authentication.k8s.io/v1beta1", "kind": "TokenReview", "metadata": {}, "spec": {"token": "t"},
    }  # fmt: skip


def test_a_yes_is_kept_for_its_time_a_no_is_not() -> None:
    world = World(review(authenticated=True, user=JANE))
    for wait, asked in ((0, 1), (59, 1), (2, 2)):
        world.clock.now += wait
        world.ask()
        assert len(world.outside.asked) == asked
    world.ask("another")
    assert len(world.outside.asked) == 3
    world = World(review(authenticated=False))
    for _ in range(2):
        assert world.ask() is None
        world.clock.now += 2
    assert len(world.outside.asked) == 2


def test_audiences_must_meet() -> None:
    world = World(review(authenticated=True, user=JANE, audiences=["vault", "db"]))
    known = world.ask("t", "db", "x")
    assert known is not None
    assert known.audiences == ("db",)
    assert world.ask("t", "x") is None
    silent = World(review(authenticated=True, user=JANE))
    assert silent.ask("t", "vault") is None
    assert silent.ask("t", "api") is not None


@pytest.mark.parametrize(
    ("answer", "why", "tries"),
    [
        (review(authenticated=False, error="who?"), "who?", 1),
        ((401, "no"), "the server has asked for the client to provide credentials", 1),
        ((503, "down"), "the server is currently unable to handle the request", 1),
        ((500, "down"), 'an error on the server ("down") has prevented the request from succeeding', 5),
        ((429, "slow"), "the server has received too many requests", 5),
        (WebhookError("Post: read: connection reset by peer"), "connection reset by peer", 5),
        (WebhookError("Post: connect: connection refused"), "connection refused", 1),
        ((200, "hello"), "the webhook's answer is not JSON", 1),
        ({"kind": "Pod"}, "the webhook's answer is no TokenReview", 1),
    ],
)
def test_what_is_no_answer(answer: Any, why: str, tries: int) -> None:
    world = World(answer)
    with pytest.raises(Rejected) as caught:
        world.ask()
    assert why in caught.value.why
    assert len(world.outside.asked) == tries


@pytest.mark.parametrize("status", [{"authenticated": "yes", "user": JANE}, {"authenticated": 1, "user": JANE}, {}])
def test_only_true_is_a_yes(status: dict[str, Any]) -> None:
    assert World(review(**status)).ask() is None


def test_many_who_wait_for_one_answer_ask_once() -> None:
    world = World(review(authenticated=True, user=JANE))

    async def work() -> None:
        answers = (settled(lambda: world.webhook("t", ())) for _ in range(20))
        assert {known.user.name for known in await asyncio.gather(*answers) if known} == {"jane"}

    asyncio.run(work())
    assert len(world.outside.asked) == 1


def test_nobody_knows_it_and_everyone_says_why() -> None:
    world = World(review(authenticated=False, error="who?"))
    chain = Chain([Bearer([lambda token, audiences: None, world.webhook])])

    async def work() -> None:
        with pytest.raises(Rejected) as caught:
            await settled(lambda: chain.identify(Credentials("Bearer t")))
        assert caught.value.why == "[invalid bearer token, who?]"

    asyncio.run(work())
