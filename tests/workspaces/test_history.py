"""Who changed what and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from tests.workspaces.many import Many, somebody
from tests.workspaces.test_fork import MAPS, SECRETS, fork

MERGE = "application/merge-patch+json"


@pytest.fixture
def many() -> Iterator[Many]:
    with Many() as many:
        many.make("root:w")
        many.config_map("root:w", "prices", tea="3")
        yield many


def change(many: Many, data: Any, manager: str) -> str:
    """The revision."""
    path = f"/clusters/root:w{MAPS}/prices?fieldManager={manager}"
    return str(many.must("PATCH", path, {"data": data}, media=MERGE)["metadata"]["resourceVersion"])


def history(many: Many, resource: str = "configmaps", name: str = "prices", more: str = "", **how: Any) -> list[Any]:
    asked = f"resource={resource}&namespace=default&name={name}{more}"
    response = many.run(many.send("GET", f"/clusters/root:w/history?{asked}", **how))
    assert response.status == 200, response
    return [orjson.loads(line) for line in bytes(response.body).splitlines()]


def test_each_change_says_who_made_it_and_what_it_was(many: Many) -> None:
    revision = change(many, {"tea": "4"}, "anna")
    change(many, {"milk": "1"}, "ben")
    many.must("DELETE", f"/clusters/root:w{MAPS}/prices")
    found = history(many)
    assert [(each["change"], each.get("manager", "")) for each in found] == [
        ("deleted", ""),
        ("changed", "ben"),
        ("changed", "anna"),
        ("created", "unknown"),
    ]
    assert found[2]["revision"] == int(revision)
    assert found[2]["fields"] == [{"path": "data.tea", "before": "3", "after": "4"}]
    assert found[1]["fields"] == [{"path": "data.milk", "after": "1"}]
    assert found[1]["operation"] == "Update"
    assert found[1]["time"].endswith("Z")


def test_what_stood_before_the_history_tells_its_managers(many: Many) -> None:
    many.must("POST", "/apis/tenancy.kcp.io/v1alpha1/workspaces", fork("copy", "root:w"))
    asked = "resource=configmaps&namespace=default&name=prices"
    response = many.run(many.send("GET", f"/clusters/root:copy/history?{asked}"))
    (found,) = [orjson.loads(line) for line in bytes(response.body).splitlines()]
    assert found["change"] == "earlier"
    assert [entry["manager"] for entry in found["managers"]] == ["unknown"]


def test_secrets_keep_their_secrets(many: Many) -> None:
    many.must("POST", f"/clusters/root:w{SECRETS}", {"metadata": {"name": "s"}, "data": {"k": "YQ=="}})
    many.must("PATCH", f"/clusters/root:w{SECRETS}/s", {"data": {"k": "Yg=="}}, media=MERGE)
    assert history(many, "secrets", "s")[0]["fields"][0]["after"] == "(hidden)"
    assert history(many, "secrets", "s", "&secrets=true")[0]["fields"][0]["after"] == "Yg=="


def test_the_revision_of_a_moment(many: Many) -> None:
    future = many.must("GET", "/clusters/root:w/history?at=2999-01-01T00:00:00Z")["revision"]
    assert int(future) >= int(change(many, {"tea": "5"}, "anna")) - 1
    status, answer = many.ask("GET", "/clusters/root:w/history?at=1999-01-01T00:00:00Z")
    assert (status, answer["reason"]) == (410, "Expired")
    assert "is not kept any more; it reaches back to" in answer["message"]


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("resource=unicorns&name=x", 400, "there is no such resource"),
        ("resource=configmaps&namespace=default", 400, "name an object"),
        ("resource=configmaps&namespace=default&name=none", 404, 'configmaps "none" not found'),
        ("at=yesterday", 400, "'yesterday' is no time"),
    ],
)
def test_what_cannot_be_told_says_why(many: Many, query: str, status: int, text: str) -> None:
    code, answer = many.ask("GET", f"/clusters/root:w/history?{query}")
    assert code == status
    assert text in answer["message"]


def test_strangers_learn_nothing(many: Many) -> None:
    path = "/clusters/root:w/history?resource=configmaps&namespace=default&name=prices"
    assert many.ask("GET", path, user=somebody("eve"))[0] == 403
