"""The process is shared by workspaces: what is done in one counts for it, whoever its owner says he is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.workspaces.many import ADMIN, Many, somebody

from wherry.access.user import User
from wherry.server.http import Request
from wherry.server.limits import Limits, Watches

CM = "/api/v1/namespaces/default/configmaps"
ANN, OTHER = somebody("ann"), somebody("other")
ROBOT = User("system:serviceaccount:kube-system:robot", groups=("system:serviceaccounts:kube-system",))


@pytest.fixture(scope="module")
def many() -> Iterator[Many]:
    with Many() as found:
        for name in ("a", "b"):
            found.make(f"root:{name}")
            for user in (ANN, OTHER, ROBOT):
                administrator(found, f"/clusters/root:{name}", user)
        administrator(found, "", ANN)
        yield found


def administrator(many: Many, where: str, user: User) -> None:
    group = "rbac.authorization.k8s.io"
    body = {
        "metadata": {"generateName": "all-"},
        "subjects": [{"kind": "User", "apiGroup": group, "name": user.name}],
        "roleRef": {"kind": "ClusterRole", "apiGroup": group, "name": "cluster-admin"},
    }
    many.must("POST", f"{where}/apis/{group}/v1/clusterrolebindings", body)


def flow(many: Many, where: str, user: User, *become: str) -> tuple[str, str]:
    """(level, flow) of a list, by somebody who impersonates a user and perhaps groups."""
    fairness = many.workspaces.root.api.fairness
    assert fairness is not None
    fairness._places.clear()
    headers = [(f"impersonate-{'group' if n else 'user'}", name) for n, name in enumerate(become)]
    request = Request("GET", where + CM, where + CM, "", headers, user=user)
    assert many.run(many.workspaces.front(request)).status == 200
    (place,) = fairness._places.values()
    return place.level.name, place.flow


def test_a_workspace_is_one_flow_and_another_is_another(many: Many) -> None:
    level, in_a = flow(many, "/clusters/root:a", ANN)
    assert level == "global-default"
    assert flow(many, "/clusters/root:b", ANN) != (level, in_a)
    assert flow(many, "/clusters/root:a", ANN, OTHER.name) == (level, in_a)


def test_who_becomes_a_master_in_his_workspace_waits_like_everyone(many: Many) -> None:
    assert flow(many, "", ANN, "x", "system:masters")[0] == "exempt"
    assert flow(many, "/clusters/root:a", ANN, "x", "system:masters")[0] == "global-default"
    assert flow(many, "/clusters/root:a", ADMIN)[0] == "exempt"


def test_accounts_that_an_owner_names_like_the_systems_are_accounts_like_others(many: Many) -> None:
    assert flow(many, "/clusters/root:a", ROBOT)[0] == "workload-low"


def test_watches_count_for_the_workspace_and_the_one_who_really_asks(many: Many) -> None:
    cluster = many.workspaces.tree.resolve("root:a")
    handler = many.run(many.workspaces.front.handler(cluster))
    before, handler.api.watches = handler.api.watches, Watches(replace(Limits(), watches_per_user=2))
    try:
        path = f"/clusters/root:a{CM}"
        statuses = []
        for number in range(3):
            headers = [("impersonate-user", f"user-{number}"), ("impersonate-group", "system:masters")]
            request = Request("GET", path, path, "watch=1&timeoutSeconds=60", headers, user=ANN)
            statuses.append(many.run(many.workspaces.front(request)).status)
        assert statuses == [200, 200, 429]
    finally:
        handler.api.watches = before
