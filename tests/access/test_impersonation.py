"""Every part of an impersonated identity is asked for, and groups are completed as upstream completes them."""

from __future__ import annotations

import pytest

from wherry.access.chain import refuse
from wherry.access.impersonation import Impersonation
from wherry.access.user import Attributes, User
from wherry.errors import BadRequest, Forbidden

ROOT = User("root")
LIST = Attributes(ROOT, "list", "", True, "", "v1", "pods", "", "a")
AUTHN = "authentication.k8s.io"
ALL = [
    ("impersonate-user", "alice"),
    ("impersonate-uid", "u"),
    ("impersonate-group", "dev"),
    ("impersonate-extra-acme.com%2fx", "1"),
]


def impersonate(headers: list[tuple[str, str]], request: Attributes, authorize: Holder) -> User:
    """By someone who comes for the first time."""
    return Impersonation()(headers, request, authorize)


class Holder:
    """Allows the verbs that start with one of `verbs`, and remembers what it was asked."""

    def __init__(self, *verbs: str, but: str = ""):
        self.verbs, self.but = verbs, but
        self.asked: list[tuple[str, str, str, str, str, str]] = []

    def __call__(self, a: Attributes) -> None:
        self.asked.append((a.verb, a.group, a.resource, a.subresource, a.namespace, a.name))
        if a.verb not in self.verbs or (self.but and a.name == self.but):
            raise refuse(a)


def test_each_part_is_a_right_of_its_own() -> None:
    legacy = Holder("impersonate")
    user = impersonate(ALL, LIST, legacy)
    assert (user.name, user.uid, user.groups) == ("alice", "u", ("dev", "system:authenticated"))
    assert user.extra == {"acme.com/x": ("1",)}
    assert legacy.asked == [
        ("impersonate-on:user-info:list", "", "pods", "", "a", ""),
        ("impersonate", "", "users", "", "", "alice"),
        ("impersonate", AUTHN, "uids", "", "", "u"),
        ("impersonate", "", "groups", "", "", "dev"),
        ("impersonate", AUTHN, "userextras", "acme.com/x", "", "1"),
    ]


def test_constrained_rights_are_all_in_one_group_and_for_one_request() -> None:
    some = Holder("impersonate-on:user-info:list", "impersonate:user-info")
    assert impersonate(ALL, LIST, some).name == "alice"
    verb = "impersonate:user-info"
    assert some.asked == [
        ("impersonate-on:user-info:list", "", "pods", "", "a", ""),
        (verb, AUTHN, "users", "", "", "alice"),
        (verb, AUTHN, "uids", "", "", "u"),
        (verb, AUTHN, "groups", "", "", "dev"),
        (verb, AUTHN, "userextras", "acme.com/x", "", "1"),
    ]


def test_service_accounts_and_nodes_have_their_own_modes_and_groups() -> None:
    account = Holder("impersonate-on:serviceaccount:list", "impersonate:serviceaccount")
    user = impersonate([("impersonate-user", "system:serviceaccount:a:b")], LIST, account)
    assert account.asked[-1] == ("impersonate:serviceaccount", AUTHN, "serviceaccounts", "", "a", "b")
    assert user.groups == ("system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated")
    node = [("impersonate-user", "system:node:n1")]
    arbitrary = Holder("impersonate-on:arbitrary-node:list", "impersonate:arbitrary-node")
    assert impersonate(node, LIST, arbitrary).groups == ("system:nodes", "system:authenticated")
    assert arbitrary.asked[-1] == ("impersonate:arbitrary-node", AUTHN, "nodes", "", "", "n1")
    assert impersonate(node, LIST, Holder("impersonate")).groups == ("system:authenticated",)
    agent = User("system:serviceaccount:a:b", extra={"authentication.kubernetes.io/node-name": ("n1",)})
    own = Holder("impersonate-on:associated-node:list", "impersonate:associated-node")
    assert impersonate(node, Attributes(agent, "list", "", True, "", "v1", "pods"), own).groups[0] == "system:nodes"
    assert own.asked[-1] == ("impersonate:associated-node", AUTHN, "nodes", "", "", "*")
    with pytest.raises(Forbidden, match="cannot impersonate-on:arbitrary-node:list"):
        impersonate(node, LIST, own)


def test_many_groups_are_asked_for_at_once_and_masters_never_by_a_constrained_mode() -> None:
    verbs = ("impersonate-on:user-info:list", "impersonate:user-info")
    groups = [("impersonate-group", f"g{i}") for i in range(4)]
    many = Holder(*verbs)
    impersonate([("impersonate-user", "alice"), *groups], LIST, many)
    assert [a[5] for a in many.asked] == ["", "alice", "*"]
    each = Holder(*verbs, but="*")
    impersonate([("impersonate-user", "alice"), *groups], LIST, each)
    assert [a[5] for a in each.asked] == ["", "alice", "*", "g0", "g1", "g2", "g3"]
    masters = [("impersonate-user", "alice"), ("impersonate-group", "system:masters")]
    with pytest.raises(Forbidden, match="impersonating the system:masters group is not allowed"):
        impersonate(masters, LIST, Holder(*verbs))
    assert "system:masters" in impersonate(masters, LIST, Holder(*verbs, "impersonate")).groups


@pytest.mark.parametrize(
    ("header", "value", "why"),
    [
        ("impersonate-extra-plain", "1", "an invalid key"),
        ("impersonate-extra-", "1", "the empty string key"),
        ("impersonate-extra-a.b%2fc", "", "the empty string value"),
        ("impersonate-group", "", "the empty string group"),
    ],
)
def test_what_only_the_old_verb_allows(header: str, value: str, why: str) -> None:
    headers = [("impersonate-user", "alice"), (header, value)]
    verbs = ("impersonate-on:user-info:list", "impersonate:user-info")
    with pytest.raises(Forbidden, match=f"impersonating {why}"):
        impersonate(headers, LIST, Holder(*verbs))
    assert impersonate(headers, LIST, Holder("impersonate")).name == "alice"


def test_refusals_name_the_first_mode() -> None:
    with pytest.raises(Forbidden, match='User "root" cannot impersonate-on:user-info:list resource "pods"'):
        impersonate([("impersonate-user", "alice")], LIST, Holder())
    with pytest.raises(Forbidden, match='cannot impersonate-on:user-info:get path "/version"'):
        impersonate([("impersonate-user", "alice")], Attributes(ROOT, "get", "/version"), Holder())
    with pytest.raises(BadRequest, match="without impersonating a user name"):
        impersonate([("impersonate-group", "system:masters")], LIST, Holder())
    assert impersonate([("accept", "x")], LIST, Holder()) is ROOT
    anonymous = impersonate([("impersonate-user", "system:anonymous")], LIST, Holder("impersonate"))
    assert anonymous.groups == ("system:unauthenticated",)


def test_the_mode_that_worked_last_is_tried_first() -> None:
    impersonation = Impersonation()
    everything = Holder(
        "impersonate", "impersonate-on:user-info:list", "impersonate:user-info",
        "impersonate-on:arbitrary-node:list", "impersonate:arbitrary-node",
    )  # fmt: skip
    node = [("impersonate-user", "system:node:n")]
    assert "system:nodes" in impersonation(node, LIST, everything).groups
    impersonation([*node, ("impersonate-group", "g")], LIST, everything)  # only the old verb knows nodes with groups
    assert impersonation(node, LIST, everything).groups == ("system:authenticated",)
    other = Attributes(User("other"), "list", "", True, "", "v1", "pods")
    assert "system:nodes" in impersonation(node, other, everything).groups
