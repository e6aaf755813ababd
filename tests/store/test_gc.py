"""Owners and dependents: background, foreground and orphan deletion as a real cluster's garbage collector does them."""

from __future__ import annotations

import asyncio

import pytest

from wherry.server.build import build_handler
from wherry.storage import open_storage

from .api import CONFIG_MAPS, MERGE, Api, run


def test_dependents_go_after_their_owner() -> None:
    async def check(api: Api) -> None:
        owner = await api.make("owner")
        child = await api.make("child", owner)
        await api.make("grandchild", child)
        await api.make("stranger")
        await api.call("DELETE", f"{CONFIG_MAPS}/owner")
        assert await api.names() == ["stranger"]

    run(check)


def test_a_dependent_with_another_owner_stays_and_loses_the_reference() -> None:
    async def check(api: Api) -> None:
        first, second = await api.make("first"), await api.make("second")
        await api.make("child", first, second)
        await api.call("DELETE", f"{CONFIG_MAPS}/first")
        child = await api.get("child")
        assert [r["name"] for r in child["metadata"]["ownerReferences"]] == ["second"]

    run(check)


def test_orphans_stay_without_the_reference() -> None:
    async def check(api: Api) -> None:
        owner = await api.make("owner")
        await api.make("child", owner)
        answer = await api.call("DELETE", f"{CONFIG_MAPS}/owner?propagationPolicy=Orphan")
        assert answer["metadata"]["finalizers"] == ["orphan"]
        assert await api.names() == ["child"]
        assert "ownerReferences" not in (await api.get("child"))["metadata"]

    run(check)


def test_foreground_waits_for_dependents_that_block() -> None:
    async def check(api: Api) -> None:
        owner = await api.make("owner")
        await api.make("child", owner, block=True, finalizers=["test.io/hold"])
        answer = await api.call("DELETE", f"{CONFIG_MAPS}/owner?propagationPolicy=Foreground")
        assert answer["metadata"]["finalizers"] == ["foregroundDeletion"]
        assert await api.names() == ["child", "owner"]
        assert "deletionTimestamp" in (await api.get("child"))["metadata"]
        await api.call("PATCH", f"{CONFIG_MAPS}/child", {"metadata": {"finalizers": None}}, MERGE)
        assert await api.names() == []

    run(check)


def test_foreground_does_not_wait_for_dependents_that_do_not_block() -> None:
    async def check(api: Api) -> None:
        owner = await api.make("owner")
        await api.make("child", owner, finalizers=["test.io/hold"])
        await api.call("DELETE", f"{CONFIG_MAPS}/owner?propagationPolicy=Foreground")
        assert await api.names() == ["child"]

    run(check)


def test_an_owner_of_the_same_name_and_another_uid_is_no_owner() -> None:
    async def check(api: Api) -> None:
        owner = await api.make("owner")
        owner["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
        await api.make("child", owner)
        assert await api.names() == ["owner"]

    run(check)


@pytest.mark.parametrize(("kind", "left"), [("Nothing", ["child"]), ("Secret", [])])
def test_only_owners_of_known_kinds_are_judged(kind: str, left: list[str]) -> None:
    async def check(api: Api) -> None:
        reference = {"apiVersion": "v1", "kind": kind, "name": "gone", "uid": "1"}
        await api.make("child", ownerReferences=[reference])
        assert await api.names() == left

    run(check)


def test_the_graph_is_learnt_again_from_what_is_stored() -> None:
    async def main() -> None:
        storage = open_storage("memory:")
        first = await build_handler(storage, token="t")
        owner = await Api(first).make("owner")
        await Api(first).make("child", owner)
        await first.close()
        second = await build_handler(storage, token="t")
        api = Api(second)
        await api.call("DELETE", f"{CONFIG_MAPS}/owner")
        assert await api.names() == []
        await second.close()
        await storage.close()

    asyncio.run(main())


def test_a_circle_of_blocking_owners_is_deleted() -> None:
    async def test(api: Api) -> None:
        made = [await api.make(name) for name in ("a", "b", "c")]
        for index, obj in enumerate(made):
            owner = made[index - 1]["metadata"]
            reference = {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "name": owner["name"],
                "uid": owner["uid"],
                "blockOwnerDeletion": True,
            }
            change = {"metadata": {"ownerReferences": [reference]}}
            await api.call("PATCH", f"{CONFIG_MAPS}/{obj['metadata']['name']}", change, MERGE)
        await api.call("DELETE", f"{CONFIG_MAPS}/a?propagationPolicy=Foreground")
        assert await api.names() == []

    run(test)
