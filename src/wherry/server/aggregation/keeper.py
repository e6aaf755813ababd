"""Looks after APIServices that lead elsewhere: are the servers there, and what do they serve
(kube-aggregator/pkg/controllers/status/remote, pkg/apiserver/handler_discovery.go, pkg/controllers/openapi*).

A look is a few requests, made when the APIService, its Service or the endpoints change, after a failure with growing
pauses, and every half minute.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from wherry import errors
from wherry.access.user import User
from wherry.access.webhooks import Target, WebhookError
from wherry.errors import go_quote
from wherry.kit.aio import Background
from wherry.machinery.aggregation import Remote, aggregated, from_legacy, name_of
from wherry.runtime.queue import WorkQueue
from wherry.server.aggregation.proxy import DOCUMENTS, identity_headers, target
from wherry.server.aggregation.wire import Unreachable
from wherry.store.registry import ROOT

if TYPE_CHECKING:
    from wherry.server.aggregation.table import Aggregation

log = logging.getLogger("wherry.server")

Obj = dict[str, Any]
GroupVersion = tuple[str, str]
RESYNC = 30.0
PROBE_SECONDS, TRIES = 5.0, 5
MAX_DOCUMENT = 16 << 20
WORKERS = 4
AGGREGATOR = User("system:kube-aggregator", groups=("system:masters",))
_DISCOVERY = ",".join(
    f"application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList" for version in ("v2", "v2beta1")
)


class _Bad(Exception):
    """Why an APIService is not available: a reason and a message."""

    def __init__(self, reason: str, message: str, status: str = "False"):
        super().__init__(message)
        self.reason, self.message, self.status = reason, message, status


@dataclass(slots=True)
class _Known:
    """What a server said when it was last asked."""

    entries: tuple[Obj, ...] = ()
    fresh: bool = False
    hashes: dict[str, str] = field(default_factory=dict)  # OpenAPI v3, by path
    spec: Obj = field(default_factory=dict)  # what it adds to OpenAPI v2


class Keeper:
    """One per Aggregation."""

    def __init__(self, aggregation: Aggregation):
        self._all = aggregation
        self._queue = WorkQueue()
        self._known: dict[GroupVersion, _Known] = {}
        self._tasks = Background("aggregation")
        for number in range(WORKERS):
            self._tasks.start(self._work(), name=f"worker {number}")

    async def stop(self) -> None:
        self._queue.close()
        await self._tasks.stop()

    def look(self, key: GroupVersion) -> None:
        """Look at an APIService as soon as possible."""
        self._queue.add(key)

    def behind(self, key: str) -> None:
        """A Service, Endpoints or EndpointSlice changed: look at the APIServices of its namespace."""
        namespace = key.split("/")[4]
        for gv, obj in self._all.remotes.items():
            if obj["spec"]["service"]["namespace"] == namespace:
                self._queue.add(gv)

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            assert isinstance(key, tuple)
            failed = False
            try:
                failed = not await self._look(key)
            except errors.StatusError as error:
                failed = True
                log.info("APIService %s: %s", name_of(*key), error.message)
            except Exception:
                failed = True
                log.exception("APIService %s", name_of(*key))
            self._queue.done(key, failed=failed)
            if not failed and key in self._all.remotes:
                self._queue.add_after(key, RESYNC)

    async def _look(self, key: GroupVersion) -> bool:
        """One look. False when it should be repeated soon."""
        obj = self._all.remotes.get(key)
        if obj is None:
            if self._known.pop(key, None) is not None:
                self._all.documents.forget(ROOT)
            return True
        probed = False
        try:
            self._check_service(obj)
            probed = True
            where = await self._probe(key, obj)
        except _Bad as bad:
            await self._say(key, bad.status, bad.reason, bad.message)
            self._note(key, None)
            return not probed
        await self._say(key, "True", "Passed", "all checks passed")
        self._note(key, await self._ask(key, where))
        return True

    # --- availability ------------------------------------------------------------------------------------------------
    def _check_service(self, obj: Obj) -> None:
        """Raises _Bad for a Service that leads nowhere."""
        wanted = obj["spec"]["service"]
        namespace, name, port = wanted["namespace"], wanted["name"], int(wanted.get("port") or 443)
        shown = f'service/{name} in "{namespace}"'
        service = self._stored(f"core/services/{namespace}/{name}")
        if service is None:
            raise _Bad("ServiceNotFound", f"{shown} is not present")
        spec = service["spec"]
        if spec.get("type", "ClusterIP") != "ClusterIP":
            return
        found = next((p for p in spec.get("ports") or () if p["port"] == port), None)
        if found is None:
            raise _Bad("ServicePortError", f"{shown} is not listening on port {port}")
        port_name = found.get("name") or ""
        try:
            self._all.outgoing.resolve(namespace, name, port)
        except WebhookError:
            if not self._any_endpoints(namespace, name):
                raise _Bad("EndpointsNotFound", f"cannot find endpointslices for {shown}") from None
            text = f"endpointslices for {shown} have no addresses with port name {go_quote(port_name)}"
            raise _Bad("MissingEndpoints", text) from None

    def _any_endpoints(self, namespace: str, name: str) -> bool:
        prefix = f"/{ROOT}/discovery.k8s.io/endpointslices/{namespace}/"
        for record in self._all.store.storage.range(prefix).records:
            labels = orjson.loads(record.value)["metadata"].get("labels") or {}
            if labels.get("kubernetes.io/service-name") == name:
                return True
        return self._stored(f"core/endpoints/{namespace}/{name}") is not None

    def _stored(self, where: str) -> Obj | None:
        record = self._all.store.storage.get(f"/{ROOT}/{where}")
        return None if record is None else orjson.loads(record.value)

    async def _probe(self, key: GroupVersion, obj: Obj) -> Target:
        """Where the server answers its discovery. Raises _Bad when it does at none of its endpoints."""
        path = _path(key)
        last = ""
        for _ in range(TRIES):
            try:
                where = target(self._all, obj)
            except WebhookError as nowhere:
                raise _Bad("FailedDiscoveryCheck", str(nowhere)) from None
            url = f"https://{_host(where)}{path}"
            try:
                async with asyncio.timeout(PROBE_SECONDS):
                    status, _, _ = await self._get(where, path, "*/*", AGGREGATOR)
                if 200 <= status < 300:
                    return where
                last = f"bad status from {url}: {status}"
            except TimeoutError:
                late = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                last = f"Get {go_quote(url)}: {late}"
            except Unreachable as error:
                last = f"Get {go_quote(url)}: {error}"
            last = f"failing or missing response from {url}: {last}"
        raise _Bad("FailedDiscoveryCheck", last)

    async def _say(self, key: GroupVersion, status: str, reason: str, message: str) -> None:
        """The condition Available."""
        from wherry.store.context import WriteContext
        from wherry.store.update import commit

        d = self._all.registry.find(ROOT, "apiregistration.k8s.io", "v1", "apiservices")
        assert d is not None
        now = self._all.store.now()
        wanted = {"type": "Available", "status": status, "reason": reason, "message": message}

        def said(live: Obj) -> Obj:
            conditions = list((live.get("status") or {}).get("conditions") or ())
            old = next((c for c in conditions if c["type"] == "Available"), None)
            if old is not None and {**old, "lastTransitionTime": ""} == {**wanted, "lastTransitionTime": ""}:
                return live
            same = old is not None and old["status"] == status
            since = old["lastTransitionTime"] if old is not None and same else now
            others = [c for c in conditions if c["type"] != "Available"]
            return {**live, "status": {"conditions": [*others, {**wanted, "lastTransitionTime": since}]}}

        try:
            await commit(self._all.store, d, "", name_of(*key), said, WriteContext(manager="kube-apiserver"), "status")
        except errors.NotFound:
            return  # gone meanwhile

    # --- what it serves ----------------------------------------------------------------------------------------------
    def _note(self, key: GroupVersion, known: _Known | None) -> None:
        before = self._known.get(key)
        if known is None:  # not there now: what it served is still worth telling
            known = _Known(before.entries, False, before.hashes, before.spec) if before is not None else _Known()
        if known != before:
            self._known[key] = known
            self._all.documents.forget(ROOT)

    async def _ask(self, key: GroupVersion, where: Target) -> _Known:
        before = self._known.get(key) or _Known()
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                entries = await self._resources(key, where)
        except (Unreachable, TimeoutError, ValueError, KeyError, TypeError):
            return _Known(before.entries, False, before.hashes, before.spec)
        try:
            async with asyncio.timeout(2 * PROBE_SECONDS):
                hashes, spec = await self._openapi(key, where, before)
        except (Unreachable, TimeoutError, ValueError, KeyError, TypeError, AttributeError):
            hashes, spec = before.hashes, before.spec
        return _Known(entries, True, hashes, spec)

    async def _resources(self, key: GroupVersion, where: Target) -> tuple[Obj, ...]:
        """In the aggregated form if the server knows it, else in the old one. Raises ValueError."""
        status, media, body = await self._get(where, "/apis", _DISCOVERY, AGGREGATOR)
        if status == 200 and "as=APIGroupDiscoveryList" in media:
            return aggregated(orjson.loads(body)).get(key, ())
        plain = User(AGGREGATOR.name)
        status, _, body = await self._get(where, _path(key), "application/json", plain)
        if status != 200:
            raise ValueError(f"discovery was answered with {status}")
        return from_legacy(orjson.loads(body))

    async def _openapi(self, key: GroupVersion, where: Target, before: _Known) -> tuple[dict[str, str], Obj]:
        """Hashes of v3, and v2 anew where those are others (or there are none)."""
        own = _path(key)[1:]
        hashes: dict[str, str] = {}
        status, _, body = await self._get(where, "/openapi/v3", "application/json", DOCUMENTS)
        if status == 200:
            for path, entry in (orjson.loads(body).get("paths") or {}).items():
                if path == own:
                    hashes[path] = entry["serverRelativeURL"].partition("?hash=")[2] or "none"
        if before.fresh and hashes and hashes == before.hashes:
            return hashes, before.spec
        status, _, body = await self._get(where, "/openapi/v2", "application/json", DOCUMENTS)
        return hashes, _part_of(orjson.loads(body), f"/{own}/") if status == 200 else {}

    async def _get(self, where: Target, path: str, accept: str, user: User) -> tuple[int, str, bytes]:
        """Status, media type and body. Raises Unreachable."""
        headers = [("host", _host(where)), ("accept", accept), ("user-agent", "wherry"), *identity_headers(user)]
        wires = self._all.wires()
        answer = await wires.ask(where, "GET", path, headers)
        try:
            body, size = [], 0
            async for piece in answer.pieces():
                body.append(piece)
                size += len(piece)
                if size > MAX_DOCUMENT:
                    raise Unreachable(f"the answer to {path} is longer than {MAX_DOCUMENT} bytes")
        except ConnectionError as broken:
            raise Unreachable(str(broken)) from None
        finally:
            wires.done(where, answer)
        media = next((value for name, value in answer.headers if name == "content-type"), "")
        return answer.status, media, b"".join(body)

    # --- for documents -----------------------------------------------------------------------------------------------
    def served(self) -> Sequence[Remote]:
        """What discovery says of the others."""
        found = []
        for (group, version), obj in self._all.remotes.items():
            spec, known = obj["spec"], self._known.get((group, version)) or _Known()
            priorities = int(spec["groupPriorityMinimum"]), int(spec["versionPriority"])
            found.append(Remote(group, version, *priorities, known.entries, known.fresh))
        return found

    def specs(self) -> tuple[Mapping[str, str], Sequence[Obj]]:
        """OpenAPI of the others: hashes of v3 by path, and what they add to v2."""
        there = [known for key, known in self._known.items() if key in self._all.remotes]
        hashes = {path: digest for known in there for path, digest in known.hashes.items()}
        return hashes, [known.spec for known in there if known.spec]


def _path(key: GroupVersion) -> str:
    group, version = key
    return f"/apis/{group}/{version}" if group else f"/api/{version}"


def _host(where: Target) -> str:
    return f"[{where.host}]:{where.port}" if ":" in where.host else f"{where.host}:{where.port}"


def _part_of(spec: Obj, prefix: str) -> Obj:
    """The paths of one group version, with the definitions and parameters that they lead to."""
    paths = {path: item for path, item in (spec.get("paths") or {}).items() if path.startswith(prefix)}
    found: Obj = {"paths": paths, "definitions": {}, "parameters": {}}
    left = list(_references(paths))
    while left:
        kind, name = left.pop()
        entry = (spec.get(kind) or {}).get(name)
        if entry is not None and kind in found and name not in found[kind]:
            found[kind][name] = entry
            left += _references(entry)
    return found


def _references(value: Any) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    todo = [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            ref = each.get("$ref")
            if isinstance(ref, str) and ref.startswith("#/") and ref.count("/") == 2:
                _, kind, name = ref.split("/")
                found.append((kind, name))
            todo.extend(each.values())
        elif isinstance(each, list):
            todo.extend(each)
    return found
