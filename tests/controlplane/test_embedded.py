"""A control plane inside a program: no port, no files, nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
import urllib.request
import warnings
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

import wherry
from wherry import ControlPlane
from wherry.client import Kind
from wherry.controlplane.blocking import BlockingControlPlane
from wherry.errors import AlreadyExists, Forbidden, NotFound
from wherry.server.http import Handler, Request, Response

MAPS = Kind("", "v1", "configmaps")
WORKSPACES = Kind("tenancy.kcp.io", "v1alpha1", "workspaces", namespaced=False)


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


@pytest.fixture(scope="module")
def cp() -> Iterator[BlockingControlPlane]:
    with ControlPlane() as running:
        yield running


def test_it_is_imported_when_it_is_asked_for() -> None:
    assert wherry.ControlPlane is ControlPlane
    with pytest.raises(AttributeError, match="nothing"):
        _ = wherry.nothing  # type: ignore[attr-defined]


def test_objects_come_and_go_without_a_port(cp: BlockingControlPlane) -> None:
    client = cp.client()
    made = client.create(MAPS, config_map("a", x="1"), "default")
    with pytest.raises(AlreadyExists):
        client.create(MAPS, config_map("a"), "default")
    assert client.patch(MAPS, "a", {"data": {"x": "2"}}, "default")["data"] == {"x": "2"}
    assert client.get(MAPS, "a", "default")["metadata"]["uid"] == made["metadata"]["uid"]
    client.delete(MAPS, "a", "default")
    with pytest.raises(NotFound):
        client.get(MAPS, "a", "default")
    assert cp.url == ""


def test_a_watch_is_an_iterator(cp: BlockingControlPlane) -> None:
    client = cp.client()
    revision = client.list(MAPS, "default")["metadata"]["resourceVersion"]
    client.create(MAPS, config_map("watched"), "default")
    with closing(client.watch(MAPS, "default", resourceVersion=revision)) as events:  # type: ignore[type-var]
        event, obj = next(events)
    assert (event, obj["metadata"]["name"]) == ("ADDED", "watched")
    ended = client.watch(MAPS, "default", resourceVersion=revision, timeoutSeconds="1", fieldSelector="metadata.name=x")
    assert list(ended) == []


def test_callers_pass_the_door(cp: BlockingControlPlane) -> None:
    with pytest.raises(Forbidden, match='User "jane" cannot list resource "configmaps"'):
        cp.client(user="jane").list(MAPS, "default")


def test_workspaces_are_reached_by_path(cp: BlockingControlPlane) -> None:
    team = {"apiVersion": "tenancy.kcp.io/v1alpha1", "kind": "Workspace", "metadata": {"name": "team"}}
    cp.client().create(WORKSPACES, team)
    cp.client("root:team").create(MAPS, config_map("here"), "default")
    with pytest.raises(NotFound):
        cp.client().get(MAPS, "here", "default")


def test_manifests_are_applied_in_an_order_that_works(cp: BlockingControlPlane, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: first, namespace: shop}\n---\n# nothing\n---\n"
        "apiVersion: example.com/v1\nkind: Boat\nmetadata: {name: wherry}\n"
    )
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boats.example.com"},
        "spec": {
            "group": "example.com",
            "names": {"kind": "Boat", "plural": "boats"},
            "scope": "Namespaced",
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {"type": "object"}}}
            ],
        },
    }
    (tmp_path / "b").mkdir()
    (tmp_path / "b/crd.yml").write_text(yaml.safe_dump(definition))
    (tmp_path / "b/ns.json").write_text('{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"shop"}}')
    made = cp.apply(tmp_path)
    assert [obj["kind"] for obj in made] == ["CustomResourceDefinition", "Namespace", "ConfigMap", "Boat"]
    assert made[-1]["metadata"]["namespace"] == "default"
    again = cp.apply(str(tmp_path))
    assert again[2:] == made[2:]


@pytest.mark.parametrize("text", ["a: [\n", "just: text\n"])
def test_what_is_no_manifest_is_refused(cp: BlockingControlPlane, text: str) -> None:
    with pytest.raises(ValueError, match="the text: "):
        cp.apply(text)


@dataclass
class Switch:
    """Something that is on or off."""

    on: bool
    teams: list[str] = field(default_factory=list)


def test_a_class_becomes_a_kind(cp: BlockingControlPlane) -> None:
    kind = cp.register(Switch, "example.com", short_names=["sw"])
    switch = {"apiVersion": "example.com/v1", "kind": "Switch", "metadata": {"name": "s"}, "spec": {"on": True}}
    assert cp.client().create(kind, switch, "default")["spec"] == {"on": True, "teams": []}
    with pytest.raises(wherry.errors.Invalid, match=r"spec.on: Required value"):  # type: ignore[attr-defined]
        cp.client().create(kind, {**switch, "metadata": {"name": "t"}, "spec": {}}, "default")


def test_serving_comes_later(cp: BlockingControlPlane, tmp_path: Path) -> None:
    url = cp.serve()
    config = yaml.safe_load(cp.kubeconfig)
    assert config["clusters"][0]["cluster"]["server"] == url == cp.url
    assert cp.serve() == url
    assert cp.client().request("GET", "/version")["major"] == "1"


def test_the_root_has_its_controllers(cp: BlockingControlPlane) -> None:
    namespaces = Kind("", "v1", "namespaces", namespaced=False)
    client = cp.client()
    client.create(namespaces, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "brief"}})
    revision = client.delete(namespaces, "brief")["metadata"]["resourceVersion"]
    watch = client.watch(namespaces, resourceVersion=revision, fieldSelector="metadata.name=brief", timeoutSeconds="10")
    assert "DELETED" in (event for event, _ in watch)


def test_many_live_in_one_process() -> None:
    with ControlPlane() as one, ControlPlane() as other:
        one.client().create(MAPS, config_map("only-here"), "default")
        with pytest.raises(NotFound):
            other.client().get(MAPS, "only-here", "default")


def test_it_runs_in_the_loop_of_a_program() -> None:
    async def work() -> str:
        async with ControlPlane() as cp:
            await cp.client().create(MAPS, config_map("a"), "default")
            found = await cp.client().list(MAPS, "default")
            return str(found["items"][0]["metadata"]["name"])

    assert asyncio.run(work()) == "a"


def test_nothing_is_left_and_the_stop_is_quick() -> None:
    def held() -> set[str]:
        return set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()

    threads, files = threading.active_count(), held()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        plane = ControlPlane()
        with plane as cp:
            cp.serve()
            client = cp.client()
            client.create(MAPS, config_map("a"), "default")
            events = client.watch(MAPS, "default")
            next(events)
            began = time.perf_counter()
        took = time.perf_counter() - began
        events.close()  # type: ignore[attr-defined]
        gc.collect()
    assert threading.active_count() == threads
    assert held() <= files
    assert took < 0.5, took  # 0.1 on a quiet machine


def test_a_failed_start_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "format").write_text("99\n")
    threads = threading.active_count()
    with pytest.raises(wherry.storage.StorageError), ControlPlane(data_dir=tmp_path):  # type: ignore[attr-defined]
        raise AssertionError("it must not start")
    assert threading.active_count() == threads


def test_data_in_a_folder_is_there_again(tmp_path: Path) -> None:
    for expected in ([], ["kept"]):
        with ControlPlane(data_dir=tmp_path / "data") as cp:
            found = cp.client().list(MAPS, "default")["items"]
            assert [obj["metadata"]["name"] for obj in found] == expected
            if not found:
                cp.client().create(MAPS, config_map("kept"), "default")
    assert not (tmp_path / "data/kubeconfig").exists()


def test_a_wrap_sees_every_request() -> None:
    seen: list[str] = []

    def wrap(behind: Handler) -> Handler:
        async def handle(request: Request) -> Response:
            seen.append(f"{request.method} {request.path}")
            return await behind(request)

        return handle

    with ControlPlane(wrap=wrap) as cp:
        cp.client().get(Kind("", "v1", "namespaces", namespaced=False), "default")
        cp.serve()
        asked = urllib.request.Request(cp.url + "/version")
        with pytest.raises(OSError, match="certificate"):
            urllib.request.urlopen(asked, timeout=5)
    assert seen == ["GET /api/v1/namespaces/default"]


def test_it_is_mounted_and_starts_with_a_server() -> None:
    async def work() -> list[tuple[str, int]]:
        plane = ControlPlane()
        app = plane.asgi()
        answers = []

        async def ask(path: str) -> int:
            sent: list[dict[str, Any]] = []
            scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b""}
            token = f"Bearer {plane.token}".encode()
            scope |= {"headers": [(b"authorization", token)], "http_version": "1.1", "root_path": ""}

            async def receive() -> dict[str, Any]:
                return {"type": "http.request", "body": b"", "more_body": False}

            async def send(message: dict[str, Any]) -> None:
                sent.append(message)

            await app(scope, receive, send)
            return int(sent[0]["status"])

        heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        told: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        answers.append(("before", await ask("/api/v1/namespaces/default")))
        life = asyncio.create_task(app({"type": "lifespan"}, told.get, heard.put))
        await told.put({"type": "lifespan.startup"})
        answers.append(((await heard.get())["type"], await ask("/api/v1/namespaces/default")))
        await told.put({"type": "lifespan.shutdown"})
        answers.append(((await heard.get())["type"], await ask("/api/v1/namespaces/default")))
        await life
        return answers

    assert asyncio.run(work()) == [
        ("before", 503),
        ("lifespan.startup.complete", 200),
        ("lifespan.shutdown.complete", 503),
    ]
