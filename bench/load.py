"""The scenarios: what is done to a server, in which order, how often.

Each function takes the pool of connections and the plan and yields results. They leave the server as they found it
as far as objects go, so that rounds can follow each other on a server that stays up.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from bench.http import Connection
from bench.measure import Pool, Result, run, summary
from bench.objects import GROUP, configmap, definition, dump, widget
from bench.procfs import cpu_seconds, memory_mib

MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
NAMESPACE = "bench"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
WIDGETS = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/widgets"


@dataclass(frozen=True)
class Plan:
    """How much of everything."""

    alone: int = 500  # operations at concurrency 1
    crowd: int = 3_000  # operations at higher concurrency
    concurrencies: tuple[int, ...] = (1, 16, 64)
    lists: tuple[int, ...] = (1_000, 10_000)
    list_repeats: int = 10
    watchers: tuple[int, ...] = (1, 100, 1_000)
    deliveries: int = 40_000  # events to deliver in total per watch measurement, within 40 and 1,000 changes
    definitions: int = 5


QUICK = Plan(
    alone=150,
    crowd=640,
    concurrencies=(1, 16),
    lists=(1_000,),
    list_repeats=5,
    watchers=(1, 50),
    deliveries=4_000,
    definitions=2,
)


async def _make(pool: Pool, path: str, thing: dict[str, Any], allowed: tuple[int, ...] = (200, 201, 409)) -> bytes:
    status, body = await pool.ask(pool.target.request("POST", path, dump(thing)))
    if status not in allowed:
        raise RuntimeError(f"POST {path}: {status} {body[:300]!r}")
    return body


async def prepare(pool: Pool) -> None:
    """The namespace that the scenarios need."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    await _make(pool, "/api/v1/namespaces", namespace)


async def _define(pool: Pool) -> None:
    """The custom resource, served."""
    await _make(pool, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition())
    await _until(pool, f"/apis/{GROUP}/v1/widgets")


async def _until(pool: Pool, path: str, seconds: float = 30) -> None:
    request = pool.target.request("GET", path)
    end = time.monotonic() + seconds
    while (await pool.ask(request))[0] >= 400:
        if time.monotonic() > end:
            raise RuntimeError(f"{path} is not served after {seconds} s")
        await asyncio.sleep(0.02)


# --- one object at a time ---------------------------------------------------------------------------------------------


async def configmaps(pool: Pool, plan: Plan) -> AsyncIterator[Result]:
    patch = lambda number: {"data": {"number": str(number + 1)}}  # noqa: E731
    async for result in _verbs(pool, plan, "configmap", MAPS, configmap, patch):
        yield result


async def customs(pool: Pool, plan: Plan) -> AsyncIterator[Result]:
    await _define(pool)
    patch = lambda number: {"spec": {"size": number + 1}}  # noqa: E731
    async for result in _verbs(pool, plan, "custom resource", WIDGETS, widget, patch):
        yield result


async def _verbs(
    pool: Pool,
    plan: Plan,
    label: str,
    path: str,
    make: Callable[[str, str, int], dict[str, Any]],
    patch: Callable[[int], dict[str, Any]],
) -> AsyncIterator[Result]:
    request = pool.target.request
    for concurrency in plan.concurrencies:
        count = plan.alone if concurrency == 1 else plan.crowd
        names = [f"{label[:2]}-{concurrency}-{i}" for i in range(count)]
        bodies = [make(NAMESPACE, name, i) for i, name in enumerate(names)]
        creates = [request("POST", path, dump(body)) for body in bodies]
        yield await run(pool, f"{label}: create", concurrency, creates)
        yield await run(pool, f"{label}: get", concurrency, [request("GET", f"{path}/{name}") for name in names])
        stored = {item["metadata"]["name"]: item for item in await _items(pool, path)}
        updates = []
        for name in names:
            item = stored.get(name)
            if item is not None:
                item["metadata"].setdefault("labels", {})["updated"] = "yes"
                updates.append(request("PUT", f"{path}/{name}", dump(item)))
        yield await run(pool, f"{label}: update", concurrency, updates)
        patches = [request("PATCH", f"{path}/{name}", dump(patch(i)), MERGE) for i, name in enumerate(names)]
        yield await run(pool, f"{label}: patch", concurrency, patches)
        yield await run(pool, f"{label}: delete", concurrency, [request("DELETE", f"{path}/{name}") for name in names])


