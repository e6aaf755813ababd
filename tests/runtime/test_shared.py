"""Collections: a controller sees its own writes at once, and late events do not take that back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import orjson

from wherry.client import Client, Kind
from wherry.runtime.shared import Collection

PODS = Kind("", "v1", "pods")
Obj = dict[str, Any]


def pod(name: str, revision: int, uid: str = "", owner: str = "", namespace: str = "a") -> Obj:
    meta: Obj = {"name": name, "namespace": namespace, "uid": uid or name, "resourceVersion": str(revision)}
    if owner:
        meta["ownerReferences"] = [{"uid": owner, "controller": True}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta}


class Script:
    """A transport that answers one list and then the events it was given."""

    def __init__(self, items: list[Obj], events: list[tuple[str, Obj]]):
        self.items, self.events = items, events

    async def call(self, method: str, path: str, query: str, media: str, body: bytes) -> tuple[int, bytes]:
        bare = [{"metadata": item["metadata"]} for item in self.items]
        return 200, orjson.dumps(
            {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "10"}, "items": bare}
        )

    async def stream(self, path: str, query: str) -> AsyncIterator[bytes]:
        events, self.events = self.events, []
        for type_, obj in events:
            yield orjson.dumps({"type": type_, "object": obj})
        await asyncio.Event().wait()


def collection(items: list[Obj] | None = None, events: list[tuple[str, Obj]] | None = None) -> Collection:
    return Collection(Client(Script(items or [], events or [])), PODS)


def test_what_was_written_is_there_and_older_events_are_passed_over() -> None:
    async def work() -> None:
        seen: list[tuple[str, str]] = []
        made = collection()
        made.handlers.append(lambda b, a: seen.append((_revision(b), _revision(a))))
        assert made.put(pod("x", 5))
        assert not made.put(pod("x", 5))
        assert not made.put(pod("x", 4))
        assert made.put(pod("x", 6))
        made.drop(pod("x", 6))
        assert not made.put(pod("x", 7))  # an event from before the removal was known
        assert made.put(pod("x", 8, uid="another"))
        assert seen == [("", "5"), ("5", "6"), ("6", ""), ("", "8")]

    asyncio.run(work())


def test_objects_are_found_by_owner_and_namespace() -> None:
    async def work() -> None:
        made = collection()
        for each in (pod("x", 1, owner="o"), pod("y", 2), pod("z", 3, namespace="b")):
            made.put(each)
        assert [o["metadata"]["name"] for o in made.owned("o")] == ["x"]
        assert [o["metadata"]["name"] for o in made.orphans("a")] == ["y"]
        made.put(pod("y", 4, owner="o"))
        assert sorted(o["metadata"]["name"] for o in made.owned("o")) == ["x", "y"]
        assert made.orphans("a") == []
        assert sorted(o["metadata"]["name"] for o in made.inside("a")) == ["x", "y"]
        made.drop(pod("x", 1))
        assert [o["metadata"]["name"] for o in made.owned("o")] == ["y"]

    asyncio.run(work())


def test_a_list_and_its_watch_fill_the_collection() -> None:
    async def work() -> None:
        changed = pod("x", 12)
        made = collection(
            [pod("x", 9), pod("y", 10)], [("MODIFIED", changed), ("DELETED", pod("y", 13)), ("ADDED", pod("z", 14))]
        )
        made.put(pod("mine", 11))  # newer than the list, which does not have it yet
        made.put(pod("old", 3))  # older than the list, which does not have it any more
        task = asyncio.ensure_future(made.run())
        await made.synced.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        assert {key[1]: _revision(obj) for key, obj in made.objects.items()} == {"mine": "11", "x": "12", "z": "14"}
        assert made.objects["a", "x"]["kind"] == "Pod"

    asyncio.run(work())


def _revision(obj: Obj | None) -> str:
    return str(obj["metadata"]["resourceVersion"]) if obj is not None else ""
