"""Watches: what a selector shows when objects come, change and go; bounds; both ways of reading."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from wherry.store import watch as watches
from wherry.store.watch import Watcher, framed, line

from .api import CONFIG_MAPS, MERGE, Api, run


async def _read(api: Api, query: str, until: int) -> list[tuple[str, str]]:
    response = await api.respond("GET", f"{CONFIG_MAPS}?watch=1&{query}")
    found: list[tuple[str, str]] = []
    stream: Any = response.body
    async for chunk in stream:
        for raw in chunk.splitlines():
            event = orjson.loads(raw)
            found.append((event["type"], event["object"]["metadata"].get("name", "")))
        if len(found) >= until:
            break
    await stream.aclose()
    return found


def test_an_object_that_leaves_a_selector_is_deleted_for_its_watchers() -> None:
    async def check(api: Api) -> None:
        made = await api.make("a", labels={"on": "yes"})
        revision = made["metadata"]["resourceVersion"]
        reader = asyncio.ensure_future(_read(api, f"resourceVersion={revision}&labelSelector=on=yes", 3))
        await asyncio.sleep(0)
        await api.call("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"on": "no"}}}, MERGE)
        await api.call("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"on": "yes"}}}, MERGE)
        await api.call("DELETE", f"{CONFIG_MAPS}/a")
        assert await reader == [("DELETED", "a"), ("ADDED", "a"), ("DELETED", "a")]

    run(check)


def test_a_deleted_event_carries_the_revision_of_the_deletion() -> None:
    async def check(api: Api) -> None:
        made = await api.make("a")
        revision = int(made["metadata"]["resourceVersion"])
        await api.call("DELETE", f"{CONFIG_MAPS}/a")
        response = await api.respond("GET", f"{CONFIG_MAPS}?watch=1&resourceVersion={revision}")
        stream: Any = response.body
        event = orjson.loads(await anext(stream))
        assert event["type"] == "DELETED"
        assert int(event["object"]["metadata"]["resourceVersion"]) == revision + 1
        await stream.aclose()

    run(check)


def test_a_write_that_changes_nothing_is_no_event() -> None:
    async def check(api: Api) -> None:
        made = await api.make("a", labels={"x": "1"})
        again = await api.call("PATCH", f"{CONFIG_MAPS}/a", {"metadata": {"labels": {"x": "1"}}}, MERGE)
        assert again["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]

    run(check)


def test_closing_a_stream_takes_its_watcher_off_the_hub() -> None:
    async def check(api: Api) -> None:
        before = len(api.handler.api.hub)
        response = await api.respond(
            "GET", f"{CONFIG_MAPS}?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan"
        )
        stream: Any = response.body
        await api.make("a")
        reader = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert len(api.handler.api.hub) == before + 1
        await api.make("b")
        await reader
        await stream.aclose()
        assert len(api.handler.api.hub) == before

    run(check)


def test_a_watcher_that_does_not_read_is_ended_and_keeps_what_it_has(monkeypatch: Any) -> None:
    monkeypatch.setattr(watches, "MAX_QUEUED", 3)
    watcher = Watcher("/", None, lambda kind, record: b"", None)
    for number in range(5):
        watcher.offer(b"%d" % number)
    assert watcher.closed
    assert asyncio.run(watcher.take()) == b"01234"


def test_a_held_sink_gets_everything_in_order_once_it_is_let_go() -> None:
    got: list[bytes] = []
    ended: list[bool] = []
    watcher = Watcher("/", None, lambda kind, record: b"", None)
    watcher.offer(b"first")
    watcher.attach(got.append, lambda: ended.append(True))
    watcher.held = True
    watcher.send(b"second")
    watcher.send(b"third")
    assert got == [framed(b"first")]
    watcher.held = False
    watcher.flush()
    assert got == [framed(b"first"), framed(b"second") + framed(b"third")]
    watcher.close()
    assert ended == [True]


def test_lines_and_chunks() -> None:
    assert line("ADDED", b"{}") == b'{"type":"ADDED","object":{}}\n'
    assert framed(b"0123456789abcdef") == b"10\r\n0123456789abcdef\r\n"


MANY = 200
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"


@pytest.mark.parametrize("accept", ["application/json", TABLE])
def test_what_happens_while_much_is_shown_comes_after_it(accept: str) -> None:
    """The present state is written in slices; a reader still sees it whole, then the bookmark, then what came."""

    async def check(api: Api) -> None:
        for number in range(MANY):
            await api.make(f"a-{number:03}")
        query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"
        response = await api.respond("GET", f"{CONFIG_MAPS}?{query}", accept=accept)
        stream: Any = response.body
        lines = (await anext(stream)).splitlines()
        assert 0 < len(lines) < MANY
        await api.make("b")
        await api.call("DELETE", f"{CONFIG_MAPS}/a-{MANY - 1}")
        while len(lines) < MANY + 3:
            lines += (await anext(stream)).splitlines()
        await stream.aclose()
        events = list(map(orjson.loads, lines))
        assert [event["type"] for event in events] == ["ADDED"] * MANY + ["BOOKMARK", "ADDED", "DELETED"]
        if accept == TABLE:
            assert [bool(event["object"]["columnDefinitions"]) for event in events] == [True] + [False] * (MANY + 2)
        else:
            shown = [event["object"]["metadata"].get("name") for event in events]
            assert shown == [*(f"a-{number:03}" for number in range(MANY)), None, "b", f"a-{MANY - 1}"]

    run(check)


def test_a_watch_that_is_given_up_while_much_is_shown_leaves_nothing_behind() -> None:
    async def check(api: Api) -> None:
        for number in range(MANY):
            await api.make(f"a-{number:03}")
        before = asyncio.all_tasks()
        response = await api.respond("GET", f"{CONFIG_MAPS}?watch=1")
        stream: Any = response.body
        await anext(stream)
        await stream.aclose()
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == before

    run(check)


def test_a_reader_that_does_not_keep_up_is_told_of(monkeypatch: Any, caplog: Any) -> None:
    monkeypatch.setattr(watches, "MAX_QUEUED", 3)

    async def check(api: Api) -> None:
        response = await api.respond("GET", f"{CONFIG_MAPS}?watch=1&resourceVersion=1")
        stream: Any = response.body
        reader = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        for number in range(5):
            await api.make(f"a-{number}")
        await reader
        async for _ in stream:
            pass
        page: Any = (await api.respond("GET", "/metrics")).body
        assert 'apiserver_terminated_watchers_total{group="",resource="configmaps"} 1' in page.decode()
        assert "a watch of configmaps by kubernetes-admin was ended" in caplog.text

    run(check)