async def _items(pool: Pool, path: str) -> list[dict[str, Any]]:
    status, body = await pool.ask(pool.target.request("GET", path))
    if status != 200:
        raise RuntimeError(f"GET {path}: {status} {body[:300]!r}")
    items: list[dict[str, Any]] = json.loads(body)["items"]
    return items


# --- lists ------------------------------------------------------------------------------------------------------------


async def lists(pool: Pool, plan: Plan) -> AsyncIterator[Result]:
    request = pool.target.request
    for size in plan.lists:
        namespace = f"bench-list-{size}"
        await _make(
            pool, "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
        )
        path = f"/api/v1/namespaces/{namespace}/configmaps"
        bodies = [configmap(namespace, f"cm-{i:05d}", i, picked=i % 100 == 0) for i in range(size)]
        filling = await run(pool, f"list {size}: filling", 32, [request("POST", path, dump(body)) for body in bodies])
        if filling.errors:
            yield filling
        many = plan.list_repeats if size >= 5_000 else 2 * plan.list_repeats
        yield await run(pool, f"list {size}: full", 1, [request("GET", path)] * many)
        yield await run(
            pool, f"list {size}: selector for 1 %", 1, [request("GET", f"{path}?labelSelector=picked%3Dyes")] * many
        )
        yield await run(pool, f"list {size}: table", 1, [request("GET", path, accept=TABLE)] * many)
        yield await _pages(pool, size, path, many)
        memory = memory_mib(pool.target.pids)
        if memory["now"]:
            yield Result(
                f"memory with {size} ConfigMaps, MiB", 1, 1, 0, 0, 0, memory["now"], memory["now"], memory["peak"], None
            )
        status, _ = await pool.ask(request("DELETE", path))
        if status >= 400:
            raise RuntimeError(f"DELETE {path}: {status}")


