"""What a workspace may hold is bounded where its writes are numbered: whoever writes, however many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workspaces.many import ADMIN, WORKSPACES, Many, parsed

CM = "/api/v1/namespaces/default/configmaps"
OBJECTS, BYTES = "quota.wherry.dev/objects", "quota.wherry.dev/bytes"
MERGE = "application/merge-patch+json"


@pytest.fixture
def many() -> Iterator[Many]:
    with Many() as found:
        yield found


def bound(many: Many, name: str, **annotations: str | None) -> None:
    """Give a workspace of the root a quota, or take it away."""
    notes = {f"quota.wherry.dev/{key}": value for key, value in annotations.items()}
    many.must("PATCH", f"{WORKSPACES}/{name}", {"metadata": {"annotations": notes}}, media=MERGE)


def room(many: Many, name: str, objects: int) -> None:
    """A quota with room for so many more objects."""
    bound(many, name, objects="1000000")
    bound(many, name, objects=str(used(many, name)["objects"] + objects))


def used(many: Many, name: str) -> dict[str, int]:
    many.run(many.workspaces.quotas.tell())
    shown = many.must("GET", f"{WORKSPACES}/{name}")["status"]["quota"]["used"]
    return {key: int(value) for key, value in shown.items()}


def test_what_does_not_fit_is_refused_and_says_why(many: Many) -> None:
    many.make("root:a")
    room(many, "a", 1)
    assert many.config_map("root:a", "one")[0] == 201
    most = used(many, "a")["objects"]
    status, answer = many.config_map("root:a", "two")
    assert (status, answer["reason"], answer["details"]) == (403, "Forbidden", {"name": "two", "kind": "configmaps"})
    assert answer["message"] == (
        'configmaps "two" is forbidden: exceeded quota: workspace root:a, '
        f"requested: objects=1, used: objects={most}, limited: objects={most}"
    )
    assert used(many, "a")["objects"] == most


def test_what_is_deleted_makes_room_and_updates_take_none(many: Many) -> None:
    many.make("root:a")
    room(many, "a", 1)
    many.config_map("root:a", "one")
    path = f"/clusters/root:a{CM}/one"
    many.must("PATCH", path, {"data": {"k": "v"}}, media=MERGE)
    assert many.config_map("root:a", "two")[0] == 403
    many.must("DELETE", path)
    assert many.config_map("root:a", "two")[0] == 201


def test_writes_at_the_same_time_never_pass_the_bound(many: Many) -> None:
    many.make("root:a")
    room(many, "a", 10)

    async def crowd() -> list[int]:
        bodies = [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c{n}"}} for n in range(40)]
        path = f"/clusters/root:a{CM}"
        return [r.status for r in await asyncio.gather(*(many.send("POST", path, body) for body in bodies))]

    statuses = many.run(crowd())
    assert sorted(statuses) == [201] * 10 + [403] * 30
    assert len(many.must("GET", f"/clusters/root:a{CM}")["items"]) == 10


def test_bytes_are_counted_as_they_lie_in_storage(many: Many) -> None:
    cluster = many.make("root:a")
    bound(many, "a", bytes="1Gi")
    before = used(many, "a")["bytes"]
    many.config_map("root:a", "big", k="x" * 5000)
    space = many.storage.space(cluster)
    assert space is not None
    record = space.get("/root/core/configmaps/default/big")
    assert record is not None
    assert used(many, "a")["bytes"] == before + len(record.value)
    bound(many, "a", bytes=str(used(many, "a")["bytes"] + 100))
    path = f"/clusters/root:a{CM}/big"
    status, answer = many.ask("PATCH", path, {"data": {"k": "x" * 6000}}, media=MERGE)
    assert status == 403
    assert "exceeded quota: workspace root:a, requested: bytes=" in answer["message"]
    many.must("PATCH", path, {"data": {"k": "x"}}, media=MERGE)
    many.must("DELETE", path)
    assert used(many, "a")["bytes"] == before


def test_an_object_that_is_deleted_may_not_grow_meanwhile(many: Many) -> None:
    many.make("root:a")
    bound(many, "a", bytes="1Gi")
    path = f"/clusters/root:a{CM}/held"
    many.config_map("root:a", "held")
    many.must("PATCH", path, {"metadata": {"finalizers": ["example.com/hold"]}}, media=MERGE)
    bound(many, "a", bytes="1")
    many.must("DELETE", path)
    for grown in ({"k": "x" * 100}, {"deletionTimestamp": "x" * 100}):
        assert many.ask("PATCH", path, {"data": grown}, media=MERGE)[0] == 403
    many.must("PATCH", path, {"metadata": {"finalizers": None}}, media=MERGE)
    assert many.ask("GET", path)[0] == 404


def test_a_quota_covers_the_workspaces_below(many: Many) -> None:
    many.make("root:a")
    many.make("root:a:old")
    room(many, "a", 30)
    many.make("root:a:new")
    before = used(many, "a")["objects"]
    many.config_map("root:a:old", "one")
    many.config_map("root:a:new", "one")
    assert used(many, "a")["objects"] == before + 2
    bound(many, "a", objects=str(before + 2))
    for where in ("root:a", "root:a:old", "root:a:new"):
        assert many.config_map(where, "more")[0] == 403, where
    many.must("DELETE", f"/clusters/root:a{WORKSPACES}/old")
    many.settle()
    assert used(many, "a")["objects"] < before
    assert many.config_map("root:a:new", "more")[0] == 201


def test_a_quota_that_comes_with_the_workspace_holds_from_its_first_moment_and_after_a_restart(tmp_path: Path) -> None:
    with Many(f"sqlite:{tmp_path}") as many:
        metadata = {"name": "a", "annotations": {OBJECTS: "3"}}
        body = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": metadata}
        many.must("POST", WORKSPACES, body)
        assert many.config_map("root:a", "one")[0] == 403
        before = used(many, "a")
        many.again()
        assert used(many, "a") == before
        assert many.config_map("root:a", "one")[0] == 403


def test_a_quota_can_be_taken_away_and_another_workspace_knows_none(many: Many) -> None:
    for name in "ab":
        many.make(f"root:{name}")
    room(many, "a", 0)
    assert many.config_map("root:a", "one")[0] == 403
    assert many.config_map("root:b", "one")[0] == 201
    bound(many, "a", objects=None)
    assert many.config_map("root:a", "one")[0] == 201
    many.run(many.workspaces.quotas.tell())
    assert "quota" not in many.must("GET", f"{WORKSPACES}/a")["status"]


def test_a_type_gives_its_quota_to_its_workspaces(many: Many) -> None:
    kind = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "WorkspaceType", "spec": {}}
    kind["metadata"] = {"name": "small", "annotations": {OBJECTS: "50", BYTES: "1Mi"}}
    many.must("POST", "/apis/tenancy.kcp.io/v1alpha1/workspacetypes", kind)
    many.make("root:a", type={"name": "small"})
    assert notes(many, "a")[BYTES] == str(1 << 20)
    body: dict[str, Any] = {"apiVersion": kind["apiVersion"], "kind": "Workspace", "spec": {"type": {"name": "small"}}}
    body["metadata"] = {"name": "b", "annotations": {OBJECTS: "51"}}
    status, answer = many.ask("POST", WORKSPACES, body)
    assert status == 403
    assert answer["message"].endswith(f"annotation {OBJECTS}: the workspace's type allows 50 at most")
    body["metadata"]["annotations"][OBJECTS] = "40"
    many.must("POST", WORKSPACES, body)
    assert notes(many, "b")[OBJECTS] == "40"


def notes(many: Many, name: str) -> dict[str, str]:
    found: dict[str, str] = many.must("GET", f"{WORKSPACES}/{name}")["metadata"]["annotations"]
    return found


@pytest.mark.parametrize("value", ["many", "-1", "0.5", ""])
def test_an_amount_that_is_none_is_refused(many: Many, value: str) -> None:
    many.make("root:a")
    body = {"metadata": {"annotations": {OBJECTS: value}}}
    response = many.run(many.send("PATCH", f"{WORKSPACES}/a", body, media=MERGE, user=ADMIN))
    assert response.status == 403
    assert OBJECTS in parsed(response)["message"]
