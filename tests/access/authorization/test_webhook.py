"""The webhook authorizer: what it is sent, what its answers mean, what is kept, and what a failure means."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from tests.access.outside import Clock, Outside

from wherry.access.authorization.conditions import compiled
from wherry.access.authorization.selectors import Selectors
from wherry.access.authorization.settings import WebhookSettings
from wherry.access.authorization.webhook import WebhookAuthorizer
from wherry.access.chain import Chain, Undecided, masters
from wherry.access.impersonation import Impersonation
from wherry.access.pending import settled
from wherry.access.remote import Remote
from wherry.access.user import NO_OPINION, Attributes, Decision, User
from wherry.access.webhooks import Target, WebhookError
from wherry.errors import Forbidden

URL = "https://reviews.example/a"
TARGET = Target(URL, "reviews.example", 443, "/a", "reviews.example", b"")
EVE = User("eve", "7", ("dev",), {"a": ("b",)})
GET = Attributes(EVE, "get", "", True, "apps", "v1", "deployments", "scale", "ns", "web")


def review(**status: Any) -> dict[str, Any]:
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "status": status}


class World:
    def __init__(self, answer: Any, *conditions: str, **settings: Any):
        self.clock, self.outside = Clock(), Outside()
        self.outside.answers[URL] = answer
        made = WebhookSettings(conditions=tuple(map(compiled, conditions)), **settings)
        self.authorizer = WebhookAuthorizer(Remote(TARGET, self.outside, first_pause=0), made, self.clock)

    def ask(self, asked: Attributes = GET) -> Decision:
        async def work() -> Decision:
            return await settled(lambda: self.authorizer(asked))

        return asyncio.run(work())

    @property
    def sent(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.outside.asked[-1][1]["spec"]
        return spec


def test_everything_about_the_request_is_sent() -> None:
    world = World(review(allowed=True, reason="why not"))
    assert world.ask() == Decision(True, "why not")
    assert world.sent == {
        "resourceAttributes": {
            "namespace": "ns", "verb": "get", "group": "apps", "version": "v1",
            "resource": "deployments", "subresource": "scale", "name": "web",
        },
        "user": "eve", "groups": ["dev"], "extra": {"a": ["b"]}, "uid": "7",
    }  # fmt: skip
    world.ask(Attributes(EVE, "get", "/metrics"))
    assert world.sent["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}


def test_selectors_are_sent_as_requirements() -> None:
    world = World(review(allowed=True))
    selectors = Selectors("spec.nodeName=n,status.phase!=Failed", "app in (b,a),!old,size>3")
    world.ask(replace(GET, verb="list", selectors=selectors))
    attributes = world.sent["resourceAttributes"]
    assert attributes["fieldSelector"]["requirements"] == [
        {"key": "spec.nodeName", "operator": "In", "values": ["n"]},
        {"key": "status.phase", "operator": "NotIn", "values": ["Failed"]},
    ]
    assert attributes["labelSelector"]["requirements"] == [
        {"key": "app", "operator": "In", "values": ["a", "b"]},
        {"key": "old", "operator": "DoesNotExist"},
    ]
    world.ask(replace(GET, verb="list", selectors=Selectors("a=b=", "a b")))  # what nobody can read narrows nothing
    assert not {"fieldSelector", "labelSelector"} & set(world.sent["resourceAttributes"])


def test_the_older_version_calls_groups_otherwise() -> None:
    world = World(review(allowed=True), version="v1beta1")
    world.ask()
    assert world.outside.asked[0][1]["apiVersion"] == "authorization.k8s.io/v1beta1"
    assert world.sent["group"] == ["dev"]
    assert "groups" not in world.sent


@pytest.mark.parametrize(
    ("status", "decision"),
    [
        ({"allowed": False}, NO_OPINION),
        ({"allowed": False, "reason": "x"}, Decision(False, "x")),
        ({"denied": True, "reason": "x"}, Decision(False, "x", True)),
        ({"allowed": "true"}, NO_OPINION),
        ({}, NO_OPINION),
    ],
)
def test_what_answers_mean(status: dict[str, Any], decision: Decision) -> None:
    assert World(review(**status)).ask() == decision


def test_yes_and_no_at_once_is_a_no() -> None:
    decision = World(review(allowed=True, denied=True)).ask()
    assert decision.denied
    assert "both allow and deny" in decision.error


def test_answers_are_kept_for_their_time() -> None:
    world = World(review(allowed=True), authorized_ttl=60, unauthorized_ttl=5)
    for wait, asked in ((0, 1), (59, 1), (2, 2)):
        world.clock.now += wait
        world.ask()
        assert len(world.outside.asked) == asked
    world.ask(replace(GET, user=User("bob")))
    assert len(world.outside.asked) == 3
    world = World(review(allowed=False), authorized_ttl=60, unauthorized_ttl=5)
    for wait, asked in ((0, 1), (4, 1), (2, 2)):
        world.clock.now += wait
        world.ask()
        assert len(world.outside.asked) == asked


def test_nothing_is_kept_where_nothing_shall_be_nor_what_is_very_long() -> None:
    for settings, asked in (({"authorized_ttl": 0}, GET), ({}, replace(GET, name="x" * 20_000))):
        world = World(review(allowed=True), **settings)
        world.ask(asked)
        world.clock.now += 2
        world.ask(asked)
        assert len(world.outside.asked) == 2


@pytest.mark.parametrize("deny", [True, False])
def test_failures_deny_or_leave_it_to_others(deny: bool) -> None:
    world = World(WebhookError("down"), deny_on_failure=deny)
    assert world.ask() == Decision(False, denied=deny, error="down")
    chain = Chain([], [masters, world.authorizer, lambda asked: Decision(True, "RBAC")])

    async def work() -> None:
        if deny:
            with pytest.raises(Undecided, match="down"):
                await settled(lambda: chain.authorize(GET))
        else:
            await settled(lambda: chain.authorize(GET))
        await settled(lambda: chain.authorize(replace(GET, user=User("root", groups=("system:masters",)))))

    asyncio.run(work())


def test_conditions_decide_whether_it_is_asked() -> None:
    only = "has(request.resourceAttributes) && request.resourceAttributes.namespace == 'ns'"
    world = World(review(allowed=True), only, "!('system:masters' in request.groups)", "request.uid != ''")
    assert world.ask().allowed
    assert world.ask(replace(GET, namespace="other")) == NO_OPINION
    assert world.ask(Attributes(EVE, "get", "/metrics")) == NO_OPINION
    assert len(world.outside.asked) == 1


def test_conditions_that_fail_count_as_failures_unless_another_is_false() -> None:
    world = World(review(allowed=True), "request.resourceAttributes.name == 'web'", deny_on_failure=True)
    decision = world.ask(Attributes(EVE, "get", "/metrics"))
    assert decision.denied
    assert "no such key: resourceAttributes" in decision.error
    both = World(review(allowed=True), "request.resourceAttributes.name == 'web'", "false", deny_on_failure=True)
    assert both.ask(Attributes(EVE, "get", "/metrics")) == NO_OPINION
    assert not world.outside.asked


def test_conditions_see_selectors() -> None:
    source = "request.resourceAttributes.?fieldSelector.requirements.orValue([]).exists(r, r.key == 'spec.nodeName')"
    world = World(review(allowed=True), source)
    assert world.ask(replace(GET, verb="list")) == NO_OPINION
    assert world.ask(replace(GET, verb="list", selectors=Selectors("spec.nodeName=n"))).allowed


@pytest.mark.parametrize("source", ["request.", "request.nobody", "'a'", "object.x"])
def test_conditions_that_cannot_be(source: str) -> None:
    with pytest.raises(ValueError, match=r"compilation failed|must evaluate to bool but got string"):
        compiled(source)


def test_impersonation_waits_for_every_answer() -> None:
    """Each part of the identity is a question of its own; none is skipped because others were slow."""

    def answer(sent: dict[str, Any]) -> dict[str, Any]:
        return review(allowed=sent["spec"]["resourceAttributes"].get("name") != "admins")

    world = World(answer)
    chain = Chain([], [masters, world.authorizer])
    become = Impersonation()

    async def act(*groups: str) -> User:
        headers = [("impersonate-user", "bob"), *(("impersonate-group", group) for group in groups)]
        return await settled(lambda: become(headers, GET, chain.authorize))

    assert asyncio.run(act("dev", "ops")).groups == ("dev", "ops", "system:authenticated")
    with pytest.raises(Forbidden):
        asyncio.run(act("dev", "admins"))
