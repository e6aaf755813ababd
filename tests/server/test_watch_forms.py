"""The forms of a watch: protobuf for those who take nothing else, no YAML, JSON for the rest."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from wherry.machinery.protobuf import encode
from wherry.machinery.protobuf.wire import fields
from wherry.server import watching
from wherry.server.build import build_handler
from wherry.server.http import Request, Response
from wherry.storage import open_storage

MAPS = "/api/v1/namespaces/default/configmaps"
PROTOBUF = "application/vnd.kubernetes.protobuf"


def watch(accept: str, query: str = "") -> tuple[Response, bytes]:
    """The answer and the begin of its stream, with one ConfigMap there."""

    async def main() -> tuple[Response, bytes]:
        storage = open_storage("memory:")
        handler = await build_handler(storage, token="t")
        base = [("authorization", "Bearer t"), ("user-agent", "t")]
        body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}
        await handler(
            Request("POST", MAPS, MAPS, "", [*base, ("content-type", "application/json")], orjson.dumps(body))
        )
        text = f"watch=1&timeoutSeconds=1{query}"
        response = await handler(Request("GET", MAPS, MAPS, text, [*base, ("accept", accept)]))
        stream: Any = response.body
        data = stream if isinstance(stream, bytes) else await anext(stream)  # all that there is at first
        if not isinstance(stream, bytes):
            await stream.aclose()
        await handler.close()
        await storage.close()
        return response, data

    return asyncio.run(main())


def events(data: bytes) -> list[tuple[str, bytes]]:
    """(type, object in its envelope) of length-delimited frames."""
    found = []
    while data:
        size = int.from_bytes(data[:4], "big")
        event, data = data[4 : 4 + size], data[4 + size :]
        kind, raw = (value for _, _, value in fields(event, "WatchEvent"))
        found.append((bytes(kind).decode(), next(bytes(v) for _, _, v in fields(bytes(raw), "RawExtension"))))
    return found


def test_protobuf_alone_is_protobuf() -> None:
    _, plain = watch("application/json")
    stored = orjson.loads(plain)["object"]
    response, data = watch(PROTOBUF, "&allowWatchBookmarks=true")
    assert response.headers[0] == ("content-type", f"{PROTOBUF};stream=watch")
    (added, obj), (bookmark, _) = events(data)[:2]
    assert (added, bookmark) == ("ADDED", "BOOKMARK")
    assert obj[:4] == b"k8s\0"
    assert len(obj) == len(encode("", "v1", "ConfigMap", stored))


def test_errors_are_protobuf_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "FRESH_SECONDS", 0.01)
    _, data = watch(PROTOBUF, "&resourceVersion=999999&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
    ((kind, status),) = events(data)
    assert kind == "ERROR"
    assert b"Too large resource version" in status


def test_who_takes_json_too_gets_json() -> None:
    for accept in (f"{PROTOBUF}, */*", f"{PROTOBUF},application/json", "application/json"):
        response, data = watch(accept)
        assert response.headers[0] == ("content-type", "application/json")
        assert orjson.loads(data)["type"] == "ADDED"


def test_there_is_no_stream_of_yaml() -> None:
    response, data = watch("application/yaml")
    listed = f"application/json;stream=watch, {PROTOBUF};stream=watch"
    assert response.status == 406
    text = " ".join(data.decode().split())  # the refusal itself is YAML, which folds lines
    assert f"only the following media types are accepted: {listed}" in text


def test_a_bookmark_of_tables_is_a_row_without_content() -> None:
    accept = "application/json;as=Table;v=v1;g=meta.k8s.io"
    _, data = watch(accept, "&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan")
    added, bookmark = map(orjson.loads, data.splitlines())
    assert added["object"]["columnDefinitions"]
    table = bookmark["object"]
    assert (bookmark["type"], table["kind"], table["columnDefinitions"]) == ("BOOKMARK", "Table", None)
    meta = {"annotations": {"k8s.io/initial-events-end": "true"}, **table["metadata"]}
    row = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
    assert table["rows"] == [{"cells": ["", 0, "<unknown>"], "object": row}]
