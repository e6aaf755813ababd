"""Revisions over time: those to come, those that compaction took, and those of before a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from wherry.server import watching
from wherry.server.build import build_handler
from wherry.server.http import Request
from wherry.storage import open_storage
from wherry.storage.api import Compacted
from wherry.store import read

from .api import CONFIG_MAPS, MERGE, Api, run

Obj = dict[str, Any]


async def events(api: Api, query: str) -> AsyncIterator[Obj]:
    request = Request("GET", CONFIG_MAPS, CONFIG_MAPS, f"watch=true&{query}", [("authorization", "Bearer t")])
    async for chunk in (await api.handler(request)).body:  # type: ignore[union-attr]
        for text in chunk.splitlines():
            yield orjson.loads(text)


async def compacted(api: Api) -> None:
    """Forget all that was before now."""
    storage = api.handler.api.store.storage
    storage.compact(storage.revision)
    for _ in range(1000):
        try:
            storage.events_since(1, "/root/core/configmaps/")
        except Compacted:
            return
        await asyncio.sleep(0)
    raise AssertionError("nothing was forgotten")


def test_a_list_waits_for_a_revision_that_comes() -> None:
    async def test(api: Api) -> None:
        made = await api.make("a")
        ahead = int(made["metadata"]["resourceVersion"]) + 1
        asked = [f"{CONFIG_MAPS}?resourceVersion={ahead}", f"{CONFIG_MAPS}/a?resourceVersion={ahead}"]
        waiting = [asyncio.ensure_future(api.call("GET", path)) for path in asked]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        await api.make("b")
        listed, got = await asyncio.gather(*waiting)
        assert [item["metadata"]["name"] for item in listed["items"]] == ["a", "b"]
        assert got["metadata"]["name"] == "a"

    run(test)


def test_what_does_not_come_is_refused_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "FRESH_SECONDS", 0.01)
    monkeypatch.setattr(watching, "FRESH_SECONDS", 0.01)

    async def test(api: Api) -> None:
        for path in (f"{CONFIG_MAPS}?resourceVersion=999999", f"{CONFIG_MAPS}/a?resourceVersion=999999"):
            refused = await api.call("GET", path)
            assert (refused["code"], refused["reason"]) == (504, "Timeout")
            assert refused["details"]["retryAfterSeconds"] == 1
        initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        got = [e async for e in events(api, f"{initial}&resourceVersion=999999")]
        assert [(e["type"], e["object"]["code"]) for e in got] == [("ERROR", 504)]

    run(test)


def test_a_watch_from_the_future_shows_nothing_before_it() -> None:
    async def test(api: Api) -> None:
        made = await api.make("a")
        ahead = int(made["metadata"]["resourceVersion"]) + 1
        stream = events(api, f"resourceVersion={ahead}&timeoutSeconds=20")
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        await api.make("b")
        await api.make("c")
        assert (await asyncio.wait_for(first, 5))["object"]["metadata"]["name"] == "c"

    run(test)


def test_a_watch_list_from_the_future_waits_and_then_begins() -> None:
    async def test(api: Api) -> None:
        made = await api.make("a")
        ahead = int(made["metadata"]["resourceVersion"]) + 1
        initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        stream = events(api, f"{initial}&resourceVersion={ahead}&timeoutSeconds=20")
        first = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert not first.done()
        made = await api.make("b")
        got = [await asyncio.wait_for(first, 5), await anext(stream), await anext(stream)]
        assert [e["type"] for e in got] == ["ADDED", "ADDED", "BOOKMARK"]
        assert got[2]["object"]["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        assert got[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}

    run(test)


def test_what_compaction_took_is_expired_everywhere() -> None:
    async def test(api: Api) -> None:
        made = await api.make("a")
        old = made["metadata"]["resourceVersion"]
        await api.make("b")
        await api.make("c")
        page = await api.call("GET", f"{CONFIG_MAPS}?limit=1")
        await api.call("PATCH", f"{CONFIG_MAPS}/c", {"data": {"k": "v"}}, MERGE)
        await api.make("d")
        await compacted(api)
        for match in ("&resourceVersionMatch=Exact", "&limit=5"):
            refused = await api.call("GET", f"{CONFIG_MAPS}?resourceVersion={old}{match}")
            assert (refused["code"], refused["reason"]) == (410, "Expired")
            assert refused["metadata"] == {}
        got = [e async for e in events(api, f"resourceVersion={old}")]
        assert [(e["type"], e["object"]["code"], e["object"]["reason"]) for e in got] == [("ERROR", 410, "Expired")]
        assert got[0]["object"]["message"].startswith(f"too old resource version: {old} (")
        refused = await api.call("GET", f"{CONFIG_MAPS}?limit=1&continue={page['metadata']['continue']}")
        assert (refused["code"], refused["reason"]) == (410, "Expired")
        fresh = refused["metadata"]["continue"]
        rest = await api.call("GET", f"{CONFIG_MAPS}?continue={fresh}")
        assert [(i["metadata"]["name"], i.get("data")) for i in rest["items"]] == [
            ("b", None),
            ("c", {"k": "v"}),
            ("d", None),
        ]

    run(test)


def test_a_watch_goes_on_where_it_was_before_a_restart(tmp_path: Path) -> None:
    async def main() -> None:
        url = f"sqlite:{tmp_path / 'data'}"
        storage = open_storage(url)
        handler = await build_handler(storage, token="t")
        first = await Api(handler).make("a")
        second = await Api(handler).make("b")
        await Api(handler).call("DELETE", f"{CONFIG_MAPS}/a")
        await handler.close()
        await storage.close()
        storage = open_storage(url)
        handler = await build_handler(storage, token="t")
        api = Api(handler)
        stream = events(api, f"resourceVersion={first['metadata']['resourceVersion']}&timeoutSeconds=20")
        got = [await anext(stream), await anext(stream)]
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in got] == [("ADDED", "b"), ("DELETED", "a")]
        assert got[0]["object"] == second
        third = await api.make("c")
        assert (await anext(stream))["object"] == third
        revisions = [int(o["metadata"]["resourceVersion"]) for o in (first, second, got[1]["object"], third)]
        assert revisions == sorted(set(revisions))
        await stream.aclose()  # type: ignore[attr-defined]
        await handler.close()
        await storage.close()

    asyncio.run(main())


def test_bookmarks_come_regularly_and_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_BOOKMARK_EVERY", 0.2)
    monkeypatch.setattr(watching, "_BOOKMARK_BEFORE_END", 0.05)

    async def test(api: Api) -> None:
        made = await api.make("a")
        at = made["metadata"]["resourceVersion"]

        async def all_of(query: str) -> list[Obj]:
            return [e async for e in events(api, f"resourceVersion={at}&timeoutSeconds=1{query}")]

        got, without = await asyncio.gather(all_of("&allowWatchBookmarks=true"), all_of(""))
        assert without == []
        assert 4 <= len(got) <= 6
        bookmark = {"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": at}}
        assert [(e["type"], e["object"]) for e in got] == [("BOOKMARK", bookmark)] * len(got)

    run(test)
