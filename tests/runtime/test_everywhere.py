"""Collections and informers over all workspaces: one watch, and each object with its place."""

from __future__ import annotations

import asyncio

from wherry import ControlPlane
from wherry.client import Kind
from wherry.kit.aio import Background
from wherry.runtime import Informer, cluster_of, place_of
from wherry.runtime.informer import CLUSTER
from wherry.runtime.shared import Collection
from wherry.workspaces.fork import SOURCE

WORKSPACES = Kind("tenancy.kcp.io", "v1alpha1", "workspaces", namespaced=False)
MAPS = Kind("", "v1", "configmaps")
BODY = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace"}


async def make(cp: ControlPlane, name: str, source: str = "") -> str:
    meta = {"name": name, "annotations": {SOURCE: source} if source else {}}
    await cp.client().create(WORKSPACES, {**BODY, "metadata": meta})
    return str((await cp.client().get(WORKSPACES, name))["spec"]["cluster"])


async def settled(collection: Collection, count: int) -> None:
    async with asyncio.timeout(10):
        while sum(1 for obj in collection.objects.values() if obj["metadata"]["name"] == "m") != count:
            await asyncio.sleep(0)


def test_one_collection_holds_the_objects_of_all_workspaces_and_of_forks_too() -> None:
    async def scenario() -> None:
        tasks = Background("test")
        async with ControlPlane() as cp:
            first = await make(cp, "a")
            await cp.client("root:a").create(MAPS, {"metadata": {"name": "m"}}, "default")
            collection = Collection(cp.client("*"), MAPS)
            tasks.start(collection.run())
            await settled(collection, 1)
            second = await make(cp, "b", "root:a")
            await settled(collection, 2)
            keys = [key for key in collection.objects if key[1] == "m"]
            assert {place_of(key) for key in keys} == {(first, "default", "m"), (second, "default", "m")}
            uids = {collection.objects[key]["metadata"]["uid"] for key in keys}
            assert len(uids) == 1  # an exact copy
            await cp.client("root:b").delete(MAPS, "m", "default")
            await settled(collection, 1)
            (left,) = [obj for key, obj in collection.objects.items() if key[1] == "m"]
            assert cluster_of(left) == first
            await tasks.stop()

    asyncio.run(scenario())


def test_an_informer_tells_the_place_of_what_changed() -> None:
    async def scenario() -> None:
        tasks, seen = Background("test"), asyncio.Queue[tuple[str, str]]()
        async with ControlPlane() as cp:
            cluster = await make(cp, "a")
            informer = Informer(cp.client("*"), MAPS, seen.put_nowait, query={"fieldSelector": "metadata.name=m"})
            tasks.start(informer.run())
            await informer.synced.wait()
            await cp.client("root:a").create(MAPS, {"metadata": {"name": "m"}}, "default")
            async with asyncio.timeout(10):
                assert place_of(await seen.get()) == (cluster, "default", "m")
            await tasks.stop()

    asyncio.run(scenario())


def test_within_one_workspace_keys_are_plain() -> None:
    assert place_of(("default", "m")) == ("", "default", "m")


def test_within_one_workspace_nobody_says_that_his_object_is_elsewhere() -> None:
    async def scenario() -> None:
        tasks = Background("test")
        async with ControlPlane() as cp:
            meta = {"name": "m", "annotations": {CLUSTER: "x"}}
            client = cp.client()
            owner = await client.create(MAPS, {"metadata": meta}, "default")
            owned_by = {"apiVersion": "v1", "kind": "ConfigMap", "name": "m", "controller": True}
            owned = {**meta, "name": "n", "ownerReferences": [{**owned_by, "uid": owner["metadata"]["uid"]}]}
            await client.create(MAPS, {"metadata": owned}, "default")
            collection = Collection(client, MAPS)
            tasks.start(collection.run())
            await settled(collection, 1)
            assert collection.get("default", "m") is not None
            assert [obj["metadata"]["name"] for obj in collection.owned(owner["metadata"]["uid"])] == ["n"]
            await tasks.stop()

    asyncio.run(scenario())