async def _pages(pool: Pool, size: int, path: str, repeats: int) -> Result:
    """A walk through the list in pages of 500; one operation is one page."""
    connection = (await pool.take(1))[0]
    latencies: list[float] = []
    cpu, begin = cpu_seconds(pool.target.pids), time.perf_counter()
    for _ in range(repeats):
        token = ""
        for _ in range(size // 500 + 2):
            start = time.perf_counter()
            status, body = await connection.ask(pool.target.request("GET", f"{path}?limit=500{token}"))
            latencies.append(time.perf_counter() - start)
            if status != 200:
                raise RuntimeError(f"page of {path}: {status} {body[:300]!r}")
            # The list's own metadata stands before or after the items; parsing 500 items would cost more than serving.
            found = _continue(body)
            if not found:
                break
            token = f"&continue={found}"
    seconds, cpu = time.perf_counter() - begin, cpu_seconds(pool.target.pids) - cpu
    return summary(f"list {size}: page of 500", 1, latencies, seconds, cpu if pool.target.pids else None)


def _continue(body: bytes) -> str:
    at = body.find(b'"continue":"')
    if at < 0:
        return ""
    return body[at + 12 : body.index(b'"', at + 12)].decode()


# --- watches ----------------------------------------------------------------------------------------------------------


async def watches(pool: Pool, plan: Plan) -> AsyncIterator[Result]:
    """Watchers on one namespace while ConfigMaps change; one operation is one event delivered to one watcher."""
    for count in plan.watchers:
        changes = max(40, min(1_000, plan.deliveries // count))
        yield await _watch(pool, count, changes)


class _Watcher:
    """Counts the events that arrive, and when the last one came."""

    def __init__(self, wanted: int, done: Callable[[], None]):
        self.left = wanted
        self._done = done

    def on_chunk(self, chunk: bytes) -> None:
        before = self.left
        self.left -= chunk.count(b"\n")
        if before > 0 >= self.left:
            self._done()


async def _watch(pool: Pool, count: int, changes: int) -> Result:
    target = pool.target
    path = MAPS
    _, body = await pool.ask(target.request("GET", f"{path}?limit=1"))
    version = json.loads(body)["metadata"]["resourceVersion"]
    all_there = asyncio.Event()
    open_watchers = count

    def done() -> None:
        nonlocal open_watchers
        open_watchers -= 1
        if not open_watchers:
            all_there.set()

    request = target.request("GET", f"{path}?watch=true&resourceVersion={version}&timeoutSeconds=600")
    watchers = [_Watcher(changes, done) for _ in range(count)]
    connections: list[Connection] = []
    failures = 0
    try:
        for start in range(0, count, 16):
            some = watchers[start : start + 16]
            fresh = await asyncio.gather(*(target.connect() for _ in some))
            connections += fresh
            pairs = zip(fresh, some, strict=True)
            statuses = await asyncio.wait_for(asyncio.gather(*(c.begin(request, w.on_chunk) for c, w in pairs)), 60)
            failures += sum(status != 200 for status in statuses)
        bodies = [dump(configmap(NAMESPACE, f"watched-{count}-{i}", i)) for i in range(changes)]
        cpu, begin = cpu_seconds(target.pids), time.perf_counter()
        writes = await run(pool, "", 4, [target.request("POST", path, body) for body in bodies])
        try:
            await asyncio.wait_for(all_there.wait(), 120)
        except TimeoutError:
            failures += sum(watcher.left > 0 for watcher in watchers)
        seconds, cpu = time.perf_counter() - begin, cpu_seconds(target.pids) - cpu
    finally:
        for connection in connections:
            connection.close()
    await asyncio.sleep(0.2)
    names = [f"watched-{count}-{i}" for i in range(changes)]
    await run(pool, "", 16, [target.request("DELETE", f"{path}/{name}") for name in names])
    delivered = count * changes
    return Result(
        scenario=f"watch: {count} watchers",
        concurrency=4,
        operations=delivered,
        errors=failures + writes.errors,
        seconds=seconds,
        rate=delivered / seconds,
        p50=writes.p50,
        p90=writes.p90,
        p99=writes.p99,
        cpu_ms=cpu * 1000 / delivered if target.pids else None,
        note=f"{changes} creates; CPU includes them; percentiles are of the creates",
    )


# --- definitions ------------------------------------------------------------------------------------------------------


async def first_objects(pool: Pool, plan: Plan) -> AsyncIterator[Result]:
    """From the POST of a definition to the first object of its kind."""
    latencies: list[float] = []
    target = pool.target
    cpu, begin = cpu_seconds(target.pids), time.perf_counter()
    for i in range(plan.definitions):
        thing = definition(f"firsts{i}s", f"First{i}")
        path = f"/apis/{GROUP}/v1/namespaces/{NAMESPACE}/firsts{i}s"
        body = widget(NAMESPACE, "first") | {"kind": f"First{i}"}
        create = target.request("POST", path, dump(body))
        start = time.perf_counter()
        await _make(pool, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", thing)
        while (await pool.ask(create))[0] not in (200, 201):
            if time.perf_counter() - start > 30:
                raise RuntimeError(f"no object of {path} after 30 s")
            await asyncio.sleep(0.005)
        latencies.append(time.perf_counter() - start)
    seconds, cpu = time.perf_counter() - begin, cpu_seconds(target.pids) - cpu
    for i in range(plan.definitions):
        name = f"firsts{i}s.{GROUP}"
        await pool.ask(target.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"))
    yield summary("definition to first object", 1, latencies, seconds, cpu if target.pids else None)


SCENARIOS: dict[str, Callable[[Pool, Plan], AsyncIterator[Result]]] = {
    "configmaps": configmaps,
    "customs": customs,
    "lists": lists,
    "watches": watches,
    "definitions": first_objects,
}
