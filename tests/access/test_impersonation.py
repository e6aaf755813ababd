"""Every part of an impersonated identity is asked for, and groups are completed as upstream completes them."""

from __future__ import annotations

import pytest

from wherry.access.impersonation import impersonate
from wherry.access.user import Attributes, User
from wherry.errors import BadRequest, Forbidden

ROOT = User("root")


def test_each_part_is_a_right_of_its_own() -> None:
    asked: list[Attributes] = []
    headers = [
        ("impersonate-user", "alice"),
        ("impersonate-uid", "u"),
        ("impersonate-group", "dev"),
        ("impersonate-extra-acme.com%2fx", "1"),
    ]
    user = impersonate(ROOT, headers, "root", asked.append)
    assert (user.name, user.uid, user.groups) == ("alice", "u", ("dev", "system:authenticated"))
    assert user.extra == {"acme.com/x": ("1",)}
    assert [(a.group, a.resource, a.subresource, a.name) for a in asked] == [
        ("", "users", "", "alice"),
        ("authentication.k8s.io", "uids", "", "u"),
        ("", "groups", "", "dev"),
        ("authentication.k8s.io", "userextras", "acme.com/x", "1"),
    ]
    assert {a.verb for a in asked} == {"impersonate"}


def test_service_accounts_are_asked_in_their_namespace() -> None:
    asked: list[Attributes] = []
    user = impersonate(ROOT, [("impersonate-user", "system:serviceaccount:a:b")], "root", asked.append)
    assert (asked[0].resource, asked[0].namespace, asked[0].name) == ("serviceaccounts", "a", "b")
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated")


def test_refusals() -> None:
    def refuse(_: Attributes) -> None:
        raise Forbidden("no")

    with pytest.raises(Forbidden):
        impersonate(ROOT, [("impersonate-user", "alice")], "root", refuse)
    with pytest.raises(BadRequest, match="without impersonating a user name"):
        impersonate(ROOT, [("impersonate-group", "system:masters")], "root", lambda _: None)
    assert impersonate(ROOT, [("accept", "x")], "root", refuse) is ROOT
