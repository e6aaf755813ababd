"""What is different between two workspaces, as the server tells it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from tests.workspaces.many import WORKSPACES, Many, somebody
from tests.workspaces.test_fork import MAPS, SECRETS, fork

MERGE = "application/merge-patch+json"


@pytest.fixture
def many() -> Iterator[Many]:
    with Many() as many:
        many.make("root:source")
        many.config_map("root:source", "kept", a="1")
        many.config_map("root:source", "gone")
        many.must("POST", WORKSPACES, fork("copy"))
        yield many


def difference(many: Many, before: str = "root:source", after: str = "root:copy", **query: str) -> list[Any]:
    asked = "".join(f"&{name}={value}" for name, value in query.items())

    async def collect() -> list[Any]:
        response = await many.send("GET", f"/clusters/{before}/difference?with={after}{asked}")
        assert response.status == 200, response
        return [orjson.loads(line) async for chunk in response.body for line in chunk.splitlines()]  # type: ignore[union-attr]

    return many.run(collect())  # type: ignore[no-any-return]


def test_a_copy_that_nobody_wrote_to_is_not_different(many: Many) -> None:
    assert difference(many) == []


def test_what_came_changed_and_went_is_told(many: Many) -> None:
    many.must("PATCH", f"/clusters/root:copy{MAPS}/kept", {"data": {"a": "2", "b": "x"}}, media=MERGE)
    many.must("DELETE", f"/clusters/root:copy{MAPS}/gone")
    many.config_map("root:copy", "new")
    common = {"apiVersion": "v1", "kind": "ConfigMap", "resource": "configmaps", "namespace": "default"}
    changed = [{"path": "data.a", "before": "1", "after": "2"}, {"path": "data.b", "after": "x"}]
    assert difference(many) == [
        {"change": "removed", **common, "name": "gone"},
        {"change": "changed", **common, "name": "kept", "fields": changed},
        {"change": "added", **common, "name": "new"},
    ]
    assert [each["change"] for each in difference(many, "root:copy", "root:source")] == ["added", "changed", "removed"]


def test_what_only_the_server_noted_is_no_difference(many: Many) -> None:
    for value in ("2", "1"):
        many.must("PATCH", f"/clusters/root:copy{MAPS}/kept", {"data": {"a": value}}, media=MERGE)
    many.make("root:copy:below")
    event = {
        "metadata": {"name": "e"},
        "involvedObject": {"namespace": "default"},
        "reason": "R",
        "type": "Normal",
    }
    many.must("POST", "/clusters/root:copy/api/v1/namespaces/default/events", event)
    assert difference(many) == []


def test_a_fresh_copy_and_one_that_was_filled_by_hand_are_the_same(many: Many) -> None:
    many.must("POST", WORKSPACES, fork("fresh", fresh="true"))
    assert difference(many, after="root:fresh") == []
    many.make("root:hand")
    many.config_map("root:hand", "kept", a="1")
    many.config_map("root:hand", "gone")
    assert difference(many, after="root:hand") == []


def test_status_is_compared_where_it_is_asked_for(many: Many) -> None:
    budget = {"metadata": {"name": "b"}, "spec": {"selector": {}}}
    budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    many.must("POST", f"/clusters/root:source{budgets}", budget)
    many.must("POST", WORKSPACES, fork("again"))
    status = {"status": {"desiredHealthy": 3}}
    many.must("PATCH", f"/clusters/root:again{budgets}/b/status", status, media=MERGE)
    assert difference(many, after="root:again") == []
    (found,) = difference(many, after="root:again", status="true")
    assert found["fields"] == [{"path": "status.desiredHealthy", "before": 0, "after": 3}]


def test_secrets_keep_their_secrets(many: Many) -> None:
    many.must("POST", f"/clusters/root:source{SECRETS}", {"metadata": {"name": "s"}, "data": {"k": "YQ=="}})
    many.must("POST", WORKSPACES, fork("again"))
    many.must("PATCH", f"/clusters/root:again{SECRETS}/s", {"data": {"k": "Yg=="}}, media=MERGE)
    (found,) = difference(many, after="root:again")
    assert found["fields"] == [{"path": "data.k", "before": "(hidden)", "after": "(hidden)"}]
    (found,) = difference(many, after="root:again", secrets="true")
    assert found["fields"] == [{"path": "data.k", "before": "YQ==", "after": "Yg=="}]


def test_who_may_not_copy_one_of_them_learns_nothing(many: Many) -> None:
    many.make("root:bens")
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "ben"},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "ben"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
    }
    many.must("POST", "/clusters/root:bens/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", binding)
    ben = somebody("ben")
    texts = []
    for other in ("root:source", "root:nowhere"):
        status, answer = many.ask("GET", f"/clusters/root:bens/difference?with={other}", user=ben)
        assert status == 403
        texts.append(answer["message"].replace(other, "X"))
    assert texts[0] == texts[1]
    assert many.ask("GET", "/clusters/root:source/difference?with=root:bens", user=ben)[0] == 403
    assert many.ask("GET", "/clusters/root:bens/difference?with=root:bens", user=ben)[0] == 200


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, "name a workspace"),
        ("?with=root:nowhere", 404, "there is no workspace root:nowhere"),
        ("?with=root:copy&status=maybe", 400, "?status=maybe: true or false"),
    ],
)
def test_what_cannot_be_compared_says_why(many: Many, query: str, status: int, text: str) -> None:
    code, answer = many.ask("GET", f"/clusters/root:source/difference{query}")
    assert code == status
    assert text in answer["message"]
    assert many.ask("POST", "/clusters/root:source/difference?with=root:copy")[0] == 405
